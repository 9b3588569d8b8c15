"""Gaussian log densities, KL divergences and the reparameterization (thesis 4.2).

The last axis is the dimension M of z and is summed over; all axes before it are kept. Log
densities and divergences are in nats, one value per example.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, diag(exp(logvar))), summed over the last axis: (..., M) -> (...)."""
    return -0.5 * (LOG_2PI + logvar + (z - mu) ** 2 * (-logvar).exp()).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I), the VAE's prior: (..., M) -> (...)."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def kl_to_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag(exp(logvar))) || N(0, I)) in closed form (thesis 4.2): (..., M) -> (...)."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def standard_normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal noise with the dtype and device of `like`, drawn where the generator is."""
    where = generator.device
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=where).to(like.device)


def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """z = mu + sigma * eps with eps ~ N(0, I), differentiable in mu and logvar (Prop. 4.1).

    mu, logvar (B, M) and eps (L, B, M) give z (L, B, M); any shapes that broadcast are allowed.
    """
    return mu + (0.5 * logvar).exp() * eps


def chol_factor(logvar: Tensor, below: Tensor) -> Tensor:
    """Triangular factor with diagonal exp(logvar / 2) and `below` under it, row by row.

    The thesis's L = L_mask * L' + diag(sigma) (4.2), where `below` has only the entries that the
    mask keeps: (..., M) and (..., M (M - 1) / 2) give (..., M, M). Raises ValueError for another
    number of entries.
    """
    dim = logvar.shape[-1]
    if below.shape[-1] != dim * (dim - 1) // 2:
        raise ValueError(
            f"{below.shape[-1]} entries below the diagonal, expected {dim * (dim - 1) // 2} "
            f"for {dim} latent dimensions"
        )
    chol = torch.diag_embed((0.5 * logvar).exp())
    rows, columns = torch.tril_indices(dim, dim, offset=-1)
    chol[..., rows, columns] = below
    return chol


class Diagonal(NamedTuple):
    """The factorized q(z|x) = N(mu, diag(exp(logvar))): mu, logvar (B, M)."""

    mu: Tensor
    logvar: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """z = g(eps, x), (L, B, M), differentiable in mu and logvar."""
        return reparameterize(self.mu, self.logvar, eps)

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats: (L, B, M) -> (L, B)."""
        return log_normal(z, self.mu, self.logvar)

    def kl_to_standard(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) in nats: (B,)."""
        return kl_to_standard(self.mu, self.logvar)


class FullCovariance(NamedTuple):
    """q(z|x) = N(mu, chol chol^T): mu (B, M), chol (B, M, M) lower triangular."""

    mu: Tensor
    chol: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """z = mu + chol eps, (L, B, M), differentiable in mu and chol (thesis 4.2)."""
        return self.mu + (self.chol @ eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats: (L, B, M) -> (L, B)."""
        centered = (z - self.mu).unsqueeze(-1)
        eps = torch.linalg.solve_triangular(self.chol, centered, upper=False).squeeze(-1)
        return log_standard_normal(eps) - self._log_det()

    def kl_to_standard(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) in nats, in closed form: (B,)."""
        squares = (self.mu**2).sum(-1) + (self.chol**2).sum((-2, -1))
        return 0.5 * (squares - self.mu.shape[-1]) - self._log_det()

    def _log_det(self) -> Tensor:
        return self.chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)
