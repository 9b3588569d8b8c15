"""The view of chapter 2: its numbers equal vaelib.sigmoids', its controls move the traits."""

import json

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib.sigmoids import CURVES, largest_error, proven_bound, sigmoid_sum, staircase
from vaelib.views.sigmoids import SigmoidExplorer

browser = pytest.mark.browser

STEPS, SHARPNESSES = [1, 2, 4, 16, 64], [2, 10, 100]


@pytest.fixture
def view():
    return SigmoidExplorer(STEPS, SHARPNESSES, n_steps=16, sharpness=10)


def expected(key, n, sharpness):
    """The sentence, by vaelib.sigmoids."""
    error, bound = (m(CURVES[key], n, sharpness) for m in (largest_error, proven_bound))
    proven = (
        f"proven to be at most {bound:,.4f}" if bound else "no continuous function comes closer"
    )
    return f"{n} {'step' if n == 1 else 'steps'}: largest error {error:.4f}, {proven}"


@browser
def test_sum_error_and_bound_equal_pythons(load_script):
    page = load_script("sigmoids")
    names = page.evaluate("Object.entries(CURVES).map(([key, curve]) => [key, curve.name])")
    assert names == [[key, curve.name] for key, curve in CURVES.items()]
    x = np.linspace(0, 1, 37)
    for key, curve in CURVES.items():
        for n, s in [(1, 10), (4, 2), (16, 10), (64, 100)]:
            units = f"staircase(CURVES.{key}.f, {n}, {s})"
            values, error, bound = page.evaluate(
                f"[{json.dumps(x.tolist())}.map((x) => sum({units}, x)),"
                f" largestError(CURVES.{key}, {n}, {s}), provenBound(CURVES.{key}, {n}, {s})]"
            )
            exact = sigmoid_sum(x, *staircase(curve.f, n, s))
            np.testing.assert_allclose(values, exact, rtol=0, atol=1e-12)
            assert error == pytest.approx(largest_error(curve, n, s), abs=1e-12)
            assert bound == pytest.approx(proven_bound(curve, n, s), abs=1e-12)


@browser
def test_every_control_moves_its_trait_and_both_pictures(root, page):
    assert said(root) == expected("wave", 16, 10) + "."
    for label, key in [("Number of steps", "ArrowLeft"), ("Sharpness of the steps", "ArrowRight")]:
        before = pixels(root, 0), pixels(root, 1)
        root.get_by_label(label, exact=True).press(key)
        assert pixels(root, 0) != before[0]
        assert pixels(root, 1) != before[1]
    assert (trait(root, "n_steps"), trait(root, "sharpness")) == (4, 100)
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_role("combobox").select_option("a square root")
    assert trait(root, "curve") == "root"
    assert said(root) == expected("root", 4, 100) + "."
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]


@browser
def test_a_trait_moves_the_pictures_and_the_controls(root):
    for name, value in [("curve", "tent"), ("n_steps", 2), ("sharpness", 2)]:
        before = pixels(root, 0), pixels(root, 1)
        set_trait(root, name, value)
        assert pixels(root, 0) != before[0]
        assert pixels(root, 1) != before[1]
    assert said(root) == expected("tent", 2, 2) + "."
    assert trait(root, "error") == pytest.approx(largest_error(CURVES["tent"], 2, 2))
    assert trait(root, "bound") == pytest.approx(proven_bound(CURVES["tent"], 2, 2))
    assert root.get_by_role("combobox").input_value() == "1"
    assert root.get_by_label("Number of steps", exact=True).input_value() == "1"
    assert root.get_by_label("Sharpness of the steps").input_value() == "0"


@browser
def test_a_jump_stays_at_one_half(root):
    root.get_by_role("combobox").select_option("a jump")
    count = root.get_by_label("Number of steps", exact=True)
    for key, n in (("Home", 1), ("End", 64)):
        count.press(key)
        assert said(root) == expected("step", n, 10) + " to a jump of 1 than 0.5."
        assert trait(root, "error") == pytest.approx(0.5)
        assert trait(root, "bound") is None


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("combobox").select_option("a tent")
    assert said(first) == expected("wave", 16, 10) + "."
    assert said(second) == expected("tent", 16, 10) + "."
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert_follows_theme(root, page)


@pytest.mark.parametrize("start", [{"curve": "bell"}, {"n_steps": 5}, {"sharpness": 7}])
def test_a_start_that_cannot_be_chosen_is_refused(view, start):
    [(name, value)] = start.items()
    with pytest.raises(traitlets.TraitError, match=f"{name}.* of .*, not .*{value!r}"):
        SigmoidExplorer(STEPS, SHARPNESSES, **start)
    with pytest.raises(traitlets.TraitError, match=f"{name}.* of"):
        setattr(view, name, value)
