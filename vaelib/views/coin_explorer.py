"""The second view of chapter 1: how many tosses it takes to outweigh a strong prior."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from vaelib.views import Choice, View, bundle


class CoinExplorer(View):
    """How much of the posterior lies close to the share of heads, for any prior Beta(a, a).

    strengths     the a to choose from, at least 1
    counts        the numbers of tosses to choose from; share * n must be a whole number
    share         of heads in the tosses
    radius        what counts as close to the share
    thesis        (a, n) of the thesis, marked in the map; the view starts there
    strength      a of the prior, one of the strengths
    n_tosses      one of the counts
    mean          of the posterior; None until the view is displayed
    mass          its probability within `radius` of `share`; None until the view is displayed

    Raises ValueError for a count whose number of heads is not whole, traitlets.TraitError for a
    strength or an n_tosses that cannot be chosen.
    """

    _esm = bundle("coin_explorer")
    strength = Choice("strengths")
    n_tosses = Choice("counts")
    mean = traitlets.Float(None, allow_none=True).tag(sync=True)
    mass = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        strengths: Sequence[int],
        counts: Sequence[int],
        *,
        share: float,
        radius: float,
        thesis: tuple[int, int],
        **traits: int,
    ):
        for n in counts:
            if abs(share * n - round(share * n)) > 1e-9:
                raise ValueError(f"{share} of {n} tosses is not a whole number of heads")
        data = {
            "strengths": list(strengths),
            "counts": list(counts),
            "share": share,
            "radius": radius,
            "thesis": list(thesis),
        }
        label = "Explorer: prior strength and number of tosses against the posterior near the share"
        start = {"strength": thesis[0], "n_tosses": thesis[1]}
        super().__init__(data, label, **(start | traits))
