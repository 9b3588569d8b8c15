"""The view of chapter 2: a sum of sigmoids that climbs along a function, and its largest error."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from vaelib.sigmoids import CURVES
from vaelib.views import Choice, View, bundle


class SigmoidExplorer(View):
    """Choose a function, the number of sigmoids and how sharp they are.

    steps         the numbers of steps to choose from, ascending
    sharpnesses   the values to choose from
    curve         a key of vaelib.sigmoids.CURVES
    n_steps       one of the steps; at first the first one
    sharpness     one of the sharpnesses; at first the first one
    error         the largest |f - sum|, as vaelib.sigmoids.largest_error measures it
    bound         what vaelib.sigmoids.proven_bound gives, None for a function with a jump

    error and bound are None until the view is displayed.
    Raises traitlets.TraitError for a curve, n_steps or sharpness that cannot be chosen.
    """

    _esm = bundle("sigmoids")
    curve = traitlets.Enum(list(CURVES), "wave").tag(sync=True)
    n_steps = Choice("steps")
    sharpness = Choice("sharpnesses")
    error = traitlets.Float(None, allow_none=True).tag(sync=True)
    bound = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, steps: Sequence[int], sharpnesses: Sequence[int], **traits: str | int):
        data = {"steps": list(steps), "sharpnesses": list(sharpnesses)}
        label = "Explorer: a function, its sum of sigmoids, and the error for each number of steps"
        super().__init__(data, label, **traits)
