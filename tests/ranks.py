"""A small run for torchrun: trains, and rank 0 writes what came of it.

    torchrun --nproc-per-node 2 tests/ranks.py FOLDER [RANK STEP SIGNAL]

The first time that RANK is at STEP, it sends itself the SIGNAL, or torchrun if it is SIGTERM.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch

from vaelib import runtime
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.objective import linear_to
from vaelib.train import Checkpoints, History, Settings, fit, watch
from vaelib.train.distributed import OneProcess, ranks


def run(
    folder: Path, peers: OneProcess, sends: tuple[int, int] | None = None
) -> tuple[VAE, History]:
    """Six epochs of five steps, a checkpoint at every step."""

    class Mortal(Checkpoints):
        def is_due(self, step: int) -> bool:
            mark = folder / "sent"
            if sends and step == sends[0] and not mark.exists():
                mark.write_text(str(time.time()))
                to_torchrun = sends[1] == signal.SIGTERM
                os.kill(os.getppid() if to_torchrun else os.getpid(), sends[1])
                time.sleep(3)  # or the run would be over before torchrun acts
            return super().is_due(step)

    gen = runtime.generator(0)
    model = VAE(16, (8,), 2, generator=gen)
    pixels = torch.rand(85, 16, generator=runtime.generator(1))
    settings = Settings(
        epochs=6, batch_size=16, lr=1e-3, n_samples=2, clip_norm=100.0, binarize=True, anneal=6
    )
    history = fit(
        model, Bernoulli(), pixels[:80], settings, validation=pixels[80:], generator=gen,
        beta=linear_to(2.0), checkpoints=Mortal(folder / "checkpoints", steps=1), resume=True,
        ranks=peers,
    )  # fmt: skip
    return model, history


def main() -> None:
    """One rank."""
    torch.set_num_threads(1)
    watch.MISSED = 6  # beats: a run this small is never busy for so long
    folder = Path(sys.argv[1])
    rank, step, signum = map(int, sys.argv[2:] or (-1, 0, 0))
    if runtime.n_restarts() > 0:
        (folder / "again").write_text(str(time.time()))
    with ranks() as peers:
        model, history = run(folder, peers, (step, signum) if rank == peers.rank else None)
        if peers.rank == 0:
            weights = [p.tolist() for p in model.parameters()]
            tensors = {k: v for k, v in vars(history).items() if isinstance(v, torch.Tensor)}
            columns = {name: values.tolist() for name, values in tensors.items()}
            end = {"size": peers.size, "weights": weights, "history": columns}
            (folder / "end.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main()
