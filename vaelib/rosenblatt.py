"""Exact f, g and q of Theorem 4.1 for a density with known conditionals (thesis 4.3).

The (Knothe-)Rosenblatt map, a triangular map as in an autoregressive normalizing flow, sends
standard normal noise to the target p*, one coordinate at a time: x_i = F_i^-1(G(z_i)), where F_i
is the distribution function of x_i given x_1, ..., x_{i-1} (Rosenblatt, 1952).

Use float64; for the targets in `densities` the maps are accurate for |z| up to 30.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.special import log_ndtr

from vaelib.densities import Conditional, TargetDensity
from vaelib.gaussian import FullCovariance, log_standard_normal

N_HALVINGS = 30  # of a bracket; two Newton steps then square the remaining error twice


def normal_cdf(z: Tensor) -> Tensor:
    """G(z), the distribution function of N(0, 1), with full relative precision in the tails."""
    return log_ndtr(z).exp()


def conditional_cdf(target: TargetDensity, x: Tensor) -> Tensor:
    """F_i(x_i | x_1, ..., x_{i-1}) for every i: (..., D) -> (..., D)."""
    return target.per_coordinate(lambda c, *at: c.log_cdf(*at), x).exp()


def decode_exact(target: TargetDensity, z: Tensor) -> Tensor:
    """f(z) of Lemma 4.1, (..., D) -> (..., D): standard normal z become samples of p*.

    Three times differentiable, also where a distribution function is inverted numerically.
    """
    target.check(z, "z")
    x = z[..., :0]
    for i, c in enumerate(target.conditionals):
        new = c.decode(z[..., i], x) if c.decode else _invert(c, z[..., i], x)
        x = torch.cat([x, new[..., None]], -1)
    return x


def encode_exact(target: TargetDensity, x: Tensor) -> Tensor:
    """g(x), the inverse of f: (..., D) -> (..., D).

    Raises ValueError for an x with p*(x) = 0, where g is not defined.
    """
    log_px = target.log_prob(x)
    if not torch.isfinite(log_px).all():
        where = x.detach()[~torch.isfinite(log_px)][0].tolist()
        raise ValueError(f"{target.name}: the density vanishes at x = {where}, g is not defined")

    def score(c: Conditional, *at: Tensor) -> Tensor:
        return c.encode(*at) if c.encode else _normal_score(c.log_cdf(*at), c.log_sf(*at))

    return target.per_coordinate(score, x)


def jac(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Jacobian of a map that acts on each row alone: at (..., D) -> (..., D, D).

    Entry [..., i, j] is the derivative of output i with respect to input j. Differentiable if
    `at` requires a gradient.
    """

    def summed(x: Tensor) -> Tensor:  # over the rows, which do not interact
        out = function(x)
        return out.reshape(-1, out.shape[-1]).sum(0)

    rows = torch.autograd.functional.jacobian(summed, at, create_graph=at.requires_grad)
    return rows.movedim(0, -2)


def optimal_q(target: TargetDensity, x: Tensor, sigma_x: float) -> FullCovariance:
    """q(z|x) = N(g(x), sigma_x^2 J_g J_g^T) of Theorem 4.1, for a decoder f with noise sigma_x.

    J_g is lower triangular with a positive diagonal, so sigma_x J_g is the Cholesky factor.
    x (..., D) gives mu (..., D), chol (..., D, D).

    Raises ValueError when sigma_x is not positive or p*(x) = 0 for an x.
    """
    if not sigma_x > 0:
        raise ValueError(f"sigma_x is {sigma_x}, expected a positive standard deviation")
    slope = jac(lambda x: encode_exact(target, x), x)
    return FullCovariance(encode_exact(target, x).detach(), sigma_x * slope)


def _normal_score(log_p: Tensor, log_s: Tensor) -> Tensor:
    """z with log G(z) = log_p and log(1 - G(z)) = log_s, from the smaller of the two."""
    lower = log_p < log_s
    goal = torch.where(lower, log_p, log_s)
    with torch.no_grad():
        # G(z) <= exp(-z^2 / 2) / 2 for z <= 0, so the start is left of the root; log G is
        # concave, so Newton's steps increase monotonically toward the root.
        z = -(-2 * goal).sqrt()
        for _ in range(6):
            z = _step(z, goal)
    for _ in range(2):
        z = _step(z, goal)
    return torch.where(lower, z, -z)


def _step(z: Tensor, goal: Tensor) -> Tensor:
    """One Newton step for log G(z) = goal."""
    value = log_ndtr(z)
    return z - (value - goal) * (value - log_standard_normal(z[..., None])).exp()


def _invert(conditional: Conditional, z: Tensor, before: Tensor) -> Tensor:
    """x with F(x | before) = G(z), by bisection and two Newton steps.

    The bisection is not differentiated. A Newton step from an exact root has the correct first
    derivative, and two steps have three correct derivatives: this is how derivatives with
    respect to z and `before` are obtained.
    """
    lower = z < 0
    goal = torch.where(lower, log_ndtr(z), log_ndtr(-z))

    def residual(x: Tensor) -> Tensor:
        """Increasing in x, zero at the root."""
        below, above = conditional.log_cdf(x, before), conditional.log_sf(x, before)
        return torch.where(lower, below - goal, goal - above)

    with torch.no_grad():
        low, high = -torch.ones_like(z), torch.ones_like(z)
        while (outside := residual(low) > 0).any():
            low = torch.where(outside, 2 * low, low)
        while (outside := residual(high) < 0).any():
            high = torch.where(outside, 2 * high, high)
        for _ in range(N_HALVINGS):
            middle = (low + high) / 2
            small = residual(middle) < 0
            low, high = torch.where(small, middle, low), torch.where(small, high, middle)
        x = (low + high) / 2
    for _ in range(2):
        tail = torch.where(lower, conditional.log_cdf(x, before), conditional.log_sf(x, before))
        x = x - residual(x) * (tail - conditional.log_pdf(x, before)).exp()
    return x
