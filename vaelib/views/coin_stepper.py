"""The first view of chapter 1: the posterior of a coin, toss by toss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets

from vaelib.views import Choice, View, bundle


class CoinStepper(View):
    """Play a sequence of tosses, for a choice of priors Beta(a, a).

    tosses        (N,) 1 for heads and 0 for tails, in the order in which they fell
    stops         the numbers of tosses to stop at, ascending, at most N
    strengths     the a to choose from, at least 1
    share         of heads, where the pictures have a line
    n_tosses      how many are shown, one of the stops; at first the first one
    strength      a of the prior, one of the strengths; at first the first one
    mean          of the posterior; None until the view is displayed
    interval      its central 95 % interval, [low, high]; None until the view is displayed

    Raises ValueError for a toss other than 0 and 1 or a stop beyond the last toss,
    traitlets.TraitError for an n_tosses or a strength that cannot be chosen.
    """

    _esm = bundle("coin_stepper")
    n_tosses = Choice("stops")
    strength = Choice("strengths")
    mean = traitlets.Float(None, allow_none=True).tag(sync=True)
    interval = traitlets.List(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        tosses: np.ndarray,
        stops: Sequence[int],
        strengths: Sequence[int],
        *,
        share: float,
        **traits: int,
    ):
        tosses = np.asarray(tosses)
        if not np.isin(tosses, (0, 1)).all():
            raise ValueError("tosses are 1 for heads and 0 for tails, nothing else")
        if max(stops) > len(tosses):
            raise ValueError(f"stop {max(stops)} is beyond the last of {len(tosses)} tosses")
        data = {
            "heads": np.concatenate([[0], np.cumsum(tosses)]).astype(np.int32),
            "stops": list(stops),
            "strengths": list(strengths),
            "share": share,
        }
        label = "Stepper: the posterior of a coin, toss by toss"
        super().__init__(data, label, **traits)
