"""Attribute directions for codes that are linear in the attributes, so the truth is exact."""

import math

import pytest
import torch

from vaelib.data.common import DataError
from vaelib.directions import (
    difference_of_means,
    keeps_identity,
    probe_normal,
    regression,
    shift,
    strength_for,
)

TRUTH = torch.tensor([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]])  # rows: male, beard


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def table(n=4000):
    """Proportions of CelebA: 41.7 % male, 16.5 % bearded, all of the bearded male."""
    male = torch.arange(n) < round(0.417 * n)
    beard = torch.arange(n) < round(0.165 * n)
    return torch.stack([male, beard], 1)


def codes(attributes, noise=0.0):
    eps = torch.randn(len(attributes), 3, generator=gen(1))
    return attributes.float() @ TRUTH + noise * eps


def test_a_difference_of_means_includes_correlated_attributes():
    attributes = table()
    found = difference_of_means(codes(attributes), attributes[:, 1])
    # E[male | beard] - E[male | no beard]: erratum 56
    leak = 1 - (0.417 - 0.165) / (1 - 0.165)
    assert leak == pytest.approx(0.698, abs=1e-3)
    torch.testing.assert_close(found, TRUTH[1] + leak * TRUTH[0], atol=1e-3, rtol=0)


def test_a_regression_on_all_attributes_separates_them():
    attributes = table()
    torch.testing.assert_close(regression(codes(attributes), attributes), TRUTH)
    noisy = regression(codes(attributes, noise=1.0), attributes)
    design = torch.cat([attributes.double(), torch.ones(len(attributes), 1).double()], 1)
    error = torch.linalg.inv(design.T @ design).diagonal()[:-1].sqrt()
    assert ((noisy - TRUTH).abs() < 6 * error[:, None]).all()
    means = difference_of_means(codes(attributes, noise=1.0), attributes[:, 1])
    assert (means - TRUTH[1]).abs().max() > 6 * error.max(), "the test has no power"


def test_linearly_dependent_attributes_are_refused():
    attributes = table()
    with pytest.raises(DataError, match=r"3 columns .* rank 2"):
        regression(codes(attributes), torch.stack([attributes[:, 0], ~attributes[:, 0]], 1))


def test_a_probe_of_two_spherical_clusters_points_from_one_to_the_other():
    n = 4000
    has = torch.arange(n) % 2 == 0
    apart = torch.tensor([1.2, 0.0, -0.9])
    mu = has[:, None] * apart + torch.randn(n, 3, generator=gen(2))
    found = probe_normal(mu, has)
    cosine = torch.cosine_similarity(found, apart, dim=0).item()
    # standard error of a weight about 2 / sqrt(n), of length 1.5: an angle of 0.02
    assert math.acos(min(1.0, cosine)) < 6 * 0.03
    scores = mu @ found / found.norm()
    gap = scores[has].mean() - scores[~has].mean()
    torch.testing.assert_close(found.norm(), gap, rtol=1e-4, atol=1e-4)


def test_a_probe_follows_a_correlated_attribute_less_than_the_means_do():
    """The correlated attribute adds no information, so a probe weights it less."""
    attributes = table()
    mu = codes(attributes, noise=0.3)
    beard = attributes[:, 1]
    across = torch.tensor([1.0, 0.0, 0.5]) / math.sqrt(1.25)  # the direction of male
    means, probe = difference_of_means(mu, beard), probe_normal(mu, beard)
    share = [(v @ across / v.norm()).abs().item() for v in (means, probe)]
    assert share[1] < 0.8 * share[0]


@pytest.mark.parametrize("has", [torch.zeros(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)])
def test_an_empty_class_is_refused(has):
    with pytest.raises(DataError, match="of 5 have it"):
        difference_of_means(torch.zeros(5, 2), has)


def test_edits_by_name_are_additive():
    directions = {"smile": TRUTH[0], "glasses": TRUTH[1]}
    z = torch.randn(4, 2, 3, generator=gen())
    found = shift(z, directions, {"glasses": 3.5, "smile": -1.0})
    torch.testing.assert_close(found, z - TRUTH[0] + 3.5 * TRUTH[1])
    assert shift(z, directions, {}).equal(z)
    with pytest.raises(DataError, match=r"no direction named 'smiel': did you mean smile\?"):
        shift(z, directions, {"smiel": 1.0})
    with pytest.raises(DataError, match="strength of smile is nan"):
        shift(z, directions, {"smile": math.nan})


def test_strength_for_finds_the_target_or_says_that_it_is_out_of_reach():
    assert strength_for(lambda s: 0.25 * s, 1.0) == pytest.approx(4.0, abs=1e-3)
    with pytest.raises(DataError, match=r"a strength of 6 reaches 1.5, not 5"):
        strength_for(lambda s: 0.25 * s, 5.0)


def test_strength_for_finds_the_smallest_strength_of_a_score_that_falls_again():
    """The score is not monotone, so bisection alone could find another crossing."""
    assert strength_for(lambda s: s * (4 - s), 3.0) == pytest.approx(1.0, abs=1e-3)


def test_a_face_keeps_its_identity_until_it_is_nearer_to_another():
    before = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 100.0]])
    assert keeps_identity(before, before).all()
    after = before + torch.tensor([[0.9, 0.0], [0.1, 1.0], [0.0, -5.0]])
    assert keeps_identity(before, after).tolist() == [False, True, True]
