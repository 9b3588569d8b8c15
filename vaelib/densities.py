"""Densities given by their conditionals, the targets of Theorem 4.1 (thesis 4.3).

Both tails of a distribution function are kept as logarithms, which preserves relative precision
far from the center: use float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import log_ndtr

from vaelib.gaussian import LOG_2PI


class Conditional(NamedTuple):
    """The law of x_i given the earlier coordinates: functions of x (...) and before (..., i - 1).

    log_cdf, log_sf  log F and log(1 - F), each with full relative precision where it is small
    log_pdf          log p*(x_i | before) in nats; -inf where the density is 0
    decode, encode   F^-1(G(z)) and G^-1(F(x)) in closed form; solved numerically if None
    """

    log_cdf: Callable[[Tensor, Tensor], Tensor]
    log_sf: Callable[[Tensor, Tensor], Tensor]
    log_pdf: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor, Tensor], Tensor] | None = None
    encode: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class TargetDensity:
    """A density p*(x) = prod_i p*(x_i | x_1, ..., x_{i-1}) on R^D, given by its conditionals."""

    name: str
    conditionals: tuple[Conditional, ...]

    @property
    def dim(self) -> int:
        """D, the number of coordinates."""
        return len(self.conditionals)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p*(x), (..., D) -> (...), nats."""
        return self.per_coordinate(lambda c, *at: c.log_pdf(*at), x).sum(-1)

    def per_coordinate(self, of: Callable[..., Tensor], x: Tensor) -> Tensor:
        """of(conditional, x_i, before) for every i: (..., D) -> (..., D)."""
        self.check(x, "x")
        columns = [of(c, x[..., i], x[..., :i]) for i, c in enumerate(self.conditionals)]
        return torch.stack(columns, -1)

    def check(self, value: Tensor, name: str) -> None:
        """Raise ValueError unless value is (..., D)."""
        if value.shape[-1:] != (self.dim,):
            raise ValueError(
                f"{self.name}: {name} has shape {tuple(value.shape)}, expected (..., {self.dim})"
            )


def normal(mean: Callable[[Tensor], Tensor] | float, std: float) -> Conditional:
    """x_i given the earlier coordinates ~ N(mean(before), std^2)."""
    center = mean if callable(mean) else lambda before: mean

    def score(x: Tensor, before: Tensor) -> Tensor:
        return (x - center(before)) / std

    return Conditional(
        log_cdf=lambda x, before: log_ndtr(score(x, before)),
        log_sf=lambda x, before: log_ndtr(-score(x, before)),
        log_pdf=lambda x, before: -0.5 * (LOG_2PI + score(x, before) ** 2) - math.log(std),
        decode=lambda z, before: center(before) + std * z,
        encode=score,
    )


def banana(bend: float = 0.5, spread: float = 0.5) -> TargetDensity:
    """x_1 ~ N(0, 1) and x_2 given x_1 ~ N(bend (x_1^2 - 1), spread^2): f is a polynomial."""
    second = normal(lambda before: bend * (before[..., 0] ** 2 - 1), spread)
    return TargetDensity("banana", (normal(0.0, 1.0), second))


def gumbel() -> TargetDensity:
    """A skewed density on the line, F(x) = exp(-exp(-x)), with a long right tail."""
    one = Conditional(
        log_cdf=lambda x, before: -(-x).exp(),
        log_sf=lambda x, before: (-torch.expm1(-(-x).exp())).log(),
        log_pdf=lambda x, before: -x - (-x).exp(),
        decode=lambda z, before: -(-log_ndtr(z)).log(),
    )
    return TargetDensity("gumbel", (one,))


def cauchy() -> TargetDensity:
    """p*(x) = 1 / (pi (1 + x^2)): every derivative is bounded, but there is no mean."""

    def tail(x: Tensor) -> Tensor:
        return (torch.atan2(torch.ones_like(x), x) / math.pi).log()

    def decode(z: Tensor, before: Tensor) -> Tensor:
        far = z.sign() / torch.tan(math.pi * log_ndtr(-z.abs()).exp())
        near = torch.tan(math.pi / 2 * torch.erf(z / math.sqrt(2)))
        return torch.where(z.abs() > 1, far, near)

    one = Conditional(
        log_cdf=lambda x, before: tail(-x),
        log_sf=lambda x, before: tail(x),
        log_pdf=lambda x, before: -math.log(math.pi) - 2 * torch.hypot(torch.ones_like(x), x).log(),
        decode=decode,
    )
    return TargetDensity("cauchy", (one,))


def mixture(weights: Tensor, means: Tensor, chols: Tensor) -> TargetDensity:
    """sum_k weights_k N(means_k, chols_k chols_k^T): (K,), (K, D), (K, D, D) lower triangular.

    Given x_1, ..., x_{i-1}, x_i is again a mixture, with the responsibilities as weights.
    """
    n_components, dim = means.shape
    if weights.shape != (n_components,) or chols.shape != (n_components, dim, dim):
        raise ValueError(
            f"weights {tuple(weights.shape)}, means {tuple(means.shape)} and chols "
            f"{tuple(chols.shape)} do not belong to one mixture: expected (K,), (K, D), (K, D, D)"
        )

    def conditional(i: int) -> Conditional:
        def mean_exp(log_f: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
            """log sum_k p(k | before) exp(log_f(standardized x))_k, as a function."""

            def value(x: Tensor, before: Tensor) -> Tensor:
                log_w, eps = weights.log(), []
                for j, at in enumerate([*before.unbind(-1), x]):
                    mean = means[:, j] + sum(chols[:, j, k] * e for k, e in enumerate(eps))
                    eps.append((at[..., None] - mean) / chols[:, j, j])
                    if j < i:
                        log_w = log_w - 0.5 * eps[j] ** 2 - chols[:, j, j].log()
                return (log_w.log_softmax(-1) + log_f(eps[i])).logsumexp(-1)

            return value

        log_scale = chols[:, i, i].log()
        return Conditional(
            log_cdf=mean_exp(log_ndtr),
            log_sf=mean_exp(lambda eps: log_ndtr(-eps)),
            log_pdf=mean_exp(lambda eps: -0.5 * (LOG_2PI + eps**2) - log_scale),
        )

    return TargetDensity("mixture", tuple(conditional(i) for i in range(dim)))
