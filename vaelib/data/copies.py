"""Images that are the same picture, stored again: brighter, darker, or compressed once more.

A hash finds files that are equal byte for byte. These are found by the correlation of their
pixels, which no change of brightness or contrast moves.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.data.common import Dataset, ImageSet

LEVEL = 0.95  # of brain slices: pairs above it were looked at, and are the same slice
SIDE = 64  # what is compared


def correlations(a: ImageSet, b: ImageSet) -> Tensor:
    """Of the pixels of each pair of images, at most 64 x 64 of them: (A, B) in [-1, 1].

    An image of one gray value correlates with nothing: 0.
    """
    return _standardized(a) @ _standardized(b).T


def without_copies(dataset: Dataset[ImageSet], level: float = LEVEL) -> Dataset[ImageSet]:
    """The dataset with the first of all near copies in its test set, and none of them in training.

    Copies within the training set stay: nothing is measured on them. A note says how many
    images were left out.
    """
    test, train = dataset.test, dataset.train
    kept = _first_of_each(correlations(test, test) > level)
    near = (correlations(train, test) > level).any(1)
    n_test = len(test) - int(kept.sum())
    note = f"left out {int(near.sum())} + {n_test} near copies (correlation above {level:g})"
    return replace(dataset, train=train[~near], test=test[kept], notes=(*dataset.notes, note))


def groups(images: ImageSet, level: float = LEVEL) -> Tensor:
    """A number for each image, (N,) int64: equal where a chain of near copies joins two."""
    from scipy.sparse.csgraph import connected_components

    joined = (correlations(images, images) > level).numpy()
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()


def apart(images: ImageSet, n: int, level: float = LEVEL) -> tuple[ImageSet, ImageSet]:
    """All but about n images, and those: whole groups of copies, the last ones in their order."""
    group = groups(images, level)
    order = group.unique(sorted=True).flip(0)
    sizes = torch.bincount(group)[order].cumsum(0)
    held = torch.isin(group, order[: int((sizes < n).sum()) + 1])
    return images[~held], images[held]


def _first_of_each(near: Tensor) -> Tensor:
    """Which images stay when each drops all later ones that are near it: (N,) bool."""
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
    x = x - x.mean(1, keepdim=True)
    return x / x.norm(dim=1, keepdim=True).clamp_min(1e-6)
