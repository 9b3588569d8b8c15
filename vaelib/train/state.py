"""Everything a run needs to go on as if nothing had happened, as tensors and plain facts."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor

from vaelib.train.checkpoint import CheckpointError
from vaelib.train.loop import Training

CHUNK = 1024  # rows that are hashed at once


def plan(run: Training) -> dict[str, object]:
    """What the run was asked to do: a checkpoint serves only a run of the same plan.

    The schedule of beta is told by its values, the images by their SHA-256. The number of
    processes is no part of it: many do what one does, up to rounding.
    """
    settings = asdict(run.settings)
    many = settings["epochs"] * run.per_epoch if settings["beta_per_step"] else settings["epochs"]
    schedule = [run.beta(i, many) for i in range(many)]
    return {
        **settings,
        "device": run.device.type,  # whose generator made the noise
        "beta": schedule if many <= 1000 else hashlib.sha256(repr(schedule).encode()).hexdigest(),
        "generator": run.validation_seed,  # its first draw
        "likelihood": repr(run.lik),
        "network": {name: list(value.shape) for name, value in run.model.state_dict().items()},
        "training images": _fingerprint(run.pixels),
        "validation images": _fingerprint(run.validation),
    }


def pack(run: Training) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The run between two steps. Raises FloatingPointError when a weight is not finite."""
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    for i, parameter in enumerate(run.model.parameters()):
        for name, value in run.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{i}.{name}"] = value
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise FloatingPointError(
                f"epoch {run.epoch}, step {run.step}: {name} is not finite any more. Try a smaller "
                f"learning rate than {run.settings.lr:g}, or clip the gradient. "
                "This state was not saved."
            )
    tensors |= {f"best.{name}": value for name, value in run.best.items()}
    tensors |= {
        "generator.order": run.order_state,
        "generator.noise": run.noise.get_state(),
        "sums": run.sums,
        "history": torch.tensor(run.rows, dtype=torch.float64),
    }
    facts = {
        "epoch": run.epoch,
        "step_of_epoch": run.step,
        "first_loss": None if math.isnan(run.first_loss) else run.first_loss,
        "beta_sum": run.beta_sum,
        "best_epoch": run.best_epoch,
        "ended": run.ended,
        "seconds": run.seconds,
    }
    return tensors, facts


def unpack(run: Training, tensors: Mapping[str, Tensor], facts: Mapping) -> None:
    """Put the run where the packed one was, bit for bit; `plan` has found them alike."""

    def under(prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) :]: v.clone() for k, v in tensors.items() if k.startswith(prefix)}

    run.model.load_state_dict(under("model."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer.").items():
        index, what = name.split(".")
        moments.setdefault(int(index), {})[what] = value
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    run.best = {k: v.to(run.device) for k, v in under("best.").items()}
    run.order_state = tensors["generator.order"].clone()
    run.generator.set_state(run.order_state)
    run.noise.set_state(tensors["generator.noise"].clone())
    run.sums = tensors["sums"].clone().to(run.device)
    run.rows = tensors["history"].tolist()
    run.epoch, run.step = facts["epoch"], facts["step_of_epoch"]
    run.first_loss = math.nan if facts["first_loss"] is None else facts["first_loss"]
    run.beta_sum, run.best_epoch = facts["beta_sum"], facts["best_epoch"]
    run.ended, run.seconds = facts["ended"], facts["seconds"]


def compare(mine: Mapping[str, object], theirs: Mapping[str, object], where: object) -> None:
    """Raises CheckpointError, naming what differs, when the plans are not the same."""
    keys = mine.keys() | theirs.keys()
    differing = sorted(k for k in keys if mine.get(k) != theirs.get(k))
    if differing:
        lines = [
            f"{k}: {_short(theirs.get(k))} there, {_short(mine.get(k))} here" for k in differing
        ]
        raise CheckpointError(
            f"the checkpoints in {where} are of another run:\n  "
            + "\n  ".join(lines)
            + "\nRepeat the settings of that run, or take another folder."
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
