"""The shape of a page as a reader finds it, all folds closed: how much, and what comes first."""

import statistics
from pathlib import Path

import pytest
from chapters import ROOT, names
from new_page import MOVED

HTML = ROOT / "_build" / "html" / "notebooks"
MEASURE, CUT = (Path(__file__).with_name(name).read_text() for name in ("shape.js", "cut.js"))
pytestmark = [
    pytest.mark.book,
    pytest.mark.browser,
    pytest.mark.skipif(not HTML.exists(), reason="no pages in _build/html: run `make book` first"),
]

LIMITS = {
    "words": 2600,  # of prose that stand open
    "picture": 900,  # px to the first picture or view
    "view": 0.40,  # of the page's height, to the first live view
    "gap": 3600,  # px without a picture or view
    "cells": 24,  # of code that stand open
    "median": 8,  # lines of an open cell
    "most": 14,  # lines that nine of ten open cells do not exceed
    "clipped": 0,  # open cells with a line that is cut at 1280 px
    "height": 20_000,  # px
}
# A page may break one number, with the reason why its readers are better off.
EXCEPTIONS: dict[tuple[str, str], tuple[float, str]] = {}


def visit(page, name, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((HTML / f"{name}.html").as_uri())
    page.wait_for_timeout(500)


@pytest.mark.parametrize("name", MOVED)
def test_a_page_keeps_its_numbers(page, name):
    visit(page, name, width=1280)
    shape = page.evaluate(MEASURE)
    lines = sorted(shape["lines"]) or [0]
    found = {
        **{key: shape[key] for key in ("words", "picture", "gap", "clipped", "height")},
        "view": shape["view"] / shape["height"],
        "cells": len(shape["lines"]),
        "median": statistics.median(lines),
        "most": lines[min(len(lines) - 1, int(0.9 * len(lines)))],
    }
    allowed = {key: EXCEPTIONS.get((name, key), (limit,))[0] for key, limit in LIMITS.items()}
    over = {k: f"{v:g}, at most {allowed[k]:g}" for k, v in found.items() if v > allowed[k]}
    assert not over
    assert shape["picture"] < shape["code"], "code stands open above the first picture"


@pytest.mark.parametrize("name", names())
def test_on_a_phone_no_picture_and_no_formula_is_cut(page, name):
    visit(page, name, width=390)
    assert page.evaluate(CUT) == []


def test_a_page_breaks_one_number_at_most_and_says_why():
    pages = [name for name, _ in EXCEPTIONS]
    assert len(set(pages)) == len(pages)
    assert all(len(reason) > 20 for _, reason in EXCEPTIONS.values())
