"""The view of chapter 9: its numbers are vaelib.banana's, its controls move the traits."""

import numpy as np
import pytest
import torch
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib import banana
from vaelib.densities import banana as banana_target
from vaelib.gaussian import log_standard_normal
from vaelib.likelihood import Gaussian
from vaelib.rosenblatt import decode_exact
from vaelib.views.rosenblatt import REACH, SIGMAS, RosenblattExplorer

browser = pytest.mark.browser

START, SIGMA = (1.5, 0.5), 0.3
POINTS = [(0.0, 0.0), (1.5, 0.5), (-2.5, 2.5), (0.3, -1.7)]


@pytest.fixture
def view():
    return RosenblattExplorer(z=START, sigma=SIGMA)


@pytest.fixture
def script(load_script):
    return load_script("rosenblatt")


def log_joint(z, x, sigma):
    z, x = (torch.tensor(value, dtype=torch.float64) for value in (z, x))
    mean = decode_exact(banana_target(), z)
    return Gaussian(sigma).log_prob(mean, x) + log_standard_normal(z)


@browser
def test_the_divergences_are_those_of_the_banana(script):
    for z in POINTS:
        for sigma in SIGMAS:
            x = banana.decode(z)
            found = script.evaluate(f"gap({list(z)}, {sigma})")
            assert found == pytest.approx(list(banana.gap(*z, sigma)), abs=1e-9)
            log_px = script.evaluate(f"logEvidence(decode({list(z)}), {sigma})")
            assert log_px == pytest.approx(banana.log_evidence(*x, sigma), abs=1e-10)


@browser
def test_the_posterior_is_the_joint_up_to_a_constant(script):
    for sigma in (0.1, 1.2):
        x = banana.decode((1.5, 0.5)).tolist()
        found = script.evaluate(
            "([points, x, sigma]) => points.map((z) => logPosterior(z, x, sigma))",
            [POINTS, x, sigma],
        )
        expected = log_joint(POINTS, x, sigma).numpy()
        assert np.array(found) - found[0] == pytest.approx(expected - expected[0])


@browser
def test_the_ellipses_are_two_standard_deviations_away(script):
    for z1 in (-1.0, 0.0, 2.5):
        full, stds = banana.spreads(z1)
        assert script.evaluate(f"spreads({z1}).stds") == pytest.approx(stds)
        points = np.array(script.evaluate(f"ellipse(spreads({z1}).full)"))
        assert np.linalg.norm(np.linalg.solve(full, points.T), axis=0) == pytest.approx(2)
        assert points[0] == pytest.approx(points[-1])


def test_bad_input_is_refused():
    with pytest.raises(traitlets.TraitError, match=r"3\.0"):
        RosenblattExplorer(z=(3.0, 0.0))
    view = RosenblattExplorer()
    with pytest.raises(traitlets.TraitError, match=r"sigma.* expected any of \[0\.02, .* 0\.25"):
        view.sigma = 0.25
    with pytest.raises(traitlets.TraitError):
        view.z = (0.0, 0.0, 0.0)


@browser
def test_it_starts_as_told(root):
    full, diagonal, floor = banana.gap(*START, SIGMA)
    assert said(root) == (
        "z = (1.50, 0.50) maps to x = (1.500, 0.875). At \u03c3 = 0.3: "
        f"KL(q\u2016p) = {full:.3f} nats for the full q, {diagonal:.3f} for the diagonal one; "
        f"as \u03c3 \u2192 0 they tend to 0 and {floor:.3f}."
    )
    assert trait(root, "x") == [1.5, 0.875]
    found = [trait(root, name) for name in ("kl_full", "kl_diagonal", "floor")]
    assert found == pytest.approx([full, diagonal, floor], abs=1e-9)


@browser
def test_the_sliders_move_the_traits(root):
    before = [pixels(root, i) for i in range(3)]
    slider = root.get_by_role("slider", name="z\u2081")
    slider.focus()
    slider.press("ArrowRight")
    assert trait(root, "z") == [1.6, 0.5]
    assert slider.get_attribute("aria-valuetext") == "z\u2081 = 1.60"
    assert all(pixels(root, i) != before[i] for i in range(3))
    root.get_by_role("slider", name="z\u2082").fill("-2.5")
    assert trait(root, "z") == [1.6, -REACH]
    before = [pixels(root, i) for i in range(3)]
    root.get_by_role("slider", name="Noise of the decoder").fill("0")
    assert trait(root, "sigma") == SIGMAS[0]
    after = [pixels(root, i) for i in range(3)]
    assert after[:2] == before[:2]
    assert after[2] != before[2]


@browser
def test_traits_move_the_pictures_and_the_sliders(root):
    before = [pixels(root, i) for i in range(3)]
    set_trait(root, "z", [-2.0, 1.0])
    set_trait(root, "sigma", 0.02)
    assert all(pixels(root, i) != before[i] for i in range(3))
    assert trait(root, "kl_full") == pytest.approx(banana.gap(-2, 1, 0.02).full, abs=1e-9)
    values = {"z\u2081": "-2", "z\u2082": "1", "Noise of the decoder": "0"}
    for name, value in values.items():
        assert root.get_by_role("slider", name=name).input_value() == value


@browser
@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_plane_moves_z(root, touch):
    plane = root.locator("canvas").first
    plane.scroll_into_view_if_needed()
    size = plane.bounding_box()
    act = plane.tap if touch else plane.click
    act(position={"x": 47, "y": size["height"] - 43})  # lower left corner
    assert trait(root, "z") == [-REACH, -REACH]


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("slider", name="Noise of the decoder").fill("0")
    assert [trait(copy, "sigma") for copy in (first, second)] == [SIGMA, SIGMAS[0]]
    assert page.problems == []


@browser
def test_it_fits_is_labeled_and_follows_the_theme(root, page):
    for width in WIDTHS:
        assert_fits(root, page, width)
    assert_follows_theme(root, page)
