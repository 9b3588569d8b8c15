"""The view of chapter 11: its networks and its search are torch's, pixels can be erased."""

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
from scipy.ndimage import median_filter
from untrained import whole_weights

from vaelib import imputation
from vaelib.model import VAE
from vaelib.runtime import generator
from vaelib.views.denoise import GAPS, DenoisingExplorer

browser = pytest.mark.browser
MISFIT = 0.02


@pytest.fixture(scope="module")
def nets():
    """Networks of the size that the chapter's page carries; packing rounds nothing of them."""
    made = {name: VAE(784, (48,), 20, generator(i)) for i, name in enumerate(("AE", "VAE", "DAE"))}
    for seed, net in enumerate(made.values()):
        whole_weights(net, seed)
    return made


@pytest.fixture(scope="module")
def view(nets):
    images = torch.rand(10, 784, generator=generator(5))
    return DenoisingExplorer(nets, images, torch.full((784,), 0.3), map_net="VAE", misfit=MISFIT)


def corrupted(view, digit, gap, noise):
    """The digit with its noise, and which pixels are seen: (1, 784) each."""
    seen = view.data["gaps"][gap]["seen"].astype(bool)
    x = view.data["images"][digit] / 255 + noise * view.data["eps"].astype(float)
    return torch.tensor(x, dtype=torch.float32)[None], torch.tensor(seen)[None]


@browser
@pytest.mark.parametrize(("digit", "gap", "noise"), [(0, 0, 0.3), (4, 1, 0.0), (9, 4, 0.8)])
def test_it_answers_as_torch_and_scipy_do(load_script, nets, view, digit, gap, noise):
    x, seen = corrupted(view, digit, gap, noise)
    unread = torch.where(seen, x, 9.0)  # what stands in a missing pixel counts nowhere
    found = load_script("denoise").evaluate(
        """([data, x, seen, noise]) => {
          data = unpack(data);
          return Object.fromEntries(answers(prepare(data), data, x, seen, noise)
            .map(([name, image]) => [name, Array.from(image)]));
        }""",
        [to_page(view.data), unread[0].tolist(), seen[0].int().tolist(), noise],
    )
    filled = torch.where(seen, x, 0.3)
    expected = {
        "median": median_filter(filled.numpy().reshape(28, 28), 3, mode="nearest").clip(0, 1)
    }
    with torch.no_grad():
        for name, net in nets.items():
            expected[name] = net.decode(net.encode(filled).mu).sigmoid().numpy()
        start = nets["VAE"].encode(filled).mu
    pixel = imputation.NoisyPixels(noise**2 + MISFIT)
    z = imputation.map_z(nets["VAE"], pixel, filled, seen, start, n_steps=60, lr=0.2)
    expected["VAE, MAP"] = nets["VAE"].decode(z).sigmoid().detach().numpy()
    assert list(found) == ["median", "AE", "VAE", "DAE", "VAE, MAP"]
    for name, image in expected.items():
        np.testing.assert_allclose(found[name], image.ravel(), atol=2e-3, err_msg=name)
    assert np.std(found["AE"]) > 0.1, "networks that draw gray agree with anything"


def test_gaps_leave_out_what_they_say(view):
    seen = {gap["name"]: gap["seen"].reshape(28, 28) for gap in view.data["gaps"]}
    assert list(seen) == list(GAPS)
    assert seen["none"].all()
    assert not seen["lower half"][14:].any()
    assert seen["lower half"][:14].all()
    assert not seen["right half"][:, 14:].any()
    assert seen["every second pixel"].sum() == 392
    kept = seen["three quarters, at random"].mean()
    assert abs(kept - 0.25) < 6 * np.sqrt(0.25 * 0.75 / 784)


def test_bad_input_is_refused(view):
    for name, value, problem in (
        ("digit", 10, "digit is one of 0, 1, 2"),
        ("gap", "left half", r"gap.* expected any of \['none', 'lower half'.* 'left half'"),
        ("erased", [784], "the image has no pixel 784"),
        ("noise", 0.9, "noise"),
    ):
        with pytest.raises(traitlets.TraitError, match=problem):
            setattr(view, name, value)


def test_it_is_small(view):
    assert len(view.html.encode()) < 500_000


@browser
def test_controls_and_traits_move_each_other(root, page):
    digit, gap = root.get_by_role("combobox").all()
    noise = root.get_by_role("slider")
    assert said(root).startswith("Noise 0.30, 0 of 784 pixels missing. Clipping alone gives")
    digit.select_option("4")
    gap.select_option("lower half")
    noise.focus()
    page.keyboard.press("ArrowRight")
    assert [trait(root, name) for name in ("digit", "gap")] == [4, "lower half"]
    assert trait(root, "noise") == pytest.approx(0.4)
    assert noise.get_attribute("aria-valuetext") == "noise level s = 0.40"
    psnr, before = trait(root, "psnr"), pixels(root)
    best = max(psnr, key=psnr.get)
    assert f"{best}, {psnr[best]:.1f} dB" in said(root)
    set_trait(root, "gap", "none")
    set_trait(root, "noise", 0.0)
    assert pixels(root) != before
    assert trait(root, "psnr") != psnr
    assert [control.input_value() for control in (digit, gap, noise)] == ["4", "0", "0"]


@browser
def test_pixels_are_erased_with_the_mouse(root):
    canvas = root.locator("canvas")
    box = canvas.bounding_box()
    before = said(root)
    tile = box["width"] / 4
    canvas.click(position={"x": 1.5 * tile, "y": 0.5 * tile})
    assert len(trait(root, "erased")) == 9
    assert "9 of 784" in said(root)
    canvas.click(position={"x": tile + 5, "y": 5})  # a corner has four neighbors
    assert len(trait(root, "erased")) == 13
    canvas.click(position={"x": 0.5 * tile, "y": 0.5 * tile})  # the truth stays as it is
    assert len(trait(root, "erased")) == 13
    root.get_by_role("combobox").nth(1).select_option("lower half")
    root.get_by_role("combobox").nth(1).select_option("none")
    assert trait(root, "erased") == []
    assert said(root) == before


@browser
def test_one_change_is_quick(root):
    milliseconds = root.evaluate(
        """r => Array.from({ length: 11 }, (_, i) => {
          const start = performance.now();
          r.parentElement.model.set("erased", [i]);
          return performance.now() - start;
        }).sort((a, b) => a - b)[5]"""
    )
    assert milliseconds < 100


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("combobox").first.select_option("3")
    assert trait(first, "digit") == 0
    assert trait(second, "digit") == 3
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


@browser
def test_it_follows_the_theme(root, page):
    assert_follows_theme(root, page)
