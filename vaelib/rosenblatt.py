"""Exact f, g and q of Theorem 4.1 for a density with known conditionals (thesis 4.3).

The Rosenblatt map sends standard normal noise to a target p*, one coordinate at a time:
x_i = F_i^-1(G(z_i)), where F_i is the distribution function of x_i given x_1, ..., x_{i-1}.

Distribution functions are kept as logarithms of both tails, so that a point far out keeps
its digits on either side: use float64; |z| up to 30 is no trouble for the targets below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.special import log_ndtr

from vaelib.gaussian import LOG_2PI, FullCovariance, log_standard_normal

N_HALVINGS = 30  # of a bracket; two Newton steps square what is left, twice


class Conditional(NamedTuple):
    """The law of x_i given the coordinates before it: functions of x (...) and before (..., i - 1).

    log_cdf, log_sf   log F and log(1 - F), each exact where it is small
    log_pdf           log p*(x_i | before), nats; -inf where the density vanishes
    decode, encode    F^-1(G(z)) and G^-1(F(x)) where there is a closed form; else they are solved
    """

    log_cdf: Callable[[Tensor, Tensor], Tensor]
    log_sf: Callable[[Tensor, Tensor], Tensor]
    log_pdf: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor, Tensor], Tensor] | None = None
    encode: Callable[[Tensor, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Target:
    """A density p*(x) = prod_i p*(x_i | x_1, ..., x_{i-1}) on R^D, by its conditionals."""

    name: str
    conditionals: tuple[Conditional, ...]

    @property
    def dim(self) -> int:
        return len(self.conditionals)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p*(x), (..., D) -> (...), nats."""
        return _columns(self, x, lambda c, *at: c.log_pdf(*at)).sum(-1)


def normal_cdf(z: Tensor) -> Tensor:
    """G(z), the distribution function of N(0, 1), with all its digits also where it is tiny."""
    return log_ndtr(z).exp()


def conditional_cdf(target: Target, x: Tensor) -> Tensor:
    """F_i(x_i | x_1, ..., x_{i-1}) for every i: (..., D) -> (..., D)."""
    return _columns(target, x, lambda c, *at: c.log_cdf(*at)).exp()


def decode_exact(target: Target, z: Tensor) -> Tensor:
    """f(z) of Lemma 4.1, (..., D) -> (..., D): standard normal z become samples of p*.

    Differentiable three times, also where a distribution function has to be inverted.
    """
    _check(target, z, "z")
    x = z[..., :0]
    for i, c in enumerate(target.conditionals):
        new = c.decode(z[..., i], x) if c.decode else _invert(c, z[..., i], x)
        x = torch.cat([x, new[..., None]], -1)
    return x


def encode_exact(target: Target, x: Tensor) -> Tensor:
    """g(x), the inverse of f: (..., D) -> (..., D).

    Raises ValueError where p*(x) = 0: there g is not defined.
    """
    log_px = target.log_prob(x)
    if not torch.isfinite(log_px).all():
        where = x.detach()[~torch.isfinite(log_px)][0].tolist()
        raise ValueError(f"{target.name}: the density vanishes at x = {where}, g is not defined")

    def score(c: Conditional, *at: Tensor) -> Tensor:
        return c.encode(*at) if c.encode else _normal_score(c.log_cdf(*at), c.log_sf(*at))

    return _columns(target, x, score)


def jac(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Jacobian of a map of single rows, by automatic differentiation: at (..., D) -> (..., D, D).

    Entry [..., i, j] is the derivative of output i by input j. Differentiable when `at` is.
    """
    keep = at.requires_grad
    with torch.enable_grad():
        point = at if keep else at.detach().requires_grad_()
        out = function(point)
        rows = [
            torch.autograd.grad(out[..., i].sum(), point, create_graph=keep, retain_graph=True)[0]
            for i in range(out.shape[-1])
        ]
    return torch.stack(rows, -2)


def optimal_q(target: Target, x: Tensor, sigma_x: float) -> FullCovariance:
    """q(z|x) = N(g(x), sigma_x^2 J_g J_g^T) of Theorem 4.1, for a decoder f with noise sigma_x.

    J_g is lower triangular with a positive diagonal, so sigma_x J_g IS the Cholesky factor.
    x (..., D) gives mu (..., D), chol (..., D, D).

    Raises ValueError when sigma_x is not positive or the density vanishes at an x.
    """
    if not sigma_x > 0:
        raise ValueError(f"sigma_x is {sigma_x}, expected a positive standard deviation")
    slope = jac(lambda x: encode_exact(target, x), x)
    return FullCovariance(encode_exact(target, x).detach(), sigma_x * slope)


def normal(mean: Callable[[Tensor], Tensor] | float, std: float) -> Conditional:
    """x_i given the coordinates before it ~ N(mean(before), std^2)."""
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


def banana(bend: float = 0.5, spread: float = 0.5) -> Target:
    """x_1 ~ N(0, 1) and x_2 given x_1 ~ N(bend (x_1^2 - 1), spread^2): f is a polynomial."""
    second = normal(lambda before: bend * (before[..., 0] ** 2 - 1), spread)
    return Target("banana", (normal(0.0, 1.0), second))


def gumbel() -> Target:
    """A skewed density on the line, F(x) = exp(-exp(-x)): steep on the left, long on the right."""
    one = Conditional(
        log_cdf=lambda x, before: -(-x).exp(),
        log_sf=lambda x, before: (-torch.expm1(-(-x).exp())).log(),
        log_pdf=lambda x, before: -x - (-x).exp(),
        decode=lambda z, before: -(-log_ndtr(z)).log(),
    )
    return Target("gumbel", (one,))


def cauchy() -> Target:
    """p*(x) = 1 / (pi (1 + x^2)): every derivative is bounded, no moment is finite."""

    def tail(x: Tensor) -> Tensor:
        return (torch.atan2(torch.ones_like(x), x) / math.pi).log()

    def decode(z: Tensor, before: Tensor) -> Tensor:
        far = z.sign() / torch.tan(math.pi * normal_cdf(-z.abs()))
        near = torch.tan(math.pi / 2 * torch.erf(z / math.sqrt(2)))
        return torch.where(z.abs() > 1, far, near)

    one = Conditional(
        log_cdf=lambda x, before: tail(-x),
        log_sf=lambda x, before: tail(x),
        log_pdf=lambda x, before: -math.log(math.pi) - 2 * torch.hypot(torch.ones_like(x), x).log(),
        decode=decode,
    )
    return Target("cauchy", (one,))


def mixture(weights: Tensor, means: Tensor, chols: Tensor) -> Target:
    """sum_k weights_k N(means_k, chols_k chols_k^T): (K,), (K, D), (K, D, D) lower triangular.

    Given x_1, ..., x_{i-1}, x_i is a mixture again: its weights are the responsibilities.
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

    return Target("mixture", tuple(conditional(i) for i in range(dim)))


def _check(target: Target, value: Tensor, name: str) -> None:
    if value.shape[-1:] != (target.dim,):
        raise ValueError(
            f"{target.name}: {name} has shape {tuple(value.shape)}, expected (..., {target.dim})"
        )


def _columns(target: Target, x: Tensor, of: Callable[..., Tensor]) -> Tensor:
    """of(conditional, x_i, before) for every i, side by side: (..., D) -> (..., D)."""
    _check(target, x, "x")
    columns = [of(c, x[..., i], x[..., :i]) for i, c in enumerate(target.conditionals)]
    return torch.stack(columns, -1)


def _normal_score(log_p: Tensor, log_s: Tensor) -> Tensor:
    """z with log G(z) = log_p and log(1 - G(z)) = log_s, from the smaller of the two."""
    lower = log_p < log_s
    goal = torch.where(lower, log_p, log_s)
    with torch.no_grad():
        # G(z) <= exp(-z^2/2)/2 for z <= 0, so this start is to the left; log G is concave, so
        # Newton's steps stay there and rise to the root.
        z = -(-2 * goal).sqrt()
        for _ in range(6):
            z = _step(z, goal)
    for _ in range(2):
        z = _step(z, goal)
    return torch.where(lower, z, -z)


def _step(z: Tensor, goal: Tensor) -> Tensor:
    """One step of Newton's for log G(z) = goal."""
    value = log_ndtr(z)
    return z - (value - goal) * (value - log_standard_normal(z[..., None])).exp()


def _invert(conditional: Conditional, z: Tensor, before: Tensor) -> Tensor:
    """x with F(x | before) = G(z), by halving a bracket and two Newton steps.

    Halving is not differentiated. A Newton step from an exact root makes the next derivative
    right, two make three of them right: that is how derivatives by z and by `before` arise.
    """
    lower = z < 0
    goal = torch.where(lower, log_ndtr(z), log_ndtr(-z))

    def miss(x: Tensor) -> Tensor:
        """Increasing in x, zero at the root."""
        below, above = conditional.log_cdf(x, before), conditional.log_sf(x, before)
        return torch.where(lower, below - goal, goal - above)

    with torch.no_grad():
        low, high = -torch.ones_like(z), torch.ones_like(z)
        while (outside := miss(low) > 0).any():
            low = torch.where(outside, 2 * low, low)
        while (outside := miss(high) < 0).any():
            high = torch.where(outside, 2 * high, high)
        for _ in range(N_HALVINGS):
            middle = (low + high) / 2
            small = miss(middle) < 0
            low, high = torch.where(small, middle, low), torch.where(small, high, middle)
        x = (low + high) / 2
    for _ in range(2):
        tail = torch.where(lower, conditional.log_cdf(x, before), conditional.log_sf(x, before))
        x = x - miss(x) * (tail - conditional.log_pdf(x, before)).exp()
    return x
