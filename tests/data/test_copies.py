"""Near copies: the same picture, brighter, darker or compressed again, and no other."""

import torch

from vaelib import drawn
from vaelib.data import copies
from vaelib.data.common import Dataset, ImageSet


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n, seed, side=16):
    """Images of noise that is smooth enough to be changed a little and stay the same."""
    coarse = torch.rand(n, 1, 4, 4, generator=gen(seed))
    fine = torch.nn.functional.interpolate(coarse, size=side, mode="bilinear").flatten(1)
    return images((40 + 150 * fine).byte(), side)


def images(pixels, side=16):
    return ImageSet(pixels, torch.zeros(len(pixels), dtype=torch.int64), (1, side, side))


def changed(part):
    """The same pictures with less contrast, brighter, and with a little noise."""
    x = 60 + 0.5 * part.pixels.float()
    return images((x + 2 * torch.randn(x.shape, generator=gen(9))).byte())


def together(*parts):
    return images(torch.cat([part.pixels for part in parts]))


def test_correlation_matches_its_definition_and_is_invariant_to_contrast():
    a, b = pictures(4, 0), pictures(3, 1)
    expected = torch.corrcoef(torch.cat([a.x, b.x]))[:4, 4:]
    torch.testing.assert_close(copies.correlations(a, b), expected, atol=1e-5, rtol=0)
    assert (copies.correlations(a, changed(a)).diagonal() > 0.97).all()
    flat = images(torch.full((1, 256), 7, dtype=torch.uint8))
    assert copies.correlations(flat, a).abs().max() == 0


def test_large_images_are_compared_at_64_pixels():
    a = pictures(3, 0, side=128)
    assert copies.correlations(a, a).diagonal().sub(1).abs().max() < 1e-5


def test_near_duplicates_stay_once_in_the_test_set_and_leave_training():
    a, b, c = pictures(5, 0), pictures(4, 1), pictures(6, 2)
    test = together(a, changed(a)[:2], b)
    train = together(c, changed(a)[2:4], changed(c))
    clean = copies.without_copies(Dataset("x", train, test))
    assert clean.test.pixels.equal(torch.cat([a.pixels, b.pixels]))
    assert clean.train.pixels.equal(torch.cat([c.pixels, changed(c).pixels]))
    assert "2 + 2 near copies" in clean.notes[-1]
    assert copies.correlations(clean.train, clean.test).max() < copies.LEVEL


def test_a_chain_of_near_duplicates_is_one_group_and_is_not_split():
    a, b = pictures(8, 0), pictures(8, 1)
    part = together(a, changed(a), b)
    group = copies.groups(part)
    assert group[:8].equal(group[8:16])
    assert len(group.unique()) == 16
    kept, held = copies.apart(part, 5)
    assert len(kept) + len(held) == len(part)
    assert 5 <= len(held) <= 6
    assert copies.correlations(kept, held).max() < copies.LEVEL


def test_phantoms_are_not_identical():
    part = drawn.phantoms(20, size=32, lesion=None).images
    assert len(set(map(bytes, part.pixels.numpy()))) == 20
