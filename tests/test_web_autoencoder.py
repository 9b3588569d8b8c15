"""The view of chapter 7: its denoiser is the posterior mean, and the widget shows what it does."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vaelib.web import autoencoder as web

EXTENT = 2.0
STDS = (0.2, 1.0)
TWO = np.array([[-1.0, 0.0], [1.0, 0.0]])


def toward(points, stds, side=9):
    """The exact arrows on a grid, as a denoiser that learned everything."""
    ticks = np.linspace(-EXTENT, EXTENT, side)
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1)
    return np.stack([web.best_denoiser(grid, points, s) - grid for s in stds])


@pytest.fixture(scope="module")
def view():
    return web.denoising_walk(TWO, STDS, toward(TWO, STDS), extent=EXTENT)


@pytest.mark.parametrize("std", [0.2, 1.0, 3.0])
def test_two_points_give_a_hyperbolic_tangent(std):
    x = np.array([[0.1, 0.7], [-0.8, -2.0], [0.0, 0.3]])
    exact = np.stack([np.tanh(x[:, 0] / std**2), 0 * x[:, 0]], -1)
    assert np.allclose(web.best_denoiser(x, TWO, std), exact, atol=1e-12)


def test_the_arrow_is_the_score_of_the_noised_density():
    """By finite differences of the log of a mean of normal densities."""
    curve = np.random.default_rng(0).normal(size=(20, 2))
    at, s, h = np.array([0.4, -0.3]), 0.5, 1e-5

    def log_density(x):
        return np.log(np.exp(-((x - curve) ** 2).sum(-1) / (2 * s**2)).mean())

    slope = [(log_density(at + e) - log_density(at - e)) / (2 * h) for e in h * np.eye(2)]
    arrow = web.best_denoiser(at, curve, s) - at
    assert np.allclose(arrow / s**2, slope, atol=1e-7)
    assert not np.allclose(arrow / s, slope, atol=1e-2)  # another power of s is refused


def test_far_away_nothing_overflows():
    assert np.allclose(web.best_denoiser(np.array([1e3, 0.0]), TWO, 0.01), [1, 0])


def test_interpolation_is_exact_for_a_bilinear_field():
    ticks = np.linspace(-EXTENT, EXTENT, 5)
    x1, x2 = np.meshgrid(ticks, ticks, indexing="ij")
    field = np.stack([1 + 2 * x1 - x2, x1 * x2], -1)
    x = np.random.default_rng(1).uniform(-EXTENT, EXTENT, (50, 2))
    exact = np.stack([1 + 2 * x[:, 0] - x[:, 1], x[:, 0] * x[:, 1]], -1)
    assert np.allclose(web.arrow_at(field, EXTENT, x), exact)
    assert np.allclose(web.arrow_at(field, EXTENT, np.array([9.0, EXTENT])), field[-1, -1])


def test_little_noise_leads_to_a_datum_and_much_noise_between_them():
    fine = toward(TWO, STDS, side=81)
    near, far = (
        web.walks(TWO, s, field, EXTENT, (0.3, 0.5)) for s, field in zip(STDS, fine, strict=True)
    )
    assert np.allclose(near[:, -1], [1, 0], atol=0.02)
    assert (np.abs(far[:, -1]) < 0.3).all()
    assert web.off_curve(TWO, far[0, -1]) > 0.7


def test_the_trained_point_follows_its_own_field():
    field = np.broadcast_to([0.02, -0.01], (5, 5, 2))
    way = web.walks(TWO, 1.0, field, EXTENT, (0.1, 0.2))[1]
    steps = np.arange(web.N_STEPS + 1)[:, None]
    assert np.allclose(way, (0.1, 0.2) + steps * (0.02, -0.01))


def test_every_exact_step_climbs_the_noised_density():
    """The step x <- r*(x) is mean shift, which never goes downhill."""
    curve = np.random.default_rng(2).normal(size=(30, 2))
    way = web.walks(curve, 0.4, np.zeros((3, 3, 2)), EXTENT, (1.5, -1.5))[0]
    squares = ((way[:, None] - curve) ** 2).sum(-1)
    heights = np.exp(-squares / (2 * 0.4**2)).mean(-1)
    assert (np.diff(heights) >= -1e-15).all()
    assert heights[-1] > 2 * heights[0]


def test_the_widget_follows_its_controls(view):
    std, (x1, x2), made, (_, step) = (
        getattr(box, "children", None) or box for box in view.live().children
    )

    def expected():
        i = std.value
        field = view.data["learned"][i]
        ways = web.walks(view.data["curve"], STDS[i], field, EXTENT, (x1.value, x2.value))
        return web.sentence(view.data["curve"], STDS[i], ways, step.value)

    assert expected() in made.value
    step.value = 7
    assert "step 7" in expected()
    assert expected() in made.value
    std.value, x1.value, x2.value = 0, -0.4, 0.3
    assert expected() in made.value
    ElementTree.fromstring(made.value.split("<div>")[0])


@pytest.mark.parametrize("shape", [(1, 9, 9, 2), (2, 9, 8, 2), (2, 9, 9), (2, 9, 9, 3)])
def test_a_wrong_shape_is_refused_by_name(shape):
    with pytest.raises(ValueError, match="expected"):
        web.denoising_walk(TWO, STDS, np.zeros(shape), extent=EXTENT)
