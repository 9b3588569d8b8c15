"""Gaussian log densities, KL divergences and the reparameterization (thesis 4.2).

Shapes: the last axis is the dimension M of z; every axis before it is kept. All
log densities and divergences are in nats, one value per example.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, diag(exp(logvar))), summed over the last axis: (..., M) -> (...)."""
    return -0.5 * (LOG_2PI + logvar + (z - mu) ** 2 * (-logvar).exp()).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I), the prior of the VAE: (..., M) -> (...)."""
    return -0.5 * (LOG_2PI + z**2).sum(-1)


def kl_to_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, diag(exp(logvar))) || N(0, I)) in closed form (thesis 4.2): (..., M) -> (...)."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
    """z = mu + sigma * eps with eps ~ N(0, I), so that gradients reach mu and logvar (Prop 4.1).

    mu, logvar (B, M) and eps (L, B, M) give z (L, B, M); any shapes that broadcast will do.
    """
    return mu + (0.5 * logvar).exp() * eps


def chol_factor(logvar: Tensor, below: Tensor) -> Tensor:
    """L with diagonal sigma = exp(logvar / 2) and `below` under it, row by row (thesis 4.2).

    The thesis's L = L_mask * L' + diag(sigma), with only the entries that the mask keeps:
    (..., M) and (..., M (M - 1) / 2) give (..., M, M). Raises ValueError for another number.
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


def log_normal_chol(z: Tensor, mu: Tensor, chol: Tensor) -> Tensor:
    """log N(z; mu, chol chol^T): (..., M) and a lower triangular (..., M, M) -> (...)."""
    eps = torch.linalg.solve_triangular(chol, (z - mu).unsqueeze(-1), upper=False).squeeze(-1)
    return log_standard_normal(eps) - _log_det(chol)


def kl_chol_to_standard(mu: Tensor, chol: Tensor) -> Tensor:
    """KL(N(mu, chol chol^T) || N(0, I)) in closed form: (..., M), (..., M, M) -> (...)."""
    dim = mu.shape[-1]
    return 0.5 * ((mu**2).sum(-1) + (chol**2).sum((-2, -1)) - dim) - _log_det(chol)


def reparameterize_chol(mu: Tensor, chol: Tensor, eps: Tensor) -> Tensor:
    """z = mu + chol eps with eps ~ N(0, I): covariance chol chol^T (thesis 4.2).

    mu (B, M), chol (B, M, M) and eps (L, B, M) give z (L, B, M).
    """
    return mu + (chol @ eps.unsqueeze(-1)).squeeze(-1)


def _log_det(chol: Tensor) -> Tensor:
    return chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class Diagonal(NamedTuple):
    """q(z|x) = N(mu, diag(exp(logvar))), factorized: mu, logvar (B, M)."""

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
        """z = g(eps, x), (L, B, M), differentiable in mu and chol."""
        return reparameterize_chol(self.mu, self.chol, eps)

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z|x) in nats: (L, B, M) -> (L, B)."""
        return log_normal_chol(z, self.mu, self.chol)

    def kl_to_standard(self) -> Tensor:
        """KL(q(z|x) || N(0, I)) in nats: (B,)."""
        return kl_chol_to_standard(self.mu, self.chol)
