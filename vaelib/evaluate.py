"""Measures of a trained VAE on held-out images: one value per image, in nats unless said otherwise.

The images, pixels (N, D), are bytes or floats; they are converted and moved to the model's
device batch by batch. Results are collected there and come back to the CPU once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data.common import to_floats
from vaelib.gaussian import Diagonal, FullCovariance, log_standard_normal, standard_normal
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import Elbo, elbo, log_weights


@torch.inference_mode()
def encode(
    model: Network, pixels: Tensor, batch_size: int = 2000, *, unit_range: bool = True
) -> Diagonal | FullCovariance:
    """q(z|x) of every image: mu and logvar, (N, M) each, or mu and chol (N, M, M).

    unit_range=False accepts values outside [0, 1], for a model with Gaussian pixels.
    """
    parts = [model.encode(x) for x in _batches(model, pixels, batch_size, unit_range)]
    return type(parts[0])(*(torch.cat(part).cpu() for part in zip(*parts, strict=True)))


@torch.inference_mode()
def decode(model: Network, lik: Likelihood, z: Tensor) -> Tensor:
    """Mean image of p(x|z) for each z: (..., M) -> (..., D)."""
    return lik.mean(model.decode(z.to(_device(model)))).cpu()


@torch.inference_mode()
def reconstruct(
    model: Network, lik: Likelihood, pixels: Tensor, batch_size: int = 200
) -> tuple[Tensor, Tensor]:
    """The mean of q(z|x) of every image and what the decoder makes of it: (N, M) and (N, D)."""
    codes = [model.encode(x).mu for x in _batches(model, pixels, batch_size, lik.unit_range)]
    made = [lik.mean(model.decode(z)) for z in codes]
    return torch.cat(codes).cpu(), torch.cat(made).cpu()


@torch.inference_mode()
def elbo_terms(
    model: Network,
    lik: Likelihood,
    pixels: Tensor,
    generator: torch.Generator,
    n_samples: int = 1,
    batch_size: int = 500,
) -> Elbo:
    """ELBO of each image at beta = 1 as its two terms, (N,) nats each.

    Estimator B of Kingma and Welling (2014): the KL term in closed form, E_q log p(x|z) as a
    mean over n_samples draws.
    """
    parts = []
    for x in _batches(model, pixels, batch_size, lik.unit_range):
        eps = standard_normal((n_samples, len(x), model.latent_dim), generator, x)
        terms = elbo(model, lik, x, eps)
        parts.append(torch.stack([terms.log_lik, terms.kl]))
    return Elbo(*torch.cat(parts, dim=1).cpu())


@torch.inference_mode()
def importance_weights(
    model: Network,
    lik: Likelihood,
    pixels: Tensor,
    generator: torch.Generator,
    n_samples: int = 100,
    batch_size: int = 100,
) -> Tensor:
    """log p(x, z) - log q(z|x) of n_samples draws from q for each image: (L, N) nats.

    `objective.importance_bound` of any k rows is the importance-weighted bound with k samples.
    """
    parts = []
    for x in _batches(model, pixels, batch_size, lik.unit_range):
        eps = standard_normal((n_samples, len(x), model.latent_dim), generator, x)
        parts.append(log_weights(model, lik, x, eps))
    return torch.cat(parts, dim=1).cpu()


@torch.inference_mode()
def log_joint_2d(
    model: Network, pixels: Tensor, side: int = 160, extent: float = 5.0, batch_size: int = 1000
) -> Iterator[Tensor]:
    """log p(x, z) at the cells of `grid_2d` for a VAE with Bernoulli pixels, batch by batch.

    Yields (B, side^2) nats on the model's device. The grid is decoded once, after which each
    batch costs one matrix product. Raises ValueError unless the latent space is 2-D.
    """
    if model.latent_dim != 2:
        raise ValueError(f"a grid needs a 2-D latent space, this model has {model.latent_dim}")
    z = grid_2d(side, extent).to(_device(model))
    out = model.decode(z)  # (side^2, D)
    # log p(x|z) = sum_d x_d out_d - softplus(out_d): only the first term needs x
    offset = log_standard_normal(z) - F.softplus(out).sum(-1)
    for x in _batches(model, pixels, batch_size, unit_range=True):
        yield x @ out.T + offset


def log_evidence_2d(
    model: Network, pixels: Tensor, side: int = 160, extent: float = 5.0, batch_size: int = 1000
) -> Tensor:
    """log p(x) by the midpoint rule on side x side cells of [-extent, extent]^2: (N,) nats.

    Compare two values of `side` to see the quadrature error. For a 2-D latent space and
    Bernoulli pixels, as `log_joint_2d`.
    """
    joints = log_joint_2d(model, pixels, side, extent, batch_size)
    found = torch.cat([joint.logsumexp(dim=1) for joint in joints])
    return (found + 2 * math.log(2 * extent / side)).cpu()


def grid_2d(side: int, extent: float) -> Tensor:
    """Centers of side x side cells of [-extent, extent]^2, z_1 varying fastest: (side^2, 2)."""
    ticks = (torch.arange(side) + 0.5) * (2 * extent / side) - extent
    z2, z1 = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([z1.flatten(), z2.flatten()], dim=1)


def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Latent units whose posterior mean varies over the images mu (N, M): (M,) bool.

    A unit is active when Var_x(mu) > threshold (Burda et al. 2016). A collapsed unit has the
    prior as its posterior for every x.
    """
    return mu.var(dim=0) > threshold


def neighbor_confusion(
    z_train: Tensor, y_train: Tensor, z_test: Tensor, y_test: Tensor, n_neighbors: int = 15
) -> np.ndarray:
    """Confusion matrix of a nearest-neighbor classifier of codes z (N, M): (K, K) counts.

    Rows are true classes, columns predicted ones. The trace over the sum is the accuracy: how
    well the classes are separated in latent space.
    """
    from sklearn.metrics import confusion_matrix
    from sklearn.neighbors import KNeighborsClassifier

    known, labels, asked, truth = (
        part.cpu().numpy() for part in (z_train, y_train, z_test, y_test)
    )
    vote = KNeighborsClassifier(n_neighbors).fit(known, labels)
    return confusion_matrix(truth, vote.predict(asked))


def squared_errors(x_hat: Tensor, x: Tensor, pixels: Tensor | None = None) -> Tensor:
    """Mean squared error of each image (B, D), over all pixels or those of a mask (B, D): (B,).

    An image whose mask is empty gives nan.
    """
    squares = (x_hat - x) ** 2
    if pixels is None:
        return squares.mean(-1)
    return torch.where(pixels, squares, 0.0).sum(-1) / pixels.sum(-1)


def psnr(errors: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of mean squared errors, for pixels between 0 and 1.

    Pass the error averaged over images: the mean of per-image PSNRs is a different number,
    and infinite as soon as one image is reproduced exactly.
    """
    return -10 * torch.log10(errors)


def ssim(x_hat: Tensor, x: Tensor, side: int) -> Tensor:
    """Structural similarity of each pair of images, 1 for equal ones: (B, side^2) -> (B,).

    Wang et al. (2004) with their constants for pixels between 0 and 1: means, variances and
    covariance under an 11 x 11 Gaussian window of standard deviation 1.5, averaged over the
    positions where it fits inside the image.
    """
    ticks = torch.arange(11, dtype=x.dtype, device=x.device) - 5
    window = (-(ticks**2) / (2 * 1.5**2)).exp()
    window = (window / window.sum()).view(1, 1, 1, 11)

    def local(values: Tensor) -> Tensor:
        images = values.view(-1, 1, side, side)
        return F.conv2d(F.conv2d(images, window), window.transpose(2, 3))

    mean_a, mean_b = local(x_hat), local(x)
    var_a, var_b = local(x_hat**2) - mean_a**2, local(x**2) - mean_b**2
    covariance = local(x_hat * x) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return (luminance * structure).flatten(1).mean(1)


def resampled_means(values: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Bootstrap means over the last axis: values (..., B) -> (n, ...).

    All leading rows are resampled with the same indices, so a difference of two rows is a
    paired comparison.
    """
    size = values.shape[-1]
    picks = torch.randint(size, (n, size), generator=generator, device=generator.device)
    counts = values.new_zeros(n, size)
    counts.scatter_add_(1, picks.to(values.device), torch.ones_like(counts))
    return torch.tensordot(counts, values, dims=([1], [values.dim() - 1])) / size


def _device(model: Network) -> torch.device:
    return next(model.parameters()).device


def _batches(model: Network, pixels: Tensor, batch_size: int, unit_range: bool) -> Iterator[Tensor]:
    for part in pixels.split(batch_size):
        yield to_floats(part.to(_device(model)), unit_range=unit_range)
