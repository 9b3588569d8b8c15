"""Monte Carlo estimators of grad E_q[f(z)] for a normal q, one value per sample (thesis 2.5, 4.2).

q = N(mu, diag(exp(logvar))), with mu and logvar (M,). Noise eps (..., M) becomes
z = mu + std * eps; f maps z (..., M) to one number per sample, (...), and does not depend
on mu or logvar. Every estimator returns a Gradient with one row per sample and leaves the
average to the caller, who may want the variance as well: `moments` computes both for a
million samples without holding them. A gradient has the unit of f, nats for an ELBO.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from vaelib.estimate import Estimate
from vaelib.gaussian import reparameterize

Function = Callable[[Tensor], Tensor]
Part = TypeVar("Part")
CHUNK_NUMBERS = 2**18  # normal numbers that `moments` draws at a time: 2 MiB


class Gradient(NamedTuple, Generic[Part]):
    """Derivatives with respect to mu and logvar, one row per sample, or a reduction of them.

    The parts are tensors (..., M), or estimates of shape (M,).
    """

    mu: Part
    logvar: Part

    def map(self, function: Callable[[Part], Any]) -> Gradient:
        """`function` of both parts, e.g. `gradient.map(lambda part: part.mean(0))`."""
        return Gradient(function(self.mu), function(self.logvar))


class Moments(NamedTuple):
    """Mean and variance of a one-sample gradient, measured: each an Estimate of shape (M,)."""

    mean: Gradient[Estimate]
    var: Gradient[Estimate]


def score(logvar: Tensor, eps: Tensor) -> Gradient:
    """The score grad log q(z) at z = mu + std * eps, (..., M) each; mu cancels. Its mean is 0."""
    return Gradient(mu=eps * (-0.5 * logvar).exp(), logvar=0.5 * (eps**2 - 1))


@torch.no_grad()
def score_function(f: Function, mu: Tensor, logvar: Tensor, eps: Tensor) -> Gradient:
    """f(z) grad log q(z): the score-function estimator, REINFORCE (thesis 2.5, eq. 4.3).

    It needs no derivative of f. Raises ValueError when f does not return one number per sample.
    """
    f_z = _values(f, reparameterize(mu, logvar, eps))
    return score(logvar, eps).map(lambda s: f_z[..., None] * s)


@torch.no_grad()
def rao_blackwellized(f_terms: Function, mu: Tensor, logvar: Tensor, eps: Tensor) -> Gradient:
    """The score-function estimator with only those terms of f in entry j that depend on z_j.

    f_terms maps z (..., M) to (..., M): column j is f without the terms that do not contain z_j.
    Their product with the score of z_j has mean 0, so omitting them adds no bias (Ranganath,
    Gerrish and Blei, 2014). It can raise the variance where they happened to be a good baseline.
    Replacing them by their conditional mean given the entries of z in column j never raises it
    (Rao-Blackwell); that is their plain mean if they share no entry of z with the column.

    Raises ValueError when the result does not have the shape of z.
    """
    z = reparameterize(mu, logvar, eps)
    terms = f_terms(z)
    if terms.shape != z.shape:
        raise ValueError(
            f"f_terms returned {tuple(terms.shape)} for z {tuple(z.shape)}, expected one column "
            "per entry of z"
        )
    return score(logvar, eps).map(lambda s: terms * s)


@torch.no_grad()
def control_variate(
    f: Function,
    control: Function,
    control_grad: Gradient,
    coef: float | Tensor | Gradient,
    mu: Tensor,
    logvar: Tensor,
    eps: Tensor,
) -> Gradient:
    """coef * grad E[g] + (f - coef * g) grad log q, the last display of thesis 2.5; g = `control`.

    control_grad  the exact grad E_q[g(z)], (M,) each
    coef          a number, or a Gradient with one coefficient per parameter, (M,) each. The
                  estimator is unbiased only if coef does not depend on these eps

    Raises ValueError when f or control does not return one number per sample.
    """
    z = reparameterize(mu, logvar, eps)
    f_z, g_z = _values(f, z)[..., None], _values(control, z)[..., None]
    coefs = coef if isinstance(coef, Gradient) else Gradient(coef, coef)
    parts = zip(coefs, control_grad, score(logvar, eps), strict=True)
    return Gradient(*(a * exact + (f_z - a * g_z) * s for a, exact, s in parts))


def pathwise(f: Function, mu: Tensor, logvar: Tensor, eps: Tensor) -> Gradient:
    """The derivative of f(mu + std * eps), the reparameterization gradient (thesis 4.2).

    By automatic differentiation, all samples in one pass. A step function has derivative 0
    almost everywhere: then the estimate is 0, and biased. Raises ValueError when f does not
    return one number per sample.
    """
    mu, logvar, eps = mu.detach(), logvar.detach(), eps.detach()
    with torch.enable_grad():
        z = reparameterize(mu, logvar, eps).requires_grad_()
        total = _values(f, z).sum()  # a sample's f depends on its own z only
        slope = torch.autograd.grad(total, z)[0] if total.requires_grad else torch.zeros_like(z)
    return Gradient(mu=slope, logvar=0.5 * slope * (0.5 * logvar).exp() * eps)


def value_coef(f_z: Tensor, control_z: Tensor) -> Tensor:
    """Cov(f, g) / Var(g) from samples (S,): the a that minimizes Var(f - a g) (thesis 2.5).

    Raises ValueError when the control is constant.
    """
    return _ratio(f_z.flatten()[:, None], control_z.flatten()[:, None])[0]


def gradient_coef(f_z: Tensor, control_z: Tensor, s: Gradient) -> Gradient:
    """Cov(f s, g s) / Var(g s) per entry s of the score: it minimizes the GRADIENT's variance.

    f_z, control_z (S,) and s (S, M) each, from a pilot sample. Returns (M,) each. Raises
    ValueError when g s is constant.
    """
    return s.map(lambda part: _ratio(f_z[:, None] * part, control_z[:, None] * part))


def moments(
    estimate: Callable[[Tensor], Gradient],
    latent_dim: int,
    n_samples: int,
    *,
    generator: torch.Generator,
) -> Moments:
    """Mean and variance of a one-sample estimate, from n_samples drawn in chunks.

    estimate   eps (S, M) -> Gradient with one row per sample, e.g.
               `lambda eps: score_function(f, mu, logvar, eps)`
    generator  draws the noise, on its own device

    Raises ValueError for fewer than 2 samples, or when a gradient is not finite.
    """
    if n_samples < 2:
        raise ValueError(f"n_samples is {n_samples}, expected 2 or more: one has no variance")
    width, left = max(1, CHUNK_NUMBERS // latent_dim), n_samples
    origin, sums = None, None
    while left:
        size = (min(width, left), latent_dim)
        eps = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float64)
        part = estimate(eps)
        # Powers of the distance from the first chunk's mean, which is close to the true one:
        # nothing cancels when they become central moments.
        origin = origin or part.map(lambda x: x.mean(0))
        new = [_power_sums(x - at) for x, at in zip(part, origin, strict=True)]
        sums = new if sums is None else [a + b for a, b in zip(sums, new, strict=True)]
        left -= size[0]
    found = [_moments(s, n_samples, at) for s, at in zip(sums, origin, strict=True)]
    return Moments(*(Gradient(*both) for both in zip(*found, strict=True)))


def _values(f: Function, z: Tensor) -> Tensor:
    f_z = f(z)
    if f_z.shape != z.shape[:-1]:
        raise ValueError(
            f"the function returned {tuple(f_z.shape)} for z {tuple(z.shape)}, expected one number "
            f"per sample, {tuple(z.shape[:-1])}: sum over the last axis"
        )
    return f_z


def _ratio(x: Tensor, y: Tensor) -> Tensor:
    """Cov(x, y) / Var(y) over the samples: (S, M) -> (M,)."""
    x, y = x - x.mean(0), y - y.mean(0)
    var = (y**2).mean(0)
    if not (var > 0).all():
        raise ValueError("the control is constant in these samples, so no coefficient is best")
    return (x * y).mean(0) / var


def _power_sums(x: Tensor) -> Tensor:
    """Sums of the first four powers over the samples: (S, M) -> (4, M)."""
    squares = x**2
    return torch.stack([x.sum(0), squares.sum(0), (x * squares).sum(0), (squares**2).sum(0)])


def _moments(sums: Tensor, n: int, origin: Tensor) -> tuple[Estimate, Estimate]:
    """Mean and unbiased variance, (M,) each, from sums of powers of the distance to origin."""
    if not sums.isfinite().all():
        raise ValueError("the estimator returned a gradient that is not finite")
    a, b, c, d = sums / n
    central = b - a**2
    fourth = d - 4 * a * c + 6 * a**2 * b - 3 * a**4
    var = central * n / (n - 1)
    var_stderr = ((fourth - central**2).clamp(min=0) / n).sqrt()
    return Estimate(origin + a, (var / n).sqrt(), n), Estimate(var, var_stderr, n)
