"""The two views of chapter 1: their arithmetic against scipy, and their controls."""

import re

import numpy as np
import pytest
from looking import pixels
from scipy import special, stats

from vaelib.web.coin import claim_text, coin_explorer, coin_stepper, percent, sequence_text

pytestmark = pytest.mark.browser

STRENGTHS = [1, 2, 5, 10, 100, 1000]
STEPS = [0, 1, 2, 5, 10, 100, 1000]
COUNTS = [10, 100, 1000, 10_000, 100_000]
TOSSES = np.random.default_rng(3).permutation(np.repeat([1, 0], [900, 100]))
HEADS = np.concatenate([[0], np.cumsum(TOSSES)])
BELIEFS = [
    (1, 1),
    (2, 1),
    (1, 11),
    (100, 100),
    (1000, 200),
    (901, 101),
    (1000, 1000),
    (91_000, 11_000),
]


@pytest.fixture
def arithmetic(load_script):
    """The script's functions, called from here: arithmetic("betaCdf", 0.5, 2, 1)."""
    page = load_script("coin")
    return lambda name, *numbers: page.evaluate(f"{name}(...{list(map(float, numbers))})")


@pytest.fixture
def stepper(page, open_view):
    return open_view(coin_stepper(TOSSES, STEPS, strengths=STRENGTHS, start=100, share=0.9))


@pytest.fixture
def explorer(page, open_view):
    return open_view(coin_explorer(STRENGTHS, COUNTS, start=(100, 1000), share=0.9, radius=0.01))


def test_log_gamma_equals_scipy(arithmetic):
    for x in (0.5, 1, 2, 3.7, 9.99, 10, 171.6, 1200, 1e5):
        assert arithmetic("logGamma", x) == pytest.approx(special.gammaln(x), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("belief", BELIEFS)
def test_the_beta_distribution_equals_scipy(arithmetic, belief):
    scipy = stats.beta(*belief)
    for p in (1e-6, 0.025, 0.3, 0.5, 0.8, 0.975, 1 - 1e-6):
        theta = scipy.ppf(p)
        density = np.exp(arithmetic("betaLogPdf", theta, *belief))
        assert density == pytest.approx(scipy.pdf(theta), rel=1e-6)
        assert arithmetic("betaCdf", theta, *belief) == pytest.approx(p, rel=1e-6, abs=1e-9)
        assert arithmetic("betaQuantile", p, *belief) == pytest.approx(theta, abs=1e-9)
    assert arithmetic("interval", *belief) == pytest.approx(scipy.interval(0.95), abs=1e-9)
    mass = scipy.cdf(0.91) - scipy.cdf(0.89)
    assert arithmetic("within", *belief, 0.9, 0.01) == pytest.approx(mass, abs=1e-9)


def test_the_beta_distribution_at_its_ends(arithmetic):
    assert arithmetic("betaCdf", 0, 2, 3) == 0
    assert arithmetic("betaCdf", 1, 2, 3) == 1
    assert arithmetic("betaLogPdf", 1, 2, 1) == pytest.approx(np.log(2))
    assert arithmetic("betaLogPdf", 0, 1, 1) == pytest.approx(0)


def test_percent_claims_neither_nothing_nor_all(arithmetic):
    for p in (0, 1e-9, 0.00101, 0.5, 0.708, 0.9989, 0.9999, 1):
        assert arithmetic("percent", p) == percent(p)


def test_every_step_says_what_python_says(page, stepper):
    text = stepper.locator(".vw-text")
    forward = stepper.get_by_role("button", name="One step forward")
    for n in STEPS:
        assert text.inner_text() == sequence_text(100, n, HEADS, 0.9)
        before = pixels(stepper, 0)
        forward.click()
        assert n == STEPS[-1] or pixels(stepper, 0) != before
    assert page.problems == []
    assert page.outside == []


def test_it_plays_by_itself_only_when_asked_and_speaks_only_at_the_end(page, stepper):
    text = stepper.locator(".vw-text")
    page.clock.install()
    start = text.inner_text()
    page.clock.run_for(5000)
    assert text.inner_text() == start
    play = stepper.get_by_role("button", name="Play")
    play.click()
    assert text.get_attribute("aria-live") == "off"
    page.clock.run_for(700 * len(STEPS))
    assert text.inner_text() == sequence_text(100, 1000, HEADS, 0.9)
    assert text.get_attribute("aria-live") == "polite"
    stepper.get_by_role("button", name="Play").click()  # from the end it starts over
    assert "Before the first toss" in text.inner_text()
    stepper.get_by_role("button", name="Pause").click()
    assert text.get_attribute("aria-live") == "polite"


def test_the_keyboard_steps_and_weakens_the_prior(stepper):
    text = stepper.locator(".vw-text")
    tosses = stepper.get_by_role("slider", name="Number of tosses")
    tosses.focus()
    tosses.press("End")
    assert text.inner_text() == sequence_text(100, 1000, HEADS, 0.9)
    tosses.press("ArrowLeft")
    assert text.inner_text() == sequence_text(100, 100, HEADS, 0.9)
    lower = pixels(stepper, 1)
    prior = stepper.get_by_role("slider", name="Strength of the prior")
    prior.focus()
    prior.press("Home")
    assert text.inner_text() == sequence_text(1, 100, HEADS, 0.9)
    assert prior.get_attribute("aria-valuetext") == "Prior Beta(1, 1)"
    assert pixels(stepper, 1) != lower


def test_the_sliders_of_the_explorer(page, explorer):
    text = explorer.locator(".vw-text")
    assert text.inner_text() == claim_text(100, 1000, 0.9, 0.01)
    prior = explorer.get_by_role("slider", name="Strength of the prior")
    tosses = explorer.get_by_role("slider", name="Number of tosses")
    for i, a in enumerate(STRENGTHS):
        for j, n in enumerate(COUNTS):
            prior.fill(str(i))
            tosses.fill(str(j))
            assert text.inner_text() == claim_text(a, n, 0.9, 0.01)
    assert page.problems == []
    assert page.outside == []


@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_map_chooses_both(explorer, touch):
    text = explorer.locator(".vw-text")
    board = explorer.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    size = board.bounding_box()
    act = board.tap if touch else board.click
    # just inside the lower left and the upper right corner of the grid
    act(position={"x": 64, "y": size["height"] - 50})
    assert text.inner_text() == claim_text(STRENGTHS[0], COUNTS[0], 0.9, 0.01)
    act(position={"x": size["width"] - 28, "y": 14})
    assert text.inner_text() == claim_text(STRENGTHS[-1], COUNTS[-1], 0.9, 0.01)
    act(position={"x": 5, "y": 14})  # on the axis: nothing happens
    assert text.inner_text() == claim_text(STRENGTHS[-1], COUNTS[-1], 0.9, 0.01)


def swipe(page, *points):
    """One finger down at the first point, along the others, and up."""
    client = page.context.new_cdp_session(page)
    for i, (x, y) in enumerate(points):
        kind = "touchMove" if i else "touchStart"
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_that_scrolls_over_the_map_chooses_nothing(page, explorer):
    page.set_viewport_size({"width": 390, "height": 500})
    box = explorer.locator("canvas").nth(1).bounding_box()
    page.evaluate("y => window.scrollTo(0, y)", box["y"] - 150)
    box = explorer.locator("canvas").nth(1).bounding_box()
    x, y, before = box["x"] + 100, box["y"] + 200, page.evaluate("window.scrollY")
    swipe(page, *((x, y + shift) for shift in range(0, 121, 20)))
    page.wait_for_function("before => window.scrollY < before", arg=before)
    assert explorer.locator(".vw-text").inner_text() == claim_text(100, 1000, 0.9, 0.01)


def test_the_mouse_drags_the_choice_over_the_map(page, explorer):
    text = explorer.locator(".vw-text")
    board = explorer.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    corner = box["x"] + box["width"] - 28, box["y"] + 14
    page.mouse.move(*corner)
    assert text.inner_text() == claim_text(100, 1000, 0.9, 0.01), "no button, no choice"
    page.mouse.move(box["x"] + 64, box["y"] + box["height"] - 50)
    page.mouse.down()
    page.mouse.move(*corner, steps=4)
    assert text.inner_text() == claim_text(STRENGTHS[-1], COUNTS[-1], 0.9, 0.01)
    page.mouse.up()
    assert text.inner_text() == claim_text(STRENGTHS[-1], COUNTS[-1], 0.9, 0.01)


def test_two_copies_on_one_page_live_each_for_itself(page):
    view = coin_stepper(TOSSES, STEPS, strengths=STRENGTHS, start=100, share=0.9)
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(f"#{view.name}").all()
    for root in (first, second):
        assert root.locator("canvas").count() == 2
        assert root.get_by_role("slider").count() == 2
    second.get_by_role("button", name="One step forward").click()
    assert first.locator(".vw-text").inner_text() == sequence_text(100, 0, HEADS, 0.9)
    assert second.locator(".vw-text").inner_text() == sequence_text(100, 1, HEADS, 0.9)
    assert page.problems == []


def test_the_sentence_is_spoken_once(stepper):
    text = stepper.locator(".vw-text")
    slider = stepper.get_by_role("slider", name="Number of tosses")
    assert text.get_attribute("aria-live") == "polite"
    slider.focus()
    slider.press("ArrowRight")
    assert text.get_attribute("aria-live") == "off"
    assert slider.get_attribute("aria-valuetext") == text.inner_text()
    slider.blur()
    assert text.get_attribute("aria-live") == "polite"


def test_it_follows_the_system_where_the_page_has_no_theme(page, stepper):
    light = pixels(stepper, 0)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("b => document.querySelector('canvas').toDataURL() !== b", arg=light)


@pytest.mark.parametrize("name", ["stepper", "explorer"])
def test_it_fits_a_phone_and_follows_the_theme(page, request, name):
    page.set_viewport_size({"width": 360, "height": 740})
    root = request.getfixturevalue(name)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    light = [pixels(root, 0), pixels(root, 1)]
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(50)
    assert pixels(root, 0) != light[0]
    assert pixels(root, 1) != light[1]
    for control in root.locator("button, input").all():
        assert control.get_attribute("aria-label") or re.search(r"\w", control.inner_text())
        assert control.bounding_box()["height"] >= 34
