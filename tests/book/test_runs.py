"""A run belongs to its code and its environment, and can be rendered elsewhere."""

import json
import re
import shutil

import chapters
import pytest


def digest(book, name="01_one"):
    code = f"import chapters; print(chapters.code_digest('{name}'))"
    return book.run("-c", code, check=True).stdout.strip()


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
        {p.name for p in chapters._files_of_rooms(chapters.rooms(name))}
        for name in ("05_cavi_mixture", "01_bayesian_coin")
    )
    assert {"cavi.py", "cavi.js", "core.js", "view.css", "__init__.py"} <= own
    assert not {"coin_stepper.py", "coin_stepper.js", "latent.js"} & own
    assert {"coin_stepper.py", "coin_stepper.js", "beta.js", "core.js", "view.css"} <= other


def test_a_view_runs_the_script_that_has_its_name():
    """Only then is a script among the files of its module, and a change of it runs the chapter."""
    for path in (chapters.ROOT / "vaelib" / "web").glob("[a-z]*.py"):
        assert f'"{path.stem}", data' in path.read_text(), path.name
    views = 0
    for path in (chapters.ROOT / "vaelib" / "views").glob("[a-z]*.py"):
        scripts = re.findall(r"_esm = (.*)", path.read_text())
        assert scripts in ([], [f'bundle("{path.stem}")']), path.name
        views += len(scripts)
    assert views > 6


def test_prose_does_not_change_the_digest_but_code_does(tiny_book):
    chapter = tiny_book.path / "notebooks" / "01_one.md"
    before = digest(tiny_book)
    edit(chapter, "Some prose.", "Other prose.")
    assert digest(tiny_book) == before
    edit(chapter, "40 + 2", "40 + 3")
    assert digest(tiny_book) != before


def test_only_rooms_that_a_chapter_uses_change_its_digest(tiny_book):
    before = {name: digest(tiny_book, name) for name in ("01_one", "02_two")}
    room = tiny_book.path / "vaelib" / "gaussian.py"
    room.write_text(room.read_text() + "\n# edited\n")
    assert digest(tiny_book, "01_one") == before["01_one"]
    assert digest(tiny_book, "02_two") != before["02_two"]


def test_the_lock_changes_every_digest(tiny_book):
    before = digest(tiny_book)
    (tiny_book.path / "requirements.lock").write_text("numpy==0\n")
    assert digest(tiny_book) != before


@pytest.mark.slow
def test_runs_are_kept_renewed_and_rendered_on_a_machine_without_torch(tiny_book, tmp_path):
    first = tiny_book.run("tools/execute.py", check=True).stdout
    assert "01_one:" in first
    assert "02_two:" in first
    again = tiny_book.run("tools/execute.py", check=True).stdout
    assert again.count("unchanged") == 2

    edit(tiny_book.path / "vaelib" / "gaussian.py", "def log_normal", "# edited\ndef log_normal")
    renewed = tiny_book.run("tools/execute.py", check=True).stdout
    assert "01_one: unchanged" in renewed
    assert "02_two: unchanged" not in renewed

    # Another environment makes another run; the old one is not shown for it.
    other = tiny_book.run("tools/execute.py", check=True, VAELIB_PROFILE="thesis").stdout
    assert "unchanged" not in other

    # The executed folder alone travels; there, torch cannot even be imported.
    elsewhere = tiny_book.copy_to(tmp_path / "elsewhere")
    shutil.copytree(tiny_book.path / "_build" / "executed", elsewhere.path / "_build" / "executed")
    (elsewhere.path / "torch.py").write_text("raise ImportError('no torch on this machine')\n")
    built = elsewhere.build()
    assert built.returncode == 0, built.stdout + built.stderr
    page = (elsewhere.path / "_build/html/notebooks/02_two.html").read_text()
    assert "thesis profile" in page

    # The download button hands out the paired notebook, with its install cell.
    assert 'href="../_sources/notebooks/02_two.ipynb"' in page
    notebook = json.loads(
        (elsewhere.path / "_build/html/_sources/notebooks/02_two.ipynb").read_text()
    )
    assert "(ch-" not in "".join(notebook["cells"][0]["source"])
    assert "Installs the book's package" in notebook["cells"][2]["source"][0]
    rows = json.loads((elsewhere.path / "_build" / "ledger.json").read_text())
    assert [row["id"] for row in rows] == ["one-answer", "two-answer"]
    reproduction = (elsewhere.path / "_build/html/book/reproduction.html").read_text()
    assert "two-answer" in reproduction

    # Newer code than the run: refused, not shown stale.
    edit(elsewhere.path / "notebooks" / "01_one.md", "40 + 2", "41 + 1")
    looked = elsewhere.run("tools/execute.py", "--check")
    assert looked.returncode == 1
    assert looked.stderr.startswith("no run of the present code for 01_one in ")
    refused = elsewhere.build()
    assert refused.returncode != 0
    assert "no run of the present code for 01_one" in refused.stdout + refused.stderr


@pytest.mark.slow
def test_a_relative_data_folder_is_the_same_for_the_kernels(tiny_book):
    (tiny_book.path / "my-data").mkdir()
    edit(
        tiny_book.path / "notebooks" / "01_one.md",
        "answer = 40 + 2",
        "from vaelib import runtime\nassert runtime.data_dir().is_dir()\nanswer = 40 + 2",
    )
    tiny_book.run("tools/execute.py", "01_one", check=True, VAELIB_DATA="my-data")


@pytest.mark.slow
def test_a_failing_chapter_is_reported_and_keeps_its_last_run(tiny_book):
    tiny_book.run("tools/execute.py", check=True)
    kept = (tiny_book.path / "_build/executed/01_one.ipynb").read_text()
    edit(tiny_book.path / "notebooks" / "01_one.md", "40 + 2", "40 + 3")
    failed = tiny_book.run("tools/execute.py")
    assert failed.returncode == 1
    assert "01_one: FAILED" in failed.stderr
    assert "LedgerError" in failed.stderr
    assert (tiny_book.path / "_build/executed/01_one.ipynb").read_text() == kept


@pytest.mark.slow
def test_an_id_used_twice_stops_the_build(tiny_book):
    edit(tiny_book.path / "notebooks" / "02_two.md", "two-answer", "one-answer")
    tiny_book.run("tools/execute.py", check=True)
    built = tiny_book.build()
    assert built.returncode != 0
    assert "ledger ids used more than once: one-answer" in built.stdout + built.stderr


TABLE = 'records.show("tiny-table", "Some table", ["a"], {"row": [answer]}, data="none")'


@pytest.mark.slow
def test_a_table_of_the_thesis_profile_is_kept_and_shown_beside_quick_runs(tiny_book):
    chapter = tiny_book.path / "notebooks" / "01_one.md"
    edit(chapter, "import ledger", "import ledger, records")
    edit(chapter, "\n```\n\n## A section", f"\n{TABLE}\n```\n\n## A section")
    folder = tiny_book.path / "vaelib" / "records"
    (folder / "old.json").write_text('{"facts": {"command": "make record CHAPTER=01_one"}}')
    run, record = ("tools/execute.py", "01_one"), ("tools/record.py", "01_one")
    assert "no run of the present code" in tiny_book.run(*record).stderr
    tiny_book.run(*run, check=True, VAELIB_PROFILE="thesis")
    tiny_book.run(*record, check=True)
    assert (folder / "tiny-table.json").exists()
    assert not (folder / "old.json").exists()
    tiny_book.run(*run, check=True)  # the record changed what the chapter shows
    run = json.loads((tiny_book.path / "_build/executed/01_one.ipynb").read_text())
    assert "Recorded at the thesis" in json.dumps(run["cells"])
    assert "run in the profile quick" in tiny_book.run(*record).stderr
