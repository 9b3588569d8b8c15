"""Sums of sigmoids: weights by hand, the identity and the bound that chapter 2 proves."""

import math

import numpy as np
import pytest

from vaelib.estimate import Estimate
from vaelib.sigmoids import CURVES, largest_error, proven_bound, sigmoid_sum, staircase

CONTINUOUS = [key for key, curve in CURVES.items() if curve.modulus is not None]


def test_very_steep_steps_are_a_staircase():
    """At k / n, between two steps, the sum equals f(k / n)."""
    f = CURVES["wave"].f
    x = np.arange(9) / 8
    assert np.allclose(sigmoid_sum(x, *staircase(f, 8, 1e6)), f(x), atol=1e-12)


def test_one_step_is_one_sigmoid_and_a_constant():
    w, b, alpha = staircase(lambda x: 3 + 2 * x, 1, 4)
    assert w.tolist() == [0, 4]
    assert b.tolist() == [0, -2]
    assert alpha.tolist() == [6, 2]
    x = np.array([0.25])
    assert sigmoid_sum(x, w, b, alpha) == pytest.approx(3 + 2 / (1 + math.exp(1)))


def test_the_sum_is_the_mean_of_f_at_a_randomly_rounded_point():
    """The identity of the chapter's proof, by sampling: six standard errors, and a control."""
    f, n, s, x, draws = CURVES["wave"].f, 5, 3.0, 0.37, 200_000
    noise = np.random.default_rng(0).logistic(size=draws)
    rounded = f(np.clip(np.rint(n * x + noise / s), 0, n) / n)
    mean = Estimate.of(rounded)
    assert mean.off(sigmoid_sum(np.array([x]), *staircase(f, n, s))[0]) < 6
    assert mean.off(sigmoid_sum(np.array([x]), *staircase(f, n, 2 * s))[0]) > 6


@pytest.mark.parametrize("key", CONTINUOUS)
@pytest.mark.parametrize("sharpness", [1, 10, 100])
def test_no_error_exceeds_its_bound(key, sharpness):
    for n in (1, 2, 5, 16, 61):
        bound = proven_bound(CURVES[key], n, sharpness)
        assert largest_error(CURVES[key], n, sharpness) <= bound


@pytest.mark.parametrize("key", CONTINUOUS)
def test_the_moduli_are_moduli(key):
    curve, x = CURVES[key], np.linspace(0, 1, 501)
    values = curve.f(x)
    apart = np.abs(x[:, None] - x)
    allowed = np.vectorize(curve.modulus)(apart)
    assert (np.abs(values[:, None] - values) <= allowed + 1e-12).all()


def test_a_jump_keeps_one_half():
    for n in (1, 2, 7, 64):
        assert largest_error(CURVES["step"], n, 10) == pytest.approx(0.5, abs=1e-12)
    assert proven_bound(CURVES["step"], 8, 10) is None
