"""What a run was asked to do. A checkpoint is resumed only by a run of the same plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import torch
from msgspec.structs import replace
from torch import Tensor

from vaelib.train import products
from vaelib.train.checkpoint import CheckpointError
from vaelib.train.loop import Training

CHUNK = 1024  # rows hashed at a time


def choose_products(run: Training, theirs: object = None) -> None:
    """Settle `medium` where the settings leave it open: as in a checkpoint, or by a trial.

    A run that began in medium keeps to it only where that is exact. All ranks decide alike.
    """
    if run.settings.medium is not None:
        return
    mine = False
    if run.device.type == "cpu":
        shape = products.shape(run.model, run.settings.batch_size // run.ranks.size)
        mine = products.pays(*shape) if theirs is None else theirs and products.is_exact(*shape)
        mine = run.ranks.total(torch.tensor(float(mine))).item() == run.ranks.size
    run.settings = replace(run.settings, medium=mine)


def plan(run: Training) -> dict[str, object]:
    """The settings of `run`, its network, likelihood, seed, device, schedule and images.

    The schedule of beta is given by its values, images by their SHA-256. The number of
    processes is not part of it: several give the result of one, up to rounding.
    """
    settings = msgspec.to_builtins(run.settings)
    many = run.settings.epochs * (run.per_epoch if run.settings.beta_per_step else 1)
    schedule = [run.beta(i, many) for i in range(many)]
    return {
        **settings,
        "device": run.device.type,  # its generator made the noise
        "beta": schedule if many <= 1000 else hashlib.sha256(repr(schedule).encode()).hexdigest(),
        "generator": run.validation_seed,  # derived from its first draw
        "likelihood": repr(run.lik),
        "network": {name: list(value.shape) for name, value in run.model.state_dict().items()},
        "training images": _fingerprint(run.images.train),
        "validation images": _fingerprint(run.images.validation),
    }


def compare(mine: Mapping[str, object], theirs: Mapping[str, object], where: object) -> None:
    """Raises CheckpointError, naming every difference, when two plans are not the same."""
    keys = mine.keys() | theirs.keys()
    differing = sorted(k for k in keys if mine.get(k) != theirs.get(k))
    if differing:
        lines = [
            f"{k}: {_short(theirs.get(k))} there, {_short(mine.get(k))} here" for k in differing
        ]
        raise CheckpointError(
            f"the checkpoints in {where} are of another run:\n  "
            + "\n  ".join(lines)
            + "\nRepeat the settings of that run, or choose another folder."
        )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fingerprint(pixels: Tensor | None) -> str | None:
    if pixels is None:
        return None
    content = hashlib.sha256()
    for part in pixels.split(CHUNK):
        content.update(part.cpu().contiguous().numpy())
    return f"{tuple(pixels.shape)} {pixels.dtype} {content.hexdigest()[:16]}"
