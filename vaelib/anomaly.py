"""How unlike the healthy an image is, according to a VAE that saw only healthy ones.

All scores are larger where an image looks less healthy. Which of them is worth anything is
another question: `detection` answers it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib import evaluate
from vaelib.data.common import to_floats
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import importance_bound

TOP = 0.02  # the share of an image that the largest errors are averaged over
TISSUE = 0.05  # darker is background


@dataclass(frozen=True)
class Healthy:
    """What is usual in healthy images: the smoothed error of each pixel, and codes.

    spread (D,); center (M,) and precision (M, M) of the means of q(z|x).
    """

    spread: Tensor
    center: Tensor
    precision: Tensor


def residual(model: Network, lik: Likelihood, pixels: Tensor) -> Tensor:
    """x minus its reconstruction, the decoded mean of q(z|x): (N, D)."""
    q = evaluate.encode(model, pixels, batch_size=200, unit_range=lik.unit_range)
    x = to_floats(pixels, unit_range=False)
    parts = [evaluate.decode(model, lik, z) for z in q.mu.split(200)]
    return x - torch.cat(parts)


def smoothed(maps: Tensor, side: int, width: int = 5) -> Tensor:
    """Each pixel of (N, side^2) the mean of the square around it, as far as it is in the image."""
    images = maps.view(-1, 1, side, side)
    return F.avg_pool2d(images, width, 1, width // 2, count_include_pad=False).view_as(maps)


def top_mean(maps: Tensor, share: float = TOP) -> Tensor:
    """The mean of the largest values of each map, a share of (N, D): (N,)."""
    return maps.topk(max(1, int(share * maps.shape[1])), dim=1).values.mean(1)


def learn(model: Network, lik: Likelihood, pixels: Tensor, side: int) -> Healthy:
    """What is usual in these healthy images, better ones that the model was not trained on.

    The covariance of the codes is shrunk (Ledoit and Wolf, 2004): there may be few images.
    """
    from sklearn.covariance import LedoitWolf

    spread = smoothed(residual(model, lik, pixels).abs(), side).mean(0)
    mu = evaluate.encode(model, pixels, batch_size=200, unit_range=lik.unit_range).mu
    fitted = LedoitWolf().fit(mu.double().numpy())
    center, precision = (torch.from_numpy(v).float() for v in (fitted.location_, fitted.precision_))
    return Healthy(spread.clamp_min(0.02 * spread.mean()), center, precision)


def error_scores(rest: Tensor, x: Tensor, side: int) -> dict[str, Tensor]:
    """Scores of a residual (N, D) of images x, whatever made it, by name: (N,) each.

    "error" is the mean square; the second is relative to the variance of the image, so that
    contrast does not count; the next to that of its tissue; then the largest smoothed errors,
    with their sign while smoothing, which averages noise away, and the same relative.
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

    Those of `error_scores`; "error / healthy error" by the usual error of each pixel; "-ELBO",
    "-IWAE" (importance-weighted, n_samples draws) and "KL" in nats; "Mahalanobis", the squared
    distance of the code from healthy ones.
    """
    x = to_floats(pixels, unit_range=False)
    rest = residual(model, lik, pixels)
    terms = evaluate.elbo_terms(model, lik, pixels, generator, batch_size=100)
    log_w = evaluate.importance_weights(model, lik, pixels, generator, n_samples, batch_size=50)
    away = evaluate.encode(model, pixels, batch_size=200, unit_range=lik.unit_range).mu
    away = away - healthy.center
    return {
        **error_scores(rest, x, side),
        "error / healthy error": top_mean(smoothed(rest.abs(), side) / healthy.spread),
        "-ELBO": -terms.value(),
        "-IWAE": -importance_bound(log_w),
        "KL": terms.kl,
        "Mahalanobis": ((away @ healthy.precision) * away).sum(1),
    }
