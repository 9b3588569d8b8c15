"""The view of chapter 4: move q, watch ELBO + KL = log p(x), descend either divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import traitlets

from vaelib.views import Place, View, bundle

MEANS, STDS = (-5.0, 5.0), (0.2, 4.0)  # as in elbo.js


@dataclass(frozen=True)
class MixtureModel:
    """A model on the line: z from a mixture of normals, x given z from N(z, sigma_x^2).

    weights, means, stds  of the prior's components, (K,) each; the weights sum to 1
    x                     the observed value

    Raises ValueError for weights that do not sum to 1.
    """

    name: str
    weights: tuple[float, ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    x: float
    sigma_x: float = 1.0

    def __post_init__(self):
        if not np.isclose(sum(self.weights), 1):
            raise ValueError(f"{self.name!r}: the weights sum to {sum(self.weights):g}, not 1")


class ElboExplorer(View):
    """Move a normal q over a posterior, and let it descend either divergence.

    models     the models to choose from; `model_index` is the place of the chosen one
    mean, std  of q, within MEANS and STDS
    elbo, kl   in nats, as the picture shows them; None until it is displayed

    Raises traitlets.TraitError for a mean or std outside the limits.
    """

    _esm = bundle("elbo")
    model_index = Place("models")
    mean = traitlets.Float(0.6, min=MEANS[0], max=MEANS[1]).tag(sync=True)
    std = traitlets.Float(1.2, min=STDS[0], max=STDS[1]).tag(sync=True)
    elbo = traitlets.Float(None, allow_none=True).tag(sync=True)
    kl = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, models: Sequence[MixtureModel], **traits: float):
        label = "Explorer: a normal q over a posterior, with ELBO and both KL divergences"
        super().__init__({"models": [asdict(model) for model in models]}, label, **traits)
