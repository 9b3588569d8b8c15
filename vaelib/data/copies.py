"""Near duplicates: the same picture brighter, darker or compressed again.

They are found by the correlation of pixels, which is invariant to brightness and contrast; of
identical files the cache keeps one.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data.common import Dataset, ImageSet

LEVEL = 0.95  # brain slices: pairs above it were inspected and show the same slice
SIDE = 64  # larger images are averaged down to this before they are compared


def correlations(a: ImageSet, b: ImageSet) -> Tensor:
    """Correlation of the pixels of each pair of images, at 64 x 64 at most: (A, B) in [-1, 1].

    It is 0 for an image of a single gray value.
    """
    return _standardized(a) @ _standardized(b).T


def without_copies(dataset: Dataset[ImageSet], level: float = LEVEL) -> Dataset[ImageSet]:
    """Drop test images that repeat an earlier one, and training images near any test image.

    Duplicates within the training set stay: nothing is measured on them. A note says how many
    images were left out.
    """
    test, train = dataset.test, dataset.train
    kept = _first_of_each(correlations(test, test) > level)
    near = (correlations(train, test) > level).any(1)
    n_test = len(test) - int(kept.sum())
    note = f"left out {int(near.sum())} + {n_test} near copies (correlation above {level:g})"
    return replace(dataset, train=train[~near], test=test[kept], notes=(*dataset.notes, note))


def groups(images: ImageSet, level: float = LEVEL) -> Tensor:
    """Group numbers (N,) int64: equal for two images that a chain of near duplicates connects."""
    from scipy.sparse.csgraph import connected_components

    joined = (correlations(images, images) > level).numpy()
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()


def apart(images: ImageSet, n: int, level: float = LEVEL) -> tuple[ImageSet, ImageSet]:
    """Split off the last n images or a few more, keeping groups of near duplicates together."""
    group = groups(images, level)
    order = group.unique(sorted=True).flip(0)
    sizes = torch.bincount(group)[order].cumsum(0)
    held = torch.isin(group, order[: int((sizes < n).sum()) + 1])
    return images[~held], images[held]


def _first_of_each(near: Tensor) -> Tensor:
    """True for images that no earlier kept image is near to: (N,) bool."""
    kept = torch.ones(len(near), dtype=torch.bool)
    for i, row in enumerate(near):
        if kept[i]:
            kept[i + 1 :] &= ~row[i + 1 :]
    return kept


def _standardized(images: ImageSet) -> Tensor:
    x = images.x.view(-1, *images.shape)
    if max(images.shape[1:]) > SIDE:
        x = F.adaptive_avg_pool2d(x, SIDE)
    x = x.flatten(1)
    return F.normalize(x - x.mean(1, keepdim=True), eps=1e-6)
