"""Gaussian log densities, KL divergences and the reparameterization (thesis 4.2).

Shapes: the last axis is the dimension M of z; every axis before it is kept. All
log densities and divergences are in nats, one value per example.
"""

from __future__ import annotations

import math

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
