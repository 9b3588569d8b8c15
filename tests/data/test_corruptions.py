"""Corruptions: the right moments, the right pixels, a refusal of what makes no sense."""

import math

import pytest
import torch

from vaelib.data import DataError
from vaelib.data import corruptions as c
from vaelib.runtime import generator

N = 200_000


def test_gaussian_noise_has_the_stated_level_and_leaves_the_unit_range():
    x = torch.full((N,), 0.25)
    noise = c.gaussian_noise(x, 0.4, generator(0)) - x
    assert abs(noise.mean()) < 6 * 0.4 / math.sqrt(N)
    assert abs(noise.std() - 0.4) < 6 * 0.4 / math.sqrt(2 * N)
    below = (x + noise < 0).float().mean().item()
    exact = 0.5 * math.erfc(0.25 / 0.4 / math.sqrt(2))
    assert abs(below - exact) < 6 * math.sqrt(exact * (1 - exact) / N)
    assert abs(below - 0.5) > 6 * math.sqrt(0.25 / N), "the test can tell a wrong level"


def test_no_noise_changes_nothing():
    x = torch.rand(5, 7)
    assert torch.equal(c.gaussian_noise(x, 0.0, generator(0)), x)
    assert torch.equal(c.salt_and_pepper(x, 0.0, generator(0)), x)
    assert c.random_mask((5, 7), 0.0, generator(0)).all()
    assert not c.random_mask((5, 7), 1.0, generator(0)).any()


def test_salt_and_pepper_replaces_the_stated_share_half_white_half_black():
    spoiled = c.salt_and_pepper(torch.full((N,), 0.5), 0.15, generator(0))
    assert set(spoiled.unique().tolist()) == {0.0, 0.5, 1.0}
    for value in (0.0, 1.0):
        share = (spoiled == value).float().mean().item()
        assert abs(share - 0.075) < 6 * math.sqrt(0.075 * 0.925 / N)
    assert abs((spoiled == 1).float().mean() - 0.15) > 6 * math.sqrt(0.075 * 0.925 / N)


def test_a_random_mask_removes_the_stated_share_independently():
    seen = c.random_mask((1000, 200), 0.3, generator(0))
    assert abs(seen.float().mean() - 0.7) < 6 * math.sqrt(0.21 / N)
    of_pixels = seen.float().mean(0)  # no pixel is spared
    assert (of_pixels - 0.7).abs().max() < 6 * math.sqrt(0.21 / 1000)


@pytest.mark.parametrize("name", c.BLOCKS)
def test_a_half_is_a_half(name):
    seen = c.half_mask(28, name)
    assert seen.sum() == 392
    corner = {"left": (13, 3), "right": (13, 20), "top": (3, 13), "bottom": (20, 13)}[name]
    assert not seen.view(28, 28)[corner]


def test_opposite_halves_complete_each_other():
    assert torch.equal(c.half_mask(9, "left"), ~c.half_mask(9, "right"))
    assert torch.equal(c.half_mask(9, "top"), ~c.half_mask(9, "bottom"))


def test_quadrants_are_added_one_by_one():
    masks = [c.quadrant_mask(28, n) for n in (1, 2, 3)]
    assert [m.sum().item() for m in masks] == [588, 392, 196]
    assert torch.equal(masks[1], c.half_mask(28, "bottom"))
    assert masks[2].view(28, 28)[:14, :14].all()
    assert not (masks[2] & ~masks[0]).any()


@pytest.mark.parametrize(
    "ask",
    [
        lambda g: c.gaussian_noise(torch.zeros(2), -0.1, g),
        lambda g: c.gaussian_noise(torch.zeros(2), math.nan, g),
        lambda g: c.salt_and_pepper(torch.zeros(2), 1.5, g),
        lambda g: c.random_mask((2,), -0.1, g),
        lambda g: c.half_mask(28, "middle"),
        lambda g: c.quadrant_mask(28, 4),
    ],
)
def test_invalid_arguments_are_refused(ask):
    with pytest.raises(DataError, match="expected"):
        ask(generator(0))


def test_coarse_noise_changes_patches_of_tissue_and_no_black_pixel():
    x = torch.full((400, 16, 16), 0.5)
    x[:, :, :4] = 0
    spoiled = c.coarse_noise(x.flatten(1), (1, 16, 16), 0.2, generator(0)).view(-1, 16, 16)
    change = spoiled - x
    assert change[:, :, :4].abs().max() == 0
    assert spoiled.min() >= 0
    assert spoiled.max() <= 1
    alone = (change.abs().amax((1, 2)) == 0).float().mean().item()
    # a fifth is left alone, and so is an image none of whose 4 coarse places is struck: 0.7^4
    expected = 0.2 + 0.8 * 0.7**4
    assert abs(alone - expected) < 6 * math.sqrt(expected * (1 - expected) / len(x))
    assert change.mean().abs() < 6 * change.mean((1, 2)).std() / math.sqrt(len(x)), "no bias"
    touched = change[change.abs().amax((1, 2)) > 0][:, 8:, 4:]
    rough = (touched[:, 1:] - touched[:, :-1]).abs().mean()
    assert rough < 0.5 * touched.abs().mean(), "patches, not grains"


def test_coarse_noise_obeys_its_generator_and_its_strength():
    x = torch.full((50, 64), 0.5)
    one, two, other = (c.coarse_noise(x, (1, 8, 8), 0.2, generator(s)) for s in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    assert c.coarse_noise(x, (1, 8, 8), 0.0, generator(1)).equal(x)
    with pytest.raises(DataError, match="noise_std is -1"):
        c.coarse_noise(x, (1, 8, 8), -1, generator(1))
