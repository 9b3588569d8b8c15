"""The view of chapter 10: torch's images, within 16 ms, by mouse, touch, keys and trait."""

import re

import numpy as np
import pytest
import torch
import traitlets
from looking import (
    WIDTHS,
    assert_fits,
    assert_follows_theme,
    pixels,
    said,
    set_trait,
    to_page,
    trait,
)

from vaelib import evaluate, figures, pretrained
from vaelib.likelihood import Bernoulli
from vaelib.views.latent import LatentExplorer

browser = pytest.mark.browser
EXTENT = 3.5


@pytest.fixture(scope="module")
def model():
    """The thesis's network of MNIST."""
    return pretrained.shipped("latent-thesis")[0]


@pytest.fixture(scope="module")
def view(model):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 10
    angle = 2 * np.pi * labels / 10
    codes = 2 * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(0, 0.4, (300, 2))
    centers = figures.label_places(codes, labels)
    return LatentExplorer(
        model.decoder, codes, labels, centers, colors=figures.DIGITS, extent=EXTENT
    )


def plane(root):
    return root.get_by_role("slider")


def place(root, z1, z2):
    """Where a point of the plane is on the screen: inside the axes that the view draws."""
    box = root.locator("canvas").first.bounding_box()
    left, right = box["x"] + 44, box["x"] + box["width"] - 8
    top, bottom = box["y"] + 8, box["y"] + box["height"] - 44
    u, v = (z1 + EXTENT) / (2 * EXTENT), (z2 + EXTENT) / (2 * EXTENT)
    return left + u * (right - left), bottom - v * (bottom - top)


@browser
def test_it_decodes_as_torch_does_in_less_than_a_frame(load_script, view, model):
    rng = np.random.default_rng(0)
    corners = [[a, b] for a in (-EXTENT, 0, EXTENT) for b in (-EXTENT, 0, EXTENT)]
    z = np.concatenate([corners, rng.uniform(-EXTENT, EXTENT, (200, 2))])
    shown, milliseconds = load_script("latent").evaluate(
        """([data, points]) => {
          const decode = decoder(unpack(data)), spent = [];
          const images = points.map((z) => {
            const start = performance.now();
            const image = decode(z);
            spent.push(performance.now() - start);
            return Array.from(image);
          });
          return [images, spent.sort((a, b) => a - b)[100]];
        }""",
        [to_page(view.data), z.tolist()],
    )
    expected = evaluate.decode(model, Bernoulli(), torch.tensor(z, dtype=torch.float32))
    error = np.abs(np.array(shown) - expected.numpy())
    assert error.shape == (209, 784)
    assert error.max() < 0.01
    assert expected.max() > 0.9
    assert milliseconds < 16


def test_it_is_small(view):
    assert len(view.html.encode()) < 800_000


def test_a_point_outside_the_plane_is_refused(view):
    for z in ([0.0, 3.6], [-4.0, 0.0], [float("nan"), 0.0]):
        with pytest.raises(traitlets.TraitError, match=r"outside the plane, \[-3.5, 3.5\]"):
            view.z = z
    with pytest.raises(traitlets.TraitError, match="z"):
        view.z = [0.0]
    assert view.z == [0.0, 0.0]


@browser
def test_a_trait_moves_the_point_the_image_and_the_words(root, view):
    before = [pixels(root, i) for i in range(2)]
    set_trait(root, "z", [0.75, -0.5])
    assert all(pixels(root, i) != before[i] for i in range(2))
    codes, labels = view.data["codes"].astype(float), view.data["labels"]
    nearest = labels[np.argsort(((codes - [0.75, -0.5]) ** 2).sum(1))[:15]]
    counts = np.bincount(nearest, minlength=10)
    first = re.search(r"z = \(0\.75, −0\.50\).* (all|\d+) are of an? (\d)", said(root))
    assert counts[int(first[2])] == counts.max()
    assert first[1] == ("all" if counts.max() == 15 else str(counts.max()))


@browser
def test_the_canvas_shows_the_decoded_image(root, model):
    """Pixel by pixel: the canvas is the image, enlarged without smoothing."""
    set_trait(root, "z", [1.0, -1.0])
    shown = root.locator("canvas").nth(1).evaluate(
        """c => {
          const ctx = c.getContext("2d"), middle = (k) => Math.floor((k + .5) * c.width / 28);
          return Array.from({ length: 784 }, (_, i) =>
            ctx.getImageData(middle(i % 28), middle(Math.floor(i / 28)), 1, 1).data[0]);
        }"""
    )  # fmt: skip
    expected = evaluate.decode(model, Bernoulli(), torch.tensor([1.0, -1.0]))
    assert np.abs(np.array(shown) / 255 - expected.numpy()).max() < 0.01 + 0.5 / 255
    assert max(shown) > 60


@browser
def test_the_mouse_drags_the_point(root, page):
    page.mouse.move(*place(root, -1.0, 0.5))
    assert trait(root, "z") == [0, 0], "moving without a button is not dragging"
    page.mouse.down()
    assert trait(root, "z") == pytest.approx([-1.0, 0.5], abs=0.02)
    page.mouse.move(*place(root, 2.0, -1.5), steps=5)
    assert trait(root, "z") == pytest.approx([2.0, -1.5], abs=0.02)
    page.mouse.move(*place(root, 9.0, 9.0), steps=2)
    assert trait(root, "z") == pytest.approx([EXTENT, EXTENT]), "the point stays on the plane"
    page.mouse.up()
    page.mouse.move(*place(root, 0.0, 0.0))
    assert trait(root, "z") == pytest.approx([EXTENT, EXTENT])


@browser
def test_a_finger_drags_the_point_and_not_the_page(root, page):
    page.set_viewport_size({"width": 390, "height": 600})
    client = page.context.new_cdp_session(page)

    def touch(kind, *points):
        client.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    touch("touchStart", place(root, 0.0, 1.0))
    for z2 in (0.5, 0.0, -0.5, -1.0):
        touch("touchMove", place(root, 0.5, z2))
    touch("touchEnd")
    assert trait(root, "z") == pytest.approx([0.5, -1.0], abs=0.03)
    assert page.evaluate("window.scrollY") == 0
    assert plane(root).evaluate("p => getComputedStyle(p).touchAction") == "pinch-zoom"


@browser
def test_keys_move_the_point(root, page):
    page.keyboard.press("Tab")
    assert plane(root).evaluate("p => p === document.activeElement")
    for key, z in {
        "ArrowRight": [0.1, 0],
        "ArrowUp": [0.1, 0.1],
        "Shift+ArrowUp": [0.1, 0.6],
        "Shift+ArrowLeft": [-0.4, 0.6],
        "ArrowDown": [-0.4, 0.5],
        "Home": [0, 0],
        "a": [0, 0],
        "Alt+ArrowRight": [0, 0],
        "Control+ArrowUp": [0, 0],
        "Meta+ArrowLeft": [0, 0],
    }.items():
        page.keyboard.press(key)
        assert trait(root, "z") == pytest.approx(z)
    assert page.evaluate("window.scrollY") == 0
    page.keyboard.press("Tab")
    assert not plane(root).evaluate("p => p === document.activeElement")


@browser
def test_a_screen_reader_gets_a_name_a_range_and_a_value_once(root):
    control = plane(root)
    assert "arrow keys" in control.get_attribute("aria-label")
    assert float(control.get_attribute("aria-valuemin")) == -EXTENT
    assert float(control.get_attribute("aria-valuemax")) == EXTENT
    set_trait(root, "z", [1, 2])
    assert float(control.get_attribute("aria-valuenow")) == 1
    assert control.get_attribute("aria-valuetext") == said(root)
    text = root.locator(".vw-text")
    assert text.get_attribute("aria-live") == "polite"
    control.focus()
    assert text.get_attribute("aria-live") == "off"


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    plane(second).press("ArrowRight")
    assert trait(first, "z") == [0, 0]
    assert trait(second, "z") == [0.1, 0]
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_shares_a_row_only_where_there_is_room(root, page, width):
    assert_fits(root, page, width)
    first, second = (canvas.bounding_box() for canvas in root.locator("canvas").all())
    assert (second["y"] >= first["y"] + first["height"]) == (width == 360)
    assert first["width"] > 250
    assert second["width"] >= 150


@browser
def test_the_plane_follows_the_theme(root, page):
    assert_follows_theme(root, page, canvases=[0])
