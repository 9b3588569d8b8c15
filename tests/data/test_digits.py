"""The bundled digits: their shape, range and fixed split."""

import hashlib

import pytest
import torch

from vaelib.data import DataError, digits


@pytest.mark.parametrize("side", [28, 8])
def test_digits_have_the_promised_shape_and_range(side):
    images = digits(side)
    assert (len(images.train), len(images.test)) == (1437, 360)
    for part in (images.train, images.test):
        assert part.shape == (1, side, side)
        assert part.pixels.shape == (len(part), side * side)
        assert part.pixels.dtype == torch.uint8
        assert part.pixels.min() == 0
        assert part.pixels.max() == 255
        assert 0 <= part.x.min() <= part.x.max() <= 1


def test_classes_are_balanced_in_both_parts():
    images = digits()
    for part in (images.train, images.test):
        counts = part.labels.bincount(minlength=10)
        assert counts.min() > 0.9 * len(part) / 10
        assert counts.max() < 1.1 * len(part) / 10


def test_every_image_is_in_exactly_one_part():
    from sklearn.datasets import load_digits

    images = digits(side=8)
    both = torch.cat([images.train.pixels, images.test.pixels])
    original = torch.from_numpy(load_digits().images).div(16).mul(255).round().flatten(1)
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, original.int().tolist()))
    assert not set(map(tuple, images.train.pixels.tolist())) & set(
        map(tuple, images.test.pixels.tolist())
    )


def test_both_sizes_are_the_same_images_in_the_same_order():
    small, large = digits(8), digits(28)
    assert small.test.labels.equal(large.test.labels)
    inner = large.test.x.view(-1, 1, 28, 28)[..., 4:24, 4:24]
    shrunk = torch.nn.functional.interpolate(inner, size=(8, 8), mode="area").flatten(1)
    both = torch.stack([shrunk.flatten(), small.test.x.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.95


def test_large_digits_are_centered_with_the_margin_of_mnist():
    x = digits().train.x.view(-1, 28, 28)
    frame = torch.ones(28, 28, dtype=torch.bool)
    frame[4:24, 4:24] = False
    assert x[:, frame].eq(0).all()
    assert x.mean(0)[4].max() > 0.05
    assert x.mean(0)[23].max() > 0.05


def test_the_split_never_changes():
    """Numbers in the book would change with it: a new split must be a decision."""
    content = hashlib.sha256(digits(8).test.pixels.numpy().tobytes()).hexdigest()
    assert content.startswith("ac6ada28192bd51a")


def test_other_sizes_are_refused():
    with pytest.raises(DataError, match="side is 16, expected 8"):
        digits(side=16)
