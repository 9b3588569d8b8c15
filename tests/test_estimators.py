"""The gradient estimators: unbiased to rounding by quadrature, variances by closed forms."""

import math

import numpy as np
import pytest
import torch

from vaelib import estimators
from vaelib.estimate import Estimate
from vaelib.estimators import (
    Gradient,
    control_variate,
    gradient_coef,
    moments,
    pathwise,
    rao_blackwellized,
    score,
    score_function,
    value_coef,
)


def parameters(*pairs):
    """mu and logvar from (mean, standard deviation) pairs."""
    mu, std = torch.tensor(pairs, dtype=torch.float64).T
    return mu.clone(), 2 * std.log()


def nodes(dim, count=12):
    """Noise and weights for which weighted sums are exact expectations of polynomials.

    Gauss-Hermite in every dimension: exact up to degree 2 * count - 1 in each entry.
    """
    x, w = np.polynomial.hermite_e.hermegauss(count)
    grids = np.meshgrid(*[x] * dim, indexing="ij")
    weights = np.meshgrid(*[w / w.sum()] * dim, indexing="ij")
    eps = np.stack([g.ravel() for g in grids], axis=-1)
    return torch.tensor(eps), torch.tensor(np.prod(weights, axis=0).ravel())


def expect(gradient, weights):
    """The exact mean of a per-sample gradient."""
    return gradient.map(lambda part: (weights[:, None] * part).sum(0))


def variance(gradient, weights):
    mean = expect(gradient, weights)
    square = expect(gradient.map(torch.square), weights)
    return Gradient(*(s - m**2 for s, m in zip(square, mean, strict=True)))


def assert_close(found, expected, **tolerance):
    for part, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(part, exact, **{"rtol": 1e-9, "atol": 1e-9, **tolerance})


def cubic(z):
    """A polynomial that couples its two entries."""
    return z[..., 0] ** 3 - 2 * z[..., 0] * z[..., 1] + 0.5 * z[..., 1] ** 2 + z[..., 1]


def cubic_gradient(mu, logvar):
    """grad E[cubic] by hand: E z^3 = m^3 + 3 m v, E z^2 = m^2 + v."""
    (m0, m1), (v0, _) = mu, logvar.exp()
    v1 = logvar.exp()[1]
    by_mu = torch.stack([3 * m0**2 + 3 * v0 - 2 * m1, -2 * m0 + m1 + 1])
    by_logvar = torch.stack([3 * m0 * v0, 0.5 * v1])
    return Gradient(by_mu, by_logvar)


TWO = parameters((0.7, 1.2), (-0.4, 0.5))


def three(z):
    return z[..., 0] ** 2 + 3 * z[..., 1] + z[..., 2] ** 3 + z[..., 0] * z[..., 1]


def three_terms(z):
    """The terms of `three` that contain each entry."""
    both = z[..., 0] * z[..., 1]
    return torch.stack([z[..., 0] ** 2 + both, 3 * z[..., 1] + both, z[..., 2] ** 3], dim=-1)


THREE = parameters((0.5, 0.8), (-1.0, 1.1), (2.0, 0.6))


# --- unbiased, exactly ------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [score_function, pathwise])
def test_the_mean_is_the_gradient(estimator):
    eps, weights = nodes(2)
    found = expect(estimator(cubic, *TWO, eps), weights)
    assert_close(found, cubic_gradient(*TWO))


def test_without_the_gradient_of_log_q_it_is_something_else():
    """The negative control: f log q, as the thesis prints it, has another mean."""
    eps, weights = nodes(2)
    z = TWO[0] + (0.5 * TWO[1]).exp() * eps
    log_q = -0.5 * (eps**2 + TWO[1] + math.log(2 * math.pi)).sum(-1)
    printed = (weights * cubic(z) * log_q).sum()
    assert (printed - torch.cat(cubic_gradient(*TWO))).abs().min() > 0.1


def test_the_score_is_the_derivative_of_log_q_and_has_mean_zero():
    eps, weights = nodes(2)
    mu, logvar = (p.clone().requires_grad_() for p in TWO)
    z = (mu + (0.5 * logvar).exp() * eps).detach()
    log_q = (-0.5 * ((z - mu) ** 2 / logvar.exp() + logvar)).sum(-1)
    found = score(logvar.detach(), eps)
    for i in (0, 17, 100):
        exact = torch.autograd.grad(log_q[i], (mu, logvar), retain_graph=True)
        assert_close(found.map(lambda part, i=i: part[i]), exact)
    assert_close(expect(found, weights), Gradient(torch.zeros(2).double(), torch.zeros(2).double()))


@pytest.mark.parametrize("coef", [0.0, 1.0, -3.5])
def test_a_control_variate_changes_no_mean(coef):
    eps, weights = nodes(2)
    control = lambda z: z[..., 0] ** 2 + z[..., 1]  # noqa: E731
    control_grad = Gradient(
        torch.stack([2 * TWO[0][0], torch.ones(()).double()]),
        torch.stack([TWO[1][0].exp(), torch.zeros(()).double()]),
    )
    found = control_variate(cubic, control, control_grad, coef, *TWO, eps)
    assert_close(expect(found, weights), cubic_gradient(*TWO))
    forgotten = control_variate(cubic, control, control_grad.map(torch.zeros_like), 1.0, *TWO, eps)
    assert (expect(forgotten, weights).mu - cubic_gradient(*TWO).mu).abs().min() > 0.1


def test_rao_blackwell_keeps_the_mean():
    """f = sum_j a_j(z_j) + z_0 z_1 over three entries; each keeps the terms it occurs in."""
    eps, weights = nodes(3)
    plain, kept = score_function(three, *THREE, eps), rao_blackwellized(three_terms, *THREE, eps)
    assert_close(expect(kept, weights), expect(plain, weights))
    missing = rao_blackwellized(lambda z: three_terms(z) - 3 * z, *THREE, eps)
    assert (expect(missing, weights).mu - expect(plain, weights).mu).abs().min() > 1


def test_rao_blackwell_lowers_the_variance_when_the_rest_keeps_its_conditional_mean():
    """The theorem is about E[f s_j | the entries in column j], not about dropping the rest."""
    eps, weights = nodes(3)
    z = THREE[0] + (0.5 * THREE[1]).exp() * eps
    cube = (weights * z[:, 2] ** 3).sum()  # of an entry that is not in columns 0 and 1
    pair = (weights * (z[:, 0] ** 2 + 3 * z[:, 1] + z[:, 0] * z[:, 1])).sum()

    def conditional(z):
        rest = torch.stack([3 * z[:, 1] + cube, z[:, 0] ** 2 + cube, pair.expand(len(z))], dim=-1)
        return three_terms(z) + rest

    plain = variance(score_function(three, *THREE, eps), weights)
    kept = variance(rao_blackwellized(conditional, *THREE, eps), weights)
    dropped = variance(rao_blackwellized(three_terms, *THREE, eps), weights)
    for less, more in zip(kept, plain, strict=True):
        assert (less < more).all()
    assert dropped.mu[2] > plain.mu[2]  # here the dropped terms were a good baseline


def test_the_plain_mean_is_not_enough_when_the_rest_shares_an_entry():
    """f = z_0^2 z_1 - 3 z_1, q = N(0, 1): for mu_0, variance 6 with all of f, 15 without -3 z_1."""
    mu, logvar = parameters((0.0, 1.0), (0.0, 1.0))
    eps, weights = nodes(2)
    first, second = (lambda z: z[..., 0] ** 2 * z[..., 1]), (lambda z: -3 * z[..., 1])
    f, terms = (lambda z: first(z) + second(z)), (lambda z: torch.stack([first(z), f(z)], dim=-1))
    assert variance(score_function(f, mu, logvar, eps), weights).mu[0].item() == pytest.approx(6)
    kept = variance(rao_blackwellized(terms, mu, logvar, eps), weights)
    assert kept.mu[0].item() == pytest.approx(15)


# --- variances ----------------------------------------------------------------------------------


def test_the_variances_of_a_square_are_87_and_4():
    """f = z^2, q = N(2, 1): Var(z^2 (z - 2)) = 103 - 16 and Var(2 z) = 4."""
    mu, logvar = parameters((2.0, 1.0))
    eps, weights = nodes(1)
    square = lambda z: z[..., 0] ** 2  # noqa: E731
    assert variance(score_function(square, mu, logvar, eps), weights).mu.item() == pytest.approx(87)
    assert variance(pathwise(square, mu, logvar, eps), weights).mu.item() == pytest.approx(4)


def test_no_coefficient_beats_the_one_for_the_gradient():
    """f = z^2 - 3 z, g = z^2 + 5, q = N(0.5, 1): the two best coefficients differ."""
    mu, logvar = parameters((0.5, 1.0))
    eps, weights = nodes(1, 30)
    f = lambda z: z[..., 0] ** 2 - 3 * z[..., 0]  # noqa: E731
    g = lambda z: z[..., 0] ** 2 + 5  # noqa: E731
    exact = Gradient(2 * mu, logvar.exp())
    # A pilot sample of the nodes, each drawn with its quadrature weight as probability.
    pilot = eps[torch.multinomial(weights, 400_000, True, generator=torch.Generator())]
    z = mu + pilot
    best = gradient_coef(f(z), g(z), score(logvar, pilot))
    thesis = value_coef(f(z), g(z))

    def spread(coef):
        return variance(control_variate(f, g, exact, coef, mu, logvar, eps), weights)

    for part in (0, 1):
        least = spread(best)[part]
        assert least < 0.9 * spread(thesis)[part]
        for off in (-0.1, 0.1):
            moved = best.map(lambda a, off=off: a + off)
            assert least < spread(moved)[part]


def test_the_value_coefficient_is_the_regression_slope():
    rng = np.random.default_rng(0)
    f_z, g_z = rng.standard_normal((2, 1000))
    slope = np.polyfit(g_z, f_z, 1)[0]
    assert value_coef(torch.tensor(f_z), torch.tensor(g_z)).item() == pytest.approx(slope)


# --- moments ------------------------------------------------------------------------------------


def test_moments_in_chunks_are_those_of_all_samples(monkeypatch):
    monkeypatch.setattr(estimators, "CHUNK_NUMBERS", 1000)
    seen = []

    def estimate(eps):
        seen.append(eps)
        return score_function(lambda z: 1e3 + cubic(z), *TWO, eps)

    found = moments(estimate, 2, 4321, generator=torch.Generator().manual_seed(1))
    assert max(map(len, seen)) == 500
    everything = score_function(lambda z: 1e3 + cubic(z), *TWO, torch.cat(seen))
    assert len(everything.mu) == 4321
    for got, expected in (
        (found.mean, everything.map(Estimate.of)),
        (found.var, everything.map(Estimate.variance)),
    ):
        for chunked, whole in zip(got, expected, strict=True):
            assert chunked.n == 4321
            assert chunked.value == pytest.approx(whole.value, rel=1e-9)
            assert chunked.stderr == pytest.approx(whole.stderr, rel=1e-3)  # 1 / n or 1 / (n - 1)


def test_a_million_samples_meet_the_closed_form_within_their_errors():
    """A normal's variance 4 has the standard error sqrt(2 / n) * 4 = 0.0057; 4.1 is too far."""
    mu, logvar = parameters((2.0, 1.0))
    square = lambda z: z[..., 0] ** 2  # noqa: E731
    generator = torch.Generator().manual_seed(2)
    found = moments(lambda e: pathwise(square, mu, logvar, e), 1, 10**6, generator=generator)
    assert found.mean.mu.off(4) < 6
    assert found.var.mu.off(4) < 6
    assert found.var.mu.off(4.1) > 6  # the negative control
    assert found.var.mu.stderr == pytest.approx(4 * math.sqrt(2e-6), rel=0.05)


def test_the_noise_is_never_held_at_once():
    sizes = []

    def estimate(eps):
        sizes.append(eps.numel())
        return Gradient(eps, eps)

    moments(estimate, 300, 10**4, generator=torch.Generator())
    assert max(sizes) <= estimators.CHUNK_NUMBERS
    assert sum(sizes) == 300 * 10**4


# --- shapes and refusals --------------------------------------------------------------------------


def test_leading_axes_are_kept_and_the_result_is_detached():
    eps = torch.randn(5, 7, 2, generator=torch.Generator()).double()
    mu, logvar = (p.clone().requires_grad_() for p in TWO)
    for estimator in (score_function, pathwise):
        found = estimator(cubic, mu, logvar, eps)
        assert found.mu.shape == found.logvar.shape == (5, 7, 2)
        assert not found.mu.requires_grad


def test_a_step_has_a_pathwise_gradient_of_zero():
    eps, _ = nodes(1)
    step = lambda z: (z[..., 0] > 0).double()  # noqa: E731
    found = pathwise(step, *parameters((0.5, 1.0)), eps)
    assert not found.mu.any()
    assert not found.logvar.any()


@pytest.mark.parametrize("estimator", [score_function, pathwise])
def test_f_must_return_one_number_per_sample(estimator):
    with pytest.raises(ValueError, match="one number per sample"):
        estimator(torch.square, *TWO, torch.zeros(3, 2).double())


def test_other_mistakes_are_reported():
    eps = torch.zeros(3, 2).double()
    with pytest.raises(ValueError, match="one column per entry"):
        rao_blackwellized(cubic, *TWO, eps)
    with pytest.raises(ValueError, match="is constant"):
        value_coef(torch.arange(3.0), torch.ones(3))
    with pytest.raises(ValueError, match="2 or more"):
        moments(lambda e: Gradient(e, e), 1, 1, generator=torch.Generator())
    with pytest.raises(ValueError, match="not finite"):
        moments(lambda e: Gradient(e / 0, e), 1, 10, generator=torch.Generator())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_runs_where_its_tensors_are():
    mu, logvar = (p.cuda() for p in TWO)
    generator = torch.Generator("cuda").manual_seed(0)
    found = moments(lambda e: pathwise(cubic, mu, logvar, e), 2, 10**5, generator=generator)
    assert (found.mean.mu.off(cubic_gradient(*TWO).mu) < 6).all()
