"""The reading desk in a browser: its Dice is Python's, its sliders and colors do what they say."""

import numpy as np
import pytest
from looking import said

from vaelib import drawn
from vaelib.web.anomaly import found, reading_desk

pytestmark = pytest.mark.browser
CONTRASTS = (0.0, 0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def view():
    """Phantoms with the mean of their healthy twins for a reconstruction."""
    made = drawn.phantoms(40, size=32, lesion=None).images.x.mean(0).numpy()
    slices = [
        drawn.phantoms(3, seed=1, size=32, lesion="glioma", lesion_share=1, contrast=(c, c))
        for c in CONTRASTS
    ]
    images = np.stack([part.images.x.numpy() for part in slices], 1)
    made = np.broadcast_to(made, images.shape)
    return reading_desk(
        images, made, np.abs(images - made), slices[0].masks.numpy(),
        contrasts=CONTRASTS, threshold=0.2, side=32,
    )  # fmt: skip


@pytest.fixture
def root(root):
    root.locator(".vw-text", has_text="Dice").wait_for()
    return root


def test_it_finds_what_python_finds(root, view):
    start = view.data["start"]
    above, dice = found(view.data, 0, 3, start)
    assert root.evaluate("r => r.above()") == above.tolist()
    assert root.evaluate("r => r.dice()") == pytest.approx(dice)
    assert f"Dice {dice:.2f}" in said(root)


def test_menus_and_sliders_change_what_is_judged(root, view):
    root.get_by_role("combobox").select_option(index=2)
    assert root.evaluate("r => r.dice()") == pytest.approx(
        found(view.data, 2, 3, view.data["start"])[1]
    )
    contrast, level = root.get_by_role("slider").all()
    contrast.focus()
    contrast.press("Home")
    assert root.evaluate("r => r.dice()") == pytest.approx(
        found(view.data, 2, 0, view.data["start"])[1]
    )
    level.focus()
    level.press("End")
    assert root.evaluate("r => r.above()") == found(view.data, 2, 0, 99)[0].tolist()


def test_it_is_small(view):
    assert len(view.html.encode()) < 500_000


@pytest.mark.parametrize("width", [1280, 390])
def test_pictures_fit_the_page(root, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert root.locator("canvas").bounding_box()["height"] > 150


def test_found_pixels_have_colors_of_their_own(root):
    """Green, blue and orange are on the last picture, next to gray."""
    colors = root.evaluate(
        """r => {
          const c = r.querySelector("canvas"), ctx = c.getContext("2d"), seen = {};
          const { data } = ctx.getImageData(0, 0, c.width, c.height);
          for (let i = 0; i < data.length; i += 4) {
            const [R, G, B] = data.slice(i, i + 3);
            const colored = Math.max(R, G, B) - Math.min(R, G, B) > 60;
            if (colored) seen[[R, G, B]] = (seen[[R, G, B]] ?? 0) + 1;
          }
          return Object.values(seen).filter((n) => n > 20).length;
        }"""
    )
    assert colors >= 3
