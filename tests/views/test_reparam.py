"""The view of chapter 8: JavaScript computes what Python does, and its controls work."""

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web import reparam

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def view():
    return reparam.reparam_paths(np.random.default_rng(3))


@pytest.fixture
def script(load_script):
    return load_script("reparam")


def expected(which, mu, sd):
    return reparam.sentence(reparam.INTEGRANDS[which], mu, sd)


@pytest.mark.parametrize("which", range(4))
def test_both_faces_compute_the_same(script, view, which):
    item, eps = reparam.INTEGRANDS[which], view.data["eps"]
    for mu in reparam.MUS[::4]:
        for sd in reparam.SDS[::2]:
            exact, found, text = script.evaluate(
                f"([mu, sd, eps, names]) => [INTEGRANDS[{which}].exact(mu, sd),"
                f" estimates(INTEGRANDS[{which}], mu, sd, eps),"
                f" sentence(INTEGRANDS[{which}], names, mu, sd)]",
                [mu, sd, eps.astype(float).tolist(), list(reparam.NAMES)],
            )
            ours = reparam.estimates(item, mu, sd, eps)
            assert np.allclose(exact, item.exact(mu, sd), rtol=1e-9, atol=1e-12)
            assert np.allclose(found, ours, rtol=1e-9, atol=1e-12)
            assert text == expected(which, mu, sd)
            middle = exact[0]
            half = reparam.reach(ours, middle)
            theirs = script.evaluate("([found, exact]) => reach(found, exact)", [found, middle])
            assert theirs == pytest.approx(half, rel=1e-9)
            counts = script.evaluate(
                "([row, exact, half]) => histogram(row, exact, half)", [found[0], middle, half]
            )
            same = reparam.histogram(ours[0], middle, half)
            assert np.abs(np.array(counts) - same).sum() <= 2  # one estimate on the edge of a bin


def test_the_normal_cdf_of_the_script(script):
    at = [-9.0, -5.0, -1.3, 0.0, 0.2, 3.0, 9.0]
    theirs = script.evaluate("at => at.map(normalCdf)", at)
    assert np.allclose(theirs, [reparam.normal_cdf(x) for x in at], atol=1e-14)


def test_it_opens_on_the_square(root):
    assert said(root) == expected(0, 1.0, 0.75)


def test_integrand_mean_and_spread_are_chosen(root, page):
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_label("f(z)").select_option("sin 3z")
    assert said(root) == expected(1, 1.0, 0.75)
    root.get_by_role("slider", name="Mean of q").focus()
    page.keyboard.press("ArrowRight")
    assert said(root) == expected(1, 1.25, 0.75)
    root.get_by_role("slider", name="Standard deviation of q").focus()
    page.keyboard.press("Home")
    assert said(root) == expected(1, 1.25, reparam.SDS[0])
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]


def test_the_step_is_said_to_be_flat(root):
    root.get_by_label("f(z)").select_option("a step at 0")
    assert said(root).endswith("Every path is flat: pathwise says 0, whatever the truth.")


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
