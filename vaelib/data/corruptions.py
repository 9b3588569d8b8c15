"""Corruptions of images: Gaussian noise, salt and pepper, masks of missing pixels.

Images are flat, (..., D), floating point, black 0 and white 1. Gaussian noise is not clipped, so
values may leave [0, 1]. Masks are True where a pixel is observed. The generator is on the CPU;
its samples are moved to the device of the images.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data.common import DataError

BLACK = 0.05  # brighter is tissue
BLOCKS = ("left", "right", "top", "bottom")


def gaussian_noise(x: Tensor, noise_std: float, generator: torch.Generator) -> Tensor:
    """x + noise_std * eps with standard normal eps (listing C.1), not clipped to [0, 1].

    Raises DataError for a negative or infinite noise_std.
    """
    if not 0 <= noise_std < float("inf"):
        raise DataError(f"noise_std is {noise_std}, expected a finite number from 0")
    return x + noise_std * torch.randn(x.shape, generator=generator).to(x)


def salt_and_pepper(x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Replace each pixel with probability `amount` by white or black, equally likely.

    The "imputation" of listing C.1, with amount 0.15 there. It returns no mask: this is noise,
    not missing data. Raises DataError for an amount outside [0, 1].
    """
    struck = torch.rand(x.shape, generator=generator) < _share(amount)
    salt = torch.rand(x.shape, generator=generator) < 0.5
    return torch.where(struck.to(x.device), salt.to(x), x)


def coarse_noise(
    x: Tensor, shape: tuple[int, ...], noise_std: float, generator: torch.Generator
) -> Tensor:
    """Brighten and darken patches of tissue, in the manner of Kascenas et al. (2022).

    x is (B, D), images of `shape`. The noise has an eighth of their resolution, is interpolated,
    and is added to about a third of each image where it is not black. Its standard deviation is
    uniform up to 2 noise_std per image, and 0 for a fifth of them. The result is clipped to
    [0, 1]. Raises DataError for a negative or infinite noise_std.
    """
    if not 0 <= noise_std < float("inf"):
        raise DataError(f"noise_std is {noise_std}, expected a finite number from 0")
    device = generator.device
    n, height, width = len(x), *shape[-2:]
    coarse = n, 1, max(1, height // 8), max(1, width // 8)

    def fine(values: Tensor) -> Tensor:
        size = height, width
        return F.interpolate(values, size=size, mode="bilinear", align_corners=False)

    strength = 2 * noise_std * torch.rand(n, 1, 1, 1, generator=generator, device=device)
    strength = strength * (torch.rand(n, 1, 1, 1, generator=generator, device=device) < 0.8)
    noise = fine(torch.randn(coarse, generator=generator, device=device) * strength)
    where = fine((torch.rand(coarse, generator=generator, device=device) < 0.3).float())
    images = x.view(n, *shape)
    corrupted = images + (noise * where).to(x) * (images > BLACK)
    return corrupted.clamp(0, 1).flatten(1)


def random_mask(shape: tuple[int, ...], missing: float, generator: torch.Generator) -> Tensor:
    """True where a pixel is observed; each is missing independently with probability `missing`.

    Raises DataError for a share outside [0, 1].
    """
    return torch.rand(shape, generator=generator) >= _share(missing)


def half_mask(side: int, missing: str) -> Tensor:
    """Mask of an image without its "left", "right", "top" or "bottom" half: (side^2,) bool.

    Raises DataError for another name.
    """
    if missing not in BLOCKS:
        raise DataError(f"no half named {missing!r}, expected one of {', '.join(BLOCKS)}")
    seen, half = torch.ones(side, side, dtype=torch.bool), side // 2
    if missing in ("left", "right"):
        seen[:, :half] = missing == "right"
        seen[:, half:] = missing == "left"
    else:
        seen[:half] = missing == "bottom"
        seen[half:] = missing == "top"
    return seen.flatten()


def quadrant_mask(side: int, n_missing: int) -> Tensor:
    """Mask of an image without one, two or three quadrants, a common inpainting task: (side^2,).

    The lower left is removed first, then the lower right, then the upper right.

    Raises DataError for another number.
    """
    if n_missing not in (1, 2, 3):
        raise DataError(f"n_missing is {n_missing}, expected 1, 2 or 3 quadrants")
    seen, half = torch.ones(side, side, dtype=torch.bool), side // 2
    seen[half:, :half] = False
    seen[half:, half:] = n_missing < 2
    seen[:half, half:] = n_missing < 3
    return seen.flatten()


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise DataError(f"the share of pixels is {value}, expected a number from 0 to 1")
    return value
