"""AUROC, average precision, Dice and their standard errors against enumeration and formulas."""

import itertools
import math

import numpy as np
import pytest

from vaelib.detection import (
    auroc,
    average_precision,
    best_threshold,
    depth,
    dice,
    measured,
    pixel_scores,
    resampled,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_auroc_is_the_share_of_ordered_pairs_with_ties_counted_half():
    healthy, ill = rng().integers(6, size=40), rng(1).integers(2, 9, size=30)
    pairs = [(b > a) + (a == b) / 2 for a, b in itertools.product(healthy, ill)]
    assert auroc(healthy, ill) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert any(a == b for a, b in itertools.product(healthy, ill)), "no tie was tried"


def test_a_negated_score_has_one_minus_the_auroc():
    healthy, ill = rng().normal(size=50), rng(1).normal(1, size=40)
    assert auroc(-healthy, -ill) == pytest.approx(1 - auroc(healthy, ill))
    assert auroc(ill, healthy) == pytest.approx(1 - auroc(healthy, ill))
    assert auroc(np.zeros(4), np.ones(5)) == 1
    assert auroc(np.ones(4), np.ones(5)) == 0.5


def test_auroc_of_two_normals_is_the_closed_form():
    # AUROC = Phi(d / sqrt 2); Hanley and McNeil (1982) give its standard error
    n, d = 20_000, 1.0
    area = 0.5 * (1 + math.erf(d / 2))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    stderr = math.sqrt((area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)) / n**2)
    found = auroc(rng().normal(size=n), rng(1).normal(d, size=n))
    assert abs(found - area) < 6 * stderr
    shifted = auroc(rng().normal(size=n), rng(1).normal(d + 0.1, size=n))
    assert abs(shifted - area) > 6 * stderr, "the test has no power"


def test_the_bootstrap_error_is_that_of_hanley_and_mcneil():
    n, area = 200, 0.5 * (1 + math.erf(0.5))
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    stderr = math.sqrt((area * (1 - area) + (n - 1) * (q1 + q2 - 2 * area**2)) / n**2)
    found = measured(auroc, rng().normal(size=n), rng(1).normal(1, size=n), rng(2), n=1000)
    assert found.stderr == pytest.approx(stderr, rel=0.25)


def test_scores_of_the_same_images_are_resampled_together():
    healthy, ill = rng().normal(size=30), rng(1).normal(1, size=30)
    both = resampled(auroc, np.stack([healthy, 2 * healthy]), np.stack([ill, 2 * ill]), rng(2), 50)
    assert both.shape == (50, 2)
    assert (both[:, 0] == both[:, 1]).all()
    assert both[:, 0].std() > 0.01
    assert resampled(auroc, healthy, ill, rng(2), 50).shape == (50,)


def test_average_precision_by_hand():
    # by falling score: ill, healthy, ill -> precisions 1 and 2/3 at the two ill ones
    assert average_precision(np.array([2.0]), np.array([3.0, 1.0])) == pytest.approx(5 / 6)
    assert average_precision(np.zeros(3), np.ones(2)) == 1


@pytest.mark.parametrize("statistic", [auroc, average_precision])
def test_bad_scores_are_refused(statistic):
    with pytest.raises(ValueError, match="0 healthy and 2 ill"):
        statistic(np.array([]), np.ones(2))
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        statistic(np.array([np.nan]), np.ones(2))


def test_dice_by_hand():
    a = np.array([[True, True, False, False], [False] * 4, [True] + [False] * 3])
    b = np.array([[False, True, True, True], [False] * 4, [False] * 4])
    assert dice(a, b).tolist() == [2 * 1 / 5, 1.0, 0.0]


def test_the_best_threshold_finds_a_lesion_that_stands_out():
    maps = rng().uniform(0, 1, size=(5, 400))
    masks = np.zeros(maps.shape, bool)
    masks[:, 30:70] = True
    maps[masks] += 2
    threshold = best_threshold(maps, masks)
    assert dice(maps > threshold, masks).mean() > 0.97
    assert best_threshold(10 * maps, masks) == pytest.approx(10 * threshold)
    with pytest.raises(ValueError, match="all masks are empty"):
        best_threshold(maps, np.zeros_like(masks))


def test_pixels_are_compared_within_their_image_and_inside_the_head():
    maps = np.array([[9.0, 1.0, 2.0, 3.0], [0.0, 5.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    masks = np.array([[False, False, False, True], [False, True, False, False], [False] * 4])
    inside = np.array([[False, True, True, True]] * 3)
    found = pixel_scores(auroc, maps, masks, inside)
    assert found[:2].tolist() == [1.0, 0.5], "the 9 outside the head does not count"
    assert np.isnan(found[2])


def test_depth_is_the_distance_from_the_edge_in_pixels():
    inside = np.zeros((1, 7, 7), bool)
    inside[0, 1:6, 1:6] = True
    found = depth(inside.reshape(1, 49), 7).reshape(7, 7)
    assert found[3].tolist() == [0, 1, 2, 3, 2, 1, 0]
