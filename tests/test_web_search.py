"""The race of chapter 6: its estimators are unbiased, and the widget shows what they do."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vaelib.web import search

ROUND, TWO, WAVY, STEEP = search.HILLS


@pytest.fixture(scope="module")
def view():
    return search.search_race(np.random.default_rng(0), n_steps=20)


@pytest.mark.parametrize("hill", search.HILLS, ids=lambda hill: hill.name)
def test_slopes_are_derivatives(hill):
    z, h = np.linspace(-3.1, 3.1, 41), 1e-6
    numeric = (hill.f(z + h) - hill.f(z - h)) / (2 * h)
    assert np.allclose(hill.slope(z), numeric, rtol=1e-6, atol=1e-6)


def test_the_elbo_of_the_round_hill_is_known():
    mu, logvar = 0.3, -0.4
    fit = -((mu - 2) ** 2 + math.exp(logvar)) / 2
    entropy = 0.5 * (logvar + math.log(2 * math.pi * math.e))
    assert search.elbo(ROUND, mu, logvar) == pytest.approx(fit + entropy, abs=1e-12)
    assert search.exact_slope(ROUND, mu, logvar) == pytest.approx(2 - mu, abs=1e-12)


@pytest.mark.parametrize("climber", range(3))
@pytest.mark.parametrize("hill", search.HILLS, ids=lambda hill: hill.name)
def test_every_estimator_has_the_exact_mean(hill, climber):
    """By quadrature over the noise of one sample, so with no statistics."""
    mu, logvar, h = 0.4, -1.0, 1e-5
    nodes, weights = search.nodes_and_weights()
    by_mu, by_logvar = search.estimates(hill, climber, mu, logvar, nodes[:, None])
    assert weights @ by_mu == pytest.approx(search.exact_slope(hill, mu, logvar), abs=1e-5)
    up, down = search.elbo(hill, mu, logvar + h), search.elbo(hill, mu, logvar - h)
    assert weights @ by_logvar == pytest.approx((up - down) / (2 * h), abs=1e-4)


def test_who_runs_away_is_gone_and_stays_gone():
    noise = np.random.default_rng(1).standard_normal((30, 5))
    ways = search.race(STEEP, [1 / t for t in range(1, 31)], noise)
    for way in ways:
        there = np.isfinite(way).all(1)
        assert there[0]
        assert not there[-1]
        assert (np.diff(there.astype(int)) <= 0).all()
    assert "gone" in search.sentence(STEEP, ways, [0.1] * 30, 30)


def test_small_steps_climb_the_round_hill():
    noise = np.random.default_rng(2).standard_normal((400, 20))
    ways = search.race(ROUND, [0.05] * 400, noise)
    top = search.elbo(ROUND, 2.0, 0.0)
    assert search.elbo(ROUND, *ways[2, -1]) == pytest.approx(top, abs=0.05)


def test_histograms_hold_every_estimate(view):
    probes = view.data["probes"]
    half = search.reach(WAVY, 20, probes)
    for climber in range(3):
        counts = search.histogram(WAVY, climber, 0.5, 0.0, probes, half)
        assert counts.sum() == search.N_ESTIMATES
        assert len(counts) == 31


def test_the_widget_follows_its_controls(view):
    (hill, rule), count, made, controls = (
        box.children if hasattr(box, "children") and box.children else box
        for box in view.live().children
    )
    step = controls[1]
    noise = view.data["noise"]

    def expected():
        sizes = [search.RULES[rule.value](t) for t in range(1, 21)]
        ways = search.race(search.HILLS[hill.value], sizes, noise[:, : count.value].astype(float))
        return search.sentence(search.HILLS[hill.value], ways, sizes, step.value)

    assert expected() in made.value
    step.value = 20
    assert expected() in made.value
    hill.value, rule.value, count.value = 2, "constant, 0.05", 1
    assert expected() in made.value
    ElementTree.fromstring(made.value.split("<div>")[0])


def test_the_map_is_zero_at_its_highest_cell(view):
    maps = view.data["maps"]
    assert maps.shape[0] == len(search.HILLS)
    assert np.allclose(maps.min((1, 2)), 0)
    i, j = np.unravel_index(maps[0].argmin(), maps[0].shape)
    low, high = search.MU
    assert abs(low + (j + 0.5) / maps.shape[2] * (high - low) - 2) < 0.2
    thin, wide = search.STD
    assert abs(thin + (i + 0.5) / maps.shape[1] * (wide - thin) - 1) < 0.1
