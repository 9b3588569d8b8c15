"""The view of chapter 2: a sum of sigmoids that climbs along a function, and its largest error."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from vaelib.sigmoids import CURVES
from vaelib.views import View, bundle, one_of


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
    curve = traitlets.Unicode("wave").tag(sync=True)
    n_steps = traitlets.Int().tag(sync=True)
    sharpness = traitlets.Int().tag(sync=True)
    error = traitlets.Float(None, allow_none=True).tag(sync=True)
    bound = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, steps: Sequence[int], sharpnesses: Sequence[int], **traits: str | int):
        data = {"steps": list(steps), "sharpnesses": list(sharpnesses)}
        label = "Explorer: a function, its sum of sigmoids, and the error for each number of steps"
        start = {"n_steps": steps[0], "sharpness": sharpnesses[0]}
        super().__init__(data, label, **(start | traits))

    @traitlets.validate("curve")
    def _among_the_curves(self, proposal: dict) -> str:
        return one_of(proposal, tuple(CURVES))

    @traitlets.validate("n_steps")
    def _among_the_steps(self, proposal: dict) -> int:
        return one_of(proposal, self.data["steps"])

    @traitlets.validate("sharpness")
    def _among_the_sharpnesses(self, proposal: dict) -> int:
        return one_of(proposal, self.data["sharpnesses"])
