"""Every chapter's .md and .ipynb are one and the same notebook."""

import json

import pair
import pytest
from chapters import NOTEBOOKS

SOURCES = sorted(NOTEBOOKS.glob("*.md"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_twin_is_what_its_source_says(path):
    twin = path.with_suffix(".ipynb")
    assert twin.exists(), f"{twin.name} is missing: run `make pair`"
    assert twin.read_text() == pair.twin(path), f"{twin.name} differs: run `make pair`"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_twin_has_no_outputs_and_stable_unique_ids(path):
    first, second = json.loads(pair.twin(path)), json.loads(pair.twin(path))
    assert first == second
    ids = [cell["id"] for cell in first["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in first["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_no_twin_without_a_source():
    stems = {path.stem for path in SOURCES}
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == stems


def test_check_notices_a_changed_twin(tiny_book):
    tiny_book.run("tools/pair.py", check=True)
    tiny_book.run("tools/pair.py", "--check", check=True)
    twin = tiny_book.path / "notebooks" / "01_one.ipynb"
    twin.write_text(twin.read_text().replace("40 + 2", "40 + 3"))
    done = tiny_book.run("tools/pair.py", "--check")
    assert done.returncode == 1
    assert "01_one.ipynb: differs" in done.stdout
    tiny_book.run("tools/pair.py", check=True)
    assert "40 + 2" in twin.read_text()


def test_check_notices_a_twin_without_source(tiny_book):
    tiny_book.run("tools/pair.py", check=True)
    (tiny_book.path / "notebooks" / "02_two.md").unlink()
    done = tiny_book.run("tools/pair.py", "--check")
    assert done.returncode == 1
    assert "02_two.ipynb: has no .md" in done.stdout
