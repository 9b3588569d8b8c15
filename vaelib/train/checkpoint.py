"""Checkpoints that are complete or absent; the newest two are kept.

    00000468.safetensors   all tensors of the run, its progress and its plan in the header
    00000468.json          the SHA-256 of the first; written last, so the first is complete

Steps are counted from the start of the run. A process that is killed while writing leaves at
most two files that belong to no checkpoint; the next start removes them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from vaelib import files
from vaelib.pretrained import WeightsError, read_tensors, write_tensors
from vaelib.train.history import Progress

KEPT = 2


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or used: which, why, and what to do instead."""


class Facts(Progress, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a checkpoint holds besides tensors; another version is not read."""

    plan: dict[str, object]
    step: int
    version: Literal[1] = 1


class Checkpoints:
    """A folder of checkpoints of one run; one run at a time may write there.

    `fit` writes one when `seconds` have passed since the last, or after every `steps` steps
    where they are given, and one at the end.
    """

    def __init__(self, folder: Path | str, seconds: float = 60.0, steps: int | None = None):
        self.folder, self.seconds, self.steps = Path(folder), seconds, steps
        self._written = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether the run should write one after this step."""
        if self.steps is not None:
            return step % self.steps == 0
        return time.monotonic() - self._written >= self.seconds

    def kept(self) -> list[int]:
        """The steps of all checkpoints in order, damaged ones included."""
        return sorted(int(p.stem) for p in self.folder.glob("*.json") if p.stem.isdecimal())

    def save(self, step: int, state: Mapping[str, object], plan: Mapping[str, object]) -> None:
        """Write the state of a run and its plan, then remove all but the newest two.

        Raises CheckpointError when it cannot be written; the older ones are as they were.
        """
        path = self._path(step)
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        progress = {name: value for name, value in state.items() if name not in tensors}
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
                files.flush_folder(self.folder.parent)
            write_tensors(path, tensors, Facts(plan=plan, step=step, **progress))
            for old in [s for s in self.kept() if s < step][: -(KEPT - 1)]:
                # first the hash, without which there is no checkpoint
                self._path(old).with_suffix(".json").unlink()
                self._path(old).unlink(missing_ok=True)
        except OSError as problem:
            raise CheckpointError(
                f"the checkpoint of step {step} cannot be kept in {self.folder}: "
                f"{problem.strerror or problem}. Free some space, or move the folder; then "
                f"{self._offer(step)}"
            ) from problem
        self._written = time.monotonic()

    def load(self, step: int | None = None) -> tuple[dict[str, object], dict[str, object]]:
        """The state and the plan in the newest checkpoint, or in the one of this step.

        Raises CheckpointError when there is none or it is damaged, and names one to use instead.
        """
        kept = self.kept()
        if not kept or (step is not None and step not in kept):
            there = f"there are those of steps {kept}" if kept else "there is none"
            raise CheckpointError(f"no checkpoint of step {step} in {self.folder}: {there}")
        step = kept[-1] if step is None else step
        try:
            return self._read(step)
        except WeightsError as problem:
            raise CheckpointError(f"{problem} For now, {self._offer(step)}") from problem

    def drop_after(self, step: int) -> None:
        """Remove checkpoints newer than this step, from which the run continues."""
        for newer in [s for s in self.kept() if s > step]:
            self._path(newer).with_suffix(".json").unlink()
            self._path(newer).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove what a killed process left; returns how many files that were."""
        if not self.folder.is_dir():
            return 0
        whole = {self._path(step).name for step in self.kept()}
        left = [p for p in self.folder.glob("*.safetensors") if p.stem.isdecimal()]
        left = [p for p in left if p.name not in whole]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left) + files.sweep(self.folder)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:08d}.safetensors"

    def _read(self, step: int) -> tuple[dict[str, object], dict[str, object]]:
        tensors, facts = read_tensors(self._path(step), Facts)
        progress = {name: getattr(facts, name) for name in Progress.__struct_fields__}
        return {**tensors, **progress}, facts.plan

    def _offer(self, step: int) -> str:
        """What to do when the checkpoint of this step cannot be used."""
        for older in reversed([s for s in self.kept() if s < step]):
            try:
                self._read(older)
            except WeightsError:
                continue
            return f"the checkpoint of step {older} is whole: resume from it (--resume {older})."
        return "there is no older one that is whole: start again in another folder."
