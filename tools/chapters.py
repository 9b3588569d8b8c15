"""The chapters as files: which there are, what they depend on, what their last run left.

A chapter's run is kept as one executed notebook, `_build/executed/NN_name.ipynb`, whose
metadata says from which code and in which environment it was made. That folder is all
that a machine without GPU, data or torch needs to render the book.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

# Where jsonschema finds this package, it builds a grammar of addresses, which takes longer than
# all other imports here together. No schema of a notebook asks for it, and jsonschema goes without.
sys.modules.setdefault("rfc3987_syntax", None)

import jupytext
import msgspec
import nbformat
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
# The vaelib of this tree, whatever tree the environment was installed for.
sys.path.insert(0, str(ROOT))
NOTEBOOKS = ROOT / "notebooks"
EXECUTED = ROOT / "_build" / "executed"
RUN = "vaelib_run"  # the metadata key of a run's facts

from vaelib import schema


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the numbers of a run depend on besides the code; `data` is a digest or "none"."""

    profile: Literal["quick", "thesis"]
    device: str
    data: str
    python: str


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which code, in which environment, when and how long a chapter was run."""

    code: str
    environment: Environment
    wall_seconds: float
    cpu_seconds: float
    finished: str


class StaleError(RuntimeError):
    """A chapter has no run, or one from other code than there is now."""


def names() -> list[str]:
    """The chapters of the table of contents, in order, without folder and extension."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    return [Path(file).stem for file in files if file.startswith("notebooks/")]


def source(name: str) -> NotebookNode:
    """The chapter as a notebook, read from its MyST Markdown."""
    return jupytext.read(NOTEBOOKS / f"{name}.md", fmt="md:myst")


def title(name: str) -> str:
    """The chapter's first heading."""
    heading = re.search(r"^# (.+)$", (NOTEBOOKS / f"{name}.md").read_text(), flags=re.MULTILINE)
    return heading[1].strip() if heading else name


def code_digest(name: str) -> str:
    """Changes when the chapter's code cells, a room they use or the lock change; prose does not."""
    cells = [[c.source, c.metadata] for c in source(name).cells if c.cell_type == "code"]
    digest = hashlib.sha256(json.dumps(cells, sort_keys=True).encode())
    for path in [*files_of_rooms(rooms(name)), ROOT / "requirements.lock"]:
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def rooms(name: str) -> set[str]:
    """The modules of vaelib that a chapter imports (`views.cavi`), and those that these import."""
    code = "\n".join(c.source for c in source(name).cells if c.cell_type == "code")
    # Lines for IPython (%magic, !shell) are no Python and import nothing.
    waiting = _imported(re.sub(r"^\s*(%{1,2}[a-zA-Z]|!).*$", "", code, flags=re.MULTILINE))
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        found.add(module)
        for path in _files_of(module):
            if path.suffix == ".py":
                waiting |= _imported(path.read_text()) - found
    return found


def longest_first(those: Iterable[str]) -> list[str]:
    """The chapters in an order in which none of the long ones is left to run alone at the end.

    By the seconds of their last runs. A chapter that never ran comes before those that did, and
    of two, first the one that uses more of vaelib: what trains takes longer than what does not.
    """

    def key(name: str) -> tuple[bool, float]:
        run = load_run(name)
        if run is not None:
            return False, facts(run).wall_seconds
        return True, sum(path.stat().st_size for path in files_of_rooms(rooms(name)))

    return sorted(those, key=key, reverse=True)


def environment() -> Environment:
    """What the numbers of a run made now depend on besides the code."""
    from vaelib import data, runtime

    return Environment(
        profile=runtime.profile(),
        device=runtime.device_name(),
        data=_fingerprint(data.files()),
        python=".".join(platform.python_version_tuple()[:2]),
    )


def load_run(name: str) -> NotebookNode | None:
    """The executed notebook of a chapter, or None where there is none that can be read."""
    path = EXECUTED / f"{name}.ipynb"
    try:
        notebook = nbformat.read(path, as_version=4)
        facts(notebook)
    except Exception:  # whatever JSON makes nbformat stumble over: the chapter is run again
        return None
    return notebook


def facts(run: NotebookNode) -> Run:
    """The facts of a run. Raises SchemaError where there are none, or not these."""
    return schema.convert(run.metadata.get(RUN), Run, "the facts of a run")


def save_run(name: str, notebook: NotebookNode, how: Run) -> None:
    """Keep a run; a reader never sees half a file."""
    notebook.metadata[RUN] = msgspec.to_builtins(how)
    notebook.metadata.pop("widgets", None)  # the pages show the views' own HTML
    EXECUTED.mkdir(parents=True, exist_ok=True)
    path = EXECUTED / f"{name}.ipynb"
    partial = path.with_suffix(".part")
    nbformat.write(notebook, partial)
    partial.replace(path)


def fresh_runs() -> dict[str, NotebookNode]:
    """The runs of all chapters. Raises StaleError naming those without a run of today's code."""
    runs = {name: load_run(name) for name in names()}
    stale = [
        name for name, run in runs.items() if run is None or facts(run).code != code_digest(name)
    ]
    if stale:
        raise StaleError(
            f"no run of the present code for {', '.join(stale)} in {EXECUTED}: "
            "run `make execute` here, or copy that folder from the machine that did."
        )
    return runs


def _imported(code: str) -> set[str]:
    """The modules of vaelib that Python code imports, by their names below it (`views.cavi`)."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    below = [name.split(".")[1:] for name in found if name.startswith("vaelib.")]
    # `a.b` needs the package `a` too; a name that is no file is something inside a module.
    parents = {".".join(parts[:n]) for parts in below for n in range(1, len(parts) + 1)}
    return {module for module in parents if any(_files_of(module))}


def _files_of(module: str) -> Iterator[Path]:
    """A module, and what shares its name (views/cavi.js); of a package, what no module has."""
    path = ROOT / "vaelib" / module.replace(".", "/")
    if path.is_dir():
        modules = {p.stem for p in path.glob("*.py")} - {"__init__"}
        yield from sorted(p for p in path.iterdir() if p.is_file() and p.stem not in modules)
    else:
        yield from sorted(path.parent.glob(f"{path.name}.*"))


def files_of_rooms(found: set[str]) -> Iterator[Path]:
    """The modules' files, and what lies beside the rooms: vaelib/__init__.py, the style sheet."""
    beside = (ROOT / "vaelib").iterdir()
    yield from sorted(p for p in beside if p.is_file() and p.suffix != ".py")
    yield ROOT / "vaelib" / "__init__.py"
    for module in sorted(found):
        yield from _files_of(module)


def _fingerprint(files: list[Path]) -> str:
    """`none`, or a short digest of the paths, sizes and dates of the data files."""
    seen = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16] if seen else "none"
