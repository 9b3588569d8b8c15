"""Inference from a partly observed image: the posterior of z and of the missing pixels.

For any VAE and any likelihood with independent pixels. x (B, D) are images; the mask `seen`
(B, D) is True at observed pixels, and the values of the others are never read, except by the
functions that take a `guess` for them. With p(x_seen | z) in place of p(x | z),

    p(z | x_seen) is proportional to p(x_seen | z) p(z),
    p(x_missing | x_seen) = E[p(x_missing | z) | x_seen].

A posterior is represented by draws with log weights (`Draws`): exact on a grid for a 2-D latent
space, by importance sampling otherwise. With every pixel observed and a likelihood of noisy
pixels, the same functions denoise. Log-probabilities are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.gaussian import LOG_2PI, Diagonal, log_standard_normal, standard_normal
from vaelib.likelihood import Bernoulli, Likelihood, binarize
from vaelib.model import VAE

CHUNK = 2**22  # numbers in the images that are decoded at once


class Draws(NamedTuple):
    """Weighted draws that represent p(z | x_seen).

    z is (L, B, M), or (L, 1, M) when all images share the draws. The log-mean-exp of the log
    weights log_w (L, B) estimates log p(x_seen), nats.
    """

    z: Tensor
    log_w: Tensor

    @property
    def share(self) -> Tensor:
        """Weights normalized over the draws: (L, B)."""
        return self.log_w.softmax(0)

    @property
    def effective(self) -> Tensor:
        """Effective sample size of each image, from 1 to L: (B,)."""
        return 1 / (self.share**2).sum(0)

    @property
    def log_px_seen(self) -> Tensor:
        """Estimate of log p(x_seen): (B,) nats."""
        return self.log_w.logsumexp(0) - math.log(len(self.log_w))

    def resample(self, n: int, generator: torch.Generator) -> Tensor:
        """n equally weighted draws for each image, with replacement: (n, B, M)."""
        share = self.share.T.to(generator.device)
        picks = torch.multinomial(share, n, replacement=True, generator=generator)
        picks = picks.T.to(self.z.device)[..., None]  # (n, B, 1)
        z = self.z.expand(-1, self.log_w.shape[1], -1)
        return z.gather(0, picks.expand(-1, -1, z.shape[-1]))


@dataclass(frozen=True)
class NoisyPixels:
    """p(noisy x | z) = N(x; sigmoid(out), variance I): a Bernoulli mean image plus noise.

    Raises ValueError unless the variance is positive.
    """

    unit_range: ClassVar[bool] = False
    variance: float

    def __post_init__(self):
        if not self.variance > 0:
            raise ValueError(f"the variance is {self.variance}, expected a positive number")

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) for decoder outputs (..., B, D) and images (B, D): (..., B) nats."""
        squares = (x - out.sigmoid()) ** 2 / self.variance
        return -0.5 * (LOG_2PI + math.log(self.variance) + squares).sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        """Mean image, without the noise: (..., D)."""
        return out.sigmoid()


def log_lik_of(lik: Likelihood, out: Tensor, x: Tensor, pixels: Tensor) -> Tensor:
    """log p of the selected pixels given z: out (..., B, D), x and pixels (B, D) -> (..., B) nats.

    Raises ValueError unless `pixels` is a boolean mask.
    """
    if pixels.dtype != torch.bool:
        raise ValueError(f"the mask is {pixels.dtype}, expected torch.bool")
    known = torch.where(pixels, x, 0.5)  # the others may hold anything, even nan
    if isinstance(lik, Bernoulli) and out.dim() == 3 and out.shape[1] == 1:
        # All images share the L outputs: the sum of x out - softplus(out) is two matrix products.
        out = out[:, 0]
        ones = torch.where(pixels, known, 0.0)
        return out @ ones.T - F.softplus(out) @ pixels.to(out).T
    # The sum runs over an axis of length 1, which leaves one term per pixel.
    each = lik.log_prob(out.unsqueeze(-1), known.unsqueeze(-1))
    return torch.where(pixels, each, 0.0).sum(-1)


def filled(x: Tensor, seen: Tensor, guess: Tensor) -> Tensor:
    """x at observed pixels, the guess at the others: (B, D)."""
    return torch.where(seen, x, guess)


@torch.no_grad()
def one_pass(model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, guess: Tensor) -> Tensor:
    """Decoded mean of q(z | x filled with the guess): (B, D). The method of thesis 5.2."""
    return lik.mean(model.decode(model.encode(filled(x, seen, guess)).mu))


@torch.no_grad()
def gibbs(
    model: VAE,
    lik: Likelihood,
    x: Tensor,
    seen: Tensor,
    guess: Tensor,
    generator: torch.Generator,
    *,
    n_steps: int,
    accept: bool = False,
) -> Tensor:
    """A Markov chain over z and binary missing pixels: z of every step, (n_steps, B, M).

    Pseudo-Gibbs (Rezende et al. 2014) starts from the guess and alternates z ~ q(z | x) and
    missing pixels ~ p(x | z); it converges to p(z | x_seen) only if q is the exact posterior.
    With `accept` each z is a Metropolis-Hastings proposal, and the limit is exact for any q
    (Mattei and Frellsen 2018). Raises ValueError unless the pixels are Bernoulli.
    """
    if not isinstance(lik, Bernoulli):
        raise ValueError(f"the chain draws binary pixels, but the likelihood is {lik}")
    now, out, kept = filled(x, seen, guess), None, []
    for _ in range(n_steps):
        q = model.encode(now)
        new = q.sample(standard_normal(q.mu.shape, generator, x))
        new_out = model.decode(new)
        if accept and kept:
            z = kept[-1]
            log_w, log_w_new = (  # p(x, z) / q(z | x), for the current image
                lik.log_prob(made, now) + log_standard_normal(point) - q.log_prob(point)
                for point, made in ((z, out), (new, new_out))
            )
            uniform = torch.rand(len(x), generator=generator, device=generator.device).to(x)
            taken = (uniform.log() < log_w_new - log_w)[:, None]
            new, new_out = torch.where(taken, new, z), torch.where(taken, new_out, out)
        out = new_out
        now = filled(x, seen, binarize(lik.mean(out), generator))
        kept.append(new)
    return torch.stack(kept)


def map_z(
    model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, start: Tensor, *, n_steps: int = 100,
    lr: float = 0.1,
) -> Tensor:  # fmt: skip
    """MAP estimate, argmax of log p(x_seen | z) + log p(z), by Adam from `start`: (B, M)."""
    z = start.detach().clone().requires_grad_()
    with torch.enable_grad():
        for _ in _descend([z], lr, n_steps):
            log_px_z = log_lik_of(lik, model.decode(z), x, seen)
            (z.grad,) = torch.autograd.grad(-(log_px_z + log_standard_normal(z)).sum(), z)
    return z.detach()


def fit_q(
    model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, start: Diagonal,
    generator: torch.Generator, *, n_steps: int = 100, n_samples: int = 4, lr: float = 0.05,
) -> Diagonal:  # fmt: skip
    """Diagonal Gaussian closest to p(z | x_seen) in KL(q || p), per image, by Adam from `start`.

    It maximizes E_q log p(x_seen | z) - KL(q || prior), the ELBO of the observed pixels.
    """
    parts = [part.detach().clone().requires_grad_() for part in start]
    with torch.enable_grad():
        for _ in _descend(parts, lr, n_steps):
            q = Diagonal(*parts)
            z = q.sample(standard_normal((n_samples, *parts[0].shape), generator, x))
            bound = log_lik_of(lik, model.decode(z), x, seen).mean(0) - q.kl_to_standard()
            grads = torch.autograd.grad(-bound.sum(), parts)
            for part, grad in zip(parts, grads, strict=True):
                part.grad = grad
    return Diagonal(*(part.detach() for part in parts))


@torch.no_grad()
def importance_draws(
    model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, q: Diagonal,
    generator: torch.Generator, *, n_samples: int, widen: float = 1.2, from_prior: float = 0.1,
) -> Draws:  # fmt: skip
    """Weighted draws from a mixture of the prior and q with `widen` times its standard deviation.

    The weights are p(x_seen, z) over the density of the mixture. The share `from_prior` bounds
    them by p(x_seen | z) / from_prior, so a mode of the posterior that q misses lowers the
    effective sample size but does not bias the estimate.
    """
    wide = Diagonal(q.mu, q.logvar + 2 * math.log(widen))
    n_prior = round(from_prior * n_samples)
    eps = standard_normal((n_samples, *q.mu.shape), generator, x)
    z = torch.cat([eps[:n_prior], wide.sample(eps[n_prior:])])
    log_pz = log_standard_normal(z)
    log_px_z = _log_lik_of_draws(model, lik, z, x, seen)
    share = torch.tensor([n_prior, n_samples - n_prior], dtype=x.dtype).log() - math.log(n_samples)
    log_mixture = torch.logaddexp(share[0] + log_pz, share[1] + wide.log_prob(z))
    return Draws(z, log_px_z + log_pz - log_mixture)


@torch.no_grad()
def grid_draws(model: VAE, x: Tensor, seen: Tensor, grid: Tensor, cell: float) -> Draws:
    """Grid points (L, M) with weights L p(x_seen, z) cell, `cell` being the volume of one cell.

    For Bernoulli pixels: two matrix products, so many images are cheap.
    """
    z = grid.to(x)[:, None]
    log_px_z = log_lik_of(Bernoulli(), model.decode(z), x, seen)
    return Draws(z, log_px_z + log_standard_normal(z) + math.log(len(grid) * cell))


@torch.no_grad()
def predictive_mean(model: VAE, lik: Likelihood, draws: Draws) -> Tensor:
    """Posterior predictive mean image E[x | x_seen]: (B, D)."""
    if draws.z.shape[1] == 1:
        return draws.share.T @ lik.mean(model.decode(draws.z[:, 0]))
    parts = zip(
        *(of.split(_n_at_once(model, draws.z)) for of in (draws.share, draws.z)), strict=True
    )
    return sum((w[..., None] * lik.mean(model.decode(z))).sum(0) for w, z in parts)


@torch.no_grad()
def log_px_missing(model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, draws: Draws) -> Tensor:
    """Log predictive probability log p(x_missing | x_seen) of the pixels in x: (B,) nats.

    The weighted mean of p(x_missing | z): exact on a fine grid, a Monte Carlo estimate otherwise.
    """
    each = _log_lik_of_draws(model, lik, draws.z, x, ~seen)
    return (draws.log_w + each).logsumexp(0) - draws.log_w.logsumexp(0)


def _log_lik_of_draws(model: VAE, lik: Likelihood, z: Tensor, x: Tensor, pixels: Tensor) -> Tensor:
    """`log_lik_of` for draws z (L, B, M) or (L, 1, M), in chunks that fit into memory: (L, B)."""
    parts = z.split(_n_at_once(model, z))
    return torch.cat([log_lik_of(lik, model.decode(part), x, pixels) for part in parts])


def _n_at_once(model: VAE, z: Tensor) -> int:
    """Number of draws to decode at once."""
    return max(1, CHUNK // (z.shape[1] * model.data_dim))


def _descend(parameters: list[Tensor], lr: float, n_steps: int) -> Iterator[int]:
    """Adam with a cosine-annealed learning rate; the caller sets the gradients at each step."""
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / n_steps)) / 2
        yield step
        optimizer.step()
