"""A run belongs to its code and its environment, and can be rendered elsewhere."""

import json
import re

import chapters
import nbformat
import pytest
import record
from sphinx.errors import ExtensionError
from tiny_book import TinyBook

from vaelib import ledger, records


def take_for_this_project(monkeypatch, book):
    """Let the tools in this process work on a tiny book."""
    monkeypatch.setattr(chapters, "ROOT", book.path)
    monkeypatch.setattr(chapters, "NOTEBOOKS", book.path / "notebooks")
    monkeypatch.setattr(chapters, "EXECUTED", book.path / "_build" / "executed")
    monkeypatch.setattr(records, "FOLDER", book.path / "vaelib" / "records")


@pytest.fixture
def book(tiny_book, monkeypatch):
    """A tiny book whose chapters the tools in this process read."""
    take_for_this_project(monkeypatch, tiny_book)
    return tiny_book


@pytest.fixture(scope="module")
def executed_book(tmp_path_factory):
    """A tiny book that has run; a test that changes it takes a copy."""
    made = TinyBook.make(tmp_path_factory.mktemp("executed") / "book")
    first = made.run("tools/execute.py", check=True).stdout
    assert "01_one:" in first
    assert "02_two:" in first
    return made


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_notebook_is_in_the_table_of_contents():
    assert sorted(chapters.names()) == sorted(p.stem for p in chapters.NOTEBOOKS.glob("*.md"))


def test_rooms_are_followed_through_imports():
    found = chapters.rooms("10_latent_space")
    assert {"train", "objective", "gaussian", "likelihood", "model", "runtime"} <= found
    assert "mixture" not in found
    assert "mixture" in chapters.rooms("05_cavi_mixture")
    assert {"data", "data.mnist", "data.digits"} <= found


def test_a_chapter_depends_on_its_own_view_only():
    """A view's script counts with its module; what all views share counts for all of them."""
    own, other = (
        {p.name for p in chapters.files_of_rooms(chapters.rooms(name))}
        for name in ("05_cavi_mixture", "01_bayesian_coin")
    )
    assert {"cavi.py", "cavi.js", "core.js", "view.css", "__init__.py"} <= own
    assert not {"coin_stepper.py", "coin_stepper.js", "latent.js"} & own
    assert {"coin_stepper.py", "coin_stepper.js", "beta.js", "core.js", "view.css"} <= other


def test_a_view_runs_the_script_that_has_its_name():
    """Only then is a script among the files of its module, and a change of it runs the chapter."""
    views = 0
    for path in (chapters.ROOT / "vaelib" / "views").glob("[a-z]*.py"):
        scripts = re.findall(r"_esm = (.*)", path.read_text())
        assert scripts in ([], [f'bundle("{path.stem}")']), path.name
        views += len(scripts)
    assert views == 15


def test_long_chapters_come_first(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "EXECUTED", tmp_path)
    before = chapters.longest_first(chapters.names())
    assert before[:2] == ["13_latent_manipulation", "12_anomaly_detection"]
    assert sorted(before) == chapters.names()

    environment = chapters.Environment("quick", "CPU (2 cores)", "none", "3.12")
    for name, seconds in (("13_latent_manipulation", 1.0), ("01_bayesian_coin", 2.0)):
        run = chapters.Run("digest", environment, seconds, seconds, "today")
        chapters.save_run(name, nbformat.v4.new_notebook(), run)
    after = chapters.longest_first(chapters.names())
    assert after[0] == "12_anomaly_detection"  # never ran: it may take long
    assert after[-2:] == ["01_bayesian_coin", "13_latent_manipulation"]


def test_prose_does_not_change_the_digest_but_code_does(book):
    chapter = book.path / "notebooks" / "01_one.md"
    before = chapters.code_digest("01_one")
    edit(chapter, "Some prose.", "Other prose.")
    assert chapters.code_digest("01_one") == before
    edit(chapter, "40 + 2", "40 + 3")
    assert chapters.code_digest("01_one") != before


def test_only_rooms_that_a_chapter_uses_change_its_digest(book):
    before = {name: chapters.code_digest(name) for name in ("01_one", "02_two")}
    room = book.path / "vaelib" / "sigmoids.py"
    room.write_text(room.read_text() + "\n# edited\n")
    assert chapters.code_digest("01_one") == before["01_one"]
    assert chapters.code_digest("02_two") != before["02_two"]


def test_the_lock_changes_every_digest(book):
    before = chapters.code_digest("01_one")
    (book.path / "requirements.lock").write_text("numpy==0\n")
    assert chapters.code_digest("01_one") != before


@pytest.fixture(scope="module")
def run_again(executed_book, tmp_path_factory):
    """The book and a second run of it: one chapter fails, a room of the other was edited.

    The data are in a folder named by a relative path, which the second chapter asks for.
    """
    book = executed_book.copy_to(tmp_path_factory.mktemp("again") / "book")
    edit(book.path / "notebooks" / "01_one.md", "40 + 2", "40 + 3")
    edit(book.path / "vaelib" / "sigmoids.py", "\nimport math", "\nimport math  # edited")
    (book.path / "my-data").mkdir()
    asks = "from vaelib import runtime\nassert runtime.data_dir().is_dir()\nanswer"
    edit(book.path / "notebooks" / "02_two.md", "answer = 40", f"{asks} = 40")
    return book, book.run("tools/execute.py", VAELIB_DATA="my-data")


@pytest.mark.slow
def test_runs_are_kept_where_nothing_changed(executed_book):
    assert executed_book.run("tools/execute.py", check=True).stdout.count("unchanged") == 2


@pytest.mark.slow
def test_a_chapter_is_renewed_where_a_room_changed_and_finds_data_by_a_relative_path(run_again):
    _, second = run_again
    assert re.search(r"^02_two: [\d.]+ s", second.stdout, re.MULTILINE), second.stderr


@pytest.mark.slow
def test_a_failing_chapter_is_reported_and_keeps_its_last_run(executed_book, run_again):
    book, second = run_again
    assert second.returncode == 1
    assert "01_one: FAILED" in second.stderr
    assert "LedgerError" in second.stderr
    run = "_build/executed/01_one.ipynb"
    assert (book.path / run).read_text() == (executed_book.path / run).read_text()


@pytest.mark.slow
def test_pages_are_rendered_without_torch_and_refused_where_code_is_newer(executed_book, tmp_path):
    book = executed_book.copy_to(tmp_path / "elsewhere")
    (book.path / "torch.py").write_text("raise ImportError('no torch on this machine')\n")
    built = book.build()
    assert built.returncode == 0, built.stdout + built.stderr
    page = (book.path / "_build/html/notebooks/02_two.html").read_text()
    assert "quick profile" in page
    rows = json.loads((book.path / "_build" / "ledger.json").read_text())
    assert [row["id"] for row in rows] == ["one-answer", "two-answer"]
    assert "two-answer" in (book.path / "_build/html/book/reproduction.html").read_text()

    # The download button hands out the paired notebook, with its install cell.
    assert 'href="../_sources/notebooks/02_two.ipynb"' in page
    downloaded = book.path / "_build/html/_sources/notebooks/02_two.ipynb"
    title, _, install, *_ = nbformat.read(downloaded, as_version=4).cells
    assert title.source.startswith("# 2. Chapter two")
    assert install.source.startswith("# Installs the book's package")

    # Newer code than the run: refused, not shown stale.
    edit(book.path / "notebooks" / "01_one.md", "40 + 2", "41 + 1")
    looked = book.run("tools/execute.py", "--check")
    assert looked.returncode == 1
    assert looked.stderr.startswith("no run of the present code for 01_one in ")
    refused = book.build()
    assert refused.returncode != 0
    assert "no run of the present code for 01_one" in refused.stdout + refused.stderr


def test_an_id_used_twice_stops_the_build(monkeypatch):
    monkeypatch.syspath_prepend(str(chapters.ROOT / "book" / "_ext"))
    from book_ext import collect

    row = {"id": "one-answer", "statement": None}
    output = {"output_type": "display_data", "data": {ledger.MIME: row}, "metadata": {}}
    run = {"cells": [{"cell_type": "code", "outputs": [output]}]}
    assert [row["chapter"] for row in collect({"01_one": run})] == ["01_one"]
    with pytest.raises(ExtensionError, match="ledger ids used more than once: one-answer"):
        collect({"01_one": run, "02_two": run})


TABLE = 'records.show("tiny-table", "Some table", ["a"], {"row": [answer]}, data="none")'


@pytest.mark.slow
def test_a_table_of_the_thesis_profile_is_kept_and_shown_beside_quick_runs(
    executed_book, tmp_path, monkeypatch
):
    book = executed_book.copy_to(tmp_path / "book")
    take_for_this_project(monkeypatch, book)
    chapter = book.path / "notebooks" / "01_one.md"
    edit(chapter, "import ledger", "import ledger, records")
    edit(chapter, "\n```\n\n## A section", f"\n{TABLE}\n```\n\n## A section")
    facts = {"command": "make record CHAPTER=01_one"}
    old = {"id": "old", "title": "Not shown", "columns": [], "rows": [], "facts": facts}
    (records.FOLDER / "old.json").write_text(json.dumps(old))
    with pytest.raises(SystemExit, match="no run of the present code"):
        record.main("01_one")
    # Another environment makes another run of the same code.
    run = ("tools/execute.py", "01_one")
    assert "unchanged" not in book.run(*run, check=True, VAELIB_PROFILE="thesis").stdout
    record.main("01_one")
    assert (records.FOLDER / "tiny-table.json").exists()
    assert not (records.FOLDER / "old.json").exists()
    assert "unchanged" not in book.run(*run, check=True).stdout
    assert "Recorded at the thesis" in (chapters.EXECUTED / "01_one.ipynb").read_text()
    with pytest.raises(SystemExit, match="run in the profile quick"):
        record.main("01_one")
