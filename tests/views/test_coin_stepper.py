"""The stepper of chapter 1: what it says equals scipy, its controls move the traits and back."""

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy import stats

from vaelib.views.coin_stepper import CoinStepper

browser = pytest.mark.browser

STRENGTHS = [1, 2, 5, 10, 100, 1000]
STOPS = [0, 1, 2, 5, 10, 100, 1000]
TOSSES = np.random.default_rng(3).permutation(np.repeat([1, 0], [900, 100]))


@pytest.fixture
def view():
    return CoinStepper(TOSSES, STOPS, STRENGTHS, share=0.9, strength=100)


def expected(strength, n):
    """The sentence, by scipy."""
    heads = TOSSES[:n].sum()
    exact = stats.beta(strength + heads, strength + n - heads)
    low, high = exact.interval(0.95)
    when = f"After {n:,} {'toss' if n == 1 else 'tosses'}, {heads:,} heads"
    return (
        f"{when if n else 'Before the first toss'}: Beta({exact.args[0]}, {exact.args[1]}), mean "
        f"{exact.mean():.4f}, 95 % interval {low:.4f} to {high:.4f}; "
        f"0.9 is {'inside' if low < 0.9 < high else 'outside'}."
    )


@browser
def test_every_step_says_and_tells_what_scipy_computes(root):
    forward = root.get_by_role("button", name="One step forward")
    for n in STOPS:
        assert trait(root, "n_tosses") == n
        assert said(root) == expected(100, n)
        heads = TOSSES[:n].sum()
        exact = stats.beta(100 + heads, 100 + n - heads)
        assert trait(root, "mean") == pytest.approx(exact.mean())
        assert trait(root, "interval") == pytest.approx(exact.interval(0.95), abs=1e-9)
        before = pixels(root, 0), pixels(root, 1)
        forward.click()
        if n != STOPS[-1]:
            assert pixels(root, 0) != before[0]
            assert pixels(root, 1) != before[1]


@browser
def test_the_keyboard_moves_both_traits_and_the_sentence_is_spoken_once(root):
    text = root.locator(".vw-text")
    tosses = root.get_by_role("slider", name="Number of tosses")
    assert text.get_attribute("aria-live") == "polite"
    tosses.focus()
    tosses.press("End")
    tosses.press("ArrowLeft")
    assert trait(root, "n_tosses") == 100
    assert text.get_attribute("aria-live") == "off"
    assert tosses.get_attribute("aria-valuetext") == said(root) == expected(100, 100)
    lower = pixels(root, 1)
    prior = root.get_by_role("slider", name="Strength of the prior")
    prior.focus()
    assert text.get_attribute("aria-live") == "polite"
    prior.press("Home")
    assert trait(root, "strength") == 1
    assert said(root) == expected(1, 100)
    assert prior.get_attribute("aria-valuetext") == "Prior Beta(1, 1)"
    assert pixels(root, 1) != lower


@browser
def test_a_trait_moves_the_pictures_and_the_controls(root):
    before = pixels(root, 0), pixels(root, 1)
    set_trait(root, "n_tosses", 10)
    set_trait(root, "strength", 2)
    assert said(root) == expected(2, 10)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    assert root.get_by_role("slider", name="Number of tosses").input_value() == "4"
    assert root.get_by_role("slider", name="Strength of the prior").input_value() == "1"


@browser
def test_it_plays_only_when_asked_and_speaks_only_at_the_end(root, page):
    text = root.locator(".vw-text")
    page.clock.install()
    page.clock.run_for(5000)
    assert said(root) == expected(100, 0)
    root.get_by_role("button", name="Play").click()
    assert text.get_attribute("aria-live") == "off"
    page.clock.run_for(700 * len(STOPS))
    assert said(root) == expected(100, 1000)
    assert text.get_attribute("aria-live") == "polite"
    root.get_by_role("button", name="Play").click()  # at the end it starts over
    assert said(root) == expected(100, 0)
    root.get_by_role("slider", name="Strength of the prior").fill("0")  # and stops
    assert root.get_by_role("button", name="Play").count() == 1
    page.clock.run_for(5000)
    assert said(root) == expected(1, 0)


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("button", name="One step forward").click()
    assert (said(first), said(second)) == (expected(100, 0), expected(100, 1))
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert_follows_theme(root, page)


@browser
def test_it_follows_the_system_where_the_page_has_no_theme(root, page):
    light = pixels(root, 0)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("b => document.querySelector('canvas').toDataURL() !== b", arg=light)


def test_bad_input_is_refused(view):
    with pytest.raises(ValueError, match="1 for heads and 0 for tails"):
        CoinStepper([0, 1, 2], [0, 1], STRENGTHS, share=0.9)
    with pytest.raises(ValueError, match="stop 3 is beyond the last of 2 tosses"):
        CoinStepper([0, 1], [0, 3], STRENGTHS, share=0.9)
    with pytest.raises(traitlets.TraitError, match=r"strength is one of 1, 2, .*, not 3"):
        view.strength = 3
    with pytest.raises(traitlets.TraitError, match=r"n_tosses is one of 0, 1, .*, not 3"):
        CoinStepper(TOSSES, STOPS, STRENGTHS, share=0.9, n_tosses=3)
