"""Settings of the JupyterLab that `make lab` starts: a save changes what the author changed.

A chapter's Markdown that was opened as a notebook comes from jupytext with long captions wrapped
over several lines; a notebook comes with the name and version of the reader's own kernel.
Both are written as they are kept. Outputs stay, until they are stripped at a commit.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import strip
import tidy


def as_it_is_kept(model, path, **_):
    """Before a file is written: put a chapter in order, as Markdown or as a notebook."""
    if Path(path).parts[-2:-1] != ("notebooks",):
        return
    if model["type"] == "file" and path.endswith(".md"):
        model["content"] = tidy.tidy(model["content"])
    elif model["type"] == "notebook":
        model["content"]["metadata"] = {"kernelspec": strip.KERNEL}


c = get_config()  # noqa: F821 - Jupyter's own function, there when it reads this file
c.FileContentsManager.pre_save_hook = as_it_is_kept
