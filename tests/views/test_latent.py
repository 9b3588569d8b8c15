"""The latent explorer in a browser: torch's images, within 16 ms, by mouse, touch and keys."""

import re

import numpy as np
import pytest
import torch
from looking import said

from vaelib import evaluate, figures
from vaelib.data import digits
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.train import Settings, fit
from vaelib.web.latent import latent_explorer

pytestmark = pytest.mark.browser
EXTENT = 3.5


@pytest.fixture(scope="module")
def model():
    """The network of the thesis, trained just enough to draw digits of its own."""
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(0)
    model = VAE(784, (512, 256), 2, generator=g)
    pixels = digits().train.pixels
    fit(model, Bernoulli(), pixels, Settings(epochs=8, lr=2e-3), generator=g)
    return model


@pytest.fixture(scope="module")
def view(model):
    test = digits().test
    mu, _ = evaluate.encode(model, test.pixels)
    layers = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in model.decoder
        if isinstance(layer, torch.nn.Linear)
    ]
    places = figures.label_places(mu, test.labels)
    return latent_explorer(
        layers, mu.numpy(), test.labels.numpy(), places, colors=figures.DIGITS, extent=EXTENT
    )


@pytest.fixture
def root(root):
    root.locator(".vw-text", has_text="z =").wait_for()
    return root


def at(root):
    return root.evaluate("r => r.at()")


def plane(root):
    return root.get_by_role("slider")


def place(root, z1, z2):
    """Where a point of the plane is on the screen: inside the axes that the view draws."""
    box = root.locator("canvas").first.bounding_box()
    left, right = box["x"] + 44, box["x"] + box["width"] - 8
    top, bottom = box["y"] + 8, box["y"] + box["height"] - 44
    u, v = (z1 + EXTENT) / (2 * EXTENT), (z2 + EXTENT) / (2 * EXTENT)
    return left + u * (right - left), bottom - v * (bottom - top)


def test_the_page_decodes_as_torch_does(root, model):
    rng = np.random.default_rng(0)
    corners = [[a, b] for a in (-EXTENT, 0, EXTENT) for b in (-EXTENT, 0, EXTENT)]
    z = np.concatenate([corners, rng.uniform(-EXTENT, EXTENT, (200, 2))])
    shown = root.evaluate("(r, points) => points.map(([a, b]) => r.decode(a, b))", z.tolist())
    expected = evaluate.decode(model, Bernoulli(), torch.tensor(z, dtype=torch.float32))
    error = np.abs(np.array(shown) - expected.numpy())
    assert error.shape == (209, 784)
    assert error.max() < 0.01
    assert expected.max() > 0.9


def test_a_decoding_and_a_whole_step_take_less_than_a_frame(root):
    milliseconds = root.evaluate(
        """r => {
          const median = (f) => {
            const spent = [];
            for (let i = 0; i < 101; i++) {
              const z = [7 * Math.random() - 3.5, 7 * Math.random() - 3.5];
              const start = performance.now();
              f(...z);
              spent.push(performance.now() - start);
            }
            return spent.sort((a, b) => a - b)[50];
          };
          return [median(r.decode), median(r.move)];
        }"""
    )
    assert max(milliseconds) < 16


def test_it_is_small(view):
    assert len(view.html.encode()) < 800_000


def test_the_canvas_shows_the_decoded_image(root):
    """Pixel by pixel: the canvas is the image, enlarged without smoothing."""
    root.evaluate("r => r.move(1, -1)")
    shown, image = root.evaluate(
        """r => {
          const c = r.querySelectorAll("canvas")[1], ctx = c.getContext("2d");
          const middle = (k) => Math.floor((k + .5) * c.width / 28);
          const shown = Array.from({ length: 784 }, (_, i) =>
            ctx.getImageData(middle(i % 28), middle(Math.floor(i / 28)), 1, 1).data[0]);
          return [shown, r.decode(1, -1)];
        }"""
    )
    assert np.abs(np.array(shown) - np.rint(255 * np.array(image))).max() <= 1
    assert max(shown) > 60


def test_the_mouse_drags_the_point(root, page):
    page.mouse.move(*place(root, -1.0, 0.5))
    assert at(root) == [0, 0], "moving without a button is not dragging"
    page.mouse.down()
    assert at(root) == pytest.approx([-1.0, 0.5], abs=0.02)
    page.mouse.move(*place(root, 2.0, -1.5), steps=5)
    assert at(root) == pytest.approx([2.0, -1.5], abs=0.02)
    page.mouse.move(*place(root, 9.0, 9.0), steps=2)
    assert at(root) == pytest.approx([EXTENT, EXTENT]), "the point stays on the plane"
    page.mouse.up()
    page.mouse.move(*place(root, 0.0, 0.0))
    assert at(root) == pytest.approx([EXTENT, EXTENT])


def test_a_finger_moves_the_point(root, page):
    page.touchscreen.tap(*place(root, 1.5, 1.0))
    assert at(root) == pytest.approx([1.5, 1.0], abs=0.02)


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
    assert at(root) == pytest.approx([0.5, -1.0], abs=0.03)
    assert page.evaluate("window.scrollY") == 0


def test_keys_move_the_point(root, page):
    plane(root).focus()
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
        assert at(root) == pytest.approx(z)
    assert page.evaluate("window.scrollY") == 0


def test_tab_arrives_and_leaves(root, page):
    page.keyboard.press("Tab")
    assert plane(root).evaluate("p => p === document.activeElement")
    page.keyboard.press("Tab")
    assert not plane(root).evaluate("p => p === document.activeElement")


def test_the_words_are_spoken_once_and_two_fingers_zoom(root):
    text = root.locator(".vw-text")
    plane(root).focus()
    assert text.get_attribute("aria-live") == "off"
    plane(root).blur()
    assert text.get_attribute("aria-live") == "polite"
    assert plane(root).evaluate("p => getComputedStyle(p).touchAction") == "pinch-zoom"


def test_the_words_say_where_the_point_is_and_what_lies_there(root, view):
    z, labels = view.data["z"].astype(float), view.data["labels"]
    root.evaluate("r => r.move(0.75, -0.5)")
    nearest = labels[np.argsort(((z - [0.75, -0.5]) ** 2).sum(1))[:15]]
    counts = np.bincount(nearest, minlength=10)
    first = re.search(r"z = \(0\.75, −0\.50\).* (all|\d+) are of a (\d)", said(root))
    assert counts[int(first[2])] == counts.max()
    assert first[1] == ("all" if counts.max() == 15 else str(counts.max()))
    assert root.locator(".vw-text").get_attribute("aria-live") == "polite"


def test_a_screen_reader_gets_a_name_a_range_and_a_value(root):
    control = plane(root)
    assert "arrow keys" in control.get_attribute("aria-label")
    assert float(control.get_attribute("aria-valuemin")) == -EXTENT
    assert float(control.get_attribute("aria-valuemax")) == EXTENT
    root.evaluate("r => r.move(1, 2)")
    assert float(control.get_attribute("aria-valuenow")) == 1
    assert control.get_attribute("aria-valuetext") == said(root)
    for canvas in root.locator("canvas").all():
        assert canvas.get_attribute("aria-label")


def test_dark_pages_get_other_colors(root, page):
    def corner():
        return root.locator("canvas").first.evaluate("c => c.toDataURL()")

    light = corner()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        "light => document.querySelector('.vw canvas').toDataURL() !== light", arg=light
    )
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_function(
        "light => document.querySelector('.vw canvas').toDataURL() === light", arg=light
    )


@pytest.mark.parametrize(("width", "stacked"), [(1280, False), (360, True)])
def test_image_and_plane_share_a_row_only_where_there_is_room(root, page, width, stacked):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(100)
    first, second = (canvas.bounding_box() for canvas in root.locator("canvas").all())
    assert (second["y"] >= first["y"] + first["height"]) == stacked
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert first["width"] > 250
    assert second["width"] >= 150
