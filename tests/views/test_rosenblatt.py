"""The view of chapter 9: JavaScript computes what Python computes, and its controls work."""

import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web import rosenblatt
from vaelib.web.rosenblatt import gap, log_evidence, log_posterior, rosenblatt_explorer, sentence

pytestmark = pytest.mark.browser

START, SIGMA = (1.5, 0.5), 0.3
SHAPE = {"bend": rosenblatt.BEND, "spread": rosenblatt.SPREAD}


@pytest.fixture
def view():
    return rosenblatt_explorer(START, SIGMA)


@pytest.mark.parametrize("z", [(0.0, 0.0), (1.5, 0.5), (-2.5, 2.5), (0.3, -1.7)])
def test_both_faces_compute_the_same(load_script, z):
    page = load_script("rosenblatt")
    for sigma in rosenblatt.SIGMAS:
        given = {"z": list(z), "sigma": sigma, "shape": SHAPE}
        made = page.evaluate(
            """({z, sigma, shape}) => ({
              x: decode(z, shape), gap: gap(z, sigma, shape), full: spreads(z[0], shape).full,
              sds: spreads(z[0], shape).sds, said: sentence(z, sigma, shape),
              log_px: logEvidence(decode(z, shape), sigma, shape),
              log_p: logPosterior([0.1, 0.2], decode(z, shape), sigma, shape),
              size: microscope(z[0], shape), line: ellipse([1, 2], spreads(z[0], shape).full),
            })""",
            given,
        )
        x, (full, sds) = rosenblatt.decode(z), rosenblatt.spreads(z[0])
        assert made["x"] == pytest.approx(x)
        assert made["gap"] == pytest.approx(list(gap(*z, sigma)), abs=1e-9)
        assert made["log_px"] == pytest.approx(log_evidence(*x, sigma), abs=1e-10)
        assert made["log_p"] == pytest.approx(float(log_posterior([0.1, 0.2], x, sigma)))
        assert made["full"] == [pytest.approx(list(line)) for line in full]
        assert made["sds"] == pytest.approx(list(sds))
        assert made["size"] == pytest.approx(list(rosenblatt.microscope(z[0])))
        points = rosenblatt.ellipse([1, 2], full).tolist()
        assert made["line"] == [pytest.approx(point) for point in points]
        assert made["said"] == sentence(*z, sigma)


def test_it_starts_as_told(root):
    assert said(root) == sentence(*START, SIGMA)


def test_the_sliders_move_all_pictures(root):
    before = [pixels(root, i) for i in range(3)]
    slider = root.get_by_role("slider", name="z\u2081")
    slider.focus()
    slider.press("ArrowRight")
    assert said(root) == sentence(1.6, 0.5, SIGMA)
    assert slider.get_attribute("aria-valuetext") == "z\u2081 = 1.6"
    assert all(pixels(root, i) != before[i] for i in range(3))
    other = root.get_by_role("slider", name="z\u2082")
    other.focus()
    other.press("Home")
    assert said(root) == sentence(1.6, -2.5, SIGMA)


def test_the_noise_changes_the_microscope_only(root):
    before = [pixels(root, i) for i in range(3)]
    noise = root.get_by_role("slider", name="Noise of the decoder")
    noise.focus()
    noise.press("Home")
    assert said(root) == sentence(*START, rosenblatt.SIGMAS[0])
    after = [pixels(root, i) for i in range(3)]
    assert after[:2] == before[:2]
    assert after[2] != before[2]


@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_plane_moves_z(root, touch):
    plane = root.locator("canvas").first
    plane.scroll_into_view_if_needed()
    size = plane.bounding_box()
    act = plane.tap if touch else plane.click
    act(position={"x": 47, "y": size["height"] - 43})  # lower left corner
    assert said(root) == sentence(-2.5, -2.5, SIGMA)
    sliders = root.get_by_role("slider", name="z")
    assert [sliders.nth(i).get_attribute("aria-valuetext") for i in (0, 1)] == [
        "z\u2081 = \u22122.5",
        "z\u2082 = \u22122.5",
    ]


def test_two_copies_on_one_page_live_each_for_itself(page):
    view = rosenblatt_explorer(START, SIGMA)
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(f"#{view.name}").all()
    second.get_by_role("slider", name="Noise of the decoder").fill("0")
    assert said(first) == sentence(*START, SIGMA)
    assert said(second) == sentence(*START, rosenblatt.SIGMAS[0])
    assert page.problems == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
