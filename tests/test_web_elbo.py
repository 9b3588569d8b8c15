"""The arithmetic and the widget of chapter 4's view, and what it refuses."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from vaelib.web.elbo import (
    Target,
    density_svg,
    descend,
    elbo_explorer,
    measure,
    posterior,
    sentence,
)

BUMPS = {"means": (-8 / 3, 8 / 3), "stds": (3**-0.5, 3**-0.5), "x": 0.0}
EQUAL = Target("equal", (0.5, 0.5), **BUMPS)
UNEQUAL = Target("unequal", (0.75, 0.25), **BUMPS)
ONE = Target("one", (1.0,), (0.0,), (1.0,), x=2.0)
ODD = Target("odd", (0.3, 0.7), (-1.0, 2.0), (0.4, 1.5), x=0.7, sigma_x=2.0)
TARGETS = [EQUAL, UNEQUAL, ONE, ODD]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def joint(target, z):
    prior = sum(
        w * norm.pdf(z, m, s)
        for w, m, s in zip(target.weights, target.means, target.stds, strict=True)
    )
    return prior * norm.pdf(target.x, z, target.sigma_x)


@each_target
def test_the_posterior_is_the_joint_over_its_integral(target):
    weights, means, stds, log_px = posterior(target)
    evidence, _ = integrate.quad(lambda z: joint(target, z), -15, 15, points=list(means))
    assert log_px == pytest.approx(np.log(evidence), abs=1e-9)
    for z in (-2.5, 0.1, 3.0):
        density = weights @ norm.pdf(z, means, stds)
        assert density == pytest.approx(joint(target, z) / evidence, rel=1e-7)


@each_target
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-5.0, 0.2), (4.3, 4.0), (2.0, 0.5)])
def test_elbo_plus_kl_is_the_log_evidence(target, mean, std):
    elbo, reverse, forward = measure(target, mean, std)
    assert elbo + reverse == pytest.approx(posterior(target)[3], abs=1e-9)
    assert min(reverse, forward) > 0


def test_both_divergences_equal_the_closed_form_for_one_bump():
    def closed(m1, s1, m2, s2):
        return np.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5

    _, reverse, forward = measure(ONE, 0.3, 0.8)
    assert reverse == pytest.approx(closed(0.3, 0.8, 1, 0.5**0.5), abs=1e-12)
    assert forward == pytest.approx(closed(1, 0.5**0.5, 0.3, 0.8), abs=1e-12)


@each_target
@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("start", [(0.6, 1.2), (-4.0, 3.0), (3.0, 0.4)])
def test_a_descent_goes_down_and_ends_where_it_is_flat(target, direction, start):
    which = {"reverse": 1, "forward": 2}[direction]
    way = descend(target, *start, direction)
    heights = [measure(target, *q)[which] for q in way]
    assert way[0] == start
    assert np.diff(heights).max() < 1e-3  # a first step from a steep place may be too long
    assert heights[-1] == min(heights)
    around = [measure(target, way[-1][0] + d, way[-1][1] + e)[which]
              for d, e in ((0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05))]  # fmt: skip
    assert min(around) > heights[-1]


def test_the_ends_are_the_known_ones():
    assert descend(EQUAL, 1, 0.6, "reverse")[-1] == pytest.approx((2, 0.5), abs=0.01)
    assert descend(EQUAL, 0.6, 1.2, "reverse")[-1] == pytest.approx((0, 1.736), abs=0.01)
    assert descend(EQUAL, 1, 0.6, "forward")[-1] == pytest.approx((0, 17**0.5 / 2), abs=0.01)
    for direction in ("reverse", "forward"):
        assert descend(ONE, -1, 2, direction)[-1] == pytest.approx((1, 0.5**0.5), abs=0.01)


def test_the_widget_follows_its_controls():
    view = elbo_explorer([EQUAL, ONE], start=(1.0, 0.6))
    choice, picture, mean, std, buttons = view.live().children
    assert sentence(EQUAL, 1.0, 0.6) in picture.value
    mean.value = -2
    assert sentence(EQUAL, -2.0, 0.6) in picture.value
    buttons.children[0].click()
    assert (mean.value, std.value) == pytest.approx((-2, 0.5), abs=0.01)
    buttons.children[1].click()
    assert (mean.value, std.value) == pytest.approx((0, 17**0.5 / 2), abs=0.01)
    choice.value = ONE
    assert sentence(ONE, mean.value, std.value) in picture.value


def test_the_picture_is_well_formed_and_its_bar_is_the_elbo():
    shapes = ElementTree.fromstring(density_svg(EQUAL, 2, 0.5))
    filled, whole = shapes.iter("rect")
    elbo, _, _ = measure(EQUAL, 2, 0.5)
    share = float(filled.get("width")) / float(whole.get("width"))
    assert share == pytest.approx(1 - (posterior(EQUAL)[3] - elbo) / 10, abs=1e-3)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"'half': the weights sum to 0.5"):
        elbo_explorer([Target("half", (0.5,), (0.0,), (1.0,), x=0.0)])
    with pytest.raises(ValueError, match="outside"):
        elbo_explorer([ONE], start=(0.0, 9.0))
    with pytest.raises(ValueError, match="sideways"):
        descend(ONE, 0, 1, "sideways")
