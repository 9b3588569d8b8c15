"""The mending desk in a browser: Python's numbers, gaps rubbed in by hand, themes and widths."""

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, said
from untrained import layers

from vaelib.web.denoise import LEVELS, answers, mending_desk

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def view():
    """Networks of the size that the chapter's page carries, untrained."""
    rng = np.random.default_rng(0)
    nets = {
        name: (layers(rng, (784, 48, 20)), layers(rng, (20, 48, 784)))
        for name in ("AE", "VAE", "denoising AE")
    }
    return mending_desk(nets, rng.random((10, 784)), np.full(784, 0.3), asked="VAE", misfit=0.02)


@pytest.fixture
def root(root):
    root.locator(".vw-text", has_text="pixels missing").wait_for()
    return root


def expected(view, digit, level, gap):
    data = view.data
    seen = data["gaps"][gap]["seen"].astype(bool)
    x = data["images"][digit] / 255 + LEVELS[level] * data["eps"].astype(float)
    return answers(data, x, seen, LEVELS[level])


@pytest.mark.parametrize(("digit", "level", "gap"), [(0, 3, 0), (4, 0, 1), (9, 8, 4)])
def test_the_page_answers_as_python_does(root, view, digit, level, gap):
    choose = root.locator("select")
    choose.nth(0).select_option(str(digit))
    choose.nth(1).select_option(str(gap))
    root.locator("input[type=range]").fill(str(level))
    found = root.evaluate("r => r.answers()")
    for name, image in expected(view, digit, level, gap).items():
        assert np.abs(np.array(found[name]) - image).max() < 1e-3, name


def test_pixels_are_rubbed_out_with_the_mouse(root):
    canvas = root.locator("canvas")
    box = canvas.bounding_box()
    before = said(root)
    tile = box["width"] / 4
    canvas.click(position={"x": 1.5 * tile, "y": 0.5 * tile})
    assert root.evaluate("r => r.missing()") == 9
    assert "9 of 784" in said(root)
    canvas.click(position={"x": 0.5 * tile, "y": 0.5 * tile})  # the truth is not for rubbing
    assert root.evaluate("r => r.missing()") == 9
    root.locator("select").nth(1).select_option("0")
    assert said(root) == before


def test_a_corner_has_four_pixels(root):
    root.evaluate("r => r.rub(0, 27)")
    assert root.evaluate("r => r.missing()") == 4


def test_the_keyboard_moves_the_noise(root, page):
    slider = root.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert said(root).startswith("Noise 0.4")
    assert slider.get_attribute("aria-valuetext") == "noise level s = 0.4"


def test_one_change_is_quick(root):
    milliseconds = root.evaluate(
        """r => {
          const spent = [];
          for (let i = 0; i < 11; i++) {
            const start = performance.now();
            r.rub(i, i);
            spent.push(performance.now() - start);
          }
          return spent.sort((a, b) => a - b)[5];
        }"""
    )
    assert milliseconds < 100


def test_it_is_small(view):
    assert len(view.html.encode()) < 500_000


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits(root, page, width):
    assert_fits(root, page, width)


def test_it_follows_the_theme(root, page):
    assert_follows_theme(root, page)
