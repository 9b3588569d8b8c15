"""A visit to a machine with a GPU: what is packed, what the budget cuts off, what comes back."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import chapters
import gpu_build
import gpu_parcel
import pytest
from tiny_book import TinyBook


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder of one visit; the tools work on a project that has nothing else."""
    monkeypatch.setattr(gpu_build, "HOME", tmp_path / "gpu")
    monkeypatch.setattr(gpu_build, "EXECUTED", tmp_path / "executed")
    (tmp_path / "gpu").mkdir()
    return tmp_path / "gpu"


@pytest.fixture
def faces(tmp_path, monkeypatch):
    """A data folder with what looks like CelebA, to be transferred: incompressible bytes."""
    folder = tmp_path / "data" / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for i in range(9):
        (folder / f"{i}.jpg").write_bytes(os.urandom(20_000))
    (folder.parent / "list_attr_celeba.txt").write_text("9\n")
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def there(tmp_path, root):
    """A file that says that a machine has every package of the lock: no wheel is asked for."""
    names = gpu_parcel.locked((root / "requirements.lock").read_text(), "3.12")
    (tmp_path / "has.txt").write_text("\n".join(f"{name}==1.0" for name in names))
    return tmp_path / "has.txt"


def test_wheels_are_those_that_chapters_and_tests_import_and_the_machine_lacks(root):
    packages = gpu_parcel.locked((root / "requirements.lock").read_text(), "3.12")
    assert "appnope" not in packages, "for macOS"
    pins, _ = packages["msgspec"]
    assert pins.startswith("msgspec==")
    assert "--hash=sha256:" in pins
    wanted = gpu_parcel.lacking(packages, gpu_parcel.roots(), has=set())
    assert {"msgspec", "numpy", "nbclient", "pyzmq", "pytest"} <= set(wanted)
    assert not {"torch", "torchvision", "triton", "sphinx", "jupyterlab", "ruff"} & set(wanted)
    assert not [name for name in wanted if name.startswith(("nvidia", "cuda"))]
    fewer = gpu_parcel.lacking(packages, gpu_parcel.roots(), has={"numpy", "pyzmq"})
    assert set(wanted) - set(fewer) == {"numpy", "pyzmq"}


def test_what_is_packed_in_parts_is_laid_out_there(home, faces, there):
    gpu_parcel.pack(home, python="3.12", has=there, sets=["celeba"], limit=70_000)
    parts = sorted(home.glob("pack-*"))
    assert len(parts) > 2
    for part in parts:
        names = json.loads((part / "pack.json").read_text())
        assert sum((part / name).stat().st_size for name in names) <= 70_000
    work = home / "work"
    work.mkdir()
    assert gpu_build.unpack(parts, work) == {"celeba"}
    for path in faces.rglob("*.*"):
        assert (work / "data" / path.relative_to(faces)).read_bytes() == path.read_bytes()


def test_half_a_data_set_is_left_out_and_a_damaged_part_refused(home, faces, there):
    gpu_parcel.pack(home, python="3.12", has=there, sets=["celeba"], limit=70_000)
    *some, last = sorted(home.glob("pack-*"))
    (home / "work").mkdir()
    assert gpu_build.unpack(some, home / "work") == set()
    assert not list((home / "work" / "data").iterdir())
    shutil.rmtree(home / "work")
    (home / "work").mkdir()
    piece = next(last.glob("celeba-*"))
    piece.write_bytes(piece.read_bytes()[:-1])
    with pytest.raises(SystemExit, match="not the file that was packed"):
        gpu_build.unpack([*some, last], home / "work")


def test_a_set_that_is_not_here_leaves_the_old_parts(home, faces, there):
    (home / "pack-1").mkdir()
    with pytest.raises(SystemExit, match="leave it out of --data"):
        gpu_parcel.pack(home, python="3.12", has=there, sets=["celeba", "brain"])
    assert (home / "pack-1").exists()


def python(code):
    return [sys.executable, "-c", code]


def not_running(pid):
    """Whether a process has ended, within a few seconds."""
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")")[-1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_step_ends_at_the_budget_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_build, "LEAST", 0.5)
    child = (
        "import subprocess, sys; wait = [sys.executable, '-c', 'import time; time.sleep(60)'];"
        "grandchild = subprocess.Popen(wait); print(grandchild.pid, flush=True); grandchild.wait()"
    )
    steps = [gpu_build.Step("slow", python(child)), gpu_build.Step("next", python("1"))]
    deadline = time.monotonic() + 4
    gpu_build.carry_out(steps[0], dict(os.environ), tmp_path / "slow.log", deadline)
    assert steps[0].status == "stopped at the budget"
    assert 2 < steps[0].seconds < 4
    assert not_running(int(steps[0].says))
    gpu_build.carry_out(steps[1], dict(os.environ), tmp_path / "next.log", time.monotonic())
    assert steps[1].status == "not run"
    assert not (tmp_path / "next.log").exists()


@pytest.fixture
def visit(home, tmp_path, monkeypatch):
    """A visit of four steps, one of which fails and one of which is stopped: where it came to."""
    executed = tmp_path / "executed"
    executed.mkdir()
    write = f"import pathlib; pathlib.Path({str(executed)!r}, '{{}}.ipynb').write_text('new')"
    steps = {
        "01_one": write.format("01_one"),
        "02_two": write.format("02_two") + "; raise SystemExit('it broke')",
        "03_three": write.format("03_three") + "; import time; time.sleep(60)",
        "04_four": "1",
    }
    monkeypatch.setattr(gpu_build, "LEAST", 3.0)
    monkeypatch.setattr(
        gpu_build, "plan", lambda *_, **__: [gpu_build.Step(n, python(c)) for n, c in steps.items()]
    )
    monkeypatch.setattr(gpu_build, "LARGEST", 9)  # bytes: the run, then the logs
    monkeypatch.setattr(gpu_build, "machine", lambda env: {"device": "CPU"})
    out = tmp_path / "out"
    command = ["run", "--device", "cpu", "--small", "--budget", "7", "--out", str(out)]
    assert gpu_build.main(command) == 1, "a step failed"
    shutil.rmtree(executed)  # another machine
    return out


def test_only_what_ran_to_its_end_comes_back(visit, home, tmp_path, capsys):
    report = json.loads((visit / "report.json").read_text())
    statuses = {step["name"]: step["status"] for step in report["steps"]}
    assert statuses == {
        "01_one": "done", "02_two": "FAILED", "03_three": "stopped at the budget",
        "04_four": "not run",
    }  # fmt: skip
    assert sorted(path.name for path in visit.iterdir()) == [
        "report.json",
        "results-1.tar.gz",
        "results-2.tar.gz",
    ]
    executed = tmp_path / "executed"
    executed.mkdir()
    (executed / "02_two.ipynb").write_text("old")
    assert gpu_build.main(["collect", str(visit)]) == 1
    assert (executed / "01_one.ipynb").read_text() == "new"
    assert (executed / "02_two.ipynb").read_text() == "old"
    assert len(list(executed.iterdir())) == 2
    assert "it broke" in (home / "results" / "logs" / "02_two.log").read_text()
    assert "not run" in capsys.readouterr().out
    archive = visit / "results-2.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(SystemExit, match="not the one that"):
        gpu_build.main(["collect", str(visit)])


def test_the_tests_that_need_cuda_are_found():
    found = gpu_build.cuda_tests()
    assert "tests/test_model.py::test_a_model_trains_on_cuda_as_on_the_cpu" in found
    assert len(found) >= 4


def test_chapters_come_by_worth_and_none_is_forgotten():
    order = gpu_build.chapters_in_order([])
    assert order[: len(gpu_build.FIRST)] == list(gpu_build.FIRST)
    assert sorted(order) == sorted(chapters.names())


@pytest.mark.slow
def test_a_visit_on_the_cpu_brings_back_a_run_that_can_be_rendered(tmp_path, root, there):
    """From end to end, with two tiny chapters; the second machine is another copy of the tree."""
    book = TinyBook.make(tmp_path / "here")
    shutil.copytree(root / "benchmarks", book.path / "benchmarks")
    presets = book.path / "vaelib/train/presets.toml"
    presets.write_text(presets.read_text().replace("epochs = 100", "epochs = 2"))
    env = {k: v for k, v in os.environ.items() if not k.startswith("VAELIB")}

    def tool(folder, *arguments):
        command = [sys.executable, "tools/gpu_build.py", *map(str, arguments)]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)

    packed = tool(book.path, "pack", "--has", there, "--part", 1, "--data")
    assert packed.returncode == 0, packed.stderr
    other, out = tmp_path / "there", tmp_path / "out"
    shutil.copytree(book.path, other)
    small = "--device", "cpu", "--small", "--chapters", "01_one"
    ran = tool(other, "run", "--out", out, *small)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "not run: nothing" in ran.stdout
    assert tool(book.path, "collect", out).returncode == 0
    checked = book.run("tools/execute.py", "--check").stderr
    assert "for 02_two in" in checked, "the other one has a run of this code"
    card = json.loads((book.path / "_build/gpu/results/cards/mnist-quick.json").read_text())
    assert card["command"].startswith("python -m vaelib.train mnist")
