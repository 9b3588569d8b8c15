"""Inference with missing pixels, against closed forms and a fine grid."""

import math

import pytest
import torch
from linear_gaussian import LinearGaussian

from vaelib import imputation
from vaelib.evaluate import grid_2d
from vaelib.gaussian import Diagonal
from vaelib.imputation import Draws, log_lik_of
from vaelib.likelihood import Bernoulli, Gaussian
from vaelib.model import VAE
from vaelib.runtime import generator

SEEN = torch.tensor([True, False, True, True, False])


class Known:
    """p(z | x_seen) and p(x_missing | x_seen) of the linear-Gaussian VAE, in closed form."""

    def __init__(self):
        self.toy = LinearGaussian.make()
        self.x = self.toy.draw(6)
        self.seen = SEEN.expand(6, -1)
        w, var = self.toy.w, self.toy.lik.sigma_x**2
        self.total = w @ w.T + var * torch.eye(5, dtype=torch.float64)
        precision = torch.eye(2, dtype=torch.float64) + w[SEEN].T @ w[SEEN] / var
        self.covariance = torch.linalg.inv(precision)
        away = self.x[:, SEEN] - self.toy.b[SEEN]
        self.mean = away @ w[SEEN] / var @ self.covariance  # (6, 2)

    def log_prob(self, pixels):
        at = self.total[pixels][:, pixels]
        return torch.distributions.MultivariateNormal(self.toy.b[pixels], at).log_prob(
            self.x[:, pixels]
        )

    @property
    def log_px_missing(self):
        return self.log_prob(torch.ones(5, dtype=torch.bool)) - self.log_prob(SEEN)

    @property
    def predicted(self):
        return self.mean @ self.toy.w.T + self.toy.b

    @property
    def arguments(self):
        return self.toy.model, self.toy.lik, self.x, self.seen

    @property
    def start(self):
        return Diagonal(*self.toy.model.encode(self.x))


@pytest.fixture(scope="module")
def known():
    return Known()


@pytest.fixture(scope="module")
def drawn(known):
    """The proposal is diagonal and the posterior is not, so the weights matter."""
    q = Diagonal(known.mean, known.covariance.diagonal().log().expand(6, 2))
    return imputation.importance_draws(
        *known.arguments, q, generator(0), n_samples=100_000, widen=1.3
    )


def test_only_selected_pixels_count_whatever_the_others_hold():
    g = generator(0)
    out, x = torch.randn(3, 2, 5, generator=g), torch.rand(2, 5, generator=g)
    pixels = torch.tensor([[True, False, True, True, False], [False] * 5])
    for lik in (Bernoulli(), Gaussian(0.3)):
        exact = lik.log_prob(out[:, :1, [0, 2, 3]], x[:1, [0, 2, 3]])
        spoiled = torch.where(pixels, x, torch.nan)
        found = log_lik_of(lik, out, spoiled, pixels)
        torch.testing.assert_close(found[:, :1], exact)
        assert (found[:, 1] == 0).all()
        torch.testing.assert_close(
            log_lik_of(lik, out, x, torch.ones_like(pixels)), lik.log_prob(out, x)
        )


def test_matrix_products_for_shared_outputs_give_the_same():
    g = generator(1)
    out, x = torch.randn(4, 1, 5, generator=g).double(), torch.rand(3, 5, generator=g).double()
    pixels = torch.rand(3, 5, generator=g) < 0.5
    slow = log_lik_of(Bernoulli(), out.expand(4, 3, 5), x, pixels)
    torch.testing.assert_close(log_lik_of(Bernoulli(), out, x, pixels), slow)


def test_noisy_pixels_are_normal_around_the_mean_image():
    out, x = torch.tensor([[0.3, -2.0]]).double(), torch.tensor([[1.2, -0.1]]).double()
    exact = torch.distributions.Normal(out.sigmoid(), 0.5).log_prob(x).sum(-1)
    noisy = imputation.NoisyPixels(0.25)
    torch.testing.assert_close(noisy.log_prob(out, x), exact)
    assert torch.equal(noisy.mean(out), out.sigmoid())


def test_a_mask_that_is_not_boolean_is_refused():
    with pytest.raises(ValueError, match=r"torch\.bool"):
        log_lik_of(Bernoulli(), torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2))


@pytest.mark.parametrize("variance", [0.0, -1.0, math.nan])
def test_a_variance_that_is_not_positive_is_refused(variance):
    with pytest.raises(ValueError, match="expected a positive"):
        imputation.NoisyPixels(variance)


def test_a_chain_over_pixels_that_are_not_binary_is_refused(known):
    with pytest.raises(ValueError, match="binary pixels"):
        imputation.gibbs(*known.arguments, known.x, generator(0), n_steps=2)


def test_map_is_the_posterior_mean_of_a_gaussian(known):
    z = imputation.map_z(*known.arguments, known.start.mu, n_steps=400)
    assert (z - known.mean).abs().max() < 1e-4
    assert (z - known.start.mu).abs().max() > 0.05, "all pixels give another answer"


def test_the_fitted_gaussian_has_the_mean_and_the_conditional_variances(known):
    """A factorized q that minimizes KL(q || p) has the mean and the conditional variances."""
    q = imputation.fit_q(
        *known.arguments, known.start, generator(0), n_steps=1500, n_samples=64, lr=0.02
    )
    precision = torch.linalg.inv(known.covariance)
    assert (q.mu - known.mean).abs().max() < 0.03
    assert (q.logvar + precision.diagonal().log()).abs().max() < 0.05
    assert (known.start.mu - known.mean).abs().max() > 0.05


def test_importance_draws_give_the_evidence_and_the_posterior(known, drawn):
    assert drawn.effective.min() > 50_000
    error = (1 / drawn.effective - 1 / len(drawn.log_w)).sqrt()
    exact = known.log_prob(SEEN)
    assert ((drawn.log_px_seen - exact).abs() < 6 * error).all()
    mean = (drawn.share[..., None] * drawn.z).sum(0)
    spread = (known.covariance.diagonal() / drawn.effective[:, None]).sqrt()
    assert ((mean - known.mean).abs() < 6 * spread).all()
    assert not ((known.start.mu - known.mean).abs() < 6 * spread).all()


def test_the_proposal_is_wider_by_the_given_factor(known):
    q, n = Diagonal(known.mean, torch.full((6, 2), -2.0).double()), 20_000
    draws = imputation.importance_draws(
        *known.arguments, q, generator(3), n_samples=n, widen=1.5, from_prior=0.0
    )
    quotient = draws.z.std(0) / math.exp(-1)
    assert ((quotient / 1.5 - 1).abs() < 6 / math.sqrt(2 * n)).all()


def test_the_predictive_distribution_of_missing_pixels(known, drawn):
    found = imputation.log_px_missing(*known.arguments, drawn)
    assert (found - known.log_px_missing).abs().max() < 0.02
    prior = known.log_prob(~SEEN)
    assert (prior - known.log_px_missing).abs().max() > 0.1, "seeing helps, here"
    image = imputation.predictive_mean(known.toy.model, known.toy.lik, drawn)
    assert (image - known.predicted).abs().max() < 0.02


def test_resampled_draws_are_unweighted_and_keep_the_mean(known, drawn):
    z = drawn.resample(20_000, generator(1))
    assert z.shape == (20_000, 6, 2)
    spread = (known.covariance.diagonal() / 10_000).sqrt()
    assert ((z.mean(0) - known.mean).abs() < 6 * spread).all()


@pytest.fixture(scope="module")
def plane():
    """A nonlinear Bernoulli decoder, an untrained encoder, and images drawn from the model."""
    g = generator(3)
    model = VAE(12, (16,), 2, g).double()
    with torch.no_grad():
        for map_ in (model.decoder[0], model.decoder[2]):
            map_.weight *= 3
        z = torch.randn(5, 2, generator=g, dtype=torch.float64)
        p = model.decode(z).sigmoid()
        x = (torch.rand(p.shape, generator=g) < p).double()
    seen = torch.rand(5, 12, generator=g) < 0.6
    return model, x, seen


def grid_of(plane, side=200, extent=6.0):
    model, x, seen = plane
    cell = (2 * extent / side) ** 2
    return imputation.grid_draws(model, x, seen, grid_2d(side, extent).double(), cell)


def test_the_grid_sums_to_one_over_all_completions(plane):
    """p(x_missing | x_seen) summed over every completion of one image."""
    model, x, seen = plane
    places = (~seen[0]).nonzero()[:, 0]
    codes = torch.arange(2 ** len(places))
    every = x[:1].repeat(len(codes), 1)
    every[:, places] = (codes[:, None] >> torch.arange(len(places)) & 1).double()
    mask = seen[:1].expand(len(codes), -1)
    draws = grid_of((model, every, mask), side=100)
    total = imputation.log_px_missing(model, Bernoulli(), every, mask, draws).exp().sum()
    assert abs(total - 1) < 1e-9


def test_a_finer_grid_gives_the_same(plane):
    coarse, fine = grid_of(plane, 100), grid_of(plane, 200)
    assert (coarse.log_px_seen - fine.log_px_seen).abs().max() < 1e-3
    model = plane[0]
    images = [imputation.predictive_mean(model, Bernoulli(), d) for d in (coarse, fine)]
    assert (images[0] - images[1]).abs().max() < 1e-3


def test_a_shared_grid_is_resampled_for_each_image(plane):
    draws, n = grid_of(plane), 5000
    z = draws.resample(n, generator(6))
    assert z.shape == (n, 5, 2)
    exact = (draws.share[..., None] * draws.z).sum(0)
    spread = ((draws.share[..., None] * draws.z**2).sum(0) - exact**2).sqrt() / math.sqrt(n)
    assert ((z.mean(0) - exact).abs() < 6 * spread).all()
    assert not ((z.mean(0) - exact.roll(1, 0)).abs() < 6 * spread).all()


def test_draws_decoded_in_chunks_give_the_same(plane, monkeypatch):
    model, x, seen = plane
    prior = Diagonal(torch.zeros(5, 2).double(), torch.zeros(5, 2).double())
    found = []
    for n_at_once in (1000, 7):
        monkeypatch.setattr(imputation, "CHUNK", n_at_once * x.numel())
        draws = imputation.importance_draws(
            model, Bernoulli(), x, seen, prior, generator(7), n_samples=100
        )
        image = imputation.predictive_mean(model, Bernoulli(), draws)
        missing = imputation.log_px_missing(model, Bernoulli(), x, seen, draws)
        found.append((draws.log_w, image, missing))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_importance_draws_agree_with_the_grid(plane):
    model, x, seen = plane
    q = Diagonal(torch.zeros(5, 2).double(), torch.zeros(5, 2).double())  # the prior
    drawn = imputation.importance_draws(
        model, Bernoulli(), x, seen, q, generator(0), n_samples=40_000
    )
    exact = grid_of(plane)
    error = (1 / drawn.effective).sqrt()
    assert ((drawn.log_px_seen - exact.log_px_seen).abs() < 6 * error).all()
    images = [imputation.predictive_mean(model, Bernoulli(), d) for d in (drawn, exact)]
    assert ((images[0] - images[1]).abs() < 3 * error[:, None]).all()  # sd of a pixel <= 1/2


def test_draws_from_the_prior_protect_against_a_misplaced_proposal(plane):
    model, x, seen = plane
    astray = Diagonal(torch.full((5, 2), 4.0).double(), torch.full((5, 2), -3.0).double())
    exact = grid_of(plane).log_px_seen

    def found(share):
        draws = imputation.importance_draws(
            model, Bernoulli(), x, seen, astray, generator(2), n_samples=20_000, from_prior=share
        )
        return (draws.log_px_seen - exact).abs() * draws.effective.sqrt()

    assert found(0.2).max() < 6
    assert found(0.0).max() > 6


def test_metropolis_within_gibbs_converges_to_the_posterior_and_pseudo_gibbs_does_not(plane):
    """The encoder is untrained, so only the Metropolis-Hastings step makes the limit exact."""
    model, x, seen = plane
    copies = 300
    many, mask = x.repeat_interleave(copies, 0), seen.repeat_interleave(copies, 0)
    draws = grid_of(plane)
    exact = (draws.share[..., None] * draws.z).sum(0)
    spread = ((draws.share[..., None] * draws.z**2).sum(0) - exact**2).sqrt()
    guess, off = torch.full_like(many, 0.5), {}
    for accept in (True, False):
        chain = imputation.gibbs(
            model, Bernoulli(), many, mask, guess, generator(5), n_steps=60, accept=accept
        )
        mean = chain[-1].view(5, copies, 2).mean(1)
        off[accept] = ((mean - exact) / (spread / math.sqrt(copies))).abs().max().item()
    assert off[True] < 6
    assert off[False] > 6


def test_one_pass_never_reads_a_missing_pixel(plane):
    model, x, seen = plane
    guess = torch.full_like(x, 0.3)
    spoiled = torch.where(seen, x, torch.nan)
    a = imputation.one_pass(model, Bernoulli(), x, seen, guess)
    b = imputation.one_pass(model, Bernoulli(), spoiled, seen, guess)
    assert torch.equal(a, b)
    assert torch.equal(imputation.filled(spoiled, seen, guess)[~seen], guess[~seen])


def test_the_effective_sample_size_lies_between_one_and_all():
    log_w = torch.tensor([[0.0, 0.0], [0.0, -1000.0], [0.0, -1000.0]])
    assert Draws(torch.zeros(3, 2, 1), log_w).effective.tolist() == pytest.approx([3, 1])
