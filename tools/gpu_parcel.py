"""What goes to a machine with a GPU and no network, in parts, and what comes back from there.

A part is a folder that fits into one transfer, `pack-1`, `pack-2`, ... in `_build/gpu`:

    wheels/              for the Python and platform of that machine
    NAME-I-of-N.tar.gz   a data set in N pieces, a few megabytes or as much as a part holds
    pack.json            the SHA-256 of each file

Of the lock go along the packages that the chapters and tests import, without those that the
machine has (`pip list --format freeze` there tells) and without PyTorch and CUDA's libraries.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the vaelib of this tree
MIB = 2**20
# What runs chapters and tests, besides the dependencies of vaelib; pages are rendered elsewhere.
NEEDED = ("ipykernel", "jupytext", "nbclient", "pytest", "pytest-timeout", "pyyaml")
WITH_TORCH = re.compile(r"(torch|torchvision|triton|nvidia-.*|cuda-.*)")
GLIBC = (17, 24, 26, 27, 28, 31, 34)  # of the manylinux tags; pip matches each exactly


def locked(lock: str, python: str) -> dict[str, tuple[str, set[str]]]:
    """The packages of the lock on Linux: name -> (its lines with the hashes, who needs it)."""
    where = {"python_version": python, "python_full_version": f"{python}.0"}
    where |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    found = {}
    for block in re.split(r"\n(?=\S)", lock.strip()):
        lines = block.split("\n")
        pins = [line for line in lines if not line.strip().startswith("#")]
        wanted = Requirement(pins[0].rstrip(" \\"))
        if wanted.marker and not wanted.marker.evaluate(where):
            continue
        comments = " ".join(line.strip(" #") for line in lines[len(pins) :])
        via = set(re.findall(r"[\w.-]+", comments)) - {"via", "pyproject.toml"}
        found[canonicalize_name(wanted.name)] = "\n".join(pins), via
    return found


def lacking(packages: dict[str, tuple[str, set[str]]], roots: set[str], has: set[str]) -> list[str]:
    """The packages that the roots need, directly or not, and the machine does not have."""
    waiting, found = set(roots), set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in packages or WITH_TORCH.fullmatch(name):
            continue
        found.add(name)
        waiting |= {other for other, (_, via) in packages.items() if name in via}
    return sorted(found - has)


def roots() -> set[str]:
    """What chapters and tests import."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return {canonicalize_name(Requirement(line).name) for line in declared} | set(NEEDED)


def fetch_wheels(folder: Path, python: str, has: set[str]) -> None:
    """Wheels of what is lacking, checked against the hashes of the lock; pip asks its index."""
    packages = locked((ROOT / "requirements.lock").read_text(), python)
    names = lacking(packages, roots(), has)
    print(f"{len(names)} packages for Python {python}: {' '.join(names)}")
    folder.mkdir(parents=True)
    if not names:
        return
    asked = folder.parent / "asked.txt"
    asked.write_text("\n".join(packages[name][0] for name in names) + "\n")
    tags = [f"manylinux_2_{n}_x86_64" for n in GLIBC]
    tags += ["manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    command += [part for tag in tags for part in ("--platform", tag)]
    subprocess.run([*command, "-d", str(folder), "-r", str(asked)], check=True)
    asked.unlink()


def data_files(name: str) -> tuple[Path, list[Path]]:
    """The folder of the data and the files of one set, by its place below that folder."""
    from vaelib import data, runtime

    top = runtime.data_dir().resolve()
    folders = {"brain": data.brain_folder(), "celeba": top / "celeba"}
    found = data.files() if name == "mnist" else sorted(folders[name].rglob("*"))
    paths = [path.resolve() for path in found if path.is_file()]
    return top, [path for path in paths if path.is_relative_to(top)]


def pieces(name: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """A data set as archives of at most `limit` bytes each, files kept whole."""
    top, paths = data_files(name)
    if not paths:
        sys.exit(f"{name} is not in {top}: leave it out of --data, or see `make data`")
    groups: list[list[Path]] = [[]]
    size = 0
    for path in paths:
        # Images are compressed already; the digits are not, and shrink to a fifth.
        cost = path.stat().st_size + 1024
        if groups[-1] and name != "mnist" and size + cost > limit:
            groups.append([])
            size = 0
        groups[-1].append(path)
        size += cost
    for number, group in enumerate(groups, 1):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path in group:
                archive.add(path, str(path.relative_to(top)))
        yield f"{name}-{number}-of-{len(groups)}.tar.gz", buffer.getvalue()


def write_parts(sources: Iterable[tuple[str, bytes]], parts: Path, limit: int) -> list[Path]:
    """Lay files into as few folders as they come in order; each ends with its pack.json."""
    made: list[Path] = []
    room = 0
    for name, content in sources:
        if len(content) > limit:
            sys.exit(f"{name} has {len(content) / MIB:.1f} MiB, a part {limit / MIB:.1f}")
        if len(content) > room:
            made.append(parts / f"pack-{len(made) + 1}")
            room = limit
        path = made[-1] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        room -= len(content)
    for part in made:
        files = sorted(path for path in part.rglob("*") if path.is_file())
        digests = {
            str(path.relative_to(part)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }
        (part / "pack.json").write_text(json.dumps(digests, indent=1))
    return made


def pack(
    folder: Path, *, python: str, has: Path | None, sets: list[str], limit: int | None = None
) -> None:
    """Write the parts below `folder`; the old ones are replaced when all new ones are there."""
    limit = limit or room_beside_the_tree()
    listed = has.read_text().split() if has else []
    there = {canonicalize_name(re.split(r"[=<>@ ]", line)[0]) for line in listed}
    fresh = folder / "packing"
    shutil.rmtree(fresh, ignore_errors=True)
    fetch_wheels(fresh / "fetched", python, there)

    def sources() -> Iterator[tuple[str, bytes]]:
        for wheel in sorted((fresh / "fetched").glob("*.whl")):
            yield f"wheels/{wheel.name}", wheel.read_bytes()
        for name in sets:
            yield from pieces(name, limit)

    made = write_parts(sources(), fresh, limit)
    shutil.rmtree(fresh / "fetched")
    for old in folder.glob("pack-*"):
        shutil.rmtree(old)
    for part in made:
        part.rename(folder / part.name)
        files = [path for path in (folder / part.name).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / MIB
        print(f"{folder / part.name}: {len(files) - 1} files, {size:.1f} MiB")
    fresh.rmdir()


def room_beside_the_tree(carried: int = 64 * MIB) -> int:
    """Bytes that are left of a transfer that takes the tracked files along, too."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in names.stdout.decode().split("\0") if name]
    tree = sum(path.stat().st_size for path in paths if path.is_file())
    return carried - tree - MIB


def collect(folder: Path, home: Path, executed: Path) -> int:
    """Check what came back, say how it went, keep the runs of chapters; 1 when a step failed."""
    report = json.loads((folder / "report.json").read_text())
    fresh, kept = home / "collecting", home / "results"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, digest in report["results"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            sys.exit(f"{folder / name} is not the one that report.json names: transfer it again")
        with tarfile.open(folder / name) as files:
            files.extractall(fresh, filter="data")
    shutil.copyfile(folder / "report.json", fresh / "report.json")
    shutil.rmtree(kept, ignore_errors=True)
    fresh.rename(kept)
    facts = {name: value for name, value in report.items() if name not in ("steps", "results")}
    print(" · ".join(f"{name} {value}" for name, value in facts.items()))
    for step in report["steps"]:
        print(f"{step['name']:24}{step['seconds']:8.1f} s  {step['status']}  {step['says']}")
    executed.mkdir(parents=True, exist_ok=True)
    runs = sorted(kept.glob("executed/*.ipynb"))
    for path in runs:
        partial = executed / f"{path.stem}.part"
        shutil.copyfile(path, partial)
        partial.replace(executed / path.name)
    print(f"{len(runs)} runs are in {executed}: `make html` renders them, tools/record.py keeps")
    print(f"their tables. Cards, small weights and logs are in {kept}.")
    return 1 if any(step["status"] == "FAILED" for step in report["steps"]) else 0
