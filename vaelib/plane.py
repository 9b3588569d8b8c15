"""The inference gap of a VAE with a 2-D latent space and Bernoulli pixels, measured exactly.

In two dimensions log p(x) is a sum over a grid, so the gap between log p(x) and the ELBO can be
measured and split into its approximation and its amortization part.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaelib.data.common import to_floats
from vaelib.evaluate import elbo_terms, grid_2d, importance_weights, log_evidence_2d, log_joint_2d
from vaelib.gaussian import LOG_2PI, Diagonal, log_standard_normal
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.objective import importance_bound

LIK = Bernoulli()
FINE_SIDE = 40  # cells per side of the fine window around one posterior
CHUNK = 2**22  # numbers in the images that are decoded at once
REACH = 6  # half its width, in standard deviations of the q found on the coarse grid


def gaps(
    model: VAE, pixels: Tensor, side: int = 160, extent: float = 5.0, steps: int = 150
) -> tuple[Tensor, Tensor]:
    """log p(x) - ELBO as approximation gap and amortization gap, (N,) nats each.

    The approximation gap is that of the best diagonal Gaussian q; the amortization gap is the
    ELBO that the encoder's q loses to it (Cremer et al. 2018). On a grid the ELBO of a Gaussian
    is a weighted sum of log p(x, z), so the best q is found by gradient ascent for each image,
    starting from the cell of the largest posterior. A posterior may be narrower than a cell, so
    the search is repeated in a window of fine cells, which replace the coarse cells under them
    in log p(x). This resolves posteriors down to an eighth of a coarse cell; the gaps are then
    accurate to about 0.01 nats, and the approximation gap is negative by no more than that.
    Raises ValueError unless the latent space is 2-D.
    """
    cell, found = 2 * extent / side, []
    joints = log_joint_2d(model, pixels, side, extent, batch_size=25)
    for part, joint in zip(pixels.split(25), joints, strict=True):
        x = to_floats(part.to(joint.device), unit_range=True)
        cells = grid_2d(side, extent).to(x)
        start = Diagonal(cells[joint.argmax(1)], torch.full((len(x), 2), 2 * math.log(cell)).to(x))
        ticks = cells[:side, 0].expand(len(x), 2, side)
        q = best_gaussian(joint.view(-1, side, side).clone(), ticks, start, steps)

        # the edges of the window are edges of coarse cells
        center = (((q.mu + extent) / cell).floor() + 0.5) * cell - extent
        half = ((REACH * (0.5 * q.logvar).exp() / cell).ceil() + 0.5) * cell  # (B, 2)
        z = center[:, None] + half[:, None] * grid_2d(FINE_SIDE, 1.0).to(x)
        fine = _log_joint(model, x, z)  # (B, FINE_SIDE^2)
        inside = ((cells - center[:, None]).abs() < half[:, None]).all(-1)
        outside = joint.masked_fill(inside, -math.inf).logsumexp(1) + 2 * math.log(cell)
        log_area = (2 * half / FINE_SIDE).log().sum(1)
        log_px = torch.logaddexp(outside, fine.logsumexp(1) + log_area)

        fine_ticks = grid_2d(FINE_SIDE, 1.0)[:FINE_SIDE, 0].to(x)
        ticks = center[..., None] + half[..., None] * fine_ticks
        best = best_gaussian(fine.view(-1, FINE_SIDE, FINE_SIDE), ticks, q, steps)
        with torch.no_grad():
            encoded = _elbo(model, x, model.encode(x))
        top = torch.maximum(_elbo(model, x, best), encoded)
        found.append(torch.stack([log_px - top, top - encoded]))
    approximation, amortization = torch.cat(found, dim=1).cpu()
    return approximation, amortization


def best_gaussian(rows: Tensor, ticks: Tensor, q: Diagonal, steps: int) -> Diagonal:
    """The diagonal Gaussian with the highest ELBO near q, (B, 2) each.

    rows is log p(x, z) on a grid (B, n, n), z_2 by z_1; ticks (B, 2, n) are the values of z_1
    and of z_2. Steps are measured in standard deviations of q, so its width does not matter.
    """
    std = (0.5 * q.logvar).exp()
    shift, growth = (torch.zeros_like(std, requires_grad=True) for _ in range(2))
    search = torch.optim.Adam([shift, growth], lr=0.05)
    for _ in range(steps):
        search.zero_grad()
        squares = ((ticks - (q.mu + std * shift)[..., None]) / std[..., None]) ** 2
        w1, w2 = (-0.5 * squares * (-growth).exp()[..., None]).softmax(-1).unbind(1)
        elbo = torch.einsum("bi,bij,bj->b", w2, rows, w1) + 0.5 * growth.sum(-1)  # + a constant
        (-elbo.sum()).backward()
        search.step()
    return Diagonal((q.mu + std * shift).detach(), (q.logvar + growth).detach())


@torch.no_grad()
def _elbo(model: VAE, x: Tensor, q: Diagonal) -> Tensor:
    """ELBO of each q (B, 2) for its own image, by quadrature in standard deviations: (B,) nats."""
    nodes = grid_2d(20, 5.0).to(x)
    weights = (-0.5 * (nodes**2).sum(-1)).softmax(0)
    z = q.mu[:, None] + (0.5 * q.logvar).exp()[:, None] * nodes
    return _log_joint(model, x, z) @ weights + 0.5 * (LOG_2PI + 1 + q.logvar).sum(-1)


@torch.no_grad()
def _log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) at separate points for each image: x (B, D), z (B, K, 2) -> (B, K) nats."""
    at_once = max(1, CHUNK // (z.shape[1] * model.data_dim))
    parts = zip(x.split(at_once), z.split(at_once), strict=True)
    log_px_z = [LIK.log_prob(model.decode(points), some[:, None]) for some, points in parts]
    return torch.cat(log_px_z) + log_standard_normal(z)


def measure(
    model: VAE,
    pixels: Tensor,
    generator: torch.Generator,
    n_exact: int = 500,
    n_costly: int = 100,
    side: int = 320,
) -> dict[str, Tensor]:
    """Bounds and gaps of the model by name: one value per image, nats.

    -ELBO of every image; -log p(x) of about `n_exact` evenly spaced ones; for about `n_costly`
    of those the gap between log p(x) and the importance-weighted bounds with L = 1, 10, 100 and
    500 samples; and for every fourth of those the gap of the ELBO split as by `gaps`. Posterior
    standard deviations can be as small as 0.01: 320 cells per side give the mean of log p(x) to
    about 0.01 nats.
    """
    exact = pixels[:: max(1, len(pixels) // n_exact)]
    every = max(1, len(exact) // n_costly)
    log_px, some = log_evidence_2d(model, exact, side, batch_size=100), exact[::every]
    found = {
        "-ELBO": -elbo_terms(model, LIK, pixels, generator).value(),
        "-log p(x)": -log_px,
    }
    log_w = importance_weights(model, LIK, some, generator, n_samples=500)
    for n in (1, 10, 100, 500):
        groups = torch.stack([importance_bound(part) for part in log_w.split(n)])
        found[f"gap, L = {n}"] = log_px[::every] - groups.mean(0)
    names = "approximation gap", "amortization gap"
    return found | dict(zip(names, gaps(model, some[::4], side), strict=True))
