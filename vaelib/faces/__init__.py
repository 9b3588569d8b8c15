"""Latent manipulation of faces by six attributes: their directions and a judge of the edits.

`shipped()` returns everything needed to edit faces and to measure the effect without CelebA:
directions, the codes of a hundred test faces, a judge. It is made by tools/ship_faces.py.

    celeba.safetensors   the tensors
    celeba.json          the SHA-256 of the tensors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from vaelib import pretrained
from vaelib.data import Faces
from vaelib.directions import difference_of_means, probe_normal, regression
from vaelib.faces.judge import Judge, features, logits
from vaelib.gaussian import Diagonal

# Slider -> (column of CelebA, sign): CelebA has the attribute No_Beard.
SLIDERS = {
    "smile": ("Smiling", 1),
    "male": ("Male", 1),
    "blond": ("Blond_Hair", 1),
    "beard": ("No_Beard", -1),
    "young": ("Young", 1),
    "glasses": ("Eyeglasses", 1),
}
WAYS = ("means", "regression", "probe")
SHIPPED = Path(__file__).parent / "celeba.safetensors"
Color = Annotated[int, Meta(ge=1, le=4)]
Side = Annotated[int, Meta(ge=16, le=1024)]


def labels(faces: Faces, sliders: Mapping[str, tuple[str, int]] = SLIDERS) -> Tensor:
    """Attributes of the sliders: (N, S) bool, one column per slider.

    Raises DataError, listing close matches, for a name that the table of attributes lacks.
    """
    columns = [faces.has(name) if sign > 0 else ~faces.has(name) for name, sign in sliders.values()]
    return torch.stack(columns, 1)


def estimate(mu: Tensor, has: Tensor, names: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Directions by every method of WAYS: mu (N, M), has (N, S) -> way -> name -> (M,)."""
    by_way = {
        "means": [difference_of_means(mu, column) for column in has.T],
        "regression": regression(mu, has),
        "probe": [probe_normal(mu, column) for column in has.T],
    }
    return {way: dict(zip(names, found, strict=True)) for way, found in by_way.items()}


@dataclass(frozen=True)
class Kit:
    """Directions, codes and a judge for the network `model` (a name of vaelib.pretrained).

    directions  way -> slider -> (M,)
    codes       q(z|x) of K faces, whose file names are `files`
    has         their labels, (K, S)
    names       the A attributes of the judge's logits
    spread      (A,), standard deviations of the logits over the test photographs: the unit of
                every change
    facts       what was measured when the kit was made
    """

    model: str
    directions: Mapping[str, Mapping[str, Tensor]]
    codes: Diagonal
    files: tuple[str, ...]
    has: Tensor
    judge: Judge
    names: tuple[str, ...]
    spread: Tensor
    facts: Mapping[str, object]

    def answers(self) -> list[tuple[int, float]]:
        """For each slider the index of its logit among the judge's, and the factor to its unit."""
        places = [self.names.index(name) for name, _ in SLIDERS.values()]
        signs = [sign for _, sign in SLIDERS.values()]
        return [(p, sign / self.spread[p].item()) for p, sign in zip(places, signs, strict=True)]

    def scores(self, x: Tensor) -> Tensor:
        """Scores of pictures (N, D) by the judge, in the order of SLIDERS: (N, 6).

        The unit is the standard deviation of each logit over the test photographs.
        """
        places, factors = zip(*self.answers(), strict=True)
        return logits(self.judge, x)[:, list(places)] * torch.tensor(factors)

    def features(self, x: Tensor) -> Tensor:
        """Inputs of the judge's last layer for pictures (N, D): (N, 128)."""
        return features(self.judge, x)

    def at(self, file: str) -> int:
        """Index in `codes` of the face with this file name. Raises ValueError if there is none."""
        return self.files.index(file)


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file of a kit holds besides tensors; `measured` are the facts of the kit."""

    model: str
    files: tuple[str, ...]
    has: tuple[tuple[Literal[0, 1], ...], ...]
    names: Annotated[tuple[str, ...], Meta(max_length=1000)]
    shape: tuple[Color, Side, Side]
    measured: dict[str, int | float | dict[str, float]]


def save(path: Path, kit: Kit) -> None:
    """Write the kit, its tensors rounded to float16, and the hash beside it."""
    tensors = {f"judge.{name}": value for name, value in kit.judge.state_dict().items()}
    for way, found in kit.directions.items():
        tensors |= {f"directions.{way}.{name}": value for name, value in found.items()}
    tensors |= {"codes.mu": kit.codes.mu, "codes.logvar": kit.codes.logvar, "spread": kit.spread}
    rounded = {name: value.half() for name, value in tensors.items()}
    has = kit.has.int().tolist()
    facts = Facts(kit.model, kit.files, has, kit.names, kit.judge.shape, dict(kit.facts))
    pretrained.write_tensors(path, rounded, facts)


def load(path: Path) -> Kit:
    """The kit in this file, float32.

    Raises WeightsError where the file is not the one saved, or its parts do not fit together.
    """
    tensors, facts = pretrained.read_tensors(path, Facts)
    tensors = {name: value.float() for name, value in tensors.items()}

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        judge = Judge(facts.shape, len(facts.names))
        judge.load_state_dict(under("judge."))
        kit = Kit(
            model=facts.model,
            directions={w: {s: tensors[f"directions.{w}.{s}"] for s in SLIDERS} for w in WAYS},
            codes=Diagonal(tensors["codes.mu"], tensors["codes.logvar"]),
            files=facts.files,
            has=torch.tensor(facts.has, dtype=torch.bool),
            judge=judge.eval(),
            names=facts.names,
            spread=tensors["spread"],
            facts=facts.measured,
        )
        kit.answers()  # the judge knows every slider
        counts = {len(kit.codes.mu), len(kit.codes.logvar), len(kit.files), len(kit.has)}
        if len(counts) > 1 or kit.has.shape[1:] != (len(SLIDERS),):
            raise ValueError("codes, files and labels differ in number")
    except (KeyError, RuntimeError, ValueError) as problem:
        raise pretrained.WeightsError(f"{path} is not a complete kit: {problem}") from problem
    return kit


def shipped() -> Kit:
    """The kit shipped with the package, for the network celeba-ours."""
    return load(SHIPPED)
