"""Saving a chapter in JupyterLab changes what its author changed, and no other file.

The contents manager of the JupyterLab that `make lab` starts is made in this process, with the
settings of the project: jupytext's, and the hook of tools/lab_config.py.
"""

import shutil
from difflib import unified_diff

import pytest
import strip
import tidy
import yaml
from chapters import NOTEBOOKS
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class
from nbformat.v4 import new_output
from traitlets.config.loader import PyFileConfigLoader
from tree import ROOT

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.md"))
pytestmark = pytest.mark.filterwarnings("ignore:Overriding existing pre_save_hook")
# What JupyterLab writes into a notebook that it has opened with a kernel.
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
LANGUAGE = {"name": "python", "version": "3.12.1", "pygments_lexer": "ipython3"}


class Lab:
    """The part of JupyterLab's server that opens and saves files, in a copy of the project."""

    def __init__(self, root):
        self.root = root
        config = PyFileConfigLoader("lab_config.py", path=str(ROOT / "tools")).load_config()
        manager = build_sync_jupytext_contents_manager_class(LargeFileManager)
        self.manager = manager(config=config, root_dir=str(root))

    def open(self, name):
        """The notebook as JupyterLab shows it, with what a kernel's start adds."""
        notebook = self.manager.get(f"notebooks/{name}", type="notebook")["content"]
        notebook["metadata"] |= {"kernelspec": KERNEL, "language_info": LANGUAGE}
        return notebook

    def save(self, name, notebook):
        model = {"type": "notebook", "content": notebook}
        self.manager.save(model, f"notebooks/{name}")

    def texts(self):
        return {path.name: path.read_text() for path in (self.root / "notebooks").glob("[0-9]*")}


@pytest.fixture
def lab(tmp_path):
    shutil.copy(ROOT / "jupytext.toml", tmp_path)
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    return Lab(tmp_path)


def test_chapters_opened_as_notebooks_and_saved_stay_as_they_were(lab):
    before = lab.texts()
    for name in NAMES:
        lab.save(f"{name}.md", lab.open(f"{name}.md"))
    after = lab.texts()
    changed = {
        name: list(unified_diff(before[name].splitlines(), after[name].splitlines(), n=0))[2:12]
        for name in after
        if before.get(name) != after[name]
    }
    assert not changed


def test_a_changed_cell_of_the_source_is_the_only_change(lab):
    before = lab.texts()
    notebook = lab.open("05_cavi_mixture.md")
    cell = next(c for c in notebook["cells"] if "def update(" in c["source"])
    cell["source"] = cell["source"].replace("1 / (1 / sigma2", "1 / (2 / sigma2")
    lab.save("05_cavi_mixture.md", notebook)
    after = lab.texts()
    changed = [name for name in after if after[name] != before[name]]
    assert changed == ["05_cavi_mixture.md"]
    old, new = before[changed[0]].splitlines(), after[changed[0]].splitlines()
    assert [a for a, b in zip(old, new, strict=True) if a != b] == [
        "    s2 = 1 / (1 / sigma2 + resp.sum(0))"
    ]


def test_a_notebook_shows_its_plain_text_and_saving_it_changes_nothing(lab):
    before = lab.texts()
    for name in NAMES:
        notebook = lab.open(f"{name}.ipynb")
        assert "(ch-" not in notebook["cells"][0]["source"]
        lab.save(f"{name}.ipynb", notebook)
    assert lab.texts() == before


def test_a_notebook_that_was_run_keeps_its_outputs_until_it_is_stripped(lab):
    before = lab.texts()
    name = "05_cavi_mixture.ipynb"
    notebook = lab.open(name)
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [new_output("stream", text="42\n")]
            cell["metadata"]["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
            # Running a cell opens its output.
            cell["metadata"].get("jupyter", {}).pop("outputs_hidden", None)
    lab.save(name, notebook)
    after = lab.texts()
    assert "42" in after[name]
    assert strip.stripped(after.pop(name)) == before.pop(name)
    assert after == before


# --- the form in which options are kept ---------------------------------------------------------

WRAPPED = """\
---
kernelspec:
  name: python3
  display_name: Python 3 (ipykernel)
  language: python
---

A `display_name: x` in the text.

```{code-cell} ipython3
---
mystnb:
  image:
    alt: 'Left: a curve, and
      its mirror image.'
    width: 300
  figure:
    name: fig-a
    caption: It's "true"
tags: [hide-input]
---
x = {"a": 1}
```

```{code-cell} ipython3
:tags: [hide-cell]
y = 2
```

```{code-cell} ipython3
z = 3
```
"""
KEPT = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

A `display_name: x` in the text.

```{code-cell} ipython3
---
mystnb:
  image: {alt: "Left: a curve, and its mirror image.", width: 300}
  figure: {name: fig-a, caption: "It's \\"true\\""}
tags: [hide-input]
---
x = {"a": 1}
```

```{code-cell} ipython3
:tags: [hide-cell]

y = 2
```

```{code-cell} ipython3
z = 3
```
"""


def test_options_are_put_on_one_line_each():
    assert tidy.tidy(WRAPPED) == KEPT
    assert tidy.tidy(KEPT) == KEPT


@pytest.mark.parametrize("value", ["yes", "null", "true", "1e3", "a: b", "#a", "name", "fig-a"])
def test_options_are_read_as_they_were_written(value):
    options = {"mystnb": {"figure": {"name": value, "caption": f"{value}."}}, "tags": [value]}
    assert yaml.safe_load("\n".join(tidy.header(options)[1:-1])) == options
    assert yaml.safe_load(tidy.header({"tags": [value]})[0][1:]) == {"tags": [value]}


def test_chapters_are_kept_in_this_form():
    for path in NOTEBOOKS.glob("*.md"):
        assert tidy.tidy(path.read_text()) == path.read_text(), f"python tools/tidy.py {path}"
