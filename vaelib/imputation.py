"""Inference from part of an image: what a VAE knows of z, and of the pixels it has not seen.

For any VAE and any likelihood with independent pixels. x (B, D) are images, seen (B, D) is
True where a pixel counts; what stands in the others is never read, except where a function
says `filled`. With p(x_seen | z) in the place of p(x | z),

    p(z | x_seen) is proportional to p(x_seen | z) p(z),
    p(x_missing | x_seen) = E[p(x_missing | z) | x_seen].

Draws and their log weights, z (L, B, M) or a grid (L, 1, M) with log_w (L, B) in nats, are
the common currency: exact on a grid for a plane, by importance sampling elsewhere. With every
pixel seen and a likelihood of noisy pixels, the same functions remove noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.gaussian import LOG_2PI, Diagonal, log_standard_normal
from vaelib.likelihood import Bernoulli, Likelihood
from vaelib.model import VAE


class Draws(NamedTuple):
    """Draws of z with log weights, nats: together they stand for p(z | x_seen).

    z (L, B, M), or (L, 1, M) when all images share them; log_w (L, B), whose log-mean-exp is
    an estimate of log p(x_seen).
    """

    z: Tensor
    log_w: Tensor

    @property
    def share(self) -> Tensor:
        """The weights, added up to 1 over the draws: (L, B)."""
        return self.log_w.softmax(0)

    @property
    def effective(self) -> Tensor:
        """The effective number of draws of each image, from 1 to L: (B,)."""
        return 1 / (self.share**2).sum(0)

    @property
    def log_px_seen(self) -> Tensor:
        """The estimate of log p(x_seen), nats: (B,)."""
        return self.log_w.logsumexp(0) - math.log(len(self.log_w))

    def resample(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws of equal weight for each image, with replacement: (n, B, M)."""
        picks = torch.multinomial(self.share.T.cpu(), n, replacement=True, generator=generator)
        picks = picks.T.to(self.z.device)[..., None]  # (n, B, 1)
        z = self.z.expand(-1, self.log_w.shape[1], -1)
        return z.gather(0, picks.expand(-1, -1, z.shape[-1]))


@dataclass(frozen=True)
class NoisyPixels:
    """p(noisy x | z) = N(x; sigmoid(out), variance I): a Bernoulli's mean image, seen in noise.

    Raises ValueError unless the variance is positive.
    """

    unit_range: ClassVar[bool] = False
    variance: float

    def __post_init__(self):
        if not self.variance > 0:
            raise ValueError(f"variance is {self.variance}, expected a positive one")

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D), (B, D) -> (..., B), nats."""
        squares = (x - out.sigmoid()) ** 2 / self.variance
        return -0.5 * (LOG_2PI + math.log(self.variance) + squares).sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        """The image without the noise."""
        return out.sigmoid()


def log_lik_of(lik: Likelihood, out: Tensor, x: Tensor, pixels: Tensor) -> Tensor:
    """log p of the chosen pixels given z, nats: out (..., B, D), x and pixels (B, D) -> (..., B).

    Raises ValueError unless `pixels` is a mask of booleans.
    """
    if pixels.dtype != torch.bool:
        raise ValueError(f"the mask is {pixels.dtype}, expected torch.bool")
    known = torch.where(pixels, x, 0.5)  # whatever stands in the others, even nan, must not count
    if isinstance(lik, Bernoulli) and out.dim() == 3 and out.shape[1] == 1:
        # All images share the L outputs: x out - softplus(out), summed, is two matrix products.
        out = out[:, 0]
        ones = torch.where(pixels, known, 0.0)
        return out @ ones.T - F.softplus(out) @ pixels.to(out).T
    # An axis of length 1 is summed over: what is left are the terms of the pixels.
    each = lik.log_prob(out.unsqueeze(-1), known.unsqueeze(-1))
    return torch.where(pixels, each, 0.0).sum(-1)


def filled(x: Tensor, seen: Tensor, guess: Tensor) -> Tensor:
    """x where it was seen, the guess elsewhere: (B, D)."""
    return torch.where(seen, x, guess)


@torch.no_grad()
def one_pass(model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, guess: Tensor) -> Tensor:
    """The decoded mean of q(z | x filled with the guess): (B, D). What the thesis does."""
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
    """A chain over z and binary missing pixels, from the guess: z of every step, (n_steps, B, M).

    Pseudo-Gibbs (Rezende et al. 2014): z ~ q(z | x), missing pixels ~ p(x | z), again and again;
    its limit is p(z | x_seen) only where q is the posterior. With `accept` each z is a proposal
    to Metropolis and Hastings, and the limit is right (Mattei and Frellsen 2018). Raises
    ValueError unless the pixels are Bernoulli.
    """
    if not isinstance(lik, Bernoulli):
        raise ValueError(f"the chain draws black and white pixels, the likelihood is {lik}")
    z, now, kept = None, filled(x, seen, guess), []
    everything = torch.ones_like(seen)
    for _ in range(n_steps):
        q = model.encode(now)
        new = q.sample(_normal(q.mu.shape, generator, x))
        if accept and z is not None:
            weights = []
            for there in (new, z):  # p(x, z) / q(z | x), for the image as it is now
                log_px_z = log_lik_of(lik, model.decode(there), now, everything)
                weights.append(log_px_z + log_standard_normal(there) - q.log_prob(there))
            uniform = torch.rand(len(x), generator=generator).to(x)
            new = torch.where((uniform.log() < weights[0] - weights[1])[:, None], new, z)
        z = new
        p = lik.mean(model.decode(z))
        drawn = torch.rand(p.shape, generator=generator).to(p) < p
        now = filled(x, seen, drawn.to(x))
        kept.append(z)
    return torch.stack(kept)


def map_z(
    model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, start: Tensor, *, n_steps: int = 100,
    lr: float = 0.1,
) -> Tensor:  # fmt: skip
    """argmax of log p(x_seen | z) + log p(z) by Adam from `start` (B, M): (B, M)."""
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
    """The Gaussian closest to p(z | x_seen) in KL(q || p), image by image, by Adam from `start`.

    It maximizes E_q log p(x_seen | z) - KL(q || prior), which is the ELBO of the seen pixels.
    """
    parts = [part.detach().clone().requires_grad_() for part in start]
    with torch.enable_grad():
        for _ in _descend(parts, lr, n_steps):
            q = Diagonal(*parts)
            z = q.sample(_normal((n_samples, *parts[0].shape), generator, x))
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
    """Weighted draws for p(z | x_seen), from q made `widen` times as broad and some from the prior.

    The weights are p(x_seen, z) over the density of this mixture, so they never exceed
    p(x_seen | z) / from_prior: a part of the posterior that q misses costs draws, not the truth.
    """
    wide = Diagonal(q.mu, q.logvar + 2 * math.log(widen))
    n_prior = round(from_prior * n_samples)
    eps = _normal((n_samples, *q.mu.shape), generator, x)
    z = torch.cat([eps[:n_prior], wide.sample(eps[n_prior:])])
    log_pz = log_standard_normal(z)
    log_px_z = _log_lik_of_draws(model, lik, z, x, seen)
    share = torch.tensor([n_prior, n_samples - n_prior]).to(x).log() - math.log(n_samples)
    log_mixture = torch.logaddexp(share[0] + log_pz, share[1] + wide.log_prob(z))
    return Draws(z, log_px_z + log_pz - log_mixture)


@torch.no_grad()
def grid_draws(model: VAE, x: Tensor, seen: Tensor, grid: Tensor, cell: float) -> Draws:
    """Every point of a grid (L, M) with weight L p(x_seen, z) cell: Bernoulli pixels only.

    `cell` is the volume of a cell. Two matrix products, so that many images are cheap.
    """
    z = grid.to(x)[:, None]
    log_px_z = log_lik_of(Bernoulli(), model.decode(z), x, seen)
    return Draws(z, log_px_z + log_standard_normal(z) + math.log(len(grid) * cell))


@torch.no_grad()
def predictive_mean(model: VAE, lik: Likelihood, draws: Draws) -> Tensor:
    """E[x | x_seen], the mean image of the posterior: (B, D)."""
    if draws.z.shape[1] == 1:
        return draws.share.T @ lik.mean(model.decode(draws.z[:, 0]))
    parts = zip(
        *(of.split(_n_at_once(model, draws.z)) for of in (draws.share, draws.z)), strict=True
    )
    return sum((w[..., None] * lik.mean(model.decode(z))).sum(0) for w, z in parts)


@torch.no_grad()
def log_px_missing(model: VAE, lik: Likelihood, x: Tensor, seen: Tensor, draws: Draws) -> Tensor:
    """log p(x_missing | x_seen) of the true pixels in x, nats: (B,).

    The weighted mean of p(x_missing | z): exact on a fine grid, an estimate from draws.
    """
    each = _log_lik_of_draws(model, lik, draws.z, x, ~seen)
    return (draws.log_w + each).logsumexp(0) - draws.log_w.logsumexp(0)


def _log_lik_of_draws(model: VAE, lik: Likelihood, z: Tensor, x: Tensor, pixels: Tensor) -> Tensor:
    """`log_lik_of` for draws z (L, B, M) or (L, 1, M), some at a time: (L, B)."""
    parts = z.split(_n_at_once(model, z))
    return torch.cat([log_lik_of(lik, model.decode(part), x, pixels) for part in parts])


def _n_at_once(model: VAE, z: Tensor, n_numbers: int = 2**22) -> int:
    """How many draws to decode together: the images that come out hold 2^22 numbers."""
    return max(1, n_numbers // (z.shape[1] * model.data_dim))


def _normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)


def _descend(parameters: list[Tensor], lr: float, n_steps: int) -> Iterator[int]:
    """Adam with a rate that falls to nothing; the caller sets the gradients at each step."""
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / n_steps)) / 2
        yield step
        optimizer.step()
