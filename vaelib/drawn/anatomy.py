"""The healthy anatomy of a brain phantom: head, skull, folds, ventricles and deep gray matter."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from vaelib.drawn import shapes
from vaelib.drawn.shapes import angle, cover, ellipse, field, length, mix, segment, smooth_min, step

WHOLE = (0.0, 1.0)
# Every length is in half widths of the image, every angle in radians.
RANGES = {
    "head": (0.86, 0.96),  # half the length of the head
    "aspect": (0.76, 0.87),  # width over length
    "egg": (0.02, 0.13),  # wider behind than in front
    "tilt": (-0.14, 0.14),
    "shift_u": (-0.025, 0.025),
    "shift_v": (-0.025, 0.025),
    "scalp": (0.03, 0.06),
    "skull": (0.035, 0.065),
    "atrophy": WHOLE,  # wide sulci and wide ventricles
    "ventricles": (0.75, 1.3),
    "asymmetry": (-0.25, 0.25),
    "level": WHOLE,  # of the slice: 0 at the third ventricle, 1 above the ventricles
    "folds": (19.0, 28.0),  # sulci around the brain
    "depth": (0.14, 0.27),  # of a sulcus
    "ribbon": (0.05, 0.075),  # thickness of the cortex
    "phase": (0.0, 6.28),
    "gray": (0.36, 0.46),
    "white": (0.58, 0.70),
    "fat": (0.62, 0.92),
    "bias": (0.03, 0.11),
    "noise": (0.006, 0.024),
}
FLUID, BONE, MARROW = 0.10, 0.045, 0.26
N_FIELDS, ORDER = 4, 7  # random fields of one brain and their order
N_COEF = N_FIELDS * ORDER**2


class Brain:
    """A chunk of n slices: `tissue` (n, S, S) without bias or noise, and the frame it is in.

    u, v: coordinates of the head. depth: distance below the inside of the skull. rough: a
    random field. white: the level of white matter (n, 1, 1). edge: the width of an outline.
    """

    def __init__(self, p: dict[str, ndarray], coef: ndarray, size: int):
        fields = coef.reshape(-1, N_FIELDS, ORDER, ORDER)
        warp_u, warp_v, self.rough, fine = (field(fields[:, i], size) for i in range(N_FIELDS))
        self.p, self.edge, self.white = p, np.float32(3 / size), p["white"]
        self.u, self.v = _frame(p, size)
        skin = _outline(p, self.u, self.v)
        self.depth = -(skin + p["scalp"] + p["skull"])
        u, v = self.u + 0.022 * warp_u, self.v + 0.022 * warp_v
        cortex = self._folds(u, v, fine)
        matter = self._matter(u, v, cortex, fine)
        matter = mix(matter, FLUID, cover(np.minimum(cortex, self._ventricles(u, v)), self.edge))
        head = self._head(skin)
        self.tissue = mix(head, matter, cover(-self.depth, self.edge))

    def _head(self, skin: ndarray) -> ndarray:
        """Scalp, skull with its marrow, air around."""
        p, edge = self.p, self.edge
        bone = mix(BONE, MARROW, cover(np.abs(skin + p["scalp"] + p["skull"] / 2) - 0.006, edge))
        fat = p["fat"] * (0.86 + 0.1 * self.rough)
        return mix(0, mix(fat, bone, cover(skin + p["scalp"], edge)), cover(skin, edge))

    def _folds(self, u: ndarray, v: ndarray, fine: ndarray) -> ndarray:
        """Depth below the nearest surface of the cortex; negative in the fluid around it."""
        p = self.p
        gap = 0.012 + 0.03 * p["atrophy"]
        wide = 0.004 + 0.014 * p["atrophy"]
        depth = self.depth - gap
        around = angle(u, -v)
        phase = p["folds"] * (around / (2 * np.pi)) + 0.35 * self.rough + 2.2 * fine * depth
        across = (phase - np.rint(phase)) * (2 * np.pi * length(u, v) / p["folds"])
        end = (
            p["depth"] * (1 + 0.35 * p["level"]) * (0.62 + 0.38 * np.sin(2.4 * phase + p["phase"]))
        )
        sulcus = length(across, np.maximum(depth - end, 0))
        fissure = np.minimum(self._midline(u, v), self._sylvian(u, v))
        cleft = np.minimum(sulcus, fissure)
        return np.minimum(depth, cleft - wide)

    def _midline(self, u: ndarray, v: ndarray) -> ndarray:
        """Distance to the fissure between the halves: in front and behind, all along on top."""
        p = self.p
        reach = p["head"] * mix(0.46, -0.1, step(p["level"], 0.72, 0.9))
        return length(u, np.maximum(reach - np.abs(v + 0.03), 0))

    def _sylvian(self, u: ndarray, v: ndarray) -> ndarray:
        """Distance to the cleft at each side, which low slices cut."""
        p = self.p
        out = p["head"] * p["aspect"]
        inside = mix(0.50, 0.85, p["level"]) * out
        d, _ = segment(np.abs(u), v, (out, -0.10), (inside, -0.02))
        return d

    def _matter(self, u: ndarray, v: ndarray, cortex: ndarray, fine: ndarray) -> ndarray:
        """White matter, the gray ribbon on it, and the gray matter deep inside."""
        p, edge = self.p, self.edge
        low = step(-p["level"], -0.62, -0.40)  # 1 in low slices
        side = np.abs(u)
        thalamus = ellipse(side - 0.125, v - 0.10, 0.085, 0.135)
        caudate = ellipse(side - 0.175 * p["ventricles"], v + 0.20, 0.045, 0.11)
        lens, along = segment(side, v, (0.27, -0.17), (0.31, 0.10))
        lens = lens - 0.06 * (1 - 0.5 * along)
        deep = cover(np.minimum(np.minimum(thalamus, caudate), lens), 1.6 * edge) * low
        gray = np.maximum(cover(cortex - p["ribbon"], 1.2 * edge), 0.9 * deep)
        return mix(p["white"] + 0.012 * fine, p["gray"] + 0.012 * self.rough, gray)

    def _ventricles(self, u: ndarray, v: ndarray) -> ndarray:
        """Distance to the lateral ventricles and the third one between them."""
        p = self.p
        level = p["level"]
        swell = p["ventricles"] * (0.75 + 0.6 * p["atrophy"])
        swell = swell * (1 - step(level, 0.70, 0.88)) - 1.2 * step(level, 0.78, 0.9)
        left = 1 + p["asymmetry"] * np.clip(u / 0.1, -1, 1)
        side = np.abs(u)
        mid = 0.05 + 0.02 * swell
        front, t = segment(side, v, (mid, -0.08), (mid + 0.09 * swell, -0.30 - 0.05 * swell))
        front = front - 0.043 * swell * left * (0.75 + 0.35 * t)
        body, _ = segment(side, v, (mid, -0.10), (mid + 0.03, 0.16))
        body = body - 0.048 * swell * left * step(level, 0.3, 0.6)
        body = body + 0.2 * step(-level, -0.45, -0.25)  # none in low slices
        bend = mix(0.14, mid + 0.03, step(level, 0.3, 0.6))
        back, t = segment(side, v, (bend, 0.16), (0.20 + 0.07 * swell, 0.40 + 0.06 * swell))
        back = back - 0.058 * swell * left * (1.0 - 0.45 * t)
        third, _ = segment(u, v, (0, 0.0), (0, 0.17))
        third = third - 0.012 - 0.016 * p["atrophy"] + 0.4 * step(level, 0.3, 0.42)
        lateral = smooth_min(smooth_min(front, body, 0.05), back, 0.05)
        return np.minimum(lateral, third)


def _frame(p: dict[str, ndarray], size: int) -> tuple[ndarray, ndarray]:
    """Coordinates of the head: shifted and turned."""
    u, v = shapes.grid(size)
    return shapes.turn(u - p["shift_u"], v - p["shift_v"], p["tilt"])


def _outline(p: dict[str, ndarray], u: ndarray, v: ndarray) -> ndarray:
    """Distance to the skin: an ellipse that is wider behind."""
    wide = p["head"] * p["aspect"] * (1 + p["egg"] * v)
    return ellipse(u, v, wide, p["head"])
