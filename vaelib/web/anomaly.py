"""The reading desk: a drawn slice, its reconstruction, the error, and what a threshold finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vaelib.web import View, picture, tiles


def reading_desk(
    images: NDArray,
    made: NDArray,
    errors: NDArray,
    masks: NDArray,
    *,
    contrasts: Sequence[float],
    threshold: float,
    side: int,
    name: str = "reading-desk",
) -> View:
    """A view of K slices, each with a lesion of L contrasts.

    images, made and errors (K, L, side^2): slice, reconstruction and error map, each >= 0 and
    the first two in [0, 1]; masks (K, side^2) bool: the lesion. All error maps are drawn on one
    scale, from 0 to their largest value. threshold: where the slider starts, in units of errors.
    Raises ValueError for shapes that do not fit together.
    """
    shape = (len(masks), len(contrasts), side**2)
    for what, array in (("images", images), ("made", made), ("errors", errors)):
        if np.shape(array) != shape:
            raise ValueError(f"{what} have shape {np.shape(array)}, expected {shape}")
    scale = float(np.max(errors))
    data = {
        "images": _bytes(images),
        "made": _bytes(made),
        "errors": _bytes(np.asarray(errors) / scale),
        "masks": np.asarray(masks).astype(np.uint8),
        "contrasts": list(map(float, contrasts)),
        "scale": scale,
        "start": int(np.clip(round(100 * threshold / scale), 1, 99)),
        "side": side,
    }
    label = "Reading desk: a drawn slice, its reconstruction, the error, and what a threshold finds"
    return View(name, "anomaly", data, label=label, live=lambda: _controls(data))


def found(data: dict, slice_: int, contrast: int, percent: int) -> tuple[NDArray, float]:
    """The pixels whose error is above so many percent of the scale, and their Dice: as the page."""
    above = data["errors"][slice_, contrast] > 2.55 * percent
    mask = data["masks"][slice_].astype(bool)
    both = above.sum() + mask.sum()
    return above, float(2 * (above & mask).sum() / both) if both else 1.0


def _bytes(values: NDArray) -> NDArray:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def _controls(data: dict):
    """The live face: a slice, a contrast, a threshold, and four pictures."""
    import ipywidgets as widgets

    which = widgets.IntSlider(min=1, max=len(data["masks"]), description="slice")
    contrast = widgets.SelectionSlider(
        options=[(f"{c:.2f}", i) for i, c in enumerate(data["contrasts"])],
        value=len(data["contrasts"]) - 1,
        description="contrast",
    )
    percent = widgets.IntSlider(min=1, max=99, value=data["start"], description="threshold")

    def show(k: int, i: int, p: int) -> str:
        above, dice = found(data, k - 1, i, p)
        shown = {
            "slice": data["images"][k - 1, i] / 255,
            "reconstruction": data["made"][k - 1, i] / 255,
            "error": data["errors"][k - 1, i] / 255,
            f"above, Dice {dice:.2f}": 0.4 * data["masks"][k - 1] + 0.6 * above,
        }
        shape = data["side"], data["side"]
        return tiles({name: image.reshape(shape) for name, image in shown.items()}, 2)

    return widgets.VBox([which, contrast, percent, picture(show, which, contrast, percent)])
