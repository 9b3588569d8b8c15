"""The ELBO, importance-weighted bounds and schedules of beta (thesis 4.2, 5.0).

Everything here is per example, (B,) in nats; the caller averages over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib.gaussian import log_standard_normal
from vaelib.likelihood import Likelihood
from vaelib.model import Network


@dataclass(frozen=True)
class Elbo:
    """log_lik = E_q log p(x|z) and kl = KL(q(z|x) || p(z)), each (B,) in nats."""

    log_lik: Tensor
    kl: Tensor

    def value(self, beta: float = 1.0) -> Tensor:
        """log_lik - beta * kl. beta = 1 is the ELBO; only for beta >= 1 is it a lower bound."""
        return self.log_lik - beta * self.kl


def elbo(
    model: Network, lik: Likelihood, x: Tensor, eps: Tensor, seen: Tensor | None = None
) -> Elbo:
    """Estimator B (thesis eq. 4.5): KL in closed form, E_q log p(x|z) from L samples.

    x (B, D), eps (L, B, M) standard noise; returns the terms, (B,) each. If `seen` (B, D) is
    given, e.g. a corrupted x, it is encoded in place of x. The bound on log p(x) holds for any
    q(z), and so for this one.
    """
    q = model.encode(x if seen is None else seen)
    log_px_z = lik.log_prob(model.decode(q.sample(eps)), x)  # (L, B)
    return Elbo(log_lik=log_px_z.mean(0), kl=q.kl_to_standard())


def log_weights(model: Network, lik: Likelihood, x: Tensor, eps: Tensor) -> Tensor:
    """log p(x, z) - log q(z|x) at z = g(eps, x), (L, B) nats. Their mean: estimator A (4.4)."""
    q = model.encode(x)
    z = q.sample(eps)  # (L, B, M)
    log_px_z = lik.log_prob(model.decode(z), x)
    return log_px_z + log_standard_normal(z) - q.log_prob(z)


def importance_bound(log_w: Tensor) -> Tensor:
    """log (1/L) sum_l w_l from log weights (L, B) -> (B,): the bound of Burda et al. (2016).

    L = 1 is the ELBO; in expectation the bound increases with L toward log p(x).
    """
    return torch.logsumexp(log_w, dim=0) - math.log(log_w.shape[0])


def constant(beta: float) -> Callable[[int, int], float]:
    """The schedule beta_e = beta."""
    return lambda epoch, epochs: beta


def linear_to(beta_max: float) -> Callable[[int, int], float]:
    """The thesis's ramp (listing B.2): 1/E in epoch 0, then beta_max * e/E in epoch e of E."""
    return lambda epoch, epochs: (epoch * beta_max if epoch else 1.0) / epochs
