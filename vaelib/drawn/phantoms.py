"""Brain phantoms: axial slices drawn by a program, with lesions of three kinds and exact masks.

They show nobody's anatomy, and a lesion is drawn by its kind, not simulated: the score of a
detector here says how it works, not what it would find in patients.

Head, skull, cortical folds, ventricles, deep gray matter, tissue contrast, bias field and noise
vary; a lesion is added to the finished tissue. So the same seed with `lesion=None` gives the
healthy twin of every image.

Image i depends on the seed and on i only: the first k of n images are the set of k images,
and neither `lesion_share` nor any option of the lesions moves the anatomy or the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor

from vaelib.data.common import DataError, ImageSet, near
from vaelib.drawn import anatomy, shapes
from vaelib.drawn.shapes import cover, field, length, step

# Labels 1, 2, 3; label 0 is a healthy brain.
KINDS = ("glioma", "meningioma", "pituitary")
RADII = {"glioma": (0.15, 0.28), "meningioma": (0.10, 0.22), "pituitary": (0.06, 0.11)}
LESION = ("has", "kind", "contrast", "radius", "side", "angle", "reach", "a", "b", "c", "d", "e")
BIAS = 3  # order of the bias field, which brightens one side of the image
FULL = 0.25  # from this contrast on, a lesion replaces the tissue it grows in


@dataclass(frozen=True)
class Phantoms:
    """Slices with their truth.

    images.labels: 0 healthy, 1 to 3 as in KINDS. masks (N, D) bool: the pixels whose center
    lies in the lesion; none where healthy, or where a lesion fits between the centers.
    contrast (N,): brightness of the lesion above white matter, as a share of the full scale.
    radius (N,): of the outline without its lobes, in half widths of the image. Both are 0
    where healthy.
    """

    images: ImageSet
    masks: Tensor
    contrast: Tensor
    radius: Tensor

    def __len__(self) -> int:
        return len(self.images)


def phantoms(
    n: int,
    *,
    seed: int = 0,
    size: int = 64,
    lesion: str | None = "any",
    lesion_share: float = 0.5,
    contrast: tuple[float, float] = (0.12, 0.35),
) -> Phantoms:
    """n slices of size x size, one channel, bytes.

    lesion: "any" (each kind in turn equally likely), one of KINDS, or None for healthy brains.
    lesion_share: the probability that a brain has one. contrast: its range, (lowest, highest).

    With contrast c and the part k of a pixel that the lesion covers, tissue t becomes
    t + k min(1, 4 c) (w + c s - t): w is white matter, and s is 1 but for the dark core of a
    glioma. So outside the mask only pixels cut by the outline change, and c = 0 is the twin.
    Raises DataError for what cannot be drawn.
    """
    shapes.check_count(n, size)
    _check(lesion, lesion_share, contrast)
    rng_anatomy, rng_lesion, rng_fields, rng_noise = shapes.streams(seed, 4)
    parts = []
    for part in shapes.chunks(n, size):
        m = part.stop - part.start
        known = shapes.column(rng_anatomy.random((m, len(anatomy.RANGES))), anatomy.RANGES)
        row = dict(zip(LESION, rng_lesion.random((m, len(LESION))).T, strict=True))
        coef = rng_fields.standard_normal((m, anatomy.N_COEF + BIAS**2), np.float32)
        grain = rng_noise.standard_normal((m, 2, size, size), np.float32)
        row = _choose(row, lesion, lesion_share, contrast)
        parts.append(_draw(known, row, coef, grain))
    pixels, masks, labels, contrasts, radii = (
        torch.from_numpy(np.concatenate(a)) for a in zip(*parts, strict=True)
    )
    return Phantoms(ImageSet(pixels, labels, (1, size, size)), masks, contrasts, radii)


def _check(lesion: str | None, share: float, contrast: tuple[float, float]) -> None:
    kinds = ("any", *KINDS)
    if lesion is not None and lesion not in kinds:
        raise DataError(
            f"lesion is {lesion!r}{near(lesion, kinds)} Expected None or one of {', '.join(kinds)}"
        )
    if not 0 <= share <= 1:
        raise DataError(
            f"lesion_share is {share!r}, expected a probability in [0, 1]; "
            "0.5 gives half of the brains a lesion."
        )
    pair = isinstance(contrast, tuple | list) and len(contrast) == 2
    if not pair or not 0 <= contrast[0] <= contrast[1] <= 1:
        raise DataError(
            f"contrast is {contrast!r}, expected (lowest, highest) with "
            "0 <= lowest <= highest <= 1; give the same number twice to fix it."
        )


def _choose(row, lesion, share, contrast) -> dict[str, ndarray]:
    """Kind (0 where healthy), contrast, radius and free numbers of each lesion: (n,)."""
    kind = 1 + (row["kind"] * len(KINDS)).astype(np.int64)
    if lesion in KINDS:
        kind[:] = 1 + KINDS.index(lesion)
    healthy = (row["has"] >= share) | (lesion is None)
    own = np.array([RADII[k] for k in KINDS])[kind - 1].T
    scaled = {
        "radius": own[0] + row["radius"] * (own[1] - own[0]),
        "contrast": contrast[0] + row["contrast"] * (contrast[1] - contrast[0]),
    }
    chosen = {name: np.where(healthy, 0, value) for name, value in scaled.items()}
    return {**row, **chosen, "kind": np.where(healthy, 0, kind)}


def _draw(known, row, coef, grain) -> tuple[ndarray, ...]:
    """Pixels, masks, labels, contrast and radius of one chunk."""
    n, size = len(grain), grain.shape[-1]
    brain = anatomy.Brain(known, coef[:, : anatomy.N_COEF], size)
    lesion = {name: value.astype(np.float32)[:, None, None] for name, value in row.items()}
    distance, shade = _lesion(brain, lesion)
    share = cover(distance, brain.edge) * np.minimum(1, lesion["contrast"] / FULL)
    tissue = brain.tissue + share * (brain.white + lesion["contrast"] * shade - brain.tissue)
    coil = np.exp(
        known["bias"] * field(coef[:, anatomy.N_COEF :].reshape(n, BIAS, BIAS), size, low=1)
    )
    # The magnitude of a complex signal with noise in both parts, as in a scanner.
    image = length(tissue * coil + known["noise"] * grain[:, 0], known["noise"] * grain[:, 1])
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8).reshape(n, -1)
    small = (row[name].astype(np.float32) for name in ("contrast", "radius"))
    return pixels, (distance < 0).reshape(n, -1), row["kind"], *small


def _lesion(brain: anatomy.Brain, lesion: dict[str, ndarray]) -> tuple[ndarray, ndarray]:
    """Distance to the outline of each lesion, and its shade in units of the contrast."""
    kinds = [lesion["kind"] == i for i in range(len(KINDS) + 1)]
    center_u, center_v = _place(brain, lesion)
    u, v = brain.u - center_u, brain.v - center_v
    away, radius = length(u, v), np.maximum(lesion["radius"], 1e-3)
    lobes = _lobes(u / (away + 1e-6), v / (away + 1e-6), [lesion[k] for k in "cde"])
    rough = np.where(kinds[1], np.float32(1), np.float32(0.15))
    wobble = rough * lobes + 0.10 * kinds[1].astype(np.float32) * brain.rough
    distance = away - radius * (1 + wobble)
    distance = np.maximum(distance, -brain.depth)  # never beyond the skull
    core = cover(distance + (0.38 + 0.15 * lesion["a"]) * radius, 0.35 * radius)
    rim = 0.55 + 0.45 * step(-distance / radius, 0.05, 0.25)
    shade = np.where(kinds[1], rim - 2.2 * core, np.float32(1))
    return np.where(kinds[0], np.float32(9), distance), shade


def _lobes(c: ndarray, s: ndarray, phases: list[ndarray]) -> ndarray:
    """An outline's waves of two, three and four lobes, from cosine and sine of the direction."""
    total, ck, sk = np.zeros_like(c), c, s
    for height, phase in zip((0.16, 0.13, 0.10), phases, strict=True):
        ck, sk = ck * c - sk * s, sk * c + ck * s
        total += height * (sk * np.cos(2 * np.pi * phase) + ck * np.sin(2 * np.pi * phase))
    return total


def _place(brain: anatomy.Brain, lesion: dict[str, ndarray]) -> tuple[ndarray, ndarray]:
    """The center by kind: in a hemisphere, at the inside of the skull, or low in the middle."""
    p, glioma, low = brain.p, lesion["kind"] == 1, lesion["kind"] == 3
    inner = p["head"] - p["scalp"] - p["skull"]
    wide = p["head"] * p["aspect"] - p["scalp"] - p["skull"]
    # A glioma keeps away from the midline: 40 to 140 degrees from the front, on either side.
    side = np.copysign(np.float32(1), lesion["side"] - 0.5)
    around = np.where(glioma, side * (0.7 + 1.75 * lesion["angle"]), 2 * np.pi * lesion["angle"])
    reach = np.where(glioma, 0.38 + 0.22 * lesion["reach"], 1 - 0.75 * lesion["radius"] / inner)
    u, v = reach * wide * np.sin(around), -reach * inner * np.cos(around)
    u = u * (1 + p["egg"] * v)
    base_u, base_v = 0.05 * (lesion["a"] - 0.5), -0.10 + 0.06 * (lesion["b"] - 0.5)
    return np.where(low, base_u, u), np.where(low, base_v, v)
