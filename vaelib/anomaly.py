"""Anomaly scores of images under a VAE that was trained on healthy ones only.

Every score is larger for more anomalous images. How well they separate diseased from healthy
images is measured by the module `detection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib import evaluate
from vaelib.data.common import to_floats
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import importance_bound

if TYPE_CHECKING:
    from sklearn.covariance import LedoitWolf

TOP = 0.02  # share of the pixels over which the largest errors are averaged
TISSUE = 0.05  # gray value; darker pixels are background


@dataclass(frozen=True)
class Healthy:
    """Reference statistics of healthy images.

    spread: mean smoothed absolute error of each pixel, (D,).
    codes: mean and shrunk covariance (Ledoit and Wolf 2004) of the posterior means.
    """

    spread: Tensor
    codes: LedoitWolf


def residual(model: Network, lik: Likelihood, pixels: Tensor) -> Tensor:
    """x minus its reconstruction, the decoded mean of q(z|x): (N, D) on the CPU."""
    _, made = evaluate.reconstruct(model, lik, pixels)
    return to_floats(pixels.cpu(), unit_range=False) - made


def smoothed(maps: Tensor, side: int, width: int = 5) -> Tensor:
    """Box filter of maps (N, side^2): means of neighborhoods that are cropped at the border."""
    images = maps.view(-1, 1, side, side)
    return F.avg_pool2d(images, width, 1, width // 2, count_include_pad=False).view_as(maps)


def top_mean(maps: Tensor, share: float = TOP) -> Tensor:
    """Mean of the largest values of each map (N, D), the given share of its pixels: (N,)."""
    return maps.topk(max(1, int(share * maps.shape[1])), dim=1).values.mean(1)


def learn(model: Network, lik: Likelihood, pixels: Tensor, side: int) -> Healthy:
    """Reference statistics of healthy images (N, side^2), preferably held out from training."""
    from sklearn.covariance import LedoitWolf

    mu, made = evaluate.reconstruct(model, lik, pixels)
    rest = to_floats(pixels.cpu(), unit_range=False) - made
    spread = smoothed(rest.abs(), side).mean(0)
    codes = LedoitWolf().fit(mu.double().numpy())
    return Healthy(spread.clamp_min(0.02 * spread.mean()), codes)


def error_scores(rest: Tensor, x: Tensor, side: int) -> dict[str, Tensor]:
    """Scores of the residuals (N, D) of images x (N, D), by name: (N,) each.

    "error" is the mean squared residual; the next two divide it by the variance of the image,
    which removes the effect of contrast, and do the same within its tissue. "largest errors"
    averages the largest smoothed residuals (signed, so that smoothing averages noise out), and
    the last divides these by the standard deviation of the image.
    """
    deviation = x.std(1)
    tissue = (x > TISSUE).float()
    area = tissue.sum(1).clamp_min(1)
    center = ((x * tissue).sum(1) / area)[:, None]
    variance = (((x - center) ** 2 * tissue).sum(1) / area).clamp_min(1e-6)
    largest = top_mean(smoothed(rest, side).abs())
    return {
        "error": rest.square().mean(1),
        "error / variance": rest.square().mean(1) / deviation.square().clamp_min(1e-6),
        "tissue error / variance": (rest.square() * tissue).sum(1) / area / variance,
        "largest errors": largest,
        "largest errors / deviation": largest / deviation.clamp_min(1e-3),
    }


def scores(
    model: Network,
    lik: Likelihood,
    pixels: Tensor,
    side: int,
    healthy: Healthy,
    generator: torch.Generator,
    n_samples: int = 5,
) -> dict[str, Tensor]:
    """All scores of images (N, side^2) under the model, by name: (N,) each.

    The scores of `error_scores`; "error / healthy error", relative to the healthy mean error of
    each pixel; "-ELBO", "-IWAE" (importance-weighted bound, n_samples draws) and "KL" in nats;
    "Mahalanobis", the squared Mahalanobis distance of the posterior mean from healthy ones.
    """
    mu, made = evaluate.reconstruct(model, lik, pixels)
    x = to_floats(pixels.cpu(), unit_range=False)
    rest = x - made
    terms = evaluate.elbo_terms(model, lik, pixels, generator, batch_size=100)
    log_w = evaluate.importance_weights(model, lik, pixels, generator, n_samples, batch_size=50)
    distance = healthy.codes.mahalanobis(mu.double().numpy())
    return {
        **error_scores(rest, x, side),
        "error / healthy error": top_mean(smoothed(rest.abs(), side) / healthy.spread),
        "-ELBO": -terms.value(),
        "-IWAE": -importance_bound(log_w),
        "KL": terms.kl,
        "Mahalanobis": torch.from_numpy(distance).float(),
    }
