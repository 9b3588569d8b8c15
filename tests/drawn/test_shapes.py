"""The shapes that drawn images are made of: distances, edges, fields, and rows that never move."""

import numpy as np
import pytest

from vaelib.data import DataError
from vaelib.drawn import shapes


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(-1, 1, (2, 1, 40, 40)).astype(np.float32)


def test_lengths_and_angles_match_numpy(points):
    u, v = points
    np.testing.assert_allclose(shapes.length(u, v), np.hypot(u, v), rtol=1e-6)
    np.testing.assert_allclose(shapes.angle(u, v), np.arctan2(u, v), atol=1e-5)


def test_an_edge_covers_half_a_pixel_at_its_middle():
    d = np.array([-9, -0.05, 0, 0.05, 9], np.float32)
    np.testing.assert_allclose(shapes.cover(d, 0.1), [1, 1, 0.5, 0, 0], atol=1e-6)
    assert shapes.step(np.array([0.0, 0.5, 1.0]), 0, 1).tolist() == [0, 0.5, 1]


def test_a_bump_is_zero_from_radius_two():
    r = np.linspace(0, 4, 81)
    spot = shapes.bump(r, 0)
    assert spot[0] == 1
    assert (spot[r >= 2] == 0).all()
    assert np.abs(spot - np.exp(-r * r)).max() < 0.08


def test_distances_are_zero_on_the_outline_and_grow_outward_at_rate_one():
    t = np.linspace(0, 2 * np.pi, 50)
    u, v = 0.7 * np.cos(t), 0.4 * np.sin(t)
    np.testing.assert_allclose(shapes.ellipse(u, v, 0.7, 0.4), 0, atol=1e-5)
    normal = np.stack([u / 0.49, v / 0.16])
    normal = 0.001 * normal / np.linalg.norm(normal, axis=0)
    farther = shapes.ellipse(u + normal[0], v + normal[1], 0.7, 0.4)
    np.testing.assert_allclose(farther, 0.001, rtol=0.02)


def test_distance_and_place_along_a_segment():
    u, v = np.array([0.5, -1.0, 2.0]), np.array([0.3, 0.0, 0.0])
    distance, along = shapes.segment(u, v, (0, 0), (1, 0))
    np.testing.assert_allclose(distance, [0.3, 1, 1], atol=1e-6)
    np.testing.assert_allclose(along, [0.5, 0, 1], atol=1e-6)


def test_a_rounded_minimum_is_the_minimum_away_from_the_corner(points):
    a, b = points
    low = shapes.smooth_min(a, b, 0.1)
    assert (low <= np.minimum(a, b)).all()
    apart = np.abs(a - b) > 0.1
    assert (low[apart] == np.minimum(a, b)[apart]).all()


def test_turning_keeps_lengths_and_turns_clockwise(points):
    u, v = points
    np.testing.assert_allclose(shapes.length(*shapes.turn(u, v, 0.3)), np.hypot(u, v), rtol=1e-5)
    # The frame's own axis points right and down after a turn to the right.
    inside = shapes.turn(np.cos(0.3), np.sin(0.3), 0.3)
    np.testing.assert_allclose(inside, (1, 0), atol=1e-12)


def test_a_field_is_smooth_of_unit_size_and_the_same_in_any_batch():
    coef = np.random.default_rng(1).standard_normal((300, 6, 6), np.float32)
    whole = shapes.field(coef, 32)
    # Six orders a side: waves of mean square 1/2, but for the constant: 49/36 in the mean.
    # Its standard error over 300 independent fields is below 0.05.
    assert abs((whole**2).mean() - 49 / 36) < 0.3
    assert np.array_equal(whole[7:8], shapes.field(coef[7:8], 32))
    assert np.abs(np.diff(whole, axis=1)).mean() < 0.35 * whole.std()
    assert np.abs(shapes.field(coef, 32, low=1).mean((1, 2))).max() < 1e-5


@pytest.mark.parametrize("size", [16, 64, 512])
def test_chunks_cover_all_rows_once(size):
    rows = [i for part in shapes.chunks(23, size) for i in range(part.start, part.stop)]
    assert rows == list(range(23))


def test_streams_of_one_seed_differ():
    first, second = shapes.streams(0, 2)
    assert not np.array_equal(first.random(4), second.random(4))
    (again,) = shapes.streams(np.int64(0), 1)
    assert again.random() == shapes.streams(0, 2)[0].random()


@pytest.mark.parametrize("seed", [-1, 0.5, "1", None, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(DataError, match=r"seed is .*, expected a whole number of 0 or more"):
        shapes.streams(seed, 1)
