"""What this book adds to Jupyter Book: the runs, the ledger, formulas set at build time.

- Before anything is read, the kept runs of all chapters are checked against the present
  code and handed to MyST-NB as its cache. A missing or stale run stops the build: a page
  never shows a number that its code did not make.
- The directives `ledger-table`, `thesis-table`, `inventory-table` and `chapter-times` are made
  from those runs; a verdict that the rows of the ledger do not bear out stops the build.
- Sections "Deeper: ..." are folded.
- Figures follow the theme, and stand under each other on a phone.
- The download buttons of chapters hand out the paired notebooks.
- Formulas are set here: pages with mathematics need no script and no network.
"""

from __future__ import annotations

import copy
import html
import json
import shutil
import sys
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbformat import NotebookNode
from sphinx.errors import ExtensionError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import book_math
import chapters
import statements
from book_downloads import name_notebook, write_notebooks
from book_figures import collect as collect_renderings
from book_figures import show_renderings, write_renderings
from book_folds import add_script, fold_sections
from book_numbers import number_by_file
from book_tables import ChapterTimes, InventoryTable, LedgerTable, ThesisTable, cards

from vaelib import ledger, records, renderings

BUILD = chapters.ROOT / "_build"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def setup(app) -> dict:
    book_math.install(app, BUILD / "math.json")
    app.connect("config-inited", take_runs)
    app.connect("builder-inited", number_by_file, priority=900)
    app.connect("doctree-resolved", fold_sections)
    app.connect("html-page-context", add_script, priority=100)
    app.connect("html-page-context", name_notebook, priority=100)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", say_how_it_ran, priority=900)
    app.connect("html-page-context", show_renderings, priority=900)
    app.connect("build-finished", allow_underscores)
    app.connect("build-finished", write_notebooks)
    app.connect("build-finished", write_renderings)
    app.add_directive("ledger-table", LedgerTable)
    app.add_directive("thesis-table", ThesisTable)
    app.add_directive("inventory-table", InventoryTable)
    app.add_directive("chapter-times", ChapterTimes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- before the pages are read -------------------------------------------------------------


def take_runs(app, config) -> None:
    """Fill a fresh jupyter-cache with the kept runs and write _build/ledger.json."""
    try:
        runs = chapters.fresh_runs()
    except chapters.StaleError as problem:
        raise ExtensionError(str(problem)) from problem
    folder = BUILD / ".jupyter_cache"
    shutil.rmtree(folder, ignore_errors=True)
    cache = get_cache(folder)
    for name, run in runs.items():
        seconds = chapters.facts(run).wall_seconds
        bundle = CacheBundleIn(
            page_face(app, run, name),
            chapters.NOTEBOOKS / f"{name}.md",
            data={"execution_seconds": seconds},
        )
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    config.nb_execution_cache_path = str(folder)
    app.book_runs = runs
    app.book_renderings = collect_renderings(runs)
    app.book_rows = collect(runs)
    (BUILD / "ledger.json").write_text(json.dumps(app.book_rows, indent=1, ensure_ascii=False))


def page_face(app, run: NotebookNode, name: str) -> NotebookNode:
    """The run with only what a page shows: views in HTML, not widgets, and cards with verdicts."""
    face = copy.deepcopy(run)
    full = cards(app, ledger.rows(run, name))
    for cell in face.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if row := data.pop(ledger.MIME, None):
                data["text/html"] = full[row["id"]]
            for mime in (records.MIME, renderings.MIME, WIDGET_MIME):
                data.pop(mime, None)
    return face


def collect(runs: dict) -> list[dict]:
    """The ledger of this build. An id used twice is an error: a reader could not tell which."""
    rows = [row for name, run in runs.items() for row in ledger.rows(run, name)]
    ids = [row["id"] for row in rows]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ExtensionError(f"ledger ids used more than once: {', '.join(twice)}")
    if found := statements.problems(list(statements.items()), rows, set(runs)):
        raise ExtensionError("\n".join(["verdicts and rows of the ledger differ:", *found]))
    return rows


# --- while the pages are written -----------------------------------------------------------


def drop_thebe(app, pagename, templatename, context, doctree) -> None:
    """sphinx-thebe names another host and defines its constants twice: leave it out."""

    def is_thebe(script) -> bool:
        body = getattr(script, "attributes", {}).get("body") or ""
        return "thebe" in str(getattr(script, "filename", "")) or "THEBE_JS_URL" in body

    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if not is_thebe(s)]


def say_how_it_ran(app, pagename, templatename, context, doctree) -> None:
    """Under a chapter's title: when, on what and how long its notebook ran."""
    run = app.book_runs.get(Path(pagename).name) if pagename.startswith("notebooks/") else None
    if run is None or "body" not in context:
        return
    facts = chapters.facts(run)
    environment = facts.environment
    line = (
        f"This page was computed on {facts.finished[:10]} in the {environment.profile} "
        f"profile on {environment.device}: {facts.wall_seconds:.0f} s, "
        f"{facts.cpu_seconds:.0f} s of CPU."
    )
    mark = f'</h1>\n<p class="run-facts">{html.escape(line)}</p>'
    context["body"] = context["body"].replace("</h1>", mark, 1)


def allow_underscores(app, problem) -> None:
    """Hosts that run Jekyll hide _static without this file."""
    if problem is None and app.builder.format == "html":
        Path(app.outdir, ".nojekyll").touch()
