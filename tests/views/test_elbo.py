"""The view of chapter 4: its quadrature equals Python's, and its controls do what they say."""

import json
import re
from dataclasses import asdict

import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web.elbo import Target, descend, elbo_explorer, measure, posterior, sentence

pytestmark = pytest.mark.browser

BUMPS = {"means": (-8 / 3, 8 / 3), "stds": (3**-0.5, 3**-0.5), "x": 0.0}
TARGETS = [
    Target("two equal bumps", (0.5, 0.5), **BUMPS),
    Target("three to one, <named> oddly", (0.75, 0.25), **BUMPS),
    Target("one bump", (1.0,), (0.0,), (1.0,), x=2.0),
    Target("odd", (0.3, 0.7), (-1.0, 2.0), (0.4, 1.5), x=0.7, sigma_x=2.0),
]
QS = [(0.0, 1.0), (-5.0, 0.2), (4.3, 4.0), (2.0, 0.5), (0.61, 1.234)]
START = (0.9, 0.7)


@pytest.fixture
def script(load_script):
    """An expression of the script, evaluated with `model` prepared from a target."""
    page = load_script("elbo")
    return lambda target, code: page.evaluate(
        f"(() => {{ const model = prepare({json.dumps(asdict(target))}); return {code}; }})()"
    )


@pytest.fixture
def view():
    return elbo_explorer(TARGETS, start=START)


def settle(page, root, target, direction, start=START):
    """Wait until a descent has come to its end, where its sentence may be spoken."""
    page.wait_for_function(
        "end => { const text = document.querySelector('.vw-text');"
        "return text.textContent === end && text.getAttribute('aria-live') === 'polite'; }",
        arg=sentence(target, *descend(target, *start, direction)[-1]),
        timeout=15_000,
    )


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_quadrature_equals_python(script, target):
    weights, means, stds, log_px = posterior(target)
    made = script(target, "model.post")
    assert made["logPx"] == pytest.approx(log_px, abs=1e-12)
    assert made["weights"] == pytest.approx(list(weights), abs=1e-12)
    assert made["means"] == pytest.approx(list(means), abs=1e-12)
    assert made["stds"] == pytest.approx(list(stds), abs=1e-12)
    for mean, std in QS:
        values = script(target, f"measure(model, {mean}, {std})")
        assert values == pytest.approx(measure(target, mean, std), abs=1e-9)
        assert values[0] + values[1] == pytest.approx(log_px, abs=1e-9)
        assert script(target, f"sentence(model, {mean}, {std})") == sentence(target, mean, std)
        rough = script(target, f"measure(model, {mean}, {std}, 4)")  # what the map uses
        assert rough == pytest.approx(values, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("direction", ["reverse", "forward"])
def test_the_descents_equal_python(script, target, direction):
    for mean, std in QS:
        way = script(target, f"descend(model, {mean}, {std}, '{direction}')")
        expected = descend(target, mean, std, direction)
        assert len(way) == len(expected)
        for step, other in zip(way, expected, strict=True):
            assert step == pytest.approx(other, abs=1e-9)


def test_it_starts_as_told_and_waits(root, page):
    assert said(root) == sentence(TARGETS[0], *START)
    page.wait_for_timeout(500)
    assert said(root) == sentence(TARGETS[0], *START)


def test_the_sliders_move_q(root, page):
    before = [pixels(root, i) for i in range(3)]
    mean = root.get_by_role("slider", name="Mean of q")
    mean.focus()
    mean.press("ArrowRight")
    assert said(root) == sentence(TARGETS[0], 0.91, 0.7)
    assert root.locator(".vw-text").get_attribute("aria-live") == "off"
    assert mean.get_attribute("aria-valuetext") == "mean of q 0.91"
    mean.press("Home")
    assert said(root) == sentence(TARGETS[0], -5.0, 0.7)
    assert all(pixels(root, i) != before[i] for i in range(3))
    mean.blur()
    assert root.locator(".vw-text").get_attribute("aria-live") == "polite"
    std = root.get_by_role("slider", name="Standard deviation of q")
    std.focus()
    std.press("Home")
    assert said(root) == sentence(TARGETS[0], -5.0, 0.2)


@pytest.mark.parametrize(("name", "direction"), [("KL(q", "reverse"), ("KL(p", "forward")])
def test_the_buttons_descend(root, page, name, direction):
    button = root.get_by_role("button", name=f"Descend {name}")
    button.focus()
    page.keyboard.press("Enter")
    assert root.locator(".vw-text").get_attribute("aria-live") == "off"
    settle(page, root, TARGETS[0], direction)
    assert root.locator(".vw-text").get_attribute("aria-live") == "polite"


def test_those_who_want_no_motion_see_the_end_at_once(page, open_view):
    page.emulate_media(reduced_motion="reduce")
    root = open_view(elbo_explorer(TARGETS, start=START))
    root.get_by_role("button", name="Descend KL(q").click()
    assert said(root) == sentence(TARGETS[0], *descend(TARGETS[0], *START, "reverse")[-1])


def test_a_slider_or_another_model_stops_a_descent(root, page):
    root.get_by_role("button", name="Descend KL(p").click()
    page.wait_for_timeout(120)
    root.get_by_role("slider", name="Mean of q").fill("1")
    after = said(root)
    page.wait_for_timeout(200)
    assert said(root) == after
    root.get_by_role("button", name="Descend KL(p").click()
    page.wait_for_timeout(120)
    root.get_by_role("combobox").select_option("one bump")
    after = said(root)
    assert "log p(x) = \u22122.266" in after
    page.wait_for_timeout(200)
    assert said(root) == after


@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_map_chooses_q(root, page, touch):
    board = root.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    size = board.bounding_box()
    act = board.tap if touch else board.click
    act(position={"x": 53, "y": size["height"] - 43})  # lower left corner
    mean, std = re.search(r"N\((\S+), (\S+)\u00b2\)", said(root)).groups()
    assert float(mean.replace("\u2212", "-")) == pytest.approx(-5, abs=0.06)
    assert float(std) == pytest.approx(0.2, abs=0.01)
    before = said(root)
    act(position={"x": 5, "y": 60})  # on the labels: nothing happens
    assert said(root) == before


def test_two_copies_on_one_page_live_each_for_itself(page):
    view = elbo_explorer(TARGETS, start=START)
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(f"#{view.name}").all()
    second.get_by_role("slider", name="Mean of q").fill("2")
    assert said(first) == sentence(TARGETS[0], *START)
    assert said(second) == sentence(TARGETS[0], 2.0, 0.7)
    assert page.problems == []


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
