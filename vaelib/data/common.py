"""What all data sets share: the container, the unit range, the error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


class DataError(ValueError):
    """Bad input, refused at the door: what, which file, expected against got, how to mend it."""


@dataclass(frozen=True)
class ImageSet:
    """Images kept as bytes: pixels (N, D) uint8, labels (N,) int64, shape (C, H, W)."""

    pixels: Tensor
    labels: Tensor
    shape: tuple[int, int, int]

    def __post_init__(self):
        expected = (len(self.labels), math.prod(self.shape))
        if self.pixels.dtype != torch.uint8 or tuple(self.pixels.shape) != expected:
            raise DataError(
                f"pixels are {self.pixels.dtype} of shape {tuple(self.pixels.shape)}, "
                f"expected torch.uint8 of shape {expected}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> ImageSet:
        """A subset, by slice, index tensor or mask."""
        return ImageSet(self.pixels[index], self.labels[index], self.shape)

    @property
    def x(self) -> Tensor:
        """The images as float32 in [0, 1], flat: (N, D)."""
        return to_unit(self.pixels)


@dataclass(frozen=True)
class Dataset:
    """A named pair of image sets that share no image."""

    name: str
    train: ImageSet
    test: ImageSet

    def __str__(self) -> str:
        return f"{self.name} ({len(self.train):,} + {len(self.test):,} images)"


def to_unit(pixels: Tensor) -> Tensor:
    """Bytes to float32 in [0, 1]; a tensor that is floating already must lie there.

    Raises DataError when it does not: a Bernoulli likelihood has no meaning outside.
    """
    return to_floats(pixels, unit_range=True)


def to_floats(values: Tensor, *, unit_range: bool) -> Tensor:
    """Bytes to float32 in [0, 1]; floats stay as they are once they are checked.

    They must be finite, and lie in [0, 1] where `unit_range` asks for it, as a Bernoulli
    likelihood does. Raises DataError when they don't, or when they are other whole numbers.
    """
    if values.dtype == torch.uint8:
        return values.float().div_(255)
    if not torch.is_floating_point(values):
        raise DataError(f"pixels are {values.dtype}, expected uint8 or floating point")
    low, high = values.min().item(), values.max().item()
    if unit_range and not (low >= 0 and high <= 1):
        raise DataError(
            f"pixel values lie in [{low:.4g}, {high:.4g}], expected [0, 1]: "
            "scale them, or clamp them after adding noise."
        )
    if not math.isfinite(high - low):
        raise DataError(f"values lie in [{low:.4g}, {high:.4g}], expected finite ones")
    return values
