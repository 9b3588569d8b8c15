"""A book of two chapters in a folder of its own, built by the real tools and extension."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tree import FRONT_MATTER, ROOT

COPIED = ("tools", "vaelib", "book/_ext", "book/_static")

CHAPTER = """
(ch-{word})=
# Chapter {word}

Some prose.

```{{code-cell}} ipython3
{imports}
answer = 40 + 2
_ = ledger.check("{word}-answer", answer, low=42, high=42, claim="It is $42$.")
```

## A section

The end.
"""
TOC = """\
format: jb-book
root: book/intro
parts:
  - caption: Chapters
    chapters: [{file: notebooks/01_one.md}, {file: notebooks/02_two.md}]
  - caption: Back
    chapters: [{file: book/reproduction}]
"""
INVENTORY = """\
- {id: one, kind: claim, thesis: "1.1", words: the answer, chapter: 01_one, anchor: ch-one}
- {id: nine, kind: claim, thesis: "9.9", words: another, chapter: 09_nine, anchor: null}
"""


@dataclass
class TinyBook:
    path: Path

    @classmethod
    def make(cls, path: Path) -> "TinyBook":
        for name in COPIED:
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, path / name, ignore=ignore)
        for name in ("_config.yml", "pyproject.toml", "requirements.lock", "book/reproduction.md"):
            shutil.copyfile(ROOT / name, path / name)
        (path / "_toc.yml").write_text(TOC)
        (path / "book/intro.md").write_text("# Intro\n\nWelcome.\n\n## More\n\nText.\n")
        (path / "book/inventory.yml").write_text(INVENTORY)
        (path / "book/references.bib").write_text("")
        (path / "notebooks").mkdir()
        one, two = "from vaelib import ledger", "from vaelib import ledger, sigmoids"
        for name, word, imports in (("01_one", "one", one), ("02_two", "two", two)):
            text = FRONT_MATTER + CHAPTER.format(word=word, imports=imports)
            (path / f"notebooks/{name}.md").write_text(text)
        return cls(path)

    def copy_to(self, path: Path) -> "TinyBook":
        """The same book in another folder, with its runs and without its pages."""
        shutil.copytree(self.path, path, ignore=shutil.ignore_patterns("html", "__pycache__"))
        return TinyBook(path)

    def run(self, *args, check: bool = False, **environment):
        """Python in this book's folder, with its own vaelib and tools, without a data set."""
        done = subprocess.run(
            [sys.executable, *args],
            cwd=self.path,
            env=self._environment(environment),
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def build(self):
        command = str(Path(sys.executable).with_name("jupyter-book"))
        return self.run(command, "build", ".", "--all", "-W", "--keep-going", "--quiet")

    def _environment(self, changes: dict) -> dict:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("VAELIB_")}
        path = os.pathsep.join([str(self.path), str(self.path / "tools")])
        ours = {"PYTHONPATH": path, "VAELIB_DATA": str(self.path / "no-data")}
        return clean | ours | {"VAELIB_PROFILE": "quick"} | changes
