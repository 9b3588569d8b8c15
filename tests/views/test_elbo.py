"""The view of chapter 4: its arithmetic equals scipy's, its controls move the traits and back."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy import integrate
from scipy.stats import norm

from vaelib.views.elbo import ElboExplorer, MixtureModel

browser = pytest.mark.browser

BUMPS = {"means": (-8 / 3, 8 / 3), "stds": (3**-0.5, 3**-0.5), "x": 0.0}
EQUAL = MixtureModel("two equal bumps", (0.5, 0.5), **BUMPS)
ONE = MixtureModel("one bump", (1.0,), (0.0,), (1.0,), x=2.0)
MODELS = [
    EQUAL,
    MixtureModel("three to one, <named> oddly", (0.75, 0.25), **BUMPS),
    ONE,
    MixtureModel("odd", (0.3, 0.7), (-1.0, 2.0), (0.4, 1.5), x=0.7, sigma_x=2.0),
]
QS = [(0.0, 1.0), (-5.0, 0.2), (4.3, 4.0), (2.0, 0.5), (0.61, 1.234)]
START = {"mean": 0.9, "std": 0.7}
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


@pytest.fixture
def script(load_script):
    """An expression of the script, evaluated with `model` prepared from a MixtureModel."""
    page = load_script("elbo")
    return lambda model, code: page.evaluate(
        f"(() => {{ const model = prepare({json.dumps(asdict(model))}); return {code}; }})()"
    )


@pytest.fixture
def view():
    return ElboExplorer(MODELS, **START)


def log_joint(model, z):
    components = zip(model.weights, model.means, model.stds, strict=True)
    prior = np.logaddexp.reduce([np.log(w) + norm.logpdf(z, m, s) for w, m, s in components])
    return prior + norm.logpdf(model.x, z, model.sigma_x)


def by_quadrature(model, mean, std):
    """ELBO, KL(q to posterior), KL(posterior to q) and log p(x), by scipy's adaptive quadrature."""

    def integral(f):
        breaks = sorted({*model.means, model.x, mean, mean - 4 * std, mean + 4 * std})
        exactly = {"limit": 400, "epsabs": 1e-11, "epsrel": 1e-12}
        return integrate.quad(f, -32, 32, points=breaks, **exactly)[0]

    log_px = np.log(integral(lambda z: np.exp(log_joint(model, z))))

    def log_q(z):
        return norm.logpdf(z, mean, std)

    def log_p(z):
        return log_joint(model, z) - log_px

    elbo = integral(lambda z: np.exp(log_q(z)) * (log_joint(model, z) - log_q(z)))
    reverse = integral(lambda z: np.exp(log_q(z)) * (log_q(z) - log_p(z)))
    forward = integral(lambda z: np.exp(log_p(z)) * (log_p(z) - log_q(z)))
    return elbo, reverse, forward, log_px


@browser
@each_model
def test_elbo_and_divergences_equal_scipys_quadrature(script, model):
    for mean, std in QS:
        *expected, log_px = by_quadrature(model, mean, std)
        assert script(model, "model.post.logPx") == pytest.approx(log_px, abs=1e-8)
        values = script(model, f"measure(model, {mean}, {std})")
        assert values == pytest.approx(expected, abs=1e-7)
        assert values[0] + values[1] == pytest.approx(log_px, abs=1e-8)
        rough = script(model, f"measure(model, {mean}, {std}, 4)")  # what the map uses
        assert rough == pytest.approx(values, rel=1e-3, abs=1e-3)


@browser
@each_model
def test_the_posterior_is_the_joint_over_its_integral(script, model):
    post = script(model, "model.post")
    *_, log_px = by_quadrature(model, 0.0, 1.0)
    for z in (-2.5, 0.1, 3.0):
        parts = zip(post["weights"], post["means"], post["stds"], strict=True)
        density = sum(w * norm.pdf(z, m, s) for w, m, s in parts)
        assert density == pytest.approx(np.exp(log_joint(model, z) - log_px), rel=1e-7)


@browser
@each_model
@pytest.mark.parametrize("direction", ["reverse", "forward"])
@pytest.mark.parametrize("start", [(0.6, 1.2), (-4.0, 3.0), (3.0, 0.4)])
def test_a_descent_goes_down_and_ends_where_it_is_flat(script, model, direction, start):
    which = {"reverse": 1, "forward": 2}[direction]
    steps = script(model, f"descend(model, {start[0]}, {start[1]}, '{direction}')")
    heights = script(
        model,
        f"{json.dumps(steps)}.map(([m, s]) => measure(model, m, s)[{which}])",
    )
    m, s = steps[-1]
    around = script(
        model,
        f"[[.05, 0], [-.05, 0], [0, .05], [0, -.05]]"
        f".map(([d, e]) => measure(model, {m} + d, {s} + e)[{which}])",
    )
    assert steps[0] == list(start)
    assert np.diff(heights).max() < 1e-3  # a first step from a steep place may be too long
    assert heights[-1] == min(heights)
    assert min(around) > heights[-1]


@browser
def test_the_ends_of_descents_are_the_known_ones(script):
    def end(model, mean, std, direction):
        return script(model, f"descend(model, {mean}, {std}, '{direction}').at(-1)")

    assert end(EQUAL, 1, 0.6, "reverse") == pytest.approx([2, 0.5], abs=0.01)
    assert end(EQUAL, 0.6, 1.2, "reverse") == pytest.approx([0, 1.736], abs=0.01)
    assert end(EQUAL, 1, 0.6, "forward") == pytest.approx([0, 17**0.5 / 2], abs=0.01)
    for direction in ("reverse", "forward"):
        assert end(ONE, -1, 2, direction) == pytest.approx([1, 0.5**0.5], abs=0.01)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"'half': the weights sum to 0.5"):
        MixtureModel("half", (0.5,), (0.0,), (1.0,), x=0.0)
    with pytest.raises(traitlets.TraitError, match="std"):
        ElboExplorer([ONE], std=9.0)
    with pytest.raises(traitlets.TraitError, match="model_index is one of 0, not 1"):
        ElboExplorer([ONE], model_index=1)
    view = ElboExplorer([ONE])
    with pytest.raises(traitlets.TraitError, match="model_index is one of 0, not 2"):
        view.model_index = 2
    with pytest.raises(TypeError, match="has no start: elbo, kl, mean, model_index, std"):
        ElboExplorer([ONE], start=1)


def numbers_said(root):
    """Mean, sd, ELBO, KL, log p(x) and the other KL, as the sentence has them."""
    text = said(root).replace("\u2212", "-").replace("\u00b2", "")
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def settle(page, root):
    """Wait until a descent has come to its end, where its sentence may be spoken."""
    page.wait_for_function(
        "document.querySelector('.vw-text').getAttribute('aria-live') === 'polite'", timeout=15_000
    )


@browser
def test_it_starts_as_told_and_waits(root, page):
    before = said(root)
    assert numbers_said(root)[:2] == [0.9, 0.7]
    elbo, kl, _, log_px = by_quadrature(EQUAL, 0.9, 0.7)
    assert numbers_said(root)[2:5] == pytest.approx([elbo, kl, log_px], abs=6e-4)
    page.wait_for_timeout(500)
    assert said(root) == before


@browser
def test_the_sliders_move_the_traits(root, page):
    before = [pixels(root, i) for i in range(3)]
    mean = root.get_by_role("slider", name="Mean of q")
    mean.focus()
    mean.press("ArrowRight")
    assert trait(root, "mean") == pytest.approx(0.91)
    assert root.locator(".vw-text").get_attribute("aria-live") == "off"
    assert mean.get_attribute("aria-valuetext") == "mean of q 0.91"
    mean.press("Home")
    assert trait(root, "mean") == -5
    assert all(pixels(root, i) != before[i] for i in range(3))
    mean.blur()
    assert root.locator(".vw-text").get_attribute("aria-live") == "polite"
    std = root.get_by_role("slider", name="Standard deviation of q")
    std.focus()
    std.press("Home")
    assert trait(root, "std") == pytest.approx(0.2)
    elbo, kl, _, _ = by_quadrature(EQUAL, -5, 0.2)
    assert [trait(root, "elbo"), trait(root, "kl")] == pytest.approx([elbo, kl], abs=1e-6)


@browser
def test_a_trait_moves_the_picture_and_the_slider(root):
    before = [pixels(root, i) for i in range(3)]
    set_trait(root, "mean", -2.0)
    assert numbers_said(root)[:2] == [-2.0, 0.7]
    assert all(pixels(root, i) != before[i] for i in range(3))
    assert root.get_by_role("slider", name="Mean of q").input_value() == "-2"
    set_trait(root, "model_index", 2)
    assert root.get_by_role("combobox").input_value() == "2"
    assert trait(root, "elbo") + trait(root, "kl") == pytest.approx(norm.logpdf(2, 0, 2**0.5))


@browser
@pytest.mark.parametrize(
    ("name", "end"), [("KL(q", (2, 0.5)), ("KL(p", (0, 17**0.5 / 2))], ids=["reverse", "forward"]
)
def test_the_buttons_descend(root, page, name, end):
    button = root.get_by_role("button", name=f"Descend {name}")
    button.focus()
    page.keyboard.press("Enter")
    assert root.locator(".vw-text").get_attribute("aria-live") == "off"
    settle(page, root)
    assert [trait(root, "mean"), trait(root, "std")] == pytest.approx(end, abs=0.01)


@browser
def test_those_who_want_no_motion_see_the_end_at_once(page, open_view):
    page.emulate_media(reduced_motion="reduce")
    root = open_view(ElboExplorer(MODELS, **START))
    root.get_by_role("button", name="Descend KL(q").click()
    assert [trait(root, "mean"), trait(root, "std")] == pytest.approx([2, 0.5], abs=0.01)


@browser
@pytest.mark.parametrize("by", ["slider", "menu", "trait"])
def test_whoever_takes_over_stops_a_descent(root, page, by):
    root.get_by_role("button", name="Descend KL(p").click()
    page.wait_for_timeout(120)
    if by == "slider":
        root.get_by_role("slider", name="Mean of q").fill("1")
    elif by == "menu":
        root.get_by_role("combobox").select_option("one bump")
    else:
        set_trait(root, "mean", 1.0)
    after = said(root)
    page.wait_for_timeout(200)
    assert said(root) == after


@browser
@pytest.mark.parametrize("touch", [False, True])
def test_a_click_or_a_tap_in_the_map_chooses_q(root, touch):
    board = root.locator("canvas").nth(1)
    board.scroll_into_view_if_needed()
    size = board.bounding_box()
    act = board.tap if touch else board.click
    act(position={"x": 53, "y": size["height"] - 43})  # lower left corner
    assert trait(root, "mean") == pytest.approx(-5, abs=0.06)
    assert trait(root, "std") == pytest.approx(0.2, abs=0.01)
    before = said(root)
    act(position={"x": 5, "y": 60})  # on the labels: nothing happens
    assert said(root) == before


@browser
def test_two_copies_on_one_page_live_apart(page):
    view = ElboExplorer(MODELS, **START)
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("slider", name="Mean of q").fill("2")
    assert trait(first, "mean") == 0.9
    assert trait(second, "mean") == 2
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


@browser
def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
