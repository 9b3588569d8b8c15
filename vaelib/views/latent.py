"""The view of chapter 10: move a point over the encoded images, see the image decoded there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import traitlets
from numpy.typing import ArrayLike

from vaelib.views import View, bundle
from vaelib.views.network import pack_pruned

if TYPE_CHECKING:
    from torch import nn

BLACK = np.log(1 / 511)  # the logit of a pixel of 1/512: what stays below is drawn black


class LatentExplorer(View):
    """A plane of encoded images, and the image decoded at a point of it.

    decoder  linear layers with a ReLU between two of them, from 2 latents to the logits of
             side x side pixels; the page gets its weights in int8, for z on the plane only
    codes    of some images, (N, 2), and their classes: labels (N,), 0, 1, ...
    centers  where to name each class that occurs, (K, 2)
    colors   of the classes 0, 1, ..., as "#rrggbb"
    extent   the plane reaches from -extent to extent on both axes

    `z` is the chosen point, [z1, z2].
    Raises traitlets.TraitError for a z outside the plane.
    """

    _esm = bundle("latent")
    z = traitlets.List(traitlets.Float(), [0.0, 0.0], minlen=2, maxlen=2).tag(sync=True)

    def __init__(
        self, decoder: nn.Sequential, codes: ArrayLike, labels: ArrayLike, centers: ArrayLike,
        *, colors: Sequence[str], extent: float = 4.0, **traits: list[float],
    ):  # fmt: skip
        ticks = np.linspace(-extent, extent, 121)
        plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        layers, pixels = pack_pruned(decoder, plane, floor=BLACK)
        data = {
            "layers": layers,
            "pixels": pixels.astype(np.int32),
            "side": round(decoder[-1].out_features ** 0.5),
            "codes": np.asarray(codes, np.float16),
            "labels": np.asarray(labels, np.uint8),
            "classes": np.unique(labels).astype(np.int32),
            "centers": np.asarray(centers, np.float32),
            "colors": list(colors),
            "extent": extent,
        }
        label = "Latent explorer: a plane of encoded images and the image decoded at a point of it"
        super().__init__(data, label, **traits)

    @traitlets.validate("z")
    def _on_the_plane(self, proposal: dict) -> list[float]:
        extent = self.data["extent"]
        if not all(abs(value) <= extent for value in proposal["value"]):
            raise traitlets.TraitError(
                f"z = {proposal['value']} lies outside the plane, [-{extent:g}, {extent:g}] squared"
            )
        return proposal["value"]
