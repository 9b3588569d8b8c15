"""The view of chapter 8: its closed forms are those of its estimators, and the widget follows."""

import math
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from vaelib.web import reparam

PLACES = [(1.0, 0.75), (-0.5, 0.3), (0.0, 1.5), (-2.0, 0.1)]
each_integrand = pytest.mark.parametrize("item", reparam.INTEGRANDS, ids=lambda item: item.name)


@pytest.fixture(scope="module")
def view():
    return reparam.reparam_paths(np.random.default_rng(0))


def mean(h, mu, sd):
    """E h(eps) by adaptive quadrature, split where the step is."""
    at = [-12.0, 12.0] if abs(mu / sd) > 12 else [-12.0, -mu / sd, 12.0]
    parts = (
        integrate.quad(lambda e: float(h(e)) * stats.norm.pdf(e), *ends, limit=400)[0]
        for ends in pairwise(at)
    )
    return math.fsum(parts)


@each_integrand
@pytest.mark.parametrize(("mu", "sd"), PLACES)
def test_closed_forms_are_those_of_the_estimators(item, mu, sd):
    exact, *variances = item.exact(mu, sd)

    def one(k):
        return lambda e: reparam.estimates(item, mu, sd, np.array([e]))[k][0]

    for k, variance in enumerate(variances):
        center = mean(one(k), mu, sd)
        second = mean(lambda e, k=k: one(k)(e) ** 2, mu, sd)
        scale = 1e-7 * (1 + abs(second))
        assert second - center**2 == pytest.approx(variance, abs=scale)
        if item.name != "a step at 0" or k == 0:
            assert center == pytest.approx(exact, abs=scale)


def test_the_step_has_no_slope_and_a_derivative():
    step = reparam.INTEGRANDS[-1]
    exact, score, path = step.exact(0.0, 1.0)
    assert exact == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert path == 0
    assert score == pytest.approx(0.5 - 1 / (2 * math.pi))
    assert "whatever the truth" in reparam.sentence(step, 0.0, 1.0)


@each_integrand
def test_slopes_are_derivatives_away_from_the_step(item):
    z, h = np.linspace(-2.95, 3.0, 60), 1e-6  # none of them at 0
    numeric = (item.f(z + h) - item.f(z - h)) / (2 * h)
    assert np.allclose(item.slope(z), numeric, rtol=1e-6, atol=1e-6)


def test_the_sentence_names_the_winner():
    square, sine = reparam.INTEGRANDS[:2]
    words = reparam.sentence(square, 2.0, 1.0)
    assert "score function 87, pathwise 4. Pathwise has" in words
    assert "The score function has" in reparam.sentence(sine, 1.0, 0.75)
    assert "Pathwise has" in reparam.sentence(sine, 1.0, 0.2)


@pytest.mark.parametrize(
    ("value", "text"),
    [(87.0, "87"), (0.012345, "0.0123"), (-1234.56, "\u22121,235"), (0.0, "0"), (1.125, "1.13")],
)
def test_numbers_have_three_digits_that_count(value, text):
    assert reparam._number(value) == text


@each_integrand
def test_histograms_hold_every_estimate(item, view):
    exact = item.exact(1.0, 0.75)[0]
    found = reparam.estimates(item, 1.0, 0.75, view.data["eps"])
    half = reparam.reach(found, exact)
    for row in found:
        counts = reparam.histogram(row, exact, half)
        assert counts.sum() == reparam.N_ESTIMATES
        assert len(counts) == reparam.BINS


def test_the_widget_follows_its_controls(view):
    which, mu, sd, made = view.live().children

    def expected():
        return reparam.sentence(reparam.INTEGRANDS[which.value], mu.value, sd.value)

    assert expected() in made.value
    which.value, mu.value, sd.value = 1, -0.5, 1.25
    assert expected() in made.value
    which.value = 3
    assert expected() in made.value
    ElementTree.fromstring(made.value.split("<div>")[0])


@each_integrand
def test_nearly_all_estimates_are_inside_the_histograms(item, view):
    exact = item.exact(1.0, 0.75)[0]
    found = reparam.estimates(item, 1.0, 0.75, view.data["eps"])
    half = reparam.reach(found, exact)
    assert np.mean(np.abs(found - exact) < half) >= 0.98
    middle = reparam.histogram(np.array([exact]), exact, half)
    assert middle.argmax() == reparam.BINS // 2
    assert reparam.histogram(np.array([exact - 2 * half]), exact, half)[0] == 1
