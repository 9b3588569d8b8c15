"""The ELBO and its relatives for a linear-Gaussian VAE, whose marginal likelihood is known."""

import math
from itertools import pairwise

import pytest
import torch
from linear_gaussian import LinearGaussian

from vaelib import gaussian
from vaelib.estimate import Estimate
from vaelib.gaussian import kl_to_standard, log_normal, log_standard_normal
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.objective import Elbo, constant, elbo, importance_bound, linear_to, log_weights

torch.set_num_threads(1)
SHIFT = {"mu": 0.3, "logvar": -0.8}


def noise(n_samples, n, latent_dim=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n_samples, n, latent_dim, generator=g, dtype=torch.float64)


@pytest.fixture
def exact():
    return LinearGaussian.make()


@pytest.fixture
def shifted():
    case = LinearGaussian.make()
    case.shift_encoder(**SHIFT)
    return case


def test_with_the_exact_posterior_every_weight_is_the_evidence(exact):
    x = exact.draw(4)
    with torch.no_grad():
        log_w = log_weights(exact.model, exact.lik, x, noise(50, 4))
    torch.testing.assert_close(log_w, exact.log_evidence(x).expand(50, 4))
    torch.testing.assert_close(importance_bound(log_w), exact.log_evidence(x))


# Estimators A and B of the same ELBO, log p(x) - KL(q || p(z|x)). The tests detect a bias of 0.05
# nats with 6 standard errors on either side: n = (12 sigma / 0.05)^2.


def estimates(case, x, n):
    """Draws (n, B) of both estimators."""
    with torch.no_grad():
        eps = noise(n, len(x))
        mu, logvar = case.model.encode(x)
        log_px_z = case.lik.log_prob(case.model.decode(mu + (0.5 * logvar).exp() * eps), x)
        return {
            "A": log_weights(case.model, case.lik, x, eps),
            "B": log_px_z - kl_to_standard(mu, logvar),
        }


def draws_needed(draws, bias=0.05):
    return math.ceil((12 * draws.std(0).max().item() / bias) ** 2)


@pytest.mark.parametrize("estimator", ["A", "B"])
def test_both_estimators_are_unbiased(shifted, estimator):
    x = shifted.draw(3)
    n = draws_needed(estimates(shifted, x, 1000)[estimator])
    found = Estimate.of(estimates(shifted, x, n)[estimator])
    expected = shifted.log_evidence(x) - shifted.kl_of_shift(**SHIFT)
    assert (found.off(expected) < 6).all()
    assert (found.off(expected + 0.05) > 6).all(), "the test has too little power"


def test_elbo_is_the_mean_of_estimator_b(shifted):
    x, eps = shifted.draw(3), noise(40, 3)
    with torch.no_grad():
        terms = elbo(shifted.model, shifted.lik, x, eps)
    torch.testing.assert_close(terms.value(), estimates(shifted, x, 40)["B"].mean(0))
    assert terms.log_lik.shape == terms.kl.shape == (3,)


def test_log_sigma_in_place_of_logvar_is_detected(shifted, monkeypatch):
    x = shifted.draw(3)
    monkeypatch.setattr(gaussian, "kl_to_standard", lambda mu, v: kl_to_standard(mu, 2 * v))
    with torch.no_grad():
        wrong = elbo(shifted.model, shifted.lik, x, noise(20_000, 3)).value()
    expected = shifted.log_evidence(x) - shifted.kl_of_shift(**SHIFT)
    assert ((wrong - expected).abs() > 0.05).all()


def test_a_collapsed_posterior_has_no_kl(exact):
    with torch.no_grad():
        exact.model.encoder[0].weight.zero_()
        exact.model.encoder[0].bias.zero_()
        assert elbo(exact.model, exact.lik, exact.draw(4), noise(1, 4)).kl.eq(0).all()


def test_value_weighs_the_kl():
    terms = Elbo(torch.tensor([-3.0, -1.0]), torch.tensor([2.0, 0.5]))
    assert terms.value().tolist() == [-5.0, -1.5]
    assert terms.value(0.0).tolist() == [-3.0, -1.0]
    assert terms.value(4.0).tolist() == [-11.0, -3.0]


def test_the_weighted_objective_is_a_lower_bound_only_for_beta_of_at_least_one(exact):
    """At q = posterior it is log p(x) - (beta - 1) KL(q || prior), for every draw."""
    x = exact.draw(4)
    with torch.no_grad():
        log_w = log_weights(exact.model, exact.lik, x, noise(1, 4))[0]  # log p(x), exactly
        mu, logvar = exact.model.encode(x)
        kl = kl_to_standard(mu, logvar)
        terms = Elbo(log_w + kl, kl)  # E log p(x|z) from log p(x) = E log p(x|z) - KL
    assert (terms.value(0.5) > log_w).all()
    assert (terms.value(2.0) < log_w).all()


# --- importance-weighted bounds -------------------------------------------------------------


def test_one_weight_is_its_own_bound():
    log_w = noise(1, 6)[..., 0]
    torch.testing.assert_close(importance_bound(log_w), log_w[0])


def test_the_bound_is_the_log_of_the_mean_weight_without_overflow():
    log_w = torch.tensor([[0.0, -2000.0], [math.log(3.0), -2000.0]], dtype=torch.float64)
    expected = torch.tensor([math.log(2.0), -2000.0], dtype=torch.float64)
    torch.testing.assert_close(importance_bound(log_w), expected)


def test_the_bounds_increase_from_the_elbo_to_the_evidence(shifted):
    x = shifted.draw(1)
    with torch.no_grad():
        log_w = log_weights(shifted.model, shifted.lik, x, noise(64_000, 1))
    bounds = [Estimate.of(importance_bound(log_w.view(n, -1))) for n in (1, 4, 16, 64)]
    evidence = shifted.log_evidence(x).item()
    assert bounds[0].off(evidence - shifted.kl_of_shift(**SHIFT)) < 6
    for low, high in pairwise(bounds):
        assert low.value < high.interval(6)[0]
    assert bounds[-1].interval(6)[1] < evidence


def test_the_mean_weight_is_the_evidence(shifted):
    """p(x) = E w: unbiased as a probability (not as a log), for a q wider than the posterior."""
    shifted.shift_encoder(logvar=1.2)
    x = shifted.draw(1)
    with torch.no_grad():
        log_w = log_weights(shifted.model, shifted.lik, x, noise(50_000, 1))
    ratio = Estimate.of((log_w - shifted.log_evidence(x)).exp()[:, 0])
    assert ratio.stderr < 0.02
    assert ratio.off(1) < 6
    assert (1.3 * ratio).off(1) > 6, "a factor of 1.3 is not detected"


def test_weights_are_densities_of_joint_over_q(shifted):
    x, eps = shifted.draw(2), noise(3, 2)
    with torch.no_grad():
        mu, logvar = shifted.model.encode(x)
        z = mu + (0.5 * logvar).exp() * eps
        joint = shifted.lik.log_prob(shifted.model.decode(z), x) + log_standard_normal(z)
        expected = joint - log_normal(z, mu, logvar)
        torch.testing.assert_close(log_weights(shifted.model, shifted.lik, x, eps), expected)


# --- gradients ------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_gradient_is_correct_and_no_weight_lacks_it(beta):
    """Along a random direction, against central differences in double precision."""
    g = torch.Generator().manual_seed(0)
    model = VAE(6, (5,), 2, generator=g).double()
    x = torch.rand(4, 6, generator=g, dtype=torch.float64)
    eps = noise(3, 4)

    def loss():
        return -elbo(model, Bernoulli(), x, eps).value(beta).mean()

    loss().backward()
    along = [torch.randn(p.shape, generator=g, dtype=torch.float64) for p in model.parameters()]
    slope = sum((p.grad * d).sum() for p, d in zip(model.parameters(), along, strict=True)).item()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())

    def moved(h):
        with torch.no_grad():
            for p, d in zip(model.parameters(), along, strict=True):
                p += h * d
            value = loss().item()
            for p, d in zip(model.parameters(), along, strict=True):
                p -= h * d
        return value

    h = 1e-6
    assert (moved(h) - moved(-h)) / (2 * h) == pytest.approx(slope, rel=1e-6)


# --- schedules ------------------------------------------------------------------------------


def test_the_ramp_is_that_of_the_listing():
    ramp = [linear_to(4.0)(epoch, 50) for epoch in range(50)]
    assert ramp == pytest.approx([1 / 50] + [4 * epoch / 50 for epoch in range(1, 50)])
    assert ramp[-1] == pytest.approx(3.92)
    assert sum(beta > 1 for beta in ramp) == 37


@pytest.mark.parametrize(("beta_max", "epochs", "last"), [(1.5, 50, 1.47), (2.0, 100, 1.98)])
def test_the_ramp_never_reaches_its_maximum(beta_max, epochs, last):
    assert linear_to(beta_max)(epochs - 1, epochs) == pytest.approx(last)


def test_one_epoch_has_weight_one():
    assert linear_to(4.0)(0, 1) == 1.0


def test_constant_is_constant():
    assert {constant(0.5)(epoch, 9) for epoch in range(9)} == {0.5}


def test_encoding_a_corrupted_image_lowers_the_bound_by_the_divergence(exact):
    """q(z|x + noise) has the right variance and the wrong mean: the bound is lower by its KL."""
    x = exact.draw(6)
    seen = exact.draw(6, seed=2)
    with torch.no_grad():
        right, wrong = exact.model.encode(x), exact.model.encode(seen)
        terms = elbo(exact.model, exact.lik, x, noise(1, 6), seen)
        each = torch.stack(
            [elbo(exact.model, exact.lik, x, noise(1, 6, seed=s), seen).value() for s in range(400)]
        )
    torch.testing.assert_close(terms.kl, wrong.kl_to_standard())
    away = 0.5 * ((wrong.mu - right.mu) ** 2 / right.logvar.exp()).sum(-1)
    found = Estimate.of(each)
    assert (found.off(exact.log_evidence(x) - away) < 6).all()
    assert (away.numpy() > 12 * found.stderr).any(), "the test has no power"
