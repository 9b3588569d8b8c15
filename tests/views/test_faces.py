"""The portrait desk in a browser: its decoder and its judge are Python's, its controls work."""

import time

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, said

from vaelib import faces, pretrained
from vaelib.web.faces import portrait_desk, render

pytestmark = pytest.mark.browser
EDITS = {"(a)": {"smile": -1.5}, "(b)": {"smile": 1, "glasses": 3.5, "young": 2}}


@pytest.fixture(scope="module")
def view():
    kit = faces.shipped()
    model, _ = pretrained.shipped(kit.model)
    return portrait_desk(
        model,
        kit.judge,
        {"one": kit.codes.mu[0], "two": kit.codes.mu[1]},
        {way: kit.directions[way] for way in ("means", "regression")},
        kit.answers(),
        EDITS,
    )


@pytest.fixture
def root(root):
    root.locator(".vw-text", has_text="Move a slider").wait_for()
    return root


def agree(root, view, face, way, strengths):
    image, scores = render(view.data, face, way, strengths)
    np.testing.assert_allclose(root.evaluate("r => r.image()"), image.flatten(), atol=2e-3)
    np.testing.assert_allclose(root.evaluate("r => r.scores()"), scores, atol=1e-2)


def test_it_decodes_and_judges_as_python_does(root, view):
    agree(root, view, 0, 0, {})
    root.get_by_role("button", name="(b)").click()
    agree(root, view, 0, 0, EDITS["(b)"])
    assert "glasses 3.50" in said(root)


def test_menus_change_the_face_and_the_way(root, view):
    face, way = root.get_by_role("combobox").all()
    face.select_option(index=1)
    way.select_option(index=1)
    root.get_by_role("button", name="(a)").click()
    agree(root, view, 1, 1, EDITS["(a)"])
    root.get_by_role("button", name="reset").click()
    agree(root, view, 1, 1, {})


def test_a_slider_by_keyboard(root, view, page):
    slider = root.get_by_role("slider", name="Strength of blond")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    page.wait_for_timeout(400)
    agree(root, view, 0, 0, {"blond": 1.0})
    assert "blond 1.00" in said(root)
    assert "blond +1.00" in slider.get_attribute("aria-valuetext")


def test_an_edit_takes_less_than_a_second(root):
    root.get_by_role("button", name="(a)").click()
    begin = time.perf_counter()
    root.get_by_role("button", name="(b)").click()
    root.evaluate("r => r.scores()")
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_page(root, page, width):
    assert_fits(root, page, width)
