"""Run the chapters whose code, environment or data changed; keep the runs for the renderer.

    python tools/execute.py [--jobs N] [--force] [NN_name ...]
    python tools/execute.py --check      run nothing; exit 1 when a run is missing or stale

Prints wall and CPU seconds per chapter; shows the traceback of every failure, not only
of the first, and exits 1 when there is one. A failed chapter leaves its last run in place.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import chapters

# A cell that takes longer than this hangs: quick chapters take a minute in all.
CELL_SECONDS = {"quick": 300, "thesis": 6 * 3600}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NN_name", help="only these chapters")
    parser.add_argument("--jobs", type=int, default=None, help="chapters at a time (default 2)")
    parser.add_argument("--force", action="store_true", help="run them even if nothing changed")
    parser.add_argument("--check", action="store_true", help="run nothing, only look")
    args = parser.parse_args()
    if args.check:
        return check()
    known = chapters.names()
    unknown = sorted(set(args.names) - set(known))
    if unknown:
        parser.error(f"no such chapter: {', '.join(unknown)}; there are {', '.join(known)}")

    if os.environ.get("VAELIB_DATA", "").strip():
        # Kernels run in notebooks/, where a relative path would name another folder.
        os.environ["VAELIB_DATA"] = str(Path(os.environ["VAELIB_DATA"]).expanduser().resolve())
    os.environ["VAELIB_PAGES"] = "1"  # figures in both themes, and for phones
    environment = chapters.environment()
    # One GPU serves one chapter at a time; two kernels share two cores well.
    jobs = args.jobs or (2 if environment.device.startswith("CPU") else 1)
    waiting = [n for n in args.names or known if args.force or not is_fresh(n, environment)]
    for name in sorted(set(args.names or known) - set(waiting)):
        print(f"{name}: unchanged")
    return 1 if run_all(waiting, environment, jobs) else 0


def check() -> int:
    """Say in one line which chapters cannot be rendered. Needs no torch."""
    try:
        chapters.fresh_runs()
    except chapters.StaleError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def is_fresh(name: str, environment: chapters.Environment) -> bool:
    run = chapters.load_run(name)
    if run is None:
        return False
    facts = chapters.facts(run)
    return facts.code == chapters.code_digest(name) and facts.environment == environment


def run_all(waiting: list[str], environment: chapters.Environment, jobs: int) -> list[str]:
    """Execute the chapters, `jobs` at a time; return the names of those that failed."""
    if not waiting:
        return []
    # Kernels that each take all cores crawl; share the cores out instead.
    # The digest is of this tree, so the kernels import this tree, wherever .venv points.
    paths = [str(chapters.ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ["TQDM_DISABLE"] = "1"  # a progress bar would be an output of its cell
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    # One process per chapter, forked from one that has imported what all of them need.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["chapters", "nbclient"])
    failed = []
    with ProcessPoolExecutor(min(jobs, len(waiting)), context, max_tasks_per_child=1) as pool:
        order = chapters.longest_first(waiting)
        futures = {pool.submit(run_one, name, environment): name for name in order}
        for future in as_completed(futures):
            name = futures[future]
            try:
                print(f"{name}: {future.result()}", flush=True)
            except Exception as problem:
                failed.append(name)
                print(f"{name}: FAILED\n{problem}\n", file=sys.stderr, flush=True)
    return failed


def run_one(name: str, environment: chapters.Environment) -> str:
    """Execute one chapter in this process's kernel and keep the run."""
    from nbclient import NotebookClient

    code = chapters.code_digest(name)
    notebook = chapters.source(name)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # errors only: it warns about TCP on every start
        timeout=CELL_SECONDS[environment.profile],
        record_timing=False,  # timings in cell metadata would change the key of the cache
        resources={"metadata": {"path": str(chapters.NOTEBOOKS)}},
    )
    started = time.perf_counter()
    client.execute()
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = chapters.Run(
        code=code,
        environment=environment,
        wall_seconds=round(wall, 1),
        cpu_seconds=round(used.ru_utime + used.ru_stime, 1),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    chapters.save_run(name, notebook, facts)
    return f"{facts.wall_seconds} s, {facts.cpu_seconds} s of CPU"


if __name__ == "__main__":
    sys.exit(main())
