"""scikit-learn's handwritten digits: 1,797 images of 8 x 8 that come inside the package."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from vaelib.data.common import DataError, Dataset, ImageSet

SIDE, MARGIN = 28, 4
SMALL = 8
N_TEST = 360


def digits(side: int = SIDE) -> Dataset:
    """1,437 + 360 images, classes balanced in both parts; the split never changes.

    With side = 28 each 8 x 8 image is enlarged to 20 x 20 and centered in 28 x 28, like the
    digits of MNIST; interpolation adds no detail, so these images are smoother than MNIST.
    With side = 8 the images are returned as they are. Raises DataError for another side.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    if side not in (SMALL, SIDE):
        raise DataError(f"side is {side}, expected {SMALL} (as they are) or {SIDE} (as in MNIST)")
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().div(16)[:, None]
    if side == SIDE:
        inner = SIDE - 2 * MARGIN
        images = F.interpolate(images, size=(inner, inner), mode="bicubic").clamp(0, 1)
        images = F.pad(images, [MARGIN] * 4)
    pixels = images.mul(255).round().to(torch.uint8).flatten(1)
    labels = torch.from_numpy(bunch.target).long()
    train, test = train_test_split(
        range(len(labels)), test_size=N_TEST, stratify=bunch.target, random_state=0
    )
    everything = ImageSet(pixels, labels, (1, side, side))
    return Dataset("digits", everything[torch.tensor(train)], everything[torch.tensor(test)])
