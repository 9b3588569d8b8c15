"""The view of chapter 7: the exact denoiser and a trained one move a point, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets
from numpy.typing import NDArray

from vaelib.views import Choice, View, bundle

N_STEPS = 30


class DenoisingWalk(View):
    """A point of the plane moved by x <- r(x), once by the posterior mean, once by a trained r.

    noise_std       the noise level of both denoisers, one of `noise_stds`
    start           the point before the first step, both coordinates within the extent
    step            how often it was moved, 0 to N_STEPS
    exact, trained  where the point is now, [x1, x2]; None until the view is displayed

    Raises traitlets.TraitError for a value that a trait does not take.
    """

    _esm = bundle("autoencoder")
    noise_std = Choice("stds")
    start = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(1.0, 0.1)).tag(
        sync=True
    )
    step = traitlets.Int(0, min=0, max=N_STEPS).tag(sync=True)
    exact = traitlets.List(None, allow_none=True).tag(sync=True)
    trained = traitlets.List(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        curve: NDArray,
        noise_stds: Sequence[float],
        learned: NDArray,
        *,
        extent: float,
        **traits: object,
    ):
        """Display the walk over [-extent, extent]^2.

        curve       points that the data take with equal probability, (K, 2)
        noise_stds  the noise levels to choose from, (S,)
        learned     r(x) - x of the trained denoisers, (S, G, G, 2); [s, i, j] at the i-th of G
                    equal steps of x_1 and the j-th of x_2 over [-extent, extent]

        Raises ValueError when the shapes do not fit.
        """
        curve, learned = np.asarray(curve, np.float32), np.asarray(learned, np.float16)
        side = learned.shape[1] if learned.ndim == 4 else 0
        if learned.shape != (len(noise_stds), side, side, 2) or curve.shape[1:] != (2,):
            raise ValueError(
                f"learned is {learned.shape} and curve {curve.shape}, expected (S, G, G, 2) with "
                f"S = {len(noise_stds)} noise levels, and (K, 2)"
            )
        stds = [float(s) for s in noise_stds]
        data = {"curve": curve, "stds": stds, "learned": learned, "extent": float(extent)}
        label = "Explorer: the exact denoiser and a trained one move a point of the plane"
        super().__init__(data, label, **{"noise_std": stds[(len(stds) - 1) // 2], **traits})

    @traitlets.validate("start")
    def _on_the_picture(self, proposal: dict) -> tuple[float, float]:
        extent = self.data["extent"]
        if max(map(abs, proposal["value"])) > extent:
            raise traitlets.TraitError(f"start is {proposal['value']}, expected within {extent}")
        return proposal["value"]
