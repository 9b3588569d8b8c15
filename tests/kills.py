"""Kill training runs without warning, let them go on, and count what was lost.

    python tests/kills.py steps 50     SIGKILL from outside, at a random moment
    python tests/kills.py writes 50    SIGKILL at a random point inside the writing of a checkpoint

Every run is a forked child of this process, which has imported torch once. It tells the steps
whose checkpoints it has finished. Then a second child goes on and runs to the end. Counted:
kills that hit, runs that lost a finished checkpoint, runs whose end differs in a bit from an
undisturbed one, and the most files found that belong to no checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from tqdm import tqdm

from vaelib import files, runtime
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.objective import linear_to
from vaelib.train import Checkpoints, Settings, fit

EPOCHS, PER_EPOCH = 2, 4
PATIENCE = 120  # seconds; a child that hangs ends by SIGALRM and counts as one that differs
END = b"\xff" * 4  # told before the digest of the end; no step is as large
POINTS = 6  # places in the writing of one file where a run can be killed


def digest(model: VAE, history, generator: torch.Generator) -> bytes:
    """All that a run leaves, in 32 bytes."""
    content = hashlib.sha256(generator.get_state().numpy())
    for value in [*model.parameters(), history.log_lik, history.kl, history.val_log_lik]:
        content.update(value.detach().contiguous().numpy())
    return content.digest()


def train(folder: Path, told: int) -> bytes:
    """A small run with a checkpoint at every step, each told through the pipe `told`."""

    class Telling(Checkpoints):
        def save(self, step, state, plan):
            super().save(step, state, plan)
            os.write(told, step.to_bytes(4, "little"))

    gen = runtime.generator(0)
    model = VAE(16, (8,), 2, generator=gen)
    pixels = torch.rand(40, 16, generator=runtime.generator(1))
    settings = Settings(EPOCHS, batch_size=8, lr=1e-2, patience=2, clip_norm=50.0)
    history = fit(
        model, Bernoulli(), pixels[:34], settings, validation=pixels[34:], generator=gen,
        beta=linear_to(2.0), checkpoints=Telling(folder, steps=1), resume=True,
    )  # fmt: skip
    return digest(model, history, gen)


def doomed(at: int, where: int) -> None:
    """Let this process kill itself at the `at`-th call of one of the points of a write."""
    left = [at]

    def die() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    flush, flush_folder = files.flush, files.flush_folder
    rename, remove = Path.replace, Path.unlink

    def half_written(out):
        out.flush()
        if left[0] == 1:
            os.truncate(out.fileno(), random.randrange(out.tell() + 1))
        die()
        flush(out)

    def after_flush(out):
        flush(out)
        die()

    def before_rename(self, target):
        die()
        return rename(self, target)

    def after_rename(self, target):
        result = rename(self, target)
        die()
        return result

    def before_folder(folder):
        die()
        flush_folder(folder)

    def before_remove(self, missing_ok=False):
        if self.suffix in {".json", ".safetensors"}:  # an old checkpoint, not a temporary file
            die()
        remove(self, missing_ok=missing_ok)

    if where == 0:
        files.flush = half_written
    elif where == 1:
        files.flush = after_flush
    elif where == 2:
        Path.replace = before_rename
    elif where == 3:
        Path.replace = after_rename
    elif where == 4:
        files.flush_folder = before_folder
    else:
        Path.unlink = before_remove


def child(folder: Path, at: int = 0, where: int = 0, seconds: float = 0.0):
    """Fork a run; (was it killed?, the steps that it told, the digest of its end)."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            signal.alarm(PATIENCE)
            if at:
                doomed(at, where)
            os.write(write, END + train(folder, write))
            os._exit(0)
        except BaseException as problem:
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
            os._exit(1)
    os.close(write)
    if seconds:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    status = os.waitpid(pid, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    steps, end = heard(told)
    return killed, steps, b"" if status else end


def heard(told: bytes) -> tuple[list[int], bytes]:
    """The steps that a run told, and the digest of its end if it came so far.

    A run can be killed after it has told its end and before it is gone.
    """
    steps, _, end = told.partition(END)
    return [int.from_bytes(steps[i : i + 4], "little") for i in range(0, len(steps), 4)], end


def strangers(folder: Path) -> int:
    """Files that belong to no whole checkpoint."""
    pairs = {p.stem for p in folder.glob("*.json") if p.stem.isdecimal()}
    return sum(p.stem not in pairs for p in folder.iterdir()) if folder.is_dir() else 0


def campaign(kind: str, n: int, seed: int = 0) -> dict[str, int]:
    """n kills of this kind, and what came of them."""
    random.seed(seed)
    # The lock and the watch of progress bars are shared with forks: a dead one would keep them.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0
    home = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        read, write = os.pipe()
        whole_here = train(home / "here", write)  # imports what is imported late
        os.close(read), os.close(write)
        seconds = 60.0
        for i in range(3):
            began = time.monotonic()
            _, _, whole = child(home / f"whole{i}")
            seconds = min(seconds, time.monotonic() - began)
        assert whole == whole_here, "the undisturbed runs differ or failed"
        count = {"kills": 0, "lost": 0, "differing": 0, "orphans": 0, "orphans after start": 0}
        while count["kills"] < n:
            folder = home / "run"
            if kind == "steps":
                killed, told, _ = child(folder, seconds=random.uniform(0.001, seconds))
            else:
                where = random.randrange(POINTS)
                at = random.randrange(1, EPOCHS * PER_EPOCH * 2)
                killed, told, _ = child(folder, at=at, where=where)
            if killed:
                count["kills"] += 1
                count["orphans"] = max(count["orphans"], strangers(folder))
                kept = Checkpoints(folder).kept() if folder.is_dir() else []
                count["lost"] += bool(told) and (not kept or kept[-1] < told[-1])
                _, _, end = child(folder)
                count["differing"] += end != whole
                after = strangers(folder)
                count["orphans after start"] = max(count["orphans after start"], after)
            shutil.rmtree(folder, ignore_errors=True)
            if killed and count["kills"] % 100 == 0:
                print(count, file=sys.stderr, flush=True)
        return count
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(campaign(sys.argv[1], int(sys.argv[2]))))
