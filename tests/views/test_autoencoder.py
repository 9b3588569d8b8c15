"""The view of chapter 7: JavaScript takes the same way as Python, and its controls work."""

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web import autoencoder as web

pytestmark = pytest.mark.browser

EXTENT, STDS = 2.5, (0.1, 0.4, 0.9)


@pytest.fixture(scope="module")
def view():
    u = (np.arange(60) + 0.5) / 60
    angle = 2 * np.pi * u
    curve = (0.5 + 1.5 * u)[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    learned = np.random.default_rng(0).normal(scale=0.3, size=(3, 11, 11, 2))
    return web.denoising_walk(curve, STDS, learned, extent=EXTENT)


@pytest.fixture
def script(load_script):
    return load_script("autoencoder")


def ways_of(view, i, start):
    return web.walks(view.data["curve"], STDS[i], view.data["learned"][i], EXTENT, start)


def expected(view, i=1, start=web.START, step=0):
    return web.sentence(view.data["curve"], STDS[i], ways_of(view, i, start), step)


def start_text(x1, x2):
    return f"Start at ({x1:.2f}, {x2:.2f})".replace("-", "\u2212")


@pytest.mark.parametrize("i", range(3))
@pytest.mark.parametrize("start", [(1.2, 0.9), (-2.5, 2.5), (0.0, -0.3)])
def test_both_faces_take_the_same_way(script, view, i, start):
    learned = view.data["learned"].astype(float)
    theirs = script.evaluate(
        "([curve, stds, values, shape, extent, s, start, steps]) =>"
        " walks(curve, stds, {values, shape}, extent, s, start, steps)",
        [
            view.data["curve"].astype(float).tolist(), list(STDS), learned.ravel().tolist(),
            list(learned.shape), EXTENT, i, list(start), web.N_STEPS,
        ],
    )  # fmt: skip
    assert np.allclose(theirs, ways_of(view, i, start), atol=1e-9)


def test_it_starts_at_the_start_and_waits(root, page, view):
    assert said(root) == expected(view)
    page.wait_for_timeout(500)
    assert said(root) == expected(view)


def test_a_step_moves_the_picture(root, view):
    before = pixels(root)
    root.get_by_label("One step forward").click()
    assert said(root) == expected(view, step=1)
    assert pixels(root) != before
    root.get_by_label("One step back").click()
    assert pixels(root) == before


def test_the_noise_is_chosen(root, page, view):
    before = pixels(root)
    root.get_by_role("slider", name="Noise level").focus()
    page.keyboard.press("End")
    assert said(root) == expected(view, i=2)
    assert pixels(root) != before


def test_arrow_keys_move_the_start_and_begin_again(root, page, view):
    root.get_by_label("One step forward").click()
    plane = root.get_by_role("slider", name="Start of the walk")
    plane.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    start = (web.START[0] - 0.1, web.START[1] - 0.5)
    assert said(root) == expected(view, start=start)
    assert plane.get_attribute("aria-valuetext") == start_text(*start)
    for _ in range(12):
        page.keyboard.press("Shift+ArrowUp")
    assert plane.get_attribute("aria-valuetext") == start_text(start[0], EXTENT)  # the rim


def test_a_drag_moves_the_start(root, page):
    canvas = root.locator("canvas").first
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    text = root.get_by_role("slider", name="Start of the walk").get_attribute("aria-valuetext")
    x1, x2 = (float(v) for v in text.removeprefix("Start at (").rstrip(")").split(", "))
    assert 0.7 < x1 < 1.5
    assert 0.8 < x2 < 1.6


def test_play_ends_at_the_last_step(root, page, view):
    root.get_by_text("Play").click()
    page.wait_for_function(
        "end => document.querySelector('.vw-text').textContent === end",
        arg=expected(view, step=web.N_STEPS),
        timeout=20_000,
    )
    assert "Play" in root.locator(".vw-play").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
