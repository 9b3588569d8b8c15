"""Checkpoints: whole or not there, resumed to the bit, refused when damaged or of another run."""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import kills
import pytest
import torch
from training import fit_with

from vaelib import files
from vaelib.data import DataError
from vaelib.likelihood import Bernoulli, Gaussian
from vaelib.model import VAE
from vaelib.objective import constant, linear_to
from vaelib.train import CheckpointError, Checkpoints

torch.set_num_threads(1)
SETTINGS = {"epochs": 3, "batch_size": 8, "lr": 1e-2, "beta": linear_to(2.0)}
PIXELS = torch.rand(40, 16, generator=torch.Generator().manual_seed(1))
PER_EPOCH = 4  # 34 images in batches of 8


def run(
    folder=None,
    resume=False,
    log=None,
    seed=0,
    lik=None,
    pixels=PIXELS[:34],
    hidden=(8,),
    **changes,
):
    """A small run; its weights, history and generator, in one list of tensors."""
    gen = torch.Generator().manual_seed(seed)
    model = VAE(16, hidden, 2, generator=gen)
    log = Checkpoints(folder, steps=1) if folder and log is None else log
    settings = {**SETTINGS, "validation": PIXELS[34:], **changes}
    history = fit_with(
        model, lik or Bernoulli(), pixels, generator=gen, checkpoints=log, resume=resume,
        **settings,
    )  # fmt: skip
    columns = [c for c in vars(history).values() if isinstance(c, torch.Tensor)]
    return [*(p.detach() for p in model.parameters()), *columns, gen.get_state()]


class Signaling(Checkpoints):
    """Sends this process a signal when a step is taken, as somebody else would."""

    def __init__(self, folder, at, signum=signal.SIGTERM):
        super().__init__(folder)
        self.at, self.signum = at, signum

    def is_due(self, step):
        if step == self.at:
            os.kill(os.getpid(), self.signum)
        return False


def same(one, two):
    return all(a.equal(b) for a, b in zip(one, two, strict=True))


WAYS = {
    "plain": {},
    "beta by the step": {"beta_per_step": True},
    "clipped": {"clip_norm": 1.0},
    "three samples": {"n_samples": 3},
    "patient": {"patience": 1},
    "without validation": {"validation": None},
    "binarized": {"binarize": True},
    "annealed": {"anneal": 3},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_checkpoints_change_nothing(tmp_path, way):
    assert same(run(**way), run(tmp_path, **way))


@pytest.mark.parametrize("at", range(1, 3 * PER_EPOCH + 1))
def test_a_run_resumed_after_any_step_is_the_run_to_the_bit(tmp_path, at):
    with pytest.raises(SystemExit) as end:
        run(log=Signaling(tmp_path, at))
    assert end.value.code == 128 + signal.SIGTERM
    assert Checkpoints(tmp_path).kept() == [at]
    assert same(run(tmp_path, resume=True), run(tmp_path / "whole"))
    (one, plan), (two, same_plan) = (Checkpoints(f).load() for f in (tmp_path, tmp_path / "whole"))
    assert plan == same_plan
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name != "seconds":
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(two[name])), name


@pytest.mark.parametrize("way", [w for w in WAYS if w not in ("plain", "without validation")])
@pytest.mark.parametrize("at", [3, 8, 10])
def test_so_it_is_whatever_the_settings(tmp_path, way, at):
    with pytest.raises(SystemExit):
        run(log=Signaling(tmp_path, at), **WAYS[way])
    assert same(run(tmp_path, resume=True, **WAYS[way]), run(**WAYS[way]))


def test_it_is_the_state_that_does_it(tmp_path):
    """The same test fails when one thing of the checkpoint is not restored: the noise."""
    with pytest.raises(SystemExit):
        run(log=Signaling(tmp_path, 6))

    class Forgetful(Checkpoints):
        def load(self, step=None):
            state, plan = super().load(step)
            state["generator.noise"] = torch.Generator().manual_seed(5).get_state()
            return state, plan

    assert not same(run(log=Forgetful(tmp_path), resume=True), run())


def test_a_checkpoint_of_the_first_release_is_resumed(root, tmp_path):
    """Step 6 of 12, written when `fit` still took every setting as an argument."""
    shutil.copytree(root / "tests" / "train" / "checkpoint_v1", tmp_path / "old")
    settings = {"patience": 2, "clip_norm": 50.0, "hidden": (2,)}
    resumed, whole = run(tmp_path / "old", resume=True, **settings), run(**settings)
    assert Checkpoints(tmp_path / "old").kept() == [11, 12]
    for one, two in zip(resumed, whole, strict=True):
        torch.testing.assert_close(one, two)  # not bit for bit: torch may be another
    shutil.copytree(root / "tests" / "train" / "checkpoint_v1", tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"clip_norm: 50\.0 there, None here"):
        run(tmp_path / "other", resume=True, patience=2, hidden=(2,))


def test_a_finished_run_is_resumed_without_a_step(tmp_path):
    whole = run(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert same(run(tmp_path, resume=True), whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_the_best_weights_and_the_end_by_patience_survive_too(tmp_path):
    """Black images to learn from, white ones to judge by: the first epoch is the best."""
    black, white = torch.zeros(34, 16), torch.ones(6, 16)
    way = {"pixels": black, "validation": white, "epochs": 9, "patience": 2}
    whole = run(**way)
    with pytest.raises(SystemExit):
        run(log=Signaling(tmp_path, PER_EPOCH + 2), **way)
    for _ in range(2):  # to the end, and once more
        assert same(run(tmp_path, resume=True, **way), whole)
        assert Checkpoints(tmp_path).kept()[-1] == 3 * PER_EPOCH
    shortest = run(**{**way, "epochs": 1, "beta": lambda epoch, epochs: linear_to(2.0)(epoch, 9)})
    assert same(whole[:8], shortest[:8])  # the weights


def test_resuming_where_nothing_is_starts_anew(tmp_path):
    assert same(run(tmp_path / "new", resume=True), run())


def test_ctrl_c_saves_and_leaves_and_the_old_handlers_come_back(tmp_path):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SystemExit) as end:
        run(log=Signaling(tmp_path, 5, signal.SIGINT))
    assert end.value.code == 128 + signal.SIGINT
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert Checkpoints(tmp_path).kept() == [5]


def test_another_thread_trains_and_leaves_signals_alone(tmp_path):
    before, seen = signal.getsignal(signal.SIGTERM), []
    thread = threading.Thread(target=lambda: seen.append(run(tmp_path)))
    thread.start()
    thread.join()
    assert same(seen[0], run())
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_newest_two_are_kept(tmp_path):
    run(tmp_path)
    assert Checkpoints(tmp_path).kept() == [11, 12]
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {f"000000{n}.{kind}" for n in (11, 12) for kind in ("json", "safetensors")}


def test_time_decides_where_no_steps_are_given(tmp_path, monkeypatch):
    seldom = Checkpoints(tmp_path / "a", seconds=1e6)
    run(log=seldom)
    assert seldom.kept() == [12]
    always = Checkpoints(tmp_path / "b", seconds=0)
    run(log=always)
    assert always.kept() == [11, 12]


# --- damage ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Checkpoints of steps 5 and 6."""
    for at in (5, 6):
        with pytest.raises(SystemExit):
            run(log=Signaling(tmp_path, at), resume=True)
    assert Checkpoints(tmp_path).kept() == [5, 6]
    return tmp_path


def test_a_second_run_does_not_write_over_the_first(folder):
    with pytest.raises(CheckpointError, match=r"holds a run at step 6.*resume=True"):
        run(folder)
    assert Checkpoints(folder).kept() == [5, 6]


def cut(path, at):
    os.truncate(path, int(path.stat().st_size * at))


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[min(int(len(content) * at), len(content) - 1)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [cut, flip])
@pytest.mark.parametrize("at", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_damaged_file_is_named_and_the_older_one_offered(folder, harm, at):
    harm(folder / "00000006.safetensors", at)
    offer = r"00000006\.safetensors.*checkpoint of step 5 is whole.*--resume 5"
    with pytest.raises(CheckpointError, match=offer):
        run(folder, resume=True)
    assert same(run(folder, resume=5), run())
    assert Checkpoints(folder).kept() == [11, 12]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sha256": 5}', b'{"step": 6}'])
def test_so_is_a_damaged_hash(folder, content):
    (folder / "00000006.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"00000006.*step 5 is whole"):
        run(folder, resume=True)


def test_every_flipped_bit_of_a_hash_is_found(folder):
    path = folder / "00000006.json"
    good = path.read_bytes()
    start = good.index(json.loads(good)["sha256"].encode())
    for i in range(start, start + 64):
        bad = bytearray(good)
        bad[i] ^= 1 << (i % 7)
        path.write_bytes(bad)
        with pytest.raises(CheckpointError):
            Checkpoints(folder).load()


def test_when_both_are_damaged_none_is_offered(folder):
    for step in (5, 6):
        cut(folder / f"0000000{step}.safetensors", 0.5)
    with pytest.raises(CheckpointError, match="no older one that is whole"):
        run(folder, resume=True)


def test_a_step_that_is_not_there_is_named(folder):
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 7 .*steps \[5, 6\]"):
        run(folder, resume=7)


CHANGES = {
    "generator": {"seed": 1},
    "lr": {"lr": 2e-2},
    "epochs": {"epochs": 4},
    "batch_size": {"batch_size": 4},
    "beta": {"beta": constant(1.0)},
    "likelihood": {"lik": Gaussian(0.5)},
    "clip_norm": {"clip_norm": 1.0},
    "binarize": {"binarize": True},
    "anneal": {"anneal": 3},
    "validation images": {"validation": PIXELS[35:]},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_checkpoint_of_another_run_is_refused_with_what_differs(folder, what):
    with pytest.raises(CheckpointError, match=rf"of another run:(.|\n)*{what}: .* there, .* here"):
        run(folder, resume=True, **CHANGES[what])


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_full_disk_leaves_the_older_ones_and_is_one_clear_message(folder, monkeypatch, at):
    calls, flush = [], files.flush

    def full(out):
        calls.append(out)
        if len(calls) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(out)

    monkeypatch.setattr(files, "flush", full)
    message = r"step \d+ cannot be kept .*No space left on device.*Free some space.*is whole"
    with pytest.raises(CheckpointError, match=message):
        run(folder, resume=True)
    monkeypatch.undo()
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    assert same(run(folder, resume=True), run())


def test_what_a_killed_writer_left_is_taken_away(folder):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [
        folder / f".00000007.safetensors.part-{files.host()}-{dead.pid}-abcd0123",
        folder / f".00000007.json.part-{files.host()}-{dead.pid}-abcd0123",
        folder / "00000007.safetensors",
    ]
    for path in left:
        path.write_bytes(b"half")
    # In a container the killed one often had the number that the next one has.
    left.append(folder / f".00000007.json.part-{files.host()}-{os.getpid()}-abcd0123")
    left[-1].write_bytes(b"half")
    in_use = [
        folder / f".00000007.json.part-{files.host()}-{os.getppid()}-abcd0123",
        folder / f".00000007.json.part-elsewhere-{dead.pid}-abcd0123",
    ]
    for path in in_use:
        path.write_bytes(b"half")
    assert Checkpoints(folder).sweep() == 4
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in in_use)


def test_a_run_that_diverges_is_not_saved(tmp_path):
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        run(tmp_path, lr=1e30)
    for step in Checkpoints(tmp_path).kept():
        state, _ = Checkpoints(tmp_path).load(step)
        assert all(torch.as_tensor(value).isfinite().all() for value in state.values())


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    class Poisoned(VAE):
        def decode(self, z):
            out = super().decode(z)
            out.register_hook(lambda grad: grad * float("nan"))
            return out

    gen = torch.Generator().manual_seed(0)
    model = Poisoned(16, (8,), 2, generator=gen)
    with pytest.raises(FloatingPointError, match=r"not finite any more.*\n?.*not saved"):
        fit_with(
            model, Bernoulli(), PIXELS, epochs=1, batch_size=8, generator=gen,
            checkpoints=Checkpoints(tmp_path, steps=1),
        )  # fmt: skip
    assert not Checkpoints(tmp_path).kept()


def test_a_file_is_on_the_disk_before_it_has_its_name_and_so_are_the_names(tmp_path, monkeypatch):
    """The order of calls; kill -9 cannot show it, since the system's memory outlives a process."""
    done, sync, replace = [], os.fsync, Path.replace

    def note_sync(handle):
        whole = os.fstat(handle)
        done.append("names" if stat.S_ISDIR(whole.st_mode) else f"{whole.st_size} bytes")
        sync(handle)

    def note_replace(self, target):
        done.append(f"rename {Path(target).name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    Checkpoints(tmp_path / "new").save(7, {"a": torch.zeros(3)}, {})
    sizes = {p.suffix: p.stat().st_size for p in (tmp_path / "new").iterdir()}
    assert done == [
        "names",  # of the new folder
        f"{sizes['.safetensors']} bytes", "rename 00000007.safetensors", "names",
        f"{sizes['.json']} bytes", "rename 00000007.json", "names",
    ]  # fmt: skip


def test_a_checkpoint_of_another_kind_of_device_is_refused(folder):
    """Its noise comes from a generator that this device does not have."""

    class Foreign(Checkpoints):
        def load(self, step=None):
            state, plan = super().load(step)
            state["generator.noise"] = torch.zeros(16, dtype=torch.uint8)
            return state, {**plan, "device": "cuda"}

    with pytest.raises(CheckpointError, match="device: cuda there, cpu here"):
        run(log=Foreign(folder), resume=True)


def test_patience_needs_something_to_judge_by():
    with pytest.raises(DataError, match="patience needs validation images"):
        run(patience=1, validation=None)


# --- kill -9 --------------------------------------------------------------------------------


def test_a_run_killed_after_its_end_told_no_more_steps_than_it_took():
    steps = b"".join(step.to_bytes(4, "little") for step in (7, 8))
    assert kills.heard(steps) == ([7, 8], b"")
    digest = b"\x02" * 32  # read as steps these would be steps whose checkpoints are lost
    assert kills.heard(steps + kills.END + digest) == ([7, 8], digest)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["steps", "writes"])
def test_nothing_is_lost_when_runs_are_killed(root, kind):
    command = [sys.executable, str(root / "tests" / "kills.py"), kind, "50"]
    count = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert count["kills"] == 50
    assert count["lost"] == count["differing"] == 0
    assert count["orphans after start"] <= 1
