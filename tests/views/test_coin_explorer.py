"""The explorer of chapter 1: what it says equals scipy, its controls move the traits and back."""

import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy import stats

from vaelib.views.coin_explorer import CoinExplorer

browser = pytest.mark.browser

STRENGTHS = [1, 2, 5, 10, 100, 1000]
COUNTS = [10, 100, 1000, 10_000, 100_000]
FIRST, LAST = (STRENGTHS[0], COUNTS[0]), (STRENGTHS[-1], COUNTS[-1])


@pytest.fixture
def view():
    return CoinExplorer(STRENGTHS, COUNTS, share=0.9, radius=0.01, thesis=(100, 1000))


def posterior(strength, n):
    heads = round(0.9 * n)
    exact = stats.beta(strength + heads, strength + n - heads)
    return exact.mean(), exact.cdf(0.91) - exact.cdf(0.89)


def expected(strength, n):
    """The sentence, by scipy."""
    mean, mass = posterior(strength, n)
    percent = f"{100 * mass:.1f} %"
    if mass < 0.001:
        percent = "less than 0.1 %"
    elif mass > 0.999:
        percent = "more than 99.9 %"
    return (
        f"Beta({strength}, {strength}) and {n:,} tosses, {round(0.9 * n):,} heads: posterior mean "
        f"{mean:.4f}; {percent} of the posterior lies within 0.01 of 0.9."
    )


def chosen(root):
    return trait(root, "strength"), trait(root, "n_tosses")


@browser
def test_percent_claims_neither_nothing_nor_all(load_script):
    texts = load_script("coin_explorer").evaluate(
        "[0, 0.00101, 0.708, 0.9989, 0.9999].map(percent)"
    )
    assert texts == ["less than 0.1 %", "0.1 %", "70.8 %", "99.9 %", "more than 99.9 %"]


@browser
def test_the_sliders_move_the_traits(root):
    assert said(root) == expected(100, 1000)
    prior = root.get_by_role("slider", name="Strength of the prior")
    tosses = root.get_by_role("slider", name="Number of tosses")
    for i, strength in enumerate(STRENGTHS):
        prior.fill(str(i))
        for j, n in enumerate(COUNTS):
            tosses.fill(str(j))
            assert chosen(root) == (strength, n)
            assert said(root) == expected(strength, n)
            told = trait(root, "mean"), trait(root, "mass")
            assert told == pytest.approx(posterior(strength, n), abs=1e-9)


@browser
def test_a_trait_moves_the_pictures_and_the_sliders(root):
    before = pixels(root, 0), pixels(root, 1)
    set_trait(root, "strength", 2)
    set_trait(root, "n_tosses", 10)
    assert said(root) == expected(2, 10)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    assert root.get_by_role("slider", name="Strength of the prior").input_value() == "1"
    assert root.get_by_role("slider", name="Number of tosses").input_value() == "0"


@browser
@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_map_chooses_both(root, touch):
    board = root.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    size = board.bounding_box()
    act = board.tap if touch else board.click
    # just inside the lower left and the upper right corner of the grid
    act(position={"x": 64, "y": size["height"] - 50})
    assert chosen(root) == FIRST
    act(position={"x": size["width"] - 28, "y": 14})
    assert chosen(root) == LAST
    act(position={"x": 5, "y": 14})  # on the axis: nothing happens
    assert chosen(root) == LAST
    assert said(root) == expected(*LAST)


def swipe(page, *points):
    """One finger down at the first point, along the others, and up."""
    client = page.context.new_cdp_session(page)
    for i, (x, y) in enumerate(points):
        kind = "touchMove" if i else "touchStart"
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@browser
def test_a_finger_that_scrolls_over_the_map_chooses_nothing(page, root):
    page.set_viewport_size({"width": 390, "height": 500})
    box = root.locator("canvas").nth(1).bounding_box()
    page.evaluate("y => window.scrollTo(0, y)", box["y"] - 150)
    box = root.locator("canvas").nth(1).bounding_box()
    x, y, before = box["x"] + 100, box["y"] + 200, page.evaluate("window.scrollY")
    swipe(page, *((x, y + shift) for shift in range(0, 121, 20)))
    page.wait_for_function("before => window.scrollY < before", arg=before)
    assert chosen(root) == (100, 1000)


@browser
def test_the_mouse_drags_the_choice_over_the_map(page, root):
    board = root.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    corner = box["x"] + box["width"] - 28, box["y"] + 14
    page.mouse.move(*corner)
    assert chosen(root) == (100, 1000), "no button, no choice"
    page.mouse.move(box["x"] + 64, box["y"] + box["height"] - 50)
    page.mouse.down()
    page.mouse.move(*corner, steps=4)
    page.mouse.up()
    assert chosen(root) == LAST


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("slider", name="Strength of the prior").fill("0")
    assert (said(first), said(second)) == (expected(100, 1000), expected(1, 1000))
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert_follows_theme(root, page)


def test_bad_input_is_refused(view):
    with pytest.raises(ValueError, match="of 15 tosses is not a whole number"):
        CoinExplorer([1], [10, 15], share=0.9, radius=0.01, thesis=(1, 10))
    with pytest.raises(traitlets.TraitError, match="strength is one of 1, not 2"):
        CoinExplorer([1], [10], share=0.9, radius=0.01, thesis=(2, 10))
    with pytest.raises(traitlets.TraitError, match=r"n_tosses is one of 10, .*, not 11"):
        view.n_tosses = 11
