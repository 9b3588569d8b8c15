"""The view of chapter 13: sliders edit a face's code; decoder and classifier run in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import traitlets

from vaelib.views import Choice, View, bundle
from vaelib.views.network import pack_network, quantize, select_outputs

if TYPE_CHECKING:
    from torch import Tensor

    from vaelib.faces import Judge
    from vaelib.model import ConvVAE

STRONGEST = 3.5  # of an edit: the thesis's largest


class PortraitExplorer(View):
    """A face, a slider for each attribute, and what a classifier sees change.

    decoder     of square images; the page gets its weights in int8, but for the first layer: that
                is linear, so its outputs for the codes and the directions are enough
    classifier  of attributes, of which `answers` picks those of the sliders: for each slider the
                number of its logit, and a factor that brings it to the unit of the changes
    codes       name of a face -> (M,)
    directions  method -> slider -> (M,), the same sliders for each method
    presets     name of a button -> slider -> strength

    face     name of the face, and `method`, that of the directions
    edits    slider -> strength, within STRONGEST of 0; a slider that is left out stands at 0
    changes  slider -> change of the classifier's answer; empty until it is displayed

    Raises ValueError where the sliders differ, and traitlets.TraitError for a face, method or
    slider that there is not and for a strength beyond the limit.
    """

    _esm = bundle("faces")
    face = Choice("faces")
    method = Choice("methods")
    edits = traitlets.Dict(
        value_trait=traitlets.Float(min=-STRONGEST, max=STRONGEST), key_trait=traitlets.Unicode()
    ).tag(sync=True)
    changes = traitlets.Dict().tag(sync=True)

    def __init__(
        self, decoder: ConvVAE, classifier: Judge, codes: Mapping[str, Tensor],
        directions: Mapping[str, Mapping[str, Tensor]], answers: Sequence[tuple[int, float]],
        *, presets: Mapping[str, Mapping[str, float]], **traits: object,
    ):  # fmt: skip
        sliders = list(next(iter(directions.values())))
        if any(list(found) != sliders for found in directions.values()):
            raise ValueError(f"every method needs directions of the sliders {sliders}")
        if len(answers) != len(sliders):
            raise ValueError(f"{len(answers)} answers of the classifier for {len(sliders)} sliders")
        first, *rest = decoder.unfold
        starts = [first(z).detach().numpy() for z in codes.values()]
        moves = [
            (first.weight @ found[slider]).detach().numpy()
            for found in directions.values()
            for slider in sliders
        ]
        *dropout, last = classifier.answer
        (last,) = pack_network([last])
        data = {
            "side": decoder.shape[1],
            "sliders": sliders,
            "strongest": STRONGEST,
            "faces": list(codes),
            "methods": list(directions),
            "presets": {button: dict(edit) for button, edit in presets.items()},
            "starts": np.stack(starts).astype(np.float16),
            "moves": quantize(np.stack(moves, axis=1)),
            "decoder": pack_network([*rest, *decoder.decoder]),
            "classifier": [
                *pack_network([*classifier.look, *dropout]),
                select_outputs(last, *zip(*answers, strict=True)),
            ],
        }
        label = "Portrait explorer: a face, sliders that edit its code, and a classifier's answers"
        super().__init__(data, label, **traits)

    @traitlets.validate("edits")
    def _of_the_sliders(self, proposal: dict) -> dict[str, float]:
        unknown = proposal["value"].keys() - set(self.data["sliders"])
        if unknown:
            known = ", ".join(self.data["sliders"])
            raise traitlets.TraitError(
                f"edits: no slider {', '.join(sorted(unknown))}, but {known}"
            )
        return proposal["value"]
