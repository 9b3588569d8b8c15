"""The view of chapter 6: three gradient estimators ascend one ELBO, with the same noise."""

from __future__ import annotations

import numpy as np
import traitlets

from vaelib.views import View, bundle

# As in search.js, in the same order.
FUNCTIONS = ("quadratic", "two modes", "oscillating", "quartic")
STEP_SIZES = ("1/(t + 10)", "1/t", "0.05", "1/(4t^2)")
SAMPLES = (1, 2, 5, 10, 20)
N_STEPS = 120
N_ESTIMATES = 300  # in each histogram


class SearchRace(View):
    """Stochastic gradient ascent on E_q[f] + entropy of q = N(mu, sigma^2), by three estimators.

    rng         draws the noise, which all three estimators use
    function    the f, one of FUNCTIONS
    step_sizes  as a function of the step t = 1, 2, ...; one of STEP_SIZES
    n_samples   of z for one estimate of the gradient, one of SAMPLES
    step        how many steps were made, 0 to N_STEPS
    elbos       in nats, by the name of the estimator; None for one that diverged
    positions   [mu, sigma], by the name of the estimator; None for one that diverged

    elbos and positions are None until the view is displayed.
    Raises traitlets.TraitError for a value that a trait does not take.
    """

    _esm = bundle("search")
    function = traitlets.Enum(FUNCTIONS, FUNCTIONS[0]).tag(sync=True)
    step_sizes = traitlets.Enum(STEP_SIZES, STEP_SIZES[0]).tag(sync=True)
    n_samples = traitlets.Enum(SAMPLES, 5).tag(sync=True)
    step = traitlets.Int(0, min=0, max=N_STEPS).tag(sync=True)
    elbos = traitlets.Dict(None, allow_none=True).tag(sync=True)
    positions = traitlets.Dict(None, allow_none=True).tag(sync=True)

    def __init__(self, rng: np.random.Generator, **traits: object):
        draw = (rng.standard_normal((n, max(SAMPLES))) for n in (N_STEPS, N_ESTIMATES))
        noise, probes = (eps.astype(np.float32) for eps in draw)
        label = "Explorer: three gradient estimators ascend one ELBO with the same noise"
        super().__init__({"noise": noise, "probes": probes}, label, **traits)
