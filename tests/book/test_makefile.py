"""`make html` renders when something that pages show has changed, and only then."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


@pytest.fixture
def html(root, tmp_path):
    """Runs `make html` in a folder where the tools only write down that they were called."""
    shutil.copyfile(root / "Makefile", tmp_path / "Makefile")
    for name in ("requirements.lock", "pyproject.toml", "_config.yml", "_toc.yml"):
        (tmp_path / name).touch()
    for folder in ("book", "notebooks", "tools", "vaelib", "_build/executed", "_build/html"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("python", "jupyter-book"):
        (tools / name).write_text(
            f'#!/bin/sh\necho {name} >> calls\nexec test ! -e "fail-{name}"\n'
        )
        (tools / name).chmod(0o755)
    (tmp_path / ".venv" / ".ready").touch()
    old = {path: path.stat().st_mtime - 100 for path in tmp_path.rglob("*")}
    for path, when in old.items():
        os.utime(path, (when, when))

    def run():
        """The exit status, and which tools were called."""
        (tmp_path / "calls").write_text("")
        done = subprocess.run(["make", "html"], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, (tmp_path / "calls").read_text().split()

    run.folder = tmp_path
    return run


def test_unchanged_pages_are_not_rendered_again(html):
    assert html() == (0, ["python", "jupyter-book"])
    assert html() == (0, [])


@pytest.mark.parametrize(
    "changed", ["notebooks", "book", "vaelib", "tools", "_build/executed"], ids=lambda name: name
)
def test_what_pages_are_made_from_renders_them_again(html, changed):
    html()
    new = html.folder / changed / "new"
    new.touch()
    later = new.stat().st_mtime + 1  # clocks of file systems are coarse
    os.utime(new, (later, later))
    assert html() == (0, ["python", "jupyter-book"])


@pytest.mark.parametrize(("tool", "called"), [("python", 1), ("jupyter-book", 2)])
def test_pages_of_a_failed_build_are_never_taken_for_complete(html, tool, called):
    (html.folder / f"fail-{tool}").touch()
    for _ in range(2):
        status, calls = html()
        assert status != 0
        assert len(calls) == called
