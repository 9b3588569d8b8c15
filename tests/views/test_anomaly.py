"""The view of chapter 12: its Dice is numpy's, its controls and colors do what they say."""

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib.views.anomaly import AnomalyExplorer

browser = pytest.mark.browser
SIDE, CONTRASTS = 16, (0.0, 0.1, 0.3)


@pytest.fixture(scope="module")
def arrays():
    """Random slices with a square lesion, at half of their contrast for a reconstruction."""
    rng = np.random.default_rng(0)
    images = 0.6 * rng.random((3, 3, SIDE, SIDE))
    masks = np.zeros((3, SIDE, SIDE), bool)
    for k in range(3):
        masks[k, 2 + k : 8 + k, 4:9] = True
    images += masks[:, None] * np.array(CONTRASTS)[:, None, None]
    made = 0.5 * images + 0.15
    maps = (a.reshape(3, 3, -1) for a in (images, made, np.abs(images - made)))
    return *maps, masks.reshape(3, -1)


@pytest.fixture
def view(arrays):
    return AnomalyExplorer(*arrays, contrasts=CONTRASTS, threshold=0.12)


def by_numpy(arrays, k, c, threshold):
    """Hits, wrong pixels and Dice on error maps rounded to 255 steps of one scale."""
    *_, errors, masks = arrays
    above = np.rint(255 * errors[k, c] / errors.max()) / 255 * errors.max() > threshold
    hits = (above & masks[k]).sum()
    return hits, (above & ~masks[k]).sum(), 2 * hits / (above.sum() + masks[k].sum())


def assert_says(root, arrays, k, c, threshold):
    hits, wrong, dice = by_numpy(arrays, k, c, threshold)
    assert f"Error above {threshold:.3f}: {hits} of 30 lesion pixels are found" in said(root)
    assert f"healthy pixels marked: {wrong}. Dice {dice:.2f}" in said(root)
    assert trait(root, "dice") == pytest.approx(dice)


def test_error_maps_share_one_scale(view, arrays):
    errors = arrays[2]
    assert view.data["errors"].max() == 255
    error = np.abs(view.data["errors"] * (view.data["scale"] / 255) - errors)
    assert error.max() <= errors.max() / 500


def test_bad_input_is_refused(view, arrays):
    images, made, errors, masks = arrays
    with pytest.raises(ValueError, match=r"reconstructions have shape .* expected \(3, 3, 256\)"):
        AnomalyExplorer(images, made[:2], errors, masks, contrasts=CONTRASTS, threshold=0.1)
    with pytest.raises(traitlets.TraitError, match="between 0 and the largest error"):
        AnomalyExplorer(*arrays, contrasts=CONTRASTS, threshold=2)
    for name, value, problem in (
        ("slice_index", 3, "slice_index is one of 0, 1, 2, not 3"),
        ("contrast", 0.2, "contrast is one of 0.0, 0.1, 0.3, not 0.2"),
        ("threshold", -0.1, "between 0 and the largest error"),
    ):
        with pytest.raises(traitlets.TraitError, match=problem):
            setattr(view, name, value)


@browser
def test_controls_move_the_traits_and_what_is_found(root, arrays):
    assert_says(root, arrays, 0, 2, 0.12)
    assert trait(root, "dice") not in (0, 1)
    contrast, level = root.get_by_role("slider").all()
    root.get_by_role("combobox").select_option(index=2)
    contrast.focus()
    contrast.press("Home")
    level.focus()
    level.press("End")
    scale = arrays[2].max()
    assert [trait(root, name) for name in ("slice_index", "contrast")] == [2, 0]
    assert trait(root, "threshold") == pytest.approx(0.99 * scale)
    assert level.get_attribute("aria-valuetext") == "threshold 99 % of the scale"
    assert_says(root, arrays, 2, 0, round(0.99 * scale, 3))


@browser
def test_traits_move_the_controls_and_the_picture(root, arrays):
    before = pixels(root)
    for name, value in (("slice_index", 1), ("contrast", 0.1), ("threshold", 0.05)):
        set_trait(root, name, value)
    assert pixels(root) != before
    assert_says(root, arrays, 1, 1, 0.05)
    contrast, level = root.get_by_role("slider").all()
    assert root.get_by_role("combobox").input_value() == "1"
    assert contrast.input_value() == "1"
    assert level.input_value() == str(round(5 / arrays[2].max()))


@browser
def test_found_missed_and_wrong_pixels_have_colors_of_their_own(root):
    colors = root.evaluate(
        """r => {
          const c = r.querySelector("canvas"), quarter = c.width / 4, seen = {};
          const { data } = c.getContext("2d").getImageData(3 * quarter, 0, quarter, c.height);
          for (let i = 0; i < data.length; i += 4) {
            const color = Array.from(data.slice(i, i + 3));
            const hex = "#" + color.map((v) => v.toString(16).padStart(2, "0")).join("");
            seen[hex] = (seen[hex] ?? 0) + 1;
          }
          const style = getComputedStyle(r);
          const names = ["green", "blue", "orange"].map((name) => `--vw-${name}`);
          return names.map((name) => seen[style.getPropertyValue(name).trim()]);
        }"""
    )
    assert min(colors) > 50


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("combobox").select_option(index=1)
    assert trait(first, "slice_index") == 0
    assert trait(second, "slice_index") == 1
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


@browser
def test_it_follows_the_theme(root, page):
    assert_follows_theme(root, page)
