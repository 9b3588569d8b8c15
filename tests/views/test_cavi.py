"""The view of chapter 5: its half steps equal vaelib.mixture's, and everything can be moved."""

import json

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib import mixture
from vaelib.views.cavi import CaviExplorer

browser = pytest.mark.browser
RNG = np.random.default_rng(0)
X = (4 * RNG.standard_normal((3, 2)))[RNG.integers(3, size=40)] + RNG.standard_normal((40, 2))
X, START = X.round(6), RNG.standard_normal((3, 2)).round(6)


@pytest.fixture
def view():
    return CaviExplorer(X, START, step=3, log_evidence=-100.0)


@browser
@pytest.mark.parametrize("sigma2", [0.3, 10.0])
def test_half_steps_equal_those_of_the_package(load_script, sigma2):
    page = load_script("cavi")
    page.evaluate(f"x = {json.dumps(X.tolist())}; now = begun(x, {json.dumps(START.tolist())})")
    posterior = mixture.Posterior(START, np.full(3, mixture.START_S2))
    resp = np.full((len(X), 3), 1 / 3)
    before = -np.inf
    for step in range(1, 13):
        found = page.evaluate(f"now = halfStep(x, now, {sigma2})")
        if step % 2:
            resp = mixture.responsibilities(X, posterior)
        else:
            posterior = mixture.update(X, resp, sigma2=sigma2)
        np.testing.assert_allclose(found["resp"], resp, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found["m"], posterior.m, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found["s2"], posterior.s2, rtol=0, atol=1e-9)
        exact = mixture.elbo(X, posterior, resp, sigma2=sigma2)
        assert found["elbos"][-1] == pytest.approx(exact, abs=1e-9)
        assert exact >= before - 1e-9
        before = exact


@browser
def test_a_run_to_the_end_is_a_fit(load_script):
    page = load_script("cavi")
    start = json.dumps(START.tolist())
    end = page.evaluate(
        f"toTheEnd({json.dumps(X.tolist())}, begun({json.dumps(X.tolist())}, {start}), 1)"
    )
    init = mixture.Posterior(START, np.full(3, mixture.START_S2))
    fit = mixture.fit(X, 3, init=init)
    assert end["elbos"][-1] == pytest.approx(fit.elbo, abs=1e-6)


@browser
def test_the_buttons_make_half_steps_and_sweeps(root):
    assert trait(root, "step") == 3
    root.get_by_role("button", name="Half step: centers").click()
    assert trait(root, "step") == 4
    root.get_by_role("button", name="Half step: responsibilities").click()
    assert said(root).startswith("Half step 5, responsibilities: ELBO")
    root.get_by_role("button", name="Whole sweep").click()
    assert trait(root, "step") == 6
    root.get_by_role("button", name="Run to the end").click()
    assert trait(root, "elbo") == pytest.approx(
        mixture.fit(X, 3, init=mixture.Posterior(START, np.full(3, 10.0))).elbo, abs=1e-6
    )
    assert trait(root, "gap") == pytest.approx(-100 - trait(root, "elbo"))
    root.get_by_role("button", name="Back to the start").click()
    assert (trait(root, "step"), trait(root, "elbo")) == (0, None)


@browser
def test_points_are_added_and_taken_away(root):
    box = root.locator("canvas").first.bounding_box()
    before = pixels(root, 0)
    root.page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 20)
    assert len(trait(root, "x")) == 41
    assert trait(root, "step") == 0
    assert pixels(root, 0) != before
    root.get_by_role("button", name="Remove last point").click()
    assert len(trait(root, "x")) == 40
    root.get_by_role("button", name="One point only").click()
    assert len(trait(root, "x")) == 1
    root.get_by_role("button", name="Half step").click()
    assert trait(root, "gap") is None  # log p(x) belongs to other points
    root.get_by_role("button", name="The chapter's points").click()
    assert trait(root, "x") == X.tolist()


@browser
def test_centers_move_by_keys_and_by_dragging(root):
    frame = root.get_by_role("application")
    set_trait(root, "step", 0)
    frame.press("2")
    frame.press("ArrowRight")
    moved = trait(root, "start")
    assert moved[1] == pytest.approx([START[1, 0] + 0.1, START[1, 1]], abs=1e-3)
    assert moved[0] == START[0].tolist()
    root.get_by_role("button", name="Random start", exact=True).click()
    assert trait(root, "start") != moved
    root.get_by_label("Number of components K").press("ArrowRight")
    assert len(trait(root, "start")) == 4


@browser
def test_twenty_starts_are_drawn_and_the_best_is_shown(root):
    before = pixels(root, 1)
    root.get_by_role("button", name="20 random starts").click()
    assert "Of 20 random starts the best ends at" in said(root)
    assert pixels(root, 1) != before
    root.get_by_role("button", name="Show the best").click()
    best = said(root).rpartition("ends at ")[2].rstrip(".").replace("\u2212", "-").replace(",", "")
    assert trait(root, "elbo") == pytest.approx(float(best), abs=0.01)


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert_follows_theme(root, page)


@pytest.mark.parametrize("shape", [(0, 2), (3, 3), (4,), (1001, 2)])
def test_other_points_are_refused(shape):
    with pytest.raises(ValueError, match="points of the plane are needed"):
        CaviExplorer(np.zeros(shape), START)


def test_too_many_centers_and_other_variances_are_refused():
    with pytest.raises(ValueError, match="1 to 6 points"):
        CaviExplorer(X, np.zeros((7, 2)))
    with pytest.raises(traitlets.TraitError, match="sigma2"):
        CaviExplorer(X, START, sigma2=2.0)
