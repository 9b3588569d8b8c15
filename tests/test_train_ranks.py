"""Two processes under torchrun: the run of one process, and an end when one of them dies."""

import json
import socket
import subprocess
import sys
import time

import pytest
import torch
from ranks import run

from vaelib.data import DataError
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.train import fit
from vaelib.train.distributed import Alone

WITHIN = 30  # seconds from a death to the end of the job

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed"),
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes"),
]


def torchrun(root, folder, *death, restarts=0):
    """Two ranks of tests/ranks.py on this machine; the finished process."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "--master-port", str(port), "--max-restarts", str(restarts), "--monitor-interval", "1",
        str(root / "tests" / "ranks.py"), str(folder), *map(str, death),
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
    model, history = run(tmp_path, Alone())
    assert two["size"] == 2
    for name, values in two["history"].items():
        torch.testing.assert_close(
            torch.tensor(values), getattr(history, name), rtol=1e-5, atol=0.0, msg=name
        )
    for ours, theirs in zip(model.parameters(), two["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(theirs), ours.detach(), rtol=1e-3, atol=1e-5)


def test_the_death_of_a_rank_ends_the_job_and_is_told(root, tmp_path):
    done = torchrun(root, tmp_path / "job", 1, 7)
    seconds = time.time() - float((tmp_path / "job" / "died").read_text())
    assert done.returncode != 0
    assert seconds < WITHIN
    assert "local_rank: 1" in done.stderr
    assert "Signal 9 (SIGKILL)" in done.stderr


def test_or_the_job_starts_again_and_ends_to_the_bit(root, two, tmp_path):
    done = torchrun(root, tmp_path / "job", 1, 18, restarts=1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "job" / "died").exists()
    assert json.loads((tmp_path / "job" / "end.json").read_text()) == two


class Three(Alone):
    size = 3


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(DataError, match="a batch of 16 cannot be shared by 3 processes"):
        fit(
            VAE(9, (4,), 2), Bernoulli(), torch.rand(40, 9), epochs=1, batch_size=16,
            generator=torch.Generator(), ranks=Three(),
        )  # fmt: skip
