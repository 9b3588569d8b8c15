"""What a run was asked to do. A checkpoint is resumed only by a run of the same plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from torch import Tensor

from vaelib.train.checkpoint import CheckpointError
from vaelib.train.loop import Training

CHUNK = 1024  # rows hashed at a time


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
