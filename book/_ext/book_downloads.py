"""The download button of a chapter hands out its paired notebook.

The theme offers the notebook that Sphinx read: raw MyST, and no cell that installs vaelib.
"""

from __future__ import annotations

from pathlib import Path

import chapters
import pair


def name_notebook(app, pagename, templatename, context, doctree) -> None:
    """Tell the theme's button that a chapter has a notebook, whatever launch buttons there are."""
    if pagename.startswith("notebooks/") and Path(pagename).name in app.book_runs:
        context["ipynb_source"] = f"{pagename}.ipynb"


def write_notebooks(app, problem) -> None:
    """Put the paired notebooks where the buttons point to, over the theme's own copies."""
    if problem is not None or app.builder.format != "html":
        return
    for name in app.book_runs:
        path = Path(app.outdir, "_sources", "notebooks", f"{name}.ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pair.twin(chapters.NOTEBOOKS / f"{name}.md"), encoding="utf-8")
