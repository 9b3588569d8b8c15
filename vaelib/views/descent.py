"""The second view of chapter 2: gradient descent on a bowl, and on a small network."""

from __future__ import annotations

import traitlets

from vaelib.views import Choice, View, bundle

MOST_STEPS = 3000
RATES = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.12, 0.15, 0.18, 0.19, 0.2, 0.205, 0.22, 0.3,
    0.5, 0.8, 1, 1.5, 2, 3,
)  # fmt: skip
WIDTHS = (2, 3, 4, 6, 8, 12, 16)


class Descent(View):
    """Descend a quadratic bowl, or the cost of a network with one hidden layer.

    scene        "bowl" or "network"
    rate         the learning rate, one of RATES
    steps        updates made, at most MOST_STEPS
    start        [w1, w2] on the bowl, whose axes are turned by half a radian
    hidden       units of the network, one of WIDTHS
    activation   "tanh" or "sigmoid"
    target       the curve to fit on [-1, 1]: "sine", "step" or "bump"
    seed         of the first weights
    loss         the cost after these steps; None until the view is displayed, or where it is
                 no longer a finite number

    The bowl is 1/2 w'Hw with these `curvatures`; the network's cost is half the mean squared
    error at 41 places, and every step uses all of them.
    Raises ValueError for curvatures that are not positive, traitlets.TraitError for a value that
    cannot be chosen.
    """

    _esm = bundle("descent")
    scene = traitlets.Enum(["bowl", "network"], "bowl").tag(sync=True)
    rate = Choice("rates")
    steps = traitlets.Int(0, min=0, max=MOST_STEPS).tag(sync=True)
    start = traitlets.List(traitlets.Float(), [2.2, 0.7], minlen=2, maxlen=2).tag(sync=True)
    hidden = Choice("widths")
    activation = traitlets.Enum(["tanh", "sigmoid"], "tanh").tag(sync=True)
    target = traitlets.Enum(["sine", "step", "bump"], "sine").tag(sync=True)
    seed = traitlets.Int(1, min=0).tag(sync=True)
    loss = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self, *, curvatures: tuple[float, float] = (1.0, 10.0), **traits: str | float | list[float]
    ):
        if not min(curvatures) > 0:
            raise ValueError(f"the curvatures of a bowl are positive, not {curvatures}")
        data = {"rates": list(RATES), "widths": list(WIDTHS), "curvatures": list(curvatures)}
        opening = {"rate": 0.15, "steps": 6, "hidden": 8}
        if traits.get("scene") == "network":
            opening |= {"rate": 0.5, "steps": 40}
        label = "Gradient descent on a bowl, and on the cost of a small network"
        super().__init__(data, label, **(opening | traits))
