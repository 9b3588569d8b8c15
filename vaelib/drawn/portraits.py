"""Portraits: faces of no real person, drawn from a table of exactly known attributes.

draw_faces(attributes) is a function of the table alone: change one column and draw again, and
the pair differs by that attribute and nothing else. faces(n) draws the table too. Row i depends
on the seed and on i only: the first k of n faces are the set of k faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from vaelib.data.common import DataError, ImageSet, near
from vaelib.drawn import face, shapes

# What varies, and its range. Uniform over it, except for `glasses` and `beard`.
ATTRIBUTES = {
    "smile": (-1, 1),  # corners of the mouth down .. a broad smile that shows the teeth
    "glasses": (0, 1),  # without or with; between them, see-through
    "frame": (0, 1),  # of the glasses, worn or not: round .. square
    "beard": (0, 1),  # none, stubble .. full
    "blond": (0, 1),  # black, brown .. blond
    "red": (0, 1),
    "hair_length": (0, 1),  # cropped .. below the shoulders
    "curl": (0, 1),  # smooth .. wavy
    "parting": (-1, 1),  # left .. right
    "fringe": (0, 1),
    "age": (0, 1),  # lines, gray hair, a higher forehead
    "roundness": (0, 1),  # of the face
    "yaw": (-1, 1),  # 24 degrees to the left .. to the right
    "light": (-1, 1),  # from the left .. from the right
    "skin": (0, 1),  # pale .. dark
    "eyes": (0, 1),  # brown, green .. blue
    "brows": (0, 1),  # thin .. thick
    "nose": (0, 1),  # small .. large
    "lips": (0, 1),  # thin .. full
    "backdrop": (0, 1),  # hue
    "clothes": (0, 1),  # hue
}
GLASSES_SHARE, BEARD_SHARE = 0.35, 0.4


@dataclass(frozen=True)
class Portraits:
    """Faces with their truth: attributes (N, A) float32, columns as in ATTRIBUTES; labels are 0."""

    images: ImageSet
    attributes: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def value(self, name: str) -> Tensor:
        """One attribute of all faces: (N,). Raises DataError for an unknown name."""
        return self.attributes[:, position(name)]


def position(name: str) -> int:
    """The column of an attribute. Raises DataError, with the nearest name, for an unknown one."""
    names = list(ATTRIBUTES)
    if name not in names:
        raise DataError(f"no attribute {name!r}{near(name, names)} There are {', '.join(names)}")
    return names.index(name)


def faces(n: int, *, seed: int = 0, size: int = 64, confounding: float = 0.0) -> Portraits:
    """n portraits of size x size in color, bytes, with their attributes.

    All attributes are independent, those of skin, hair and eyes too, as in no population.
    `confounding`, in [-1, 1], ties blond hair to the smile: it is the correlation of their
    Gaussian copula. Each keeps its own distribution, and at 1 the second is a nondecreasing
    function of the first. Raises DataError for what cannot be drawn.
    """
    shapes.check_count(n, size)
    (stream,) = shapes.streams(seed, 1)
    uniform = stream.random((n, len(ATTRIBUTES)))
    table = torch.from_numpy(_attributes(_tied(uniform, confounding)))
    return Portraits(draw_faces(table, size=size), table)


def draw_faces(attributes: Tensor, *, size: int = 64) -> ImageSet:
    """The faces of a table (N, A), columns as in ATTRIBUTES: images (3, size, size).

    Raises DataError for a table of another shape and for a value outside its range.
    """
    _check_table(attributes)
    shapes.check_count(len(attributes), size)
    table = attributes.numpy(force=True).astype(np.float32)
    pixels = np.empty((len(table), 3 * size * size), np.uint8)
    for part in shapes.chunks(len(table), size):
        columns = table[part].T[:, :, None, None]
        image = face.draw(dict(zip(ATTRIBUTES, columns, strict=True)), size)
        pixels[part] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8).reshape(len(image), -1)
    labels = torch.zeros(len(table), dtype=torch.int64)
    return ImageSet(torch.from_numpy(pixels), labels, (3, size, size))


def _tied(uniform: ndarray, confounding: float) -> ndarray:
    """Uniform numbers (n, A) whose columns smile and blond have a Gaussian copula."""
    if not -1 <= confounding <= 1:
        raise DataError(f"confounding is {confounding!r}, expected a correlation in [-1, 1]")
    if confounding:
        first, second = position("smile"), position("blond")
        a, b = torch.special.ndtri(torch.from_numpy(uniform[:, [first, second]])).T
        both = confounding * a + (1 - confounding**2) ** 0.5 * b
        uniform[:, second] = torch.special.ndtr(both).numpy()
    return uniform


def _attributes(uniform: ndarray) -> ndarray:
    """Map uniform numbers (n, A) to the distribution of each attribute; no map decreases."""
    low, high = np.array(list(ATTRIBUTES.values()), float).T
    table = low + uniform * (high - low)
    glasses, beard = position("glasses"), position("beard")
    table[:, glasses] = uniform[:, glasses] >= 1 - GLASSES_SHARE
    table[:, beard] = np.maximum(0, 1 - (1 - uniform[:, beard]) / BEARD_SHARE)
    return table.astype(np.float32)


def _check_table(attributes: Tensor) -> None:
    shape = tuple(attributes.shape)
    if len(shape) != 2 or shape[1] != len(ATTRIBUTES):
        raise DataError(f"attributes have shape {shape}, expected (N, {len(ATTRIBUTES)})")
    low, high = torch.tensor(list(ATTRIBUTES.values()), dtype=attributes.dtype).T
    wrong = ~((attributes >= low) & (attributes <= high))
    if wrong.any():
        row, col = wrong.nonzero()[0].tolist()
        name, (least, most) = list(ATTRIBUTES.items())[col]
        raise DataError(
            f"{name} of row {row} is {attributes[row, col]:.4g}, expected [{least}, {most}]: "
            "clamp what you add to an attribute."
        )
