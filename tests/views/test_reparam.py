"""The view of chapter 8: its closed forms equal quadrature, its controls move the traits."""

import numpy as np
import pytest
import torch
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy import integrate
from scipy.stats import norm

from vaelib import estimators
from vaelib.views.reparam import FUNCTIONS, N_ESTIMATES, ReparamPaths

browser = pytest.mark.browser

F = {
    "square": lambda z: z**2,
    "sine": lambda z: torch.sin(3 * z),
    "exponential": torch.exp,
    "step": lambda z: (z > 0).double(),
}
PLACES = [(1.0, 0.75), (-0.5, 0.3), (0.0, 1.5), (-2.0, 0.1), (1.95, 1.5)]  # mean, std


@pytest.fixture(scope="module")
def view():
    return ReparamPaths(np.random.default_rng(3))


@pytest.fixture
def script(load_script):
    return load_script("reparam")


def estimates(name, mean, std, eps):
    """One estimate per sample of each kind, by vaelib.estimators: (2, S)."""
    at = [torch.tensor([value], dtype=torch.float64) for value in (mean, 2 * np.log(std))]
    methods = estimators.score_function, estimators.pathwise
    eps = torch.as_tensor(eps, dtype=torch.float64)[:, None]
    return np.array([method(lambda z: F[name](z[..., 0]), *at, eps).mu[:, 0] for method in methods])


def moments(name, mean, std):
    """Mean and variance of each estimator, by Simpson's rule on either side of z = 0: (2, 2)."""
    middle = np.clip(-mean / std, -14, 14)
    parts = []
    for low, high in ((-14, middle - 1e-12), (middle + 1e-12, 14)):
        eps = np.linspace(low, high, 6001)
        found = estimates(name, mean, std, eps)
        powers = np.stack([found, found**2]) * norm.pdf(eps)
        parts.append(integrate.simpson(powers, x=eps))
    first, second = np.sum(parts, 0)
    return first, second - first**2


@browser
def test_closed_forms_are_those_of_vaelibs_estimators(script):
    for name in FUNCTIONS:
        for mean, std in PLACES:
            exact, *variances = script.evaluate(f"INTEGRANDS.{name}.exact({mean}, {std})")
            (score, path), expected = moments(name, mean, std)
            scale = 1e-7 * (1 + abs(expected).max())
            assert score == pytest.approx(exact, abs=scale), name
            assert path == pytest.approx(0 if name == "step" else exact, abs=scale), name
            assert variances == pytest.approx(expected, abs=scale), name


@browser
def test_estimates_are_vaelibs_and_the_histograms_hold_them(script, view):
    eps = view.data["eps"].astype(float)
    for name in FUNCTIONS:
        expected = estimates(name, 1.0, 0.75, eps)
        found, exact, half, counts = script.evaluate(
            """([name, eps]) => {
              const found = estimates(INTEGRANDS[name], 1, 0.75, eps);
              const [exact] = INTEGRANDS[name].exact(1, 0.75);
              const half = halfWidth(found, exact);
              return [found, exact, half, found.map((row) => histogram(row, exact, half))];
            }""",
            [name, eps.tolist()],
        )
        assert np.allclose(found, expected, rtol=1e-9)
        assert half == pytest.approx(1.15 * np.quantile(abs(expected - exact), 0.98))
        edges = np.linspace(exact - half, exact + half, 32)
        edges[0], edges[-1] = -np.inf, np.inf
        for row, ours in zip(counts, expected, strict=True):
            assert sum(row) == N_ESTIMATES
            assert np.abs(np.histogram(ours, edges)[0] - row).sum() <= 2  # at the edge of a bin


@browser
def test_the_normal_distribution_function_equals_scipys(script):
    at = [-9.0, -5.0, -1.3, 0.0, 0.2, 3.0, 9.0]
    assert np.allclose(script.evaluate("at => at.map(normalCdf)", at), norm.cdf(at), atol=1e-14)


@browser
def test_numbers_have_three_significant_digits(script):
    texts = {87.0: "87", 0.012345: "0.0123", -1234.56: "\u22121,235", 0.0: "0", 2.5: "2.5"}
    assert script.evaluate("values => values.map(short)", list(texts)) == list(texts.values())


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(traitlets.TraitError, match="function"):
        ReparamPaths(rng, function="cube")
    view = ReparamPaths(rng)
    with pytest.raises(traitlets.TraitError, match="std"):
        view.std = 0.0
    with pytest.raises(traitlets.TraitError, match="mean"):
        view.mean = 2.5


@browser
def test_it_opens_on_the_square(root):
    assert said(root).startswith(
        "Exact derivative 2. Variance of one estimate: score function 24.2, pathwise 2.25. "
    )
    assert said(root).endswith("The pathwise variance is 10.8 times smaller.")
    assert trait(root, "derivative") == 2
    assert trait(root, "pathwise_variance") == 2.25


@browser
def test_the_controls_move_the_traits(root):
    before = pixels(root, 0), pixels(root, 1)
    mean = root.get_by_role("slider", name="Mean of q")
    mean.focus()
    mean.press("ArrowRight")
    assert trait(root, "mean") == pytest.approx(1.05)
    assert mean.get_attribute("aria-valuetext") == "mean \u03bc = 1.05"
    root.get_by_role("slider", name="Standard deviation of q").fill("0.3")
    assert trait(root, "std") == pytest.approx(0.3)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    for name in FUNCTIONS:
        root.get_by_label("f(z)").select_option(index=FUNCTIONS.index(name))
        assert trait(root, "function") == name


@browser
def test_traits_move_the_picture_and_the_controls(root):
    before = pixels(root)
    set_trait(root, "function", "sine")
    assert said(root).endswith("The score-function variance is 5.33 times smaller.")
    assert trait(root, "score_variance") < trait(root, "pathwise_variance")
    assert pixels(root) != before
    assert root.get_by_label("f(z)").input_value() == "1"
    set_trait(root, "function", "step")
    assert said(root).endswith("the pathwise estimate is 0, whatever the derivative.")
    set_trait(root, "std", 1.25)
    assert root.get_by_role("slider", name="Standard deviation of q").input_value() == "1.25"
    set_trait(root, "mean", -0.5)
    assert root.get_by_role("slider", name="Mean of q").input_value() == "-0.5"


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_role("slider", name="Mean of q").fill("-1")
    assert [trait(copy, "mean") for copy in (first, second)] == [1, -1]
    assert page.problems == []


@browser
def test_it_fits_is_labeled_and_follows_the_theme(root, page):
    for width in WIDTHS:
        assert_fits(root, page, width)
    assert_follows_theme(root, page)
