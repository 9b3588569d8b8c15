"""What can be known of a VAE with two latent dimensions and Bernoulli pixels, gap included.

The evidence is a sum over a grid, so what the ELBO leaves can be measured and split by cause.
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
ZOOM = 40  # fine cells on a side of the window around one posterior
REACH = 6  # half a side of the window, in standard deviations of the q found on the coarse grid


def gaps(
    model: VAE, pixels: Tensor, side: int = 160, extent: float = 5.0, steps: int = 150
) -> tuple[Tensor, Tensor]:
    """log p(x) - ELBO split in two: approximation gap, amortization gap, (N,) nats each.

    The first is what the best diagonal Gaussian q leaves, the second what the encoder's q loses
    to that one (Cremer et al. 2018). On a grid the ELBO of such a q is a weighted sum of
    log p(x, z), so the best one is searched for each image, by gradient from the posterior's
    highest cell. A posterior may be narrower than a cell: the search goes on in a window of
    fine cells around it, and these replace the coarse ones below them in log p(x). That
    resolves posteriors down to an eighth of a coarse cell; the gaps are then exact to about 0.01,
    and the first is not negative beyond that.
    Raises ValueError unless the latent space is a plane.
    """
    cell, found = 2 * extent / side, []
    joints = log_joint_2d(model, pixels, side, extent, batch_size=25)
    for part, joint in zip(pixels.split(25), joints, strict=True):
        x = to_floats(part.to(joint.device), unit_range=True)
        cells = grid_2d(side, extent).to(x)
        start = Diagonal(cells[joint.argmax(1)], torch.full((len(x), 2), 2 * math.log(cell)).to(x))
        ticks = cells[:side, 0].expand(len(x), 2, side)
        q = _best_gaussian(joint.view(-1, side, side).clone(), ticks, start, steps)

        # the edges of the window are edges of coarse cells
        center = (((q.mu + extent) / cell).floor() + 0.5) * cell - extent
        half = ((REACH * (0.5 * q.logvar).exp() / cell).ceil() + 0.5) * cell  # (B, 2)
        z = center[:, None] + half[:, None] * grid_2d(ZOOM, 1.0).to(x)
        fine = _log_joint(model, x, z)  # (B, ZOOM^2)
        inside = ((cells - center[:, None]).abs() < half[:, None]).all(-1)
        outside = joint.masked_fill(inside, -math.inf).logsumexp(1) + 2 * math.log(cell)
        log_area = (2 * half / ZOOM).log().sum(1)
        log_px = torch.logaddexp(outside, fine.logsumexp(1) + log_area)

        ticks = center[..., None] + half[..., None] * grid_2d(ZOOM, 1.0)[:ZOOM, 0].to(x)
        best = _best_gaussian(fine.view(-1, ZOOM, ZOOM), ticks, q, steps)
        with torch.no_grad():
            ours = _elbo(model, x, model.encode(x))
        top = torch.maximum(_elbo(model, x, best), ours)
        found.append(torch.stack([log_px - top, top - ours]).cpu())
    approximation, amortization = torch.cat(found, dim=1)
    return approximation, amortization


def _best_gaussian(rows: Tensor, ticks: Tensor, q: Diagonal, steps: int) -> Diagonal:
    """The diagonal Gaussian of the highest ELBO near q, (B, 2) each.

    From log p(x, z) by z_2, z_1 (B, n, n) at the ticks of z_1 and of z_2 (B, 2, n). Steps are in
    units of q, of any width.
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
    """The ELBO of each q for its own image, by quadrature in units of q: (B,) nats."""
    nodes = grid_2d(20, 5.0).to(x)
    weights = (-0.5 * (nodes**2).sum(-1)).softmax(0)
    z = q.mu[:, None] + (0.5 * q.logvar).exp()[:, None] * nodes
    return _log_joint(model, x, z) @ weights + 0.5 * (LOG_2PI + 1 + q.logvar).sum(-1)


@torch.no_grad()
def _log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) at places of their own for each image: x (B, D), z (B, K, 2) -> (B, K) nats."""
    log_px_z = [LIK.log_prob(model.decode(place), image) for image, place in zip(x, z, strict=True)]
    return torch.stack(log_px_z) + log_standard_normal(z)


def measure(
    model: VAE,
    pixels: Tensor,
    generator: torch.Generator,
    n_exact: int = 500,
    n_costly: int = 100,
    side: int = 320,
) -> dict[str, Tensor]:
    """All that can be known of the model, by name: nats, one an image.

    -ELBO of every image; -log p(x) of about `n_exact`, evenly spread; and of about `n_costly`
    of those what the importance-weighted bounds with L = 1, 10, 100, 500 samples leave to
    log p(x), and of every fourth the gap of L = 1 (the ELBO) split as by `gaps`. A sharp map
    has posteriors as narrow as 0.01: 320 cells a side get the mean of log p(x) to about 0.01.
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
