"""The view of chapter 7: its exact denoiser is the posterior mean, its controls move the traits."""

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy.interpolate import RegularGridInterpolator
from scipy.special import softmax

from vaelib.views.autoencoder import N_STEPS, DenoisingWalk

browser = pytest.mark.browser

EXTENT, STDS, START = 2.5, (0.1, 0.4, 0.9), (1.0, 0.1)
TWO = np.array([[-1.0, 0.0], [1.0, 0.0]])
U = (np.arange(60) + 0.5) / 60
CURVE = (0.5 + 1.5 * U)[:, None] * np.stack([np.cos(2 * np.pi * U), np.sin(2 * np.pi * U)], -1)
LEARNED = np.random.default_rng(0).normal(scale=0.3, size=(3, 11, 11, 2))


@pytest.fixture(scope="module")
def view():
    return DenoisingWalk(CURVE, STDS, LEARNED, extent=EXTENT)


@pytest.fixture
def script(load_script):
    return load_script("autoencoder")


def posterior_mean(x, curve, std):
    return softmax(-((x - curve) ** 2).sum(-1) / (2 * std**2)) @ curve


def walks(view, i, start):
    """The exact and the trained trajectory, (2, N_STEPS + 1, 2), from what the page gets."""
    curve, learned = (view.data[name].astype(float) for name in ("curve", "learned"))
    ticks = np.linspace(-EXTENT, EXTENT, learned.shape[1])
    arrow = RegularGridInterpolator((ticks, ticks), learned[i])
    exact, trained = [np.array(start)], [np.array(start)]
    for _ in range(N_STEPS):
        exact.append(posterior_mean(exact[-1], curve, STDS[i]))
        trained.append(trained[-1] + arrow(np.clip(trained[-1], -EXTENT, EXTENT))[0])
    return np.array([exact, trained])


@browser
def test_the_walks_are_those_of_scipy(script, view):
    curve, learned = (view.data[name].astype(float) for name in ("curve", "learned"))
    given = {
        "stds": STDS, "extent": EXTENT,
        "learned": {"values": learned.ravel().tolist(), "shape": learned.shape},
    }  # fmt: skip
    for i in range(len(STDS)):
        for start in [(1.2, 0.9), (-2.5, 2.5), (0.0, -0.3)]:
            found = script.evaluate(
                "([curve, data, i, start]) => walks(curve, data, i, start)",
                [curve.tolist(), given, i, start],
            )
            assert np.allclose(found, walks(view, i, start), atol=1e-9)


@browser
def test_the_best_denoiser_of_two_points_is_a_hyperbolic_tangent(script):
    for std in (0.2, 1.0, 3.0):
        for x in ((0.1, 0.7), (-0.8, -2.0), (0.0, 0.3)):
            found = script.evaluate("a => bestDenoiser(...a)", [TWO.tolist(), std, x])
            assert found == pytest.approx([np.tanh(x[0] / std**2), 0], abs=1e-12)
    far = script.evaluate("curve => bestDenoiser(curve, 0.01, [1000, 0])", TWO.tolist())
    assert far == [1, 0]  # nothing overflows


def test_bad_input_is_refused():
    for shape in [(1, 9, 9, 2), (2, 9, 8, 2), (2, 9, 9), (2, 9, 9, 3)]:
        with pytest.raises(ValueError, match="expected"):
            DenoisingWalk(TWO, (0.2, 1.0), np.zeros(shape), extent=EXTENT)
    view = DenoisingWalk(TWO, (0.2, 1.0), np.zeros((2, 9, 9, 2)), extent=EXTENT)
    with pytest.raises(traitlets.TraitError, match=r"noise_std is one of 0\.2, 1\.0, not 0\.3"):
        view.noise_std = 0.3
    with pytest.raises(traitlets.TraitError, match=r"expected within 2\.5"):
        view.start = (0.0, -3.0)
    with pytest.raises(traitlets.TraitError, match="step"):
        view.step = N_STEPS + 1


@browser
def test_it_starts_at_the_start_and_waits(root, page):
    assert trait(root, "exact") == trait(root, "trained") == list(START)
    first = said(root)
    distance = np.linalg.norm(CURVE - START, axis=1).min()
    point = f"(1.00, 0.10), {distance:.2f} from the curve"
    assert first == f"Noise 0.40, step 0 of 30: exact {point}; trained {point}."
    page.wait_for_timeout(400)
    assert said(root) == first


@browser
def test_the_controls_move_the_traits(root, view):
    before = pixels(root)
    root.get_by_label("One step forward").click()
    exact, trained = walks(view, 1, START)[:, 1]
    assert trait(root, "step") == 1
    assert trait(root, "exact") == pytest.approx(exact)
    assert trait(root, "trained") == pytest.approx(trained)
    assert pixels(root) != before
    root.get_by_label("One step back").click()
    assert pixels(root) == before
    root.get_by_role("slider", name="Step", exact=True).fill("30")
    root.get_by_role("slider", name="Noise level").fill("2")
    assert [trait(root, "noise_std"), trait(root, "step")] == [0.9, 0]
    assert pixels(root) != before


@browser
def test_keys_and_the_mouse_move_the_start(root, page):
    plane = root.get_by_role("slider", name="Start of the walk")
    plane.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert trait(root, "start") == pytest.approx([0.9, -0.4])
    assert plane.get_attribute("aria-valuetext") == "Start at (0.90, \u22120.40)"
    for _ in range(6):
        page.keyboard.press("Shift+ArrowUp")
    assert trait(root, "start")[1] == EXTENT  # not beyond the edge
    box = root.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    assert trait(root, "start") == pytest.approx([1.1, 1.2], abs=0.4)


@browser
def test_traits_move_the_picture_and_the_controls(root, view):
    before = pixels(root)
    set_trait(root, "start", [-1.0, 2.0])
    set_trait(root, "noise_std", 0.1)
    set_trait(root, "step", N_STEPS)
    assert pixels(root) != before
    assert trait(root, "exact") == pytest.approx(walks(view, 0, (-1.0, 2.0))[0, -1])
    assert root.get_by_role("slider", name="Noise level").input_value() == "0"
    assert root.get_by_role("slider", name="Step", exact=True).input_value() == str(N_STEPS)
    plane = root.get_by_role("slider", name="Start of the walk")
    assert plane.get_attribute("aria-valuetext") == "Start at (\u22121.00, 2.00)"


@browser
def test_play_ends_at_the_last_step(root, page):
    set_trait(root, "step", N_STEPS - 1)
    root.locator(".vw-play").click()
    page.wait_for_function("document.querySelector('.vw-play').textContent.includes('Play')")
    assert trait(root, "step") == N_STEPS


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_label("One step forward").click()
    assert [trait(copy, "step") for copy in (first, second)] == [0, 1]
    assert page.problems == []


@browser
def test_it_fits_is_labeled_and_follows_the_theme(root, page):
    for width in WIDTHS:
        assert_fits(root, page, width)
    assert_follows_theme(root, page)
