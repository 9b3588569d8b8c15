"""Training: maximize the beta-weighted ELBO by Adam (thesis algorithm 2, listings B.2 and C.1).

`fit` in a notebook, `python -m vaelib.train PRESET` in a shell, the same under torchrun.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from vaelib import runtime
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import constant
from vaelib.train.checkpoint import CheckpointError, Checkpoints
from vaelib.train.distributed import Alone
from vaelib.train.history import History, Settings
from vaelib.train.loop import Training
from vaelib.train.signals import Wish, listening
from vaelib.train.state import compare, pack, plan, unpack

__all__ = ["CheckpointError", "Checkpoints", "History", "Settings", "fit"]


def fit(
    model: Network,
    lik: Likelihood,
    pixels: Tensor,
    *,
    epochs: int,
    generator: torch.Generator,
    beta: Callable[[int, int], float] | None = None,
    batch_size: int = 128,
    lr: float = 3e-4,
    n_samples: int = 1,
    beta_per_step: bool = False,
    clip_norm: float | None = None,
    patience: int | None = None,
    tf32: bool = False,
    binarize: bool = False,
    anneal: int = 0,
    coarse_noise: float = 0.0,
    validation: Tensor | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool | int = False,
    ranks: Alone | None = None,
) -> History:
    """Train `model` in place on pixels (N, D), uint8 or float, on the model's device.

    Each epoch is a fresh permutation; the last incomplete batch is dropped, as in the thesis.
    The data stays on the device and batches are taken by index. `beta(epoch, epochs)` is the
    weight of the KL, constant 1 when left out. `generator` (a CPU one) drives order and noise.
    `Settings` says what the others do. After each epoch the images `validation` (K, D) are
    looked at, too.

    With `checkpoints` the run is written there as it goes, at the end, and on SIGTERM or Ctrl-C,
    which end it by SystemExit. `resume=True` goes on from the newest one where there is one, to
    the very bits of a run that was never interrupted; a number, from the one of that step.
    `ranks` are the processes that share the batches, this one alone when left out.

    Raises DataError for fewer images than a batch, for values that the likelihood has no meaning
    for (outside [0, 1] if it is Bernoulli, not finite if it is Gaussian), for `binarize`
    with a likelihood that isn't one of two-valued pixels, and for `coarse_noise` with a network
    that doesn't know the shape of its images; FloatingPointError at
    the first step whose loss is not finite or has exploded, CheckpointError for a checkpoint
    that cannot be written, is damaged, or belongs to another run.
    """
    settings = Settings(
        epochs,
        batch_size,
        lr,
        n_samples,
        beta_per_step,
        clip_norm,
        patience,
        tf32,
        binarize=binarize,
        anneal=anneal,
        coarse_noise=coarse_noise,
    )
    beta = constant(1.0) if beta is None else beta
    run = Training(model, lik, pixels, settings, beta, generator, validation, ranks)
    log = None if checkpoints is None else _Log(run, checkpoints, resume)
    total = epochs * run.per_epoch
    bar = runtime.progress(total, "training") if run.ranks.rank == 0 else nullcontext()
    ear = nullcontext(Wish()) if log is None else listening()
    with _tf32(tf32 and run.device.type == "cuda"), ear as wish, bar as shown:
        if shown is not None:
            shown.update(run.taken)
        for _ in run.steps():
            if shown is not None:
                shown.update()
            if log is not None:
                log.after_step(wish)
    pack(run)  # refuses weights that are not finite
    if log is not None:
        log.write()
    run.keep_best()
    return run.history


class _Log:
    """The checkpoints of a run: read once, written as they are due, by rank 0."""

    def __init__(self, run: Training, checkpoints: Checkpoints, resume: bool | int):
        self.run, self.checkpoints, self.written = run, checkpoints, -1
        self.plan = plan(run)
        if run.ranks.rank == 0:
            checkpoints.sweep()
        kept = checkpoints.kept()
        if kept and resume is False:
            raise CheckpointError(
                f"{checkpoints.folder} holds a run at step {kept[-1]}: go on with it "
                "(resume=True, or --resume in a shell), "
                "or take another folder."
            )
        if kept or type(resume) is int:
            tensors, facts = checkpoints.load(None if resume is True else int(resume))
            compare(self.plan, facts["plan"], checkpoints.folder)
            unpack(run, tensors, facts)
            self.written = run.taken
            if run.ranks.rank == 0:
                checkpoints.drop_after(run.taken)

    def after_step(self, wish: Wish) -> None:
        """Write when it is time; write and leave when a signal came to any rank."""
        run = self.run
        if self.checkpoints.is_due(run.taken):
            self.write()
        leave = wish.signum > 0
        if run.ranks.size > 1:
            leave = run.ranks.total(torch.tensor(float(leave), device=run.device)).item() > 0
        if leave:
            self.write()
            raise SystemExit(128 + (wish.signum or signal.SIGTERM))

    def write(self) -> None:
        """Write the run as it is now, unless it is written already."""
        if self.run.ranks.rank == 0 and self.written != self.run.taken:
            tensors, facts = pack(self.run)
            self.checkpoints.save(self.run.taken, tensors, {**facts, "plan": self.plan})
            self.written = self.run.taken


@contextmanager
def _tf32(on: bool) -> Iterator[None]:
    """Let CUDA multiply with TF32 inside the block, where it is on."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if on else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
