"""The sums of sigmoids behind the view of chapter 2, and its widget for a running kernel."""

import math
import xml.etree.ElementTree as ElementTree

import ipywidgets
import numpy as np
import pytest

from vaelib.web.networks import (
    TARGETS,
    largest_error,
    networks_explorer,
    proven_bound,
    sentence,
    sigmoid_sum,
    staircase,
    sum_svg,
)

CONTINUOUS = [key for key, target in TARGETS.items() if target.modulus is not None]


def test_very_steep_steps_are_a_staircase():
    """Between two steps the sum is the value of f at the place between them."""
    f = TARGETS["wave"].f
    places = np.arange(9) / 8
    assert np.allclose(sigmoid_sum(places, *staircase(f, 8, 1e6)), f(places), atol=1e-12)


def test_one_step_is_one_sigmoid_and_a_constant():
    w, b, alpha = staircase(lambda x: 3 + 2 * x, 1, 4)
    assert w.tolist() == [0, 4]
    assert b.tolist() == [0, -2]
    assert alpha.tolist() == [6, 2]
    x = np.array([0.25])
    assert sigmoid_sum(x, w, b, alpha) == pytest.approx(3 + 2 / (1 + math.exp(1)))


def test_the_sum_is_the_mean_of_f_at_a_randomly_rounded_place():
    """The identity of the chapter's proof, by sampling: six standard errors, and a control."""
    f, n, s, x, draws = TARGETS["wave"].f, 5, 3.0, 0.37, 200_000
    noise = np.random.default_rng(0).logistic(size=draws)
    rounded = f(np.clip(np.rint(n * x + noise / s), 0, n) / n)
    stderr = rounded.std() / math.sqrt(draws)
    there = sigmoid_sum(np.array([x]), *staircase(f, n, s))[0]
    assert abs(rounded.mean() - there) < 6 * stderr
    sharper = sigmoid_sum(np.array([x]), *staircase(f, n, 2 * s))[0]
    assert abs(rounded.mean() - sharper) > 6 * stderr


@pytest.mark.parametrize("key", CONTINUOUS)
@pytest.mark.parametrize("sharpness", [1, 10, 100])
def test_no_error_exceeds_its_bound(key, sharpness):
    for n in (1, 2, 5, 16, 61):
        bound = proven_bound(TARGETS[key], n, sharpness)
        assert largest_error(TARGETS[key], n, sharpness) <= bound


@pytest.mark.parametrize("key", CONTINUOUS)
def test_the_moduli_are_moduli(key):
    target, x = TARGETS[key], np.linspace(0, 1, 501)
    values = target.f(x)
    apart = np.abs(x[:, None] - x)
    allowed = np.vectorize(target.modulus)(apart)
    assert (np.abs(values[:, None] - values) <= allowed + 1e-12).all()


def test_a_jump_keeps_one_half():
    for n in (1, 2, 7, 64):
        assert largest_error(TARGETS["step"], n, 10) == pytest.approx(0.5, abs=1e-12)
    assert proven_bound(TARGETS["step"], 8, 10) is None


def test_the_widget_follows_its_three_controls():
    view = networks_explorer([1, 4, 16], [5, 10], start=("wave", 4, 10))
    function, picture, count, sharp = view.live().children
    assert isinstance(function, ipywidgets.Dropdown)
    for key, n, s in [("wave", 4, 10), ("root", 4, 10), ("root", 16, 10), ("step", 1, 5)]:
        function.value, count.value, sharp.value = key, n, s
        error = largest_error(TARGETS[key], n, s)
        assert sentence(n, error, proven_bound(TARGETS[key], n, s)) in picture.value


def test_the_picture_holds_the_function_the_sum_and_every_step():
    picture = ElementTree.fromstring(sum_svg(TARGETS["tent"], 6, 10))
    lines = [child for child in picture if child.tag == "polyline"]
    assert len(lines) == 2 + 6
    for line in lines:
        places = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in places)


@pytest.mark.parametrize("start", [("bell", 4, 10), ("wave", 5, 10), ("wave", 4, 7)])
def test_a_start_that_cannot_be_chosen_is_refused(start):
    with pytest.raises(ValueError, match="starts with"):
        networks_explorer([1, 4, 16], [5, 10], start=start)
