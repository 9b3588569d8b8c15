"""Gaussians against torch.distributions, and by sampling, where a wrong formula must fail."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib.estimate import Estimate
from vaelib.gaussian import (
    Diagonal,
    FullCovariance,
    chol_factor,
    kl_to_standard,
    log_normal,
    log_standard_normal,
    reparameterize,
)

torch.set_num_threads(1)
MU = torch.tensor([[0.4, -1.1, 0.0], [2.0, 0.3, -0.7]], dtype=torch.float64)
LOGVAR = torch.tensor([[-2.0, 0.3, 0.0], [1.2, -4.0, 0.5]], dtype=torch.float64)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def normal():
    return Normal(MU, (0.5 * LOGVAR).exp())


def test_log_densities_are_those_of_torch():
    z = torch.randn(5, 2, 3, generator=gen(), dtype=torch.float64)
    torch.testing.assert_close(log_normal(z, MU, LOGVAR), normal().log_prob(z).sum(-1))
    torch.testing.assert_close(log_standard_normal(z), Normal(0, 1).log_prob(z).sum(-1))
    zero = torch.zeros(3, dtype=torch.float64)
    torch.testing.assert_close(log_standard_normal(z), log_normal(z, zero, zero))


def test_kl_is_that_of_torch():
    standard = Normal(torch.zeros_like(MU), torch.ones_like(MU))
    expected = kl_divergence(normal(), standard).sum(-1)
    torch.testing.assert_close(kl_to_standard(MU, LOGVAR), expected)


def test_kl_of_the_prior_is_exactly_zero():
    assert kl_to_standard(torch.zeros(4, 7), torch.zeros(4, 7)).eq(0).all()


def test_kl_is_positive_elsewhere():
    mu, logvar = torch.randn(2, 1000, 5, generator=gen(), dtype=torch.float64)
    assert kl_to_standard(mu, logvar).gt(0).all()


# KL(q || p) estimated by the mean of log q - log p. The mistake to detect is reading logvar as
# log sigma: for 6 standard errors on either side, n = (12 sigma / bias)^2.


def wrong_kl(mu, logvar):
    return kl_to_standard(mu, 2 * logvar)


def kl_by_sampling(n):
    z = reparameterize(MU, LOGVAR, torch.randn(n, 2, 3, generator=gen(1), dtype=torch.float64))
    return Estimate.of(log_normal(z, MU, LOGVAR) - log_standard_normal(z))


def test_kl_is_the_mean_of_log_q_minus_log_p():
    few, exact, wrong = kl_by_sampling(1000), kl_to_standard(MU, LOGVAR), wrong_kl(MU, LOGVAR)
    sigma, bias = few.stderr * math.sqrt(1000), (wrong - exact).abs().numpy()
    found = kl_by_sampling(math.ceil(((12 * sigma / bias) ** 2).max()))
    assert (found.off(exact) < 6).all()
    assert (found.off(wrong) > 6).all()  # log sigma in place of logvar is detected


# A sample of (z - mu)^2 has mean sigma^2 and standard deviation sqrt(2) sigma^2.


def moments_off(z, n):
    """Mean and variance of draws z (n, 2, 3), in standard errors from mu and sigma^2."""
    var = LOGVAR.exp()
    mean = (z.mean(0) - MU).abs() / (var / n).sqrt()
    spread = ((z - MU) ** 2).mean(0) - var
    return mean.max().item(), (spread.abs() / (var * math.sqrt(2 / n))).max().item()


def test_reparameterized_draws_have_mean_mu_and_variance_exp_logvar():
    n = 20_000
    eps = torch.randn(n, 2, 3, generator=gen(2), dtype=torch.float64)
    assert max(moments_off(reparameterize(MU, LOGVAR, eps), n)) < 6


@pytest.mark.parametrize("power", [0.25, 1.0])
def test_a_wrong_standard_deviation_fails_the_moment_test(power):
    n = 20_000
    eps = torch.randn(n, 2, 3, generator=gen(2), dtype=torch.float64)
    assert moments_off(MU + (power * LOGVAR).exp() * eps, n)[1] > 6


def test_draws_have_the_sample_axis_first():
    assert reparameterize(MU, LOGVAR, torch.zeros(7, 2, 3)).shape == (7, 2, 3)
    assert reparameterize(MU, LOGVAR, torch.zeros(2, 3)).equal(MU)


def test_gradients():
    mu, logvar = MU.clone().requires_grad_(), LOGVAR.clone().requires_grad_()
    z = torch.randn(4, 2, 3, generator=gen(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(kl_to_standard, (mu, logvar))
    assert torch.autograd.gradcheck(log_normal, (z, mu, logvar))
    assert torch.autograd.gradcheck(reparameterize, (mu, logvar, z))


def test_the_pathwise_gradient_of_a_second_moment_is_twice_the_mean():
    # E z^2 = mu^2 + sigma^2; one gradient sample in mu is 2 z, with standard deviation 2 sigma
    n = 20_000
    mu = MU.clone().requires_grad_()
    eps = torch.randn(n, 2, 3, generator=gen(3), dtype=torch.float64)
    (reparameterize(mu, LOGVAR, eps) ** 2).mean(0).sum().backward()
    error = 2 * (0.5 * LOGVAR).exp() / math.sqrt(n)
    assert ((mu.grad - 2 * MU).abs() < 6 * error).all()


# --- full covariance -------------------------------------------------------------------------

BELOW = torch.tensor([[0.5, -0.8, 0.3], [1.1, 0.0, -0.4]], dtype=torch.float64)
CHOL = chol_factor(LOGVAR, BELOW)


def full_normal():
    return MultivariateNormal(MU, scale_tril=CHOL)


def test_the_factor_has_sigma_on_the_diagonal_and_zeros_above():
    expected = torch.diag_embed((0.5 * LOGVAR).exp())
    expected[:, 1, 0], expected[:, 2, 0], expected[:, 2, 1] = BELOW.T
    assert CHOL.equal(expected)
    with pytest.raises(ValueError, match="2 entries below the diagonal, expected 3 for 3"):
        chol_factor(LOGVAR, BELOW[:, :2])


def test_the_diagonal_of_the_covariance_sums_over_the_row():
    """It is not sigma^2, as the thesis has it: erratum 29."""
    variances = (CHOL @ CHOL.mT).diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(variances, full_normal().variance)
    assert (variances[:, 1:] > LOGVAR.exp()[:, 1:]).all()


def test_full_log_density_and_kl_are_those_of_torch():
    z = torch.randn(5, 2, 3, generator=gen(), dtype=torch.float64)
    torch.testing.assert_close(FullCovariance(MU, CHOL).log_prob(z), full_normal().log_prob(z))
    eye = torch.eye(3, dtype=torch.float64)
    standard = MultivariateNormal(torch.zeros_like(MU), scale_tril=eye.expand(2, 3, 3))
    expected = kl_divergence(full_normal(), standard)
    torch.testing.assert_close(FullCovariance(MU, CHOL).kl_to_standard(), expected)
    prior = FullCovariance(torch.zeros(4, 7), torch.eye(7).expand(4, 7, 7))
    assert prior.kl_to_standard().eq(0).all()


def test_full_draws_have_the_covariance_of_the_factor():
    """Exactly, with the unit vectors as noise: z - mu are then the columns of the factor."""
    eye = torch.eye(3, dtype=torch.float64).unsqueeze(1).expand(3, 2, 3)
    columns = FullCovariance(MU, CHOL).sample(eye) - MU
    covariance = torch.einsum("lbi,lbj->bij", columns, columns)
    torch.testing.assert_close(covariance, full_normal().covariance_matrix)


def test_log_q_is_log_eps_minus_the_log_determinant():
    eps = torch.randn(5, 2, 3, generator=gen(), dtype=torch.float64)
    q = FullCovariance(MU, CHOL)
    expected = log_standard_normal(eps) - 0.5 * LOGVAR.sum(-1)
    torch.testing.assert_close(q.log_prob(q.sample(eps)), expected)


def test_both_families_agree_for_a_diagonal_factor():
    eps = torch.randn(5, 2, 3, generator=gen(), dtype=torch.float64)
    one = Diagonal(MU, LOGVAR)
    two = FullCovariance(MU, chol_factor(LOGVAR, torch.zeros_like(BELOW)))
    z = one.sample(eps)
    torch.testing.assert_close(two.sample(eps), z)
    torch.testing.assert_close(two.log_prob(z), one.log_prob(z))
    torch.testing.assert_close(two.kl_to_standard(), one.kl_to_standard())
    assert not torch.allclose(FullCovariance(MU, CHOL).log_prob(z), one.log_prob(z))


def test_gradients_of_the_full_family():
    parameters = tuple(t.clone().requires_grad_() for t in (MU, LOGVAR, BELOW))
    z = torch.randn(4, 2, 3, generator=gen(), dtype=torch.float64, requires_grad=True)

    def q(mu, logvar, below):
        return FullCovariance(mu, chol_factor(logvar, below))

    assert torch.autograd.gradcheck(lambda *at: q(*at).kl_to_standard(), parameters)
    assert torch.autograd.gradcheck(lambda z, *at: q(*at).log_prob(z), (z, *parameters))
    assert torch.autograd.gradcheck(lambda z, *at: q(*at).sample(z), (z, *parameters))


def test_one_latent_dimension_has_no_entries_below():
    chol = chol_factor(LOGVAR[:, :1], LOGVAR[:, :0])
    assert chol.squeeze(-1).equal((0.5 * LOGVAR[:, :1]).exp())
