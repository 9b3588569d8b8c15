"""The view of chapter 6: its estimators are those of vaelib.estimators, its ELBO is scipy's."""

import numpy as np
import pytest
import torch
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait
from scipy import integrate
from scipy.stats import norm

from vaelib import estimators
from vaelib.views.search import FUNCTIONS, N_ESTIMATES, N_STEPS, SAMPLES, STEP_SIZES, SearchRace

browser = pytest.mark.browser

F = {
    "quadratic": lambda z: -((z - 2) ** 2) / 2,
    "two modes": lambda z: torch.logaddexp(-((z + 2.5) ** 2) / 2, -((z - 2.5) ** 2) / 2),
    "oscillating": lambda z: -(z**2) / 8 + 1.5 * torch.cos(4 * z),
    "quartic": lambda z: -(z**4),
}
SIZES = {
    "1/(t + 10)": lambda t: 1 / (t + 10),
    "1/t": lambda t: 1 / t,
    "0.05": lambda t: 0.05,
    "1/(4t^2)": lambda t: 1 / (4 * t**2),
}
ESTIMATORS = ("score function", "with baseline", "pathwise")
PLACES = [(0.4, -1.0), (-2.0, 0.0), (1.3, 1.2)]  # mu, log sigma^2


@pytest.fixture(scope="module")
def view():
    return SearchRace(np.random.default_rng(3))


@pytest.fixture
def script(load_script):
    return load_script("search")


def estimates(f, estimator, mu, logvar, eps):
    """Derivatives of the ELBO with respect to mu and logvar, the mean over noise (..., L) each."""
    at = [torch.tensor([value], dtype=torch.float64) for value in (mu, logvar)]
    baseline = f(at[0]) if estimator == "with baseline" else 0.0
    method = estimators.pathwise if estimator == "pathwise" else estimators.score_function
    found = method(lambda z: f(z[..., 0]) - baseline, *at, torch.as_tensor(eps)[..., None])
    return found.mu.mean((-2, -1)).numpy(), 0.5 + found.logvar.mean((-2, -1)).numpy()


def elbo(name, mu, logvar):
    """E f(z) by scipy, plus the entropy of q."""
    std = np.exp(logvar / 2)
    z = np.linspace(mu - 9 * std, mu + 9 * std, 4001)
    expected = integrate.simpson(F[name](torch.tensor(z)).numpy() * norm.pdf(z, mu, std), x=z)
    return expected + norm.entropy(0, std)


@browser
def test_elbo_and_its_derivative_equal_scipys_integral(script):
    h = 1e-4
    for name in FUNCTIONS:
        for mu, logvar in PLACES:
            found = script.evaluate(
                "([name, at]) => [elbo(FUNCTIONS[name], at), exactSlope(FUNCTIONS[name], at)]",
                [name, [mu, logvar]],
            )
            slope = (elbo(name, mu + h, logvar) - elbo(name, mu - h, logvar)) / (2 * h)
            assert found[0] == pytest.approx(elbo(name, mu, logvar), abs=1e-8), name
            assert found[1] == pytest.approx(slope, abs=2e-6), name


@browser
@pytest.mark.parametrize(("name", "rule"), list(zip(FUNCTIONS, STEP_SIZES, strict=True)))
def test_the_race_is_that_of_vaelibs_estimators(script, view, name, rule):
    """Every step of every estimator; torch differentiates f, the script has its derivative."""
    noise = view.data["noise"][:40, :5].astype(float)
    rule = "1/t" if name == "quartic" else rule  # with which all three diverge
    found = script.evaluate(
        "([name, rule, noise]) => race(FUNCTIONS[name], STEP_SIZES[rule], noise)",
        [name, rule, noise.tolist()],
    )
    assert tuple(found) == ESTIMATORS
    for estimator, trajectory in found.items():
        at = np.array([-2.0, 0.0])
        for t, eps in enumerate(noise):
            assert trajectory[t] == pytest.approx(at, rel=1e-6)
            at = at + SIZES[rule](t + 1) * np.array(estimates(F[name], estimator, *at, eps))
            if not (abs(at[0]) < 1e3 and abs(at[1]) < 20):
                assert trajectory[t + 1 :] == [None] * (len(noise) - t)
                break
        assert (trajectory[-1] is None) == (name == "quartic")


@browser
def test_step_sizes_are_what_they_are_called(script):
    for name, size in SIZES.items():
        for t in (1, 7, 120):
            assert script.evaluate(f"STEP_SIZES['{name}']({t})") == pytest.approx(size(t))


@browser
def test_histograms_hold_the_errors_of_all_estimates(script, view):
    probes, (mu, logvar) = view.data["probes"][:, :5].astype(float), (0.3, -0.5)
    for name in FUNCTIONS:
        half, exact, *counts = script.evaluate(
            """([name, at, probes, estimators]) => {
              const [f, half] = [FUNCTIONS[name], halfWidth(FUNCTIONS[name], probes)];
              const counts = estimators.map((k) => histogram(f, k, at, probes, half));
              return [half, exactSlope(f, at), ...counts];
            }""",
            [name, [mu, logvar], probes.tolist(), ESTIMATORS],
        )
        at_start, _ = estimates(F[name], "score function", -2.0, 0.0, probes)
        assert half == pytest.approx(3 * np.std(at_start), rel=1e-9)
        edges = np.linspace(-half, half, 32)
        edges[0], edges[-1] = -np.inf, np.inf
        for estimator, found in zip(ESTIMATORS, counts, strict=True):
            values, _ = estimates(F[name], estimator, mu, logvar, probes)
            expected, _ = np.histogram(values - exact, edges)
            assert sum(found) == N_ESTIMATES
            assert np.abs(expected - found).sum() <= 2  # one estimate at the edge of a bin


@browser
def test_the_map_is_zero_where_the_elbo_is_highest(script):
    below = np.array(script.evaluate("elboMap(FUNCTIONS.quadratic)"))
    i, j = np.unravel_index(below.argmin(), below.shape)
    assert below[i, j] == 0
    assert -4.5 + (j + 0.5) / 60 * 9 == pytest.approx(2, abs=0.08)
    assert 0.1 + (i + 0.5) / 35 * 3.4 == pytest.approx(1, abs=0.05)


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(traitlets.TraitError, match="function"):
        SearchRace(rng, function="cubic")
    with pytest.raises(traitlets.TraitError, match="n_samples"):
        SearchRace(rng, n_samples=3)
    view = SearchRace(rng)
    with pytest.raises(traitlets.TraitError, match="step"):
        view.step = N_STEPS + 1
    with pytest.raises(TypeError, match="has no n_steps: elbos, function, n_samples"):
        SearchRace(rng, n_steps=5)


@browser
def test_it_starts_before_the_first_step_and_waits(root, page):
    first = said(root)
    assert first.startswith("Before the first step. ELBO in nats: score function ")
    for estimator in ESTIMATORS:
        assert trait(root, "elbos")[estimator] == pytest.approx(elbo("quadratic", -2, 0), abs=1e-7)
        assert trait(root, "positions")[estimator] == [-2, 1]
    page.wait_for_timeout(300)
    assert said(root) == first


@browser
def test_the_controls_move_the_traits(root):
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_label("One step forward").click()
    assert trait(root, "step") == 1
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    root.get_by_label("One step back").click()
    assert (pixels(root, 0), pixels(root, 1)) == before
    root.get_by_role("slider", name="Step", exact=True).fill("30")
    assert said(root).startswith("Step 30 of 120, step size 0.0250. ELBO")
    chosen = []
    for i, name in enumerate(FUNCTIONS):
        root.get_by_label("f(z)").select_option(index=i)
        assert trait(root, "function") == name
    for i, name in enumerate(STEP_SIZES):
        root.get_by_label("Step size").select_option(index=i)
        assert trait(root, "step_sizes") == name
    for i, count in enumerate(SAMPLES):
        root.get_by_role("slider", name="Samples per step").fill(str(i))
        chosen.append(trait(root, "n_samples") == count)
    assert all(chosen)
    assert trait(root, "step") == 0


@browser
def test_traits_move_the_picture_and_the_controls(root):
    set_trait(root, "function", "quartic")
    set_trait(root, "step_sizes", "1/t")
    set_trait(root, "n_samples", 20)
    before = pixels(root)
    set_trait(root, "step", N_STEPS)
    assert pixels(root) != before
    assert said(root).count("diverged") == 3
    assert trait(root, "elbos") == dict.fromkeys(ESTIMATORS)
    assert root.get_by_label("f(z)").input_value() == "3"
    assert root.get_by_label("Step size").input_value() == "1"
    assert root.get_by_role("slider", name="Samples per step").input_value() == "4"
    assert root.get_by_role("slider", name="Step", exact=True).input_value() == str(N_STEPS)


@browser
def test_play_ends_at_the_last_step(root, page):
    set_trait(root, "step", N_STEPS - 2)
    play = root.locator(".vw-play")
    play.click()
    assert "Pause" in play.inner_text()
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
