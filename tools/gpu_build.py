"""One visit to a machine with a GPU, no network and little time: pack, run there, collect here.

    python tools/gpu_build.py pack      here: wheels and data sets into _build/gpu/pack-1, -2, ...
    python tools/gpu_build.py run       there, in a copy of this tree with those folders
    python tools/gpu_build.py collect   here: check what came back, keep the runs for the pages

`run` needs Python and PyTorch. What is worth most comes first: the tests that want a CUDA device,
the thesis's three runs against the machine's limits, trainings for their cards, then chapters in
the thesis profile. It ends within its budget; what was not reached or had to be stopped is
reported as such, and leaves nothing. It writes into $OUT or --out, anew after each step:

    report.json        each step with its status and seconds, the machine, the archives' SHA-256
    results-N.tar.gz   chapters that ran to their end, cards, small weights, the steps' logs
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build" / "gpu"
EXECUTED = ROOT / "_build" / "executed"
# The chapters whose numbers need the thesis's scale most.
FIRST = ("10_latent_space", "12_anomaly_detection", "13_latent_manipulation", "11_denoising")
LEAST, SHARE = 15.0, 0.6  # seconds that a step needs to start; the share of what is left it gets
LARGEST = 15 * 2**20  # bytes of an archive and of a file of weights that come back
STATUSES = ("done", "FAILED", "stopped at the budget", "not run")


@dataclass
class Step:
    """One command, its place in the results, and how it went."""

    name: str
    command: list[str]
    status: str = STATUSES[3]
    seconds: float = 0.0
    says: str = ""


def chapters_in_order(wanted: list[str]) -> list[str]:
    """The chapters to run, by worth; all where none is named."""
    known = sorted(path.stem for path in (ROOT / "notebooks").glob("*.md"))
    if unknown := sorted(set(wanted) - set(known)):
        sys.exit(f"no such chapter: {', '.join(unknown)}; there are {', '.join(known)}")
    return wanted or [*(n for n in FIRST if n in known), *(n for n in known if n not in FIRST)]


def cuda_tests() -> list[str]:
    """The tests that are skipped where there is no CUDA device, as pytest names them."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            marks = map(ast.unparse, getattr(node, "decorator_list", []))
            if any("skipif" in mark and "torch.cuda.is_available" in mark for mark in marks):
                found.append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def plan(chapters: list[str], sets: set[str], *, small: bool) -> list[Step]:
    """All steps, in the order of their worth."""
    profile, steps = "quick" if small else "thesis", []
    if tests := cuda_tests():
        steps.append(("tests", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests))
    steps.append(("bench", "benchmarks/bench_gpu.py"))
    for name in ("mnist", *sorted(sets & {"brain", "celeba"})):
        steps.append((f"train-{name}", "-m", "vaelib.train", name, "--profile", profile))
    steps += [(name, "tools/execute.py", "--force", name) for name in chapters]
    return [Step(name, [sys.executable, *command]) for name, *command in steps]


def unpack(parts: list[Path], work: Path) -> set[str]:
    """Check the parts that are here, install wheels, lay out whole data sets: their names."""
    wheels, pieces = [], {}
    for part in parts:
        for name, digest in json.loads((part / "pack.json").read_text()).items():
            path = part / name
            if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                sys.exit(f"{path} is not the file that was packed: transfer it again")
            if path.suffix == ".whl":
                wheels.append(str(path))
            else:
                name, _, _, n = path.name.split(".")[0].split("-")
                pieces.setdefault((name, int(n)), []).append(path)
    (work / "data").mkdir()
    whole = {name: paths for (name, n), paths in pieces.items() if len(paths) == n}
    for path in (path for paths in whole.values() for path in paths):
        with tarfile.open(path) as archive:
            archive.extractall(work / "data", filter="data")
    if wheels:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        install += ["--no-compile", "--target", str(work / "site")]
        subprocess.run([*install, *wheels], check=True)
    return set(whole)


def surroundings(work: Path, device: str, *, small: bool) -> dict[str, str]:
    """The environment of each step: this tree and the wheels before what the machine has."""
    paths = [str(ROOT), str(work / "site"), os.environ.get("PYTHONPATH", "")]
    found = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "VAELIB_PROFILE": "quick" if small else "thesis",
        "VAELIB_DATA": str(work / "data"),
        "VAELIB_CACHE": str(work / "cache"),
        "TQDM_DISABLE": "1",
    }
    return found | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})


def machine(env: dict[str, str]) -> dict[str, str]:
    """What the steps run on, as torch sees it."""
    code = (
        "import json, torch; there = torch.cuda.is_available(); print(json.dumps({"
        "'device': torch.cuda.get_device_name() if there else 'CPU', 'torch': torch.__version__}))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"there is no torch that {sys.executable} can import:\n{done.stderr}")
    return json.loads(done.stdout)


def carry_out(step: Step, env: dict[str, str], log: Path, deadline: float) -> None:
    """Run one step until the deadline at the latest; fill in how it went."""
    started = time.monotonic()
    left = SHARE * (deadline - started)
    if left < LEAST:
        return
    with log.open("wb") as out:
        child = subprocess.Popen(
            step.command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            step.status = STATUSES[0] if child.wait(left) == 0 else STATUSES[1]
        except subprocess.TimeoutExpired:
            step.status = STATUSES[2]
        finally:
            with contextlib.suppress(ProcessLookupError):  # with all that it has started
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    step.seconds = round(time.monotonic() - started, 1)
    lines = log.read_text(errors="replace").split("\n")
    step.says = next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]


def results(steps: list[Step], work: Path) -> Iterator[tuple[Path, str]]:
    """The files to bring back and their names: of chapters, those that ran to their end."""
    for step in steps:
        run = EXECUTED / f"{step.name}.ipynb"
        if step.status == STATUSES[0] and run.exists():
            yield run, f"executed/{run.name}"
    for folder in sorted((work / "cache" / "runs").glob("*")):  # beside them, checkpoints
        for path in (folder / f"{folder.name}.json", folder / f"{folder.name}.safetensors"):
            if path.exists() and path.stat().st_size <= LARGEST:
                yield path, f"cards/{path.name}"
    for path in sorted((work / "logs").glob("*.log")):
        yield path, f"logs/{path.name}"


def write_out(out: Path, facts: dict[str, object], steps: list[Step], work: Path) -> None:
    """Replace the archives, then the report that names their hashes; none is ever half written."""
    groups, room, digests = [], 0, {}
    for path, name in results(steps, work):
        if path.stat().st_size > room:
            groups.append([])
            room = LARGEST
        groups[-1].append((path, name))
        room -= path.stat().st_size
    partial = out / ".part"
    for number, group in enumerate(groups, 1):
        with tarfile.open(partial, "w:gz", compresslevel=3) as archive:
            for path, name in group:
                archive.add(path, name)
        archive = out / f"results-{number}.tar.gz"
        digests[archive.name] = hashlib.sha256(partial.read_bytes()).hexdigest()
        partial.replace(archive)
    whole = facts | {"results": digests, "steps": [asdict(step) for step in steps]}
    partial.write_text(json.dumps(whole, indent=1))
    partial.replace(out / "report.json")


def run(args: argparse.Namespace) -> int:
    """Everything that fits into the budget; 1 when a step failed."""
    deadline = time.monotonic() + args.budget
    work, out = HOME / "work", args.out.resolve()
    shutil.rmtree(work, ignore_errors=True)
    for folder in (work / "logs", out):
        folder.mkdir(parents=True, exist_ok=True)
    sets = unpack(sorted(HOME.glob("pack-*")), work)
    env = surroundings(work, args.device, small=args.small)
    facts = machine(env) | {"budget": args.budget, "data": sorted(sets), "small": args.small}
    if args.device == "cuda" and facts["device"] == "CPU":
        sys.exit("PyTorch finds no CUDA device here; --device cpu --small tries the script itself")
    steps = plan(chapters_in_order(args.chapters), sets, small=args.small)
    write_out(out, facts, steps, work)
    for step in steps:
        carry_out(step, env, work / "logs" / f"{step.name}.log", deadline)
        if step.status != STATUSES[3]:
            write_out(out, facts, steps, work)
            print(f"{step.name:24}{step.seconds:8.1f} s  {step.status}  {step.says}", flush=True)
    print(f"not run: {', '.join(s.name for s in steps if s.status == STATUSES[3]) or 'nothing'}")
    return 1 if any(step.status == STATUSES[1] for step in steps) else 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="does", required=True)
    it = actions.add_parser("pack", help="here: wheels and data sets, in parts")
    it.add_argument("--has", type=Path, metavar="FILE", help="`pip list --format freeze` there")
    it.add_argument("--python", default="3.12", help="the version there (default 3.12)")
    it.add_argument("--data", nargs="*", default=["mnist"], choices=("mnist", "brain", "celeba"))
    it.add_argument("--part", type=float, metavar="MIB", help="default: 64 with the tracked files")
    it = actions.add_parser("run", help="there: all that fits into the budget")
    out = Path(os.environ.get("OUT") or HOME / "out")
    it.add_argument("--out", type=Path, default=out, help="default: $OUT, else _build/gpu/out")
    it.add_argument("--budget", type=float, default=540, metavar="SECONDS", help="default 540")
    it.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    it.add_argument("--small", action="store_true", help="the quick profile, to try the script")
    it.add_argument("--chapters", nargs="*", default=[], metavar="NN_name")
    it = actions.add_parser("collect", help="here: what came back")
    it.add_argument("folder", type=Path, help="that holds report.json")
    args = parser.parse_args(arguments)
    if args.does == "run":
        return run(args)
    import gpu_parcel  # needs what the other machine may not have

    if args.does == "collect":
        return gpu_parcel.collect(args.folder, HOME, EXECUTED)
    limit = int((args.part or 0) * 2**20)
    gpu_parcel.pack(HOME, python=args.python, has=args.has, sets=args.data, limit=limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
