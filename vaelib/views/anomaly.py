"""The view of chapter 12: slices with a lesion, their error maps, and what a threshold finds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from vaelib.views import Choice, Place, View, bundle


class AnomalyExplorer(View):
    """Slice, reconstruction and error map, and the pixels whose error is above a threshold.

    images, reconstructions  (K, L, D) in [0, 1], for K slices of side x side pixels and the L
                             contrasts of their lesion, increasing
    errors                   (K, L, D), at least 0; all maps are drawn on one scale, from 0 to the
                             largest error
    masks                    (K, D) bool, the lesion of each slice

    slice_index  which of the slices, from 0
    contrast     of the lesion, one of `contrasts`; the largest at first
    threshold    in units of the errors, up to the largest of them
    dice         of mask and pixels above the threshold; None until it is displayed

    Raises ValueError for shapes that do not match, and traitlets.TraitError for a slice or
    contrast that there is not and a threshold outside the scale.
    """

    _esm = bundle("anomaly")
    slice_index = Place("masks")
    contrast = Choice("contrasts")
    threshold = traitlets.Float().tag(sync=True)
    dice = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self, images: ArrayLike, reconstructions: ArrayLike, errors: ArrayLike, masks: ArrayLike,
        *, contrasts: Sequence[float], threshold: float, **traits: float,
    ):  # fmt: skip
        images, reconstructions, errors = map(np.asarray, (images, reconstructions, errors))
        masks = np.asarray(masks)
        shape = (len(masks), len(contrasts), masks.shape[-1])
        named = {"images": images, "reconstructions": reconstructions, "errors": errors}
        for name, array in named.items():
            if array.shape != shape:
                raise ValueError(f"{name} have shape {array.shape}, expected {shape}")
        scale = float(errors.max())
        data = {
            "images": _bytes(images),
            "reconstructions": _bytes(reconstructions),
            "errors": _bytes(errors / scale),
            "masks": masks.astype(np.uint8),
            "contrasts": list(map(float, contrasts)),
            "scale": scale,
            "side": round(shape[-1] ** 0.5),
        }
        label = (
            "Anomaly explorer: a slice, its reconstruction, the error, and what a threshold finds"
        )
        start = {"contrast": data["contrasts"][-1], "threshold": float(threshold)}
        super().__init__(data, label, **start | traits)

    @traitlets.validate("threshold")
    def _on_the_scale(self, proposal: dict) -> float:
        if not 0 <= proposal["value"] <= self.data["scale"]:
            raise traitlets.TraitError(
                f"threshold lies between 0 and the largest error, {self.data['scale']:.3g}, "
                f"not {proposal['value']:.3g}"
            )
        return proposal["value"]


def _bytes(values: NDArray) -> NDArray:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
