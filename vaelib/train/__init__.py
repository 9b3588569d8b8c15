"""Training: maximize the beta-weighted ELBO by Adam (thesis algorithm 2, listings B.2 and C.1).

`fit` in a notebook, `python -m vaelib.train PRESET` in a shell, the same under torchrun.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from vaelib import runtime
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.train import products
from vaelib.train.checkpoint import CheckpointError, Checkpoints
from vaelib.train.distributed import OneProcess
from vaelib.train.history import History, Settings
from vaelib.train.loop import Training
from vaelib.train.plan import choose_products, compare, plan
from vaelib.train.signals import StopRequest, stop_requests

__all__ = ["CheckpointError", "Checkpoints", "History", "Settings", "fit"]


def fit(
    model: Network,
    lik: Likelihood,
    pixels: Tensor,
    settings: Settings,
    *,
    generator: torch.Generator,
    beta: Callable[[int, int], float] | None = None,
    validation: Tensor | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool | int = False,
    ranks: OneProcess | None = None,
) -> History:
    """Train `model` in place on pixels (N, D), uint8 or float, on the model's device.

    Each epoch is a new permutation; the last incomplete batch is dropped, as in the thesis.
    The data stay on the device and batches are taken by index. `generator` (a CPU one) gives
    the order and the noise. `beta(epoch, epochs)` is the weight of the KL, by default 1.
    The ELBO of the images `validation` (K, D) is measured after each epoch.

    With `checkpoints` the run is saved as it goes, at its end, and on SIGTERM or Ctrl-C, which
    end it by SystemExit. `resume=True` continues from the newest checkpoint, if there is one,
    and gives bit for bit the result of an uninterrupted run; a number continues from the
    checkpoint of that step. `ranks` are the processes that share the batches, by default one.

    Raises DataError for fewer images than a batch, for values outside the support of the
    likelihood (outside [0, 1] if it is Bernoulli, not finite if it is Gaussian), for `binarize`
    with a likelihood other than Bernoulli, and for `coarse_noise` with a network that does not
    know the shape of its images; FloatingPointError for a step whose loss is not finite
    or has exploded: neither it nor a later one is taken, and `model` has the weights before it
    (the loss is read every 100 steps and after each epoch); CheckpointError for a checkpoint that
    cannot be written, is damaged, or belongs to another run.
    """
    run = Training(model, lik, pixels, settings, generator, beta, validation, ranks)
    saver = None if checkpoints is None else _Saver(run, checkpoints, resume)
    choose_products(run)
    total = settings.epochs * run.per_epoch
    bar = runtime.progress(total, "training") if run.ranks.rank == 0 else nullcontext()
    requests = nullcontext() if saver is None else stop_requests()
    with products.at(run.device, run.products), requests as request, bar as shown:
        if shown is not None:
            shown.update(run.taken)
        for _ in run.steps():
            if shown is not None:
                shown.update()
            if saver is not None:
                saver.after_step(request)
    run.state_dict()  # raises for weights that are not finite
    if saver is not None:
        saver.save()
    run.keep_best()
    return run.history


class _Saver:
    """Restores a run from its checkpoints and writes new ones when they are due (rank 0 does)."""

    def __init__(self, run: Training, checkpoints: Checkpoints, resume: bool | int):
        self.run, self.checkpoints, self.saved = run, checkpoints, -1
        if run.ranks.rank == 0:
            checkpoints.sweep()
        kept = checkpoints.kept()
        if kept and resume is False:
            raise CheckpointError(
                f"{checkpoints.folder} holds a run at step {kept[-1]}: continue it "
                "(resume=True, or --resume in a shell), or choose another folder."
            )
        state, theirs = {}, {}
        if kept or type(resume) is int:
            state, theirs = checkpoints.load(None if resume is True else int(resume))
            theirs = {"medium": False, "cuda_graph": False, **theirs}  # not in the first release
        choose_products(run, theirs.get("medium"))
        self.plan = plan(run)
        if not state:
            return
        compare(self.plan, theirs, checkpoints.folder)
        try:
            run.load_state_dict(state)
        except (KeyError, RuntimeError, ValueError) as problem:
            raise CheckpointError(
                f"a checkpoint in {checkpoints.folder} has not the state of this run: {problem}"
            ) from problem
        self.saved = run.taken
        if run.ranks.rank == 0:
            checkpoints.drop_after(run.taken)

    def after_step(self, request: StopRequest) -> None:
        """Save when it is due; save and exit when any rank has received a signal."""
        run = self.run
        if self.checkpoints.is_due(run.taken):
            self.save()
        stop = request.signum > 0
        if run.ranks.size > 1:
            if run.device.type == "cuda" and not run.is_read:
                return  # the answer of the other ranks is not worth a wait for the device
            stop = run.ranks.total(torch.tensor(float(stop), device=run.device)).item() > 0
        if stop:
            self.save()
            raise SystemExit(128 + (request.signum or signal.SIGTERM))

    def save(self) -> None:
        """Write the present state, unless it is written already."""
        if self.run.ranks.rank == 0 and self.saved != self.run.taken:
            self.checkpoints.save(self.run.taken, self.run.state_dict(), self.plan)
            self.saved = self.run.taken
