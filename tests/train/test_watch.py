"""The watch over the ranks: who is silent, who only left, and who is too far to be ended."""

import os
import socket
import subprocess
import sys

import pytest
import torch.distributed as dist

if not dist.is_available():
    pytest.skip("torch without distributed", allow_module_level=True)

from vaelib.train.watch import MISSED, Watch


@pytest.fixture
def peer():
    """A process that does nothing but live."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def watch():
    return Watch(dist.HashStore(), 0, 3)


def beat(watch, peer, n, pid=0, host=None):
    host = host or socket.gethostname()
    watch.store.set(f"beat-{peer}", f"{host} {pid} {n}")


def test_a_silent_peer_is_named_and_ended_once_and_a_lively_one_is_not(watch, peer, capfd):
    beat(watch, 2, 1, peer.pid)
    for n in range(MISSED):
        beat(watch, 1, n, os.getpid())
        assert watch.look() == []
    assert peer.poll() is None
    assert watch.look() == [2]
    assert peer.wait(timeout=10) != 0
    assert watch.look() == []
    said = capfd.readouterr().err
    assert said.count("no sign of life for 15 s") == 1
    assert f"rank 2 (process {peer.pid} on " in said


def test_one_beat_in_time_is_enough(watch):
    for n in range(3 * MISSED):
        beat(watch, 1, n // (MISSED - 1), os.getpid())
        assert watch.look() == []


def test_who_has_not_come_yet_or_has_left_is_not_silent(watch):
    beat(watch, 1, 1, os.getpid())
    assert watch.look() == []
    Watch(watch.store, 1, 3).leave()
    for _ in range(2 * MISSED):
        assert watch.look() == []


def test_a_process_of_another_machine_is_named_only(watch, peer, capfd):
    beat(watch, 1, 1, peer.pid, host="far.away")
    assert [watch.look() for _ in range(MISSED + 1)][-1] == [1]
    assert peer.poll() is None
    assert f"rank 1 (process {peer.pid} on far.away)" in capfd.readouterr().err


def test_the_thread_beats_and_ends(watch):
    watch.thread.start()
    watch.store.wait(["beat-0"])
    watch.leave()
    assert not watch.thread.is_alive()
    assert watch.store.get("beat-0") == b"left"
