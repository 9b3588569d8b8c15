"""Two processes under torchrun: the run of one process, and an end when one of them fails."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from ranks import run
from training import fit_with

from vaelib.data import DataError
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.train import Checkpoints
from vaelib.train.distributed import OneProcess

WITHIN = 30  # seconds from a failure to the end of the job, or to its new start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes"),
]


def torchrun(root, folder, *failure, restarts=0):
    """Two ranks of tests/ranks.py on this machine; the finished process."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "--master-port", str(port), "--max-restarts", str(restarts), "--monitor-interval", "1",
        str(root / "tests" / "ranks.py"), str(folder), *map(str, failure),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def two(root, tmp_path_factory):
    """The end of an undisturbed run of two processes."""
    folder = tmp_path_factory.mktemp("ranks") / "two"
    done = torchrun(root, folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "end.json").read_text())


def test_two_processes_do_what_one_does(two, tmp_path):
    model, history = run(tmp_path, OneProcess())
    assert two["size"] == 2
    for name, values in two["history"].items():
        torch.testing.assert_close(
            torch.tensor(values), getattr(history, name), rtol=1e-5, atol=0.0, msg=name
        )
    for ours, theirs in zip(model.parameters(), two["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(theirs), ours.detach(), rtol=1e-3, atol=1e-5)


def seconds_between(folder, one, two):
    """From one mark of tests/ranks.py to another."""
    return float((folder / two).read_text()) - float((folder / one).read_text())


def test_the_death_of_a_rank_ends_the_job_and_is_told(root, tmp_path):
    done = torchrun(root, tmp_path, 1, 7, int(signal.SIGKILL))
    (tmp_path / "over").write_text(str(time.time()))
    assert done.returncode != 0
    assert seconds_between(tmp_path, "sent", "over") < WITHIN
    assert "local_rank: 1" in done.stderr
    assert "Signal 9 (SIGKILL)" in done.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_hangs_is_named_and_the_job_starts_again_to_the_bit(root, two, tmp_path, rank):
    done = torchrun(root, tmp_path, rank, 18, int(signal.SIGSTOP), restarts=1)
    assert done.returncode == 0, done.stderr
    assert seconds_between(tmp_path, "sent", "again") < WITHIN
    assert re.search(rf"^(.*: *)?rank {rank} .*no sign of life", done.stderr, re.MULTILINE)
    assert f"rank {1 - rank} (" not in done.stderr
    assert json.loads((tmp_path / "end.json").read_text()) == two


def test_sigterm_to_torchrun_saves_and_the_run_can_go_on_to_the_bit(root, two, tmp_path):
    done = torchrun(root, tmp_path, 1, 18, int(signal.SIGTERM))
    (tmp_path / "over").write_text(str(time.time()))
    assert done.returncode != 0
    assert seconds_between(tmp_path, "sent", "over") < WITHIN
    assert not (tmp_path / "end.json").exists()
    assert Checkpoints(tmp_path / "checkpoints").kept() == [17, 18]
    assert "no sign of life" not in done.stderr
    assert torchrun(root, tmp_path).returncode == 0
    assert json.loads((tmp_path / "end.json").read_text()) == two


class Three(OneProcess):
    size = 3


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(DataError, match="a batch of 16 cannot be shared by 3 processes"):
        fit_with(
            VAE(9, (4,), 2), Bernoulli(), torch.rand(40, 9), epochs=1, batch_size=16,
            generator=torch.Generator(), ranks=Three(),
        )  # fmt: skip
