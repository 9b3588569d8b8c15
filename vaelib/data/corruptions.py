"""What can happen to an image: noise, pixels struck out, pixels never seen.

Images are flat, (..., D), floating point, black 0 and white 1. Noise comes back as it fell:
Gaussian noise leaves [0, 1]. Masks are True where a pixel was seen. The generator is a CPU
one; what it draws goes to the device of the images.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data.common import DataError

BLACK = 0.05  # brighter is tissue
BLOCKS = ("left", "right", "top", "bottom")


def gaussian_noise(x: Tensor, noise_std: float, generator: torch.Generator) -> Tensor:
    """x + s eps with standard normal eps (listing C.1): not clipped, so it leaves [0, 1].

    Raises DataError for a negative or infinite noise_std.
    """
    if not 0 <= noise_std < float("inf"):
        raise DataError(f"noise_std is {noise_std}, expected a finite number from 0")
    return x + noise_std * torch.randn(x.shape, generator=generator).to(x)


def salt_and_pepper(x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Each pixel is replaced with probability `amount`, by white or black at even odds.

    The "imputation" of listing C.1, which has 0.15 there. Which pixels were struck is not
    told: this is noise, and nothing is missing. Raises DataError for an amount outside [0, 1].
    """
    struck = torch.rand(x.shape, generator=generator) < _share(amount)
    salt = torch.rand(x.shape, generator=generator) < 0.5
    return torch.where(struck.to(x.device), salt.to(x), x)


def coarse_noise(
    x: Tensor, shape: tuple[int, ...], noise_std: float, generator: torch.Generator
) -> Tensor:
    """Patches of tissue brightened and darkened, as no healthy tissue is: x (B, D) of `shape`.

    Noise of an eighth of the image's resolution, interpolated, in about a third of the image,
    where the image is not black; with a strength of its own for each image, up to 2 noise_std,
    and none for a fifth of them. Clipped to [0, 1]. What a denoising model learns from it is
    in the manner of Kascenas et al. (2022). Raises DataError for a negative or infinite noise_std.
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
    spoiled = images + (noise * where).to(x) * (images > BLACK)
    return spoiled.clamp(0, 1).flatten(1)


def random_mask(shape: tuple[int, ...], missing: float, generator: torch.Generator) -> Tensor:
    """True where a pixel is seen; each is missing with probability `missing`, by itself.

    Raises DataError for a share outside [0, 1].
    """
    return torch.rand(shape, generator=generator) >= _share(missing)


def half_mask(side: int, missing: str) -> Tensor:
    """One half of a side x side image is missing, "left", "right", "top" or "bottom": (side^2,).

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
    """One, two or three quadrants are missing, as in the usual test of completion: (side^2,).

    The lower left first, then the lower right, then the upper right. Raises DataError for
    another number.
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
