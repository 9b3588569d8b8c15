"""The device's part of a step, replayed as a CUDA graph where that is asked for and agrees.

A replay starts all kernels of a step at once, where they are too short for the host to keep up.
It reads and writes the same memory each time: what was drawn for the batch, the weight of the KL
and the learning rate are copied there before it. See "CUDA semantics: CUDA graphs" of torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from vaelib.train.batches import Batch
from vaelib.train.history import Settings

Step = Callable[[Batch, float | Tensor], Tensor]  # batch, weight of the KL -> sums (3,)
WARM_UP = 3  # steps on a stream of their own before the capture
TOLERANCE = 0.01  # of a replay against an eager step, as a share of what that step changed


def why_eager(settings: Settings, device: torch.device, processes: int) -> str:
    """Why steps are not to be replayed; empty if they are."""
    if not settings.cuda_graph:
        return "no CUDA graph was asked for"
    if processes > 1:
        return "several processes share each batch"
    return "" if device.type == "cuda" else f"the device is {device.type}"


def adam(model: nn.Module, lr: float, replayed: bool) -> torch.optim.Adam:
    """Fused Adam that asks `found_inf` on the device; if replayed, its rate is read there too."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True, capturable=replayed)
    optimizer.grad_scale = None  # with `found_inf`, what torch.amp.GradScaler sets
    if replayed:
        optimizer._warned_capturable_if_run_uncaptured = True  # torch's name: some steps are eager
        device = next(model.parameters()).device
        # fused Adam reads a double on the CPU and a float on CUDA
        dtype = torch.float64 if device.type == "cpu" else torch.float32
        for group in optimizer.param_groups:  # not `lr=`, which is checked by the host
            group["lr"] = torch.tensor(lr, dtype=dtype, device=device)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step, in place where a graph reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


class Replay:
    """Calls `step`, from its third call on as a replay, unless `eager` says why not.

    The first call is eager: it makes Adam's moments and the limit of the loss. The second warms
    up, records and compares one replay with one eager step; all of it leaves `state()`, the
    tensors that a step changes, as they were. Where the two disagree or recording fails, all
    steps are eager, with one warning.
    """

    def __init__(self, step: Step, state: Callable[[], list[Tensor]], eager: str):
        self.step, self.state, self.eager = step, state, eager
        self.begun = False
        self.replay: Callable[[], None] | None = None

    def __call__(self, batch: Batch, weight: float) -> Tensor:
        """One step; returns its sums (3,), which are the caller's own."""
        if not self.eager and self.begun and self.replay is None:
            self.prepare(batch, weight)
        self.begun = True
        if self.replay is None:
            return self.step(batch, weight)
        for static, drawn in zip(self.batch, batch, strict=True):
            if drawn is not None:
                static.copy_(drawn)
        self.weight.fill_(weight)
        self.replay()
        return self.sums.clone()

    def prepare(self, batch: Batch, weight: float) -> None:
        """Record and compare; sets `replay`, or `eager` to the reason why not."""
        self.batch = Batch(*(None if drawn is None else drawn.clone() for drawn in batch))
        self.weight = torch.full((), weight, device=batch.x.device)
        step, state = partial(self.step, self.batch, self.weight), self.state()
        before = [value.clone() for value in state]
        try:
            wanted = [step(), *(value.clone() for value in state)]
            _restore(state, before)
            replay, self.sums = record(step)
            _restore(state, before)
            replay()
            if agree(wanted, [self.sums, *state], [torch.zeros_like(self.sums), *before]):
                self.replay = replay
            else:
                self.eager = "a replay and an eager step disagreed"
        except RuntimeError as problem:
            self.eager = f"no step could be recorded: {problem}"
        finally:
            _restore(state, before)
        if self.eager:
            warnings.warn(f"{self.eager}; every step is eager", RuntimeWarning, stacklevel=2)


def record(step: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """What replays `step` on CUDA, and the tensor that has its result after each replay."""
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            step()
    here.wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()
    return graph.replay, result


def agree(wanted: list[Tensor], found: list[Tensor], before: list[Tensor]) -> bool:
    """Whether each tensor is within TOLERANCE of its change, in Euclidean norm."""
    pairs = zip(wanted, found, before, strict=True)
    norms = (((w - f).float().norm(), (w - b).float().norm()) for w, f, b in pairs)
    return all(bool(apart <= TOLERANCE * change) for apart, change in norms)


@torch.no_grad()
def _restore(state: list[Tensor], before: list[Tensor]) -> None:
    for value, old in zip(state, before, strict=True):
        value.copy_(old)
