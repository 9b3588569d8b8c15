"""The view of chapter 5: coordinate ascent on a mixture, sweep by sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import traitlets

from vaelib.views import Place, View, bundle


@dataclass(frozen=True)
class CaviRun:
    """A run of T sweeps in the plane, with K components and N points, to be replayed.

    path       (T + 1, K, 2), the centers after 0, 1, ..., T sweeps
    elbos      (T + 1,) in nats
    assigned   (T + 1, N), the most responsible component of each point

    Raises ValueError for arrays of other shapes, or that are not of the same T.
    """

    name: str
    path: np.ndarray
    elbos: np.ndarray
    assigned: np.ndarray

    def __post_init__(self):
        for field, dtype in (("path", np.float32), ("elbos", float), ("assigned", np.uint8)):
            object.__setattr__(self, field, np.asarray(getattr(self, field), dtype))
        path, elbos, assigned = self.path.shape, self.elbos.shape, self.assigned.shape
        shapes_fit = len(path) == 3 and path[2] == 2 and len(assigned) == 2
        if not shapes_fit or not elbos == path[:1] == assigned[:1]:
            raise ValueError(
                f"run {self.name!r}: path {path}, elbos {elbos} and assigned {assigned} do not fit"
            )


class CaviStepper(View):
    """Play a run of coordinate ascent in the plane; choose among several.

    x              (N, 2), the data
    runs           to choose from; `run_index` is the place of the chosen one
    log_evidence   log p(x) in nats, above every ELBO
    axis_names     the labels of the axes
    sweep          how many sweeps are done; that of a longer run becomes the last of a shorter one
    elbo, gap      in nats, after this sweep; gap = log p(x) - ELBO; None until it is displayed

    Raises ValueError for runs of other data or with an ELBO above log_evidence,
    traitlets.TraitError for a run_index or a sweep that there is not.
    """

    _esm = bundle("cavi")
    run_index = Place("runs")
    sweep = traitlets.Int(0).tag(sync=True)
    elbo = traitlets.Float(None, allow_none=True).tag(sync=True)
    gap = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        x: np.ndarray,
        runs: Sequence[CaviRun],
        *,
        log_evidence: float,
        axis_names: tuple[str, str] = ("x\u2081", "x\u2082"),
        **traits: int,
    ):
        x = np.asarray(x, np.float32)
        for run in runs:
            if x.shape != (run.assigned.shape[1], 2):
                raise ValueError(f"run {run.name!r} is not of {len(x)} points in the plane")
            if not (run.elbos < log_evidence).all():
                raise ValueError(f"run {run.name!r}: an ELBO exceeds log p(x) = {log_evidence:g}")
        data = {
            "points": x,
            "runs": [asdict(run) | {"elbos": run.elbos.tolist()} for run in runs],
            "log_evidence": float(log_evidence),
            "axis_names": list(axis_names),
        }
        label = "Stepper: coordinate ascent on a Gaussian mixture, sweep by sweep"
        super().__init__(data, label, **traits)

    @property
    def _last(self) -> int:
        return len(self.data["runs"][self.run_index]["elbos"]) - 1

    @traitlets.validate("sweep")
    def _within_the_run(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] <= self._last:
            raise traitlets.TraitError(
                f"sweep lies between 0 and {self._last}, not {proposal['value']}"
            )
        return proposal["value"]

    @traitlets.observe("run_index")
    def _to_the_end_of_a_shorter_run(self, _: dict) -> None:
        self.sweep = min(self.sweep, self._last)
