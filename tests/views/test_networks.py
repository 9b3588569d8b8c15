"""The view of chapter 2: its numbers equal Python's, and its controls do what they say."""

import json

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web.networks import (
    TARGETS,
    largest_error,
    networks_explorer,
    proven_bound,
    sentence,
    sigmoid_sum,
    staircase,
)

pytestmark = pytest.mark.browser

STEPS, SHARPNESSES = [1, 2, 4, 16, 64], [2, 10, 100]


@pytest.fixture
def view():
    return networks_explorer(STEPS, SHARPNESSES, start=("wave", 16, 10))


def expected(key, n, sharpness):
    error = largest_error(TARGETS[key], n, sharpness)
    return sentence(n, error, proven_bound(TARGETS[key], n, sharpness))


@pytest.mark.parametrize("key", TARGETS)
def test_both_languages_compute_the_same(load_script, key):
    page = load_script("networks")
    x = np.linspace(0, 1, 37)
    for n, s in [(1, 10), (4, 2), (16, 10), (64, 100)]:
        units = f"staircase(TARGETS.{key}.f, {n}, {s})"
        ours = sigmoid_sum(x, *staircase(TARGETS[key].f, n, s))
        theirs = page.evaluate(f"{json.dumps(x.tolist())}.map((x) => sum({units}, x))")
        assert theirs == pytest.approx(ours, abs=1e-12)
        error = page.evaluate(f"largestError(TARGETS.{key}, {n}, {s})")
        assert error == pytest.approx(largest_error(TARGETS[key], n, s), abs=1e-12)
        bound = page.evaluate(f"provenBound(TARGETS.{key}, {n}, {s})")
        assert bound == pytest.approx(proven_bound(TARGETS[key], n, s), abs=1e-12)


def test_the_same_functions_in_the_same_order(load_script):
    page = load_script("networks")
    names = page.evaluate("Object.entries(TARGETS).map(([key, t]) => [key, t.name])")
    assert names == [[key, target.name] for key, target in TARGETS.items()]


def test_sentences_are_written_as_python_writes_them(load_script):
    page = load_script("networks")
    for n, error, bound in [(1, 0.5, None), (1024, 0.00249, 0.0088), (2, 1234.5, 2000.25)]:
        words = page.evaluate(f"sentence({n}, {error}, {json.dumps(bound)})")
        assert words == sentence(n, error, bound)


def test_it_starts_where_it_was_told(root):
    assert said(root) == expected("wave", 16, 10)
    assert root.get_by_role("combobox").input_value() == "0"


def test_every_control_changes_both_pictures(root, page):
    for label, key in [("Number of steps", "ArrowLeft"), ("Sharpness of the steps", "ArrowRight")]:
        before = pixels(root, 0), pixels(root, 1)
        root.get_by_label(label, exact=True).focus()
        page.keyboard.press(key)
        assert pixels(root, 0) != before[0]
        assert pixels(root, 1) != before[1]
    assert said(root) == expected("wave", 4, 100)
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_role("combobox").select_option("a square root")
    assert said(root) == expected("root", 4, 100)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]


def test_a_jump_stays_at_one_half(root, page):
    root.get_by_role("combobox").select_option("a jump")
    root.get_by_label("Number of steps", exact=True).focus()
    for key in ("Home", "End"):
        page.keyboard.press(key)
        assert "largest error 0.5000" in said(root)
    assert said(root) == expected("step", 64, 10)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)
    assert root.get_by_role("combobox", name="Function").count() == 1


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
