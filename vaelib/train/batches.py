"""The images of a run on its device, and what is drawn for each batch: pixels and noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vaelib.data.common import DataError, to_floats, to_unit
from vaelib.data.corruptions import coarse_noise
from vaelib.likelihood import Likelihood, binarize
from vaelib.model import Network
from vaelib.train.distributed import OneProcess
from vaelib.train.history import Settings


class Batch(NamedTuple):
    """This rank's rows: images x (B, D), noise eps (L, B, M), what is encoded if it is not x."""

    x: Tensor
    eps: Tensor
    seen: Tensor | None = None


class Batches:
    """Images (N, D) that stay on the device: bytes stay bytes, a batch becomes floats when used.

    All ranks draw for the whole batch, so that they draw the same. Raises DataError as `fit` does.
    """

    def __init__(
        self,
        model: Network,
        lik: Likelihood,
        pixels: Tensor,
        settings: Settings,
        validation: Tensor | None,
        ranks: OneProcess,
    ):
        size = settings.batch_size
        if len(pixels) < size:
            raise DataError(f"{len(pixels)} images are fewer than one batch of {size}")
        if size % ranks.size:
            raise DataError(f"a batch of {size} cannot be shared by {ranks.size} processes")
        if settings.patience is not None and validation is None:
            raise DataError("patience needs validation images")
        if settings.binarize and not lik.unit_range:
            raise DataError(f"binarized pixels need a Bernoulli likelihood, this one is {lik}")
        if settings.coarse_noise and not hasattr(model, "shape"):
            raise DataError("coarse_noise needs a network that knows the shape of its images")
        self.model, self.lik, self.settings, self.ranks = model, lik, settings, ranks
        self.device = next(model.parameters()).device
        self.train = self._resident(pixels)
        self.validation = None if validation is None else self._resident(validation)

    def draw(self, rows: Tensor, noise: torch.Generator) -> Batch:
        """The training images of these rows (B,), with new noise."""
        pixels, std = self.train.index_select(0, rows), self.settings.coarse_noise
        x, eps = self.visit(pixels, noise), self.eps(len(rows), noise)
        if not std:
            return Batch(x, eps)
        seen = coarse_noise(_floats(pixels), self.model.shape, std, noise)
        return Batch(x, eps, self.ranks.share(seen))

    def visit(self, pixels: Tensor, noise: torch.Generator) -> Tensor:
        """Images (B, D) as floats, binarized if the settings say so; this rank's rows of them."""
        if not self.settings.binarize:
            return _floats(self.ranks.share(pixels))
        return self.ranks.share(binarize(_floats(pixels), noise))

    def eps(self, n: int, noise: torch.Generator) -> Tensor:
        """Standard noise (L, n, M) for n images; this rank's columns of it."""
        shape = self.settings.n_samples, n, self.model.latent_dim
        return self.ranks.share(torch.randn(shape, generator=noise, device=self.device), dim=1)

    def _resident(self, pixels: Tensor) -> Tensor:
        if pixels.dtype != torch.uint8:
            pixels = to_floats(pixels, unit_range=self.lik.unit_range)
        return pixels.to(self.device)


def _floats(batch: Tensor) -> Tensor:
    return to_unit(batch) if batch.dtype == torch.uint8 else batch
