"""The view of chapter 8: samples that move with mu, and two estimators of one derivative."""

from __future__ import annotations

import numpy as np
import traitlets

from vaelib.views import View, bundle

# As in reparam.js, in the same order.
FUNCTIONS = ("square", "sine", "exponential", "step")
MEANS, STDS = (-2.0, 2.0), (0.1, 1.5)
N_ESTIMATES = 400  # in each histogram


class ReparamPaths(View):
    """Samples z = mean + std * eps on the curve of f, and estimates of the derivative of E f(z).

    All derivatives are with respect to the mean; the variances are those of one estimate from
    one sample. Everything has the units of f.

    rng                draws the noise, which both estimators use
    function           the f, one of FUNCTIONS: z^2, sin 3z, exp z, 1 for z > 0
    mean, std          of q, within MEANS and STDS
    derivative         of E f(z), exactly
    score_variance     of the score-function estimator
    pathwise_variance  of the pathwise estimator

    The last three are None until the view is displayed.
    Raises traitlets.TraitError for a value that a trait does not take.
    """

    _esm = bundle("reparam")
    function = traitlets.Enum(FUNCTIONS, FUNCTIONS[0]).tag(sync=True)
    mean = traitlets.Float(1.0, min=MEANS[0], max=MEANS[1]).tag(sync=True)
    std = traitlets.Float(0.75, min=STDS[0], max=STDS[1]).tag(sync=True)
    derivative = traitlets.Float(None, allow_none=True).tag(sync=True)
    score_variance = traitlets.Float(None, allow_none=True).tag(sync=True)
    pathwise_variance = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, rng: np.random.Generator, **traits: object):
        eps = rng.standard_normal(N_ESTIMATES).astype(np.float32)
        label = "Explorer: samples of q on the curve of f, and two estimators of one derivative"
        super().__init__({"eps": eps}, label, **traits)
