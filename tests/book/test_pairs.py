"""Every chapter's .md and .ipynb are one and the same notebook, and the second is plain."""

import re

import chapters
import nbformat
import pair
import pytest
from chapters import NOTEBOOKS
from markdown_it import MarkdownIt
from nbformat import NotebookNode
from tree import FRONT_MATTER

SOURCES = sorted(NOTEBOOKS.glob("*.md"))
each_chapter = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
# What only MyST knows. Code, in blocks and in lines, is not looked at.
MYST = {
    "role": r"\{[a-z][a-z:]*\}`",
    "directive": r"^\s*(>\s*)*:::|```+\{",
    "label": r"^\s*\([\w-]+\)=",
    "labeled formula": r"\$\$\s*\([\w-]+\)",
    "empty link": r"\]\(\)|\]\(#\)|\[\]\(",
    "reference without a number": r"\\tag\{\}|Fig\. *\]|\(\)\]",
    "footnote": r"\[\^",
    "comment": r"^%",
}
ANCHOR = re.compile(r'<a id="([^"]+)"></a>')


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    """The paired notebooks of all chapters, as they ought to be."""
    return {path.stem: pair.twin(path) for path in SOURCES}


@pytest.fixture(scope="module")
def notebooks(wanted) -> dict[str, NotebookNode]:
    return {name: nbformat.reads(text, as_version=4) for name, text in wanted.items()}


def texts(notebook: NotebookNode) -> list[str]:
    return [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


@each_chapter
def test_committed_notebook_is_what_its_source_says(path, wanted):
    twin = path.with_suffix(".ipynb")
    assert twin.exists(), f"{twin.name} is missing: run `make pair`"
    assert twin.read_text() == wanted[path.stem], f"{twin.name} differs: run `make pair`"


def test_no_notebook_without_a_source():
    stems = {path.stem for path in SOURCES}
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == stems


@each_chapter
def test_ids_are_unique_and_nothing_has_run(path, notebooks):
    notebook = notebooks[path.stem]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@each_chapter
def test_code_is_that_of_the_source_in_its_order(path, notebooks):
    ours = [c for c in notebooks[path.stem]["cells"] if c["cell_type"] == "code"]
    source = [c for c in chapters.source(path.stem).cells if c.cell_type == "code"]
    assert ours.pop(0)["source"] == pair.install_cell()
    assert [c["source"] for c in ours] == [c.source for c in source]
    for cell, original in zip(ours, source, strict=True):
        tags = original.metadata.get("tags", [])
        assert cell["metadata"].get("tags", []) == tags
        hidden = bool({"hide-input", "hide-cell"} & set(tags))
        assert cell["metadata"].get("jupyter", {}).get("source_hidden", False) == hidden


@each_chapter
def test_text_has_nothing_that_only_myst_knows(path, notebooks):
    md = MarkdownIt("commonmark").enable("table")
    for text in texts(notebooks[path.stem]):
        prose = re.sub(r"`[^`\n]+`(?!`)", "", text)
        for what, pattern in MYST.items():
            found = re.search(pattern, prose, flags=re.MULTILINE)
            assert not found, f"{what} {found[0]!r} in {text[:80]!r}"
        assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
        # A fold's Markdown is read as Markdown only behind a blank line.
        assert (
            text.count("</summary>\n\n") == text.count("\n\n</details>") == text.count("<summary>")
        )
        assert md.parse(text)


@each_chapter
def test_formulas_are_closed_and_free_of_blank_lines(path, notebooks):
    """JupyterLab takes a blank line, and a quote's mark, for the end of a formula or a part."""
    for text in texts(notebooks[path.stem]):
        parts = text.split("$$")
        assert len(parts) % 2 == 1, text[:80]
        for formula in parts[1::2]:
            assert "\n\n" not in formula, formula
            assert "\n>" not in formula, formula
            assert formula.count(r"\begin{") == formula.count(r"\end{")


@each_chapter
def test_links_arrive(path, notebooks):
    anchors = {
        name: [a for text in texts(notebook) for a in ANCHOR.findall(text)]
        for name, notebook in notebooks.items()
    }
    assert len(set(anchors[path.stem])) == len(anchors[path.stem])
    for text in texts(notebooks[path.stem]):
        prose = re.sub(r"`[^`\n]+`|\$[^$]+\$", "", text)
        for target in re.findall(r"\]\(([^()\s]+)\)", prose):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            if file and not file.endswith(".ipynb"):
                assert (NOTEBOOKS / file).exists(), target
                continue
            name = file.removesuffix(".ipynb") or path.stem
            assert anchor in ["", *anchors[name]], target


def test_the_reader_is_told_where_changes_go(notebooks):
    for name, notebook in notebooks.items():
        first = "\n".join(texts(notebook)[:2])
        assert f"{name}.md" in first
        assert "CONTRIBUTING.md" in first


def test_the_same_source_makes_the_same_notebook(wanted):
    assert pair.twin(SOURCES[0]) == wanted[SOURCES[0].stem]


# --- the tool -----------------------------------------------------------------------------------


def test_check_notices_what_does_not_belong_together(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pair, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(pair, "ROOT", tmp_path)
    monkeypatch.setattr(pair, "install_cell", lambda: "import vaelib")
    source, twin = tmp_path / "01_one.md", tmp_path / "01_one.ipynb"
    source.write_text(f"{FRONT_MATTER}\n# One\n\n```{{code-cell}}\n40 + 2\n```\n")
    assert pair.main(["--check"]) == 1
    assert pair.main([]) == 0
    assert pair.main(["--check"]) == 0
    twin.write_text(twin.read_text().replace("40 + 2", "40 + 3"))
    capsys.readouterr()
    assert pair.main(["--check"]) == 1
    assert "01_one.ipynb: differs" in capsys.readouterr().out
    assert "40 + 3" in twin.read_text()
    assert pair.main([]) == 0
    assert "40 + 2" in twin.read_text()
    source.unlink()
    capsys.readouterr()
    assert pair.main(["--check"]) == 1
    assert "01_one.ipynb: has no .md" in capsys.readouterr().out


def test_the_install_cell_takes_a_release_or_says_that_it_cannot(monkeypatch):
    refusal = pair.install_cell()
    assert "OWNER/REPO" not in refusal
    monkeypatch.setattr(pair, "repository", lambda: "https://example.org/some/book")
    installs = pair.install_cell()
    assert f"git+https://example.org/some/book@v{pair.version()}" in installs
    with pytest.raises(ModuleNotFoundError, match=r"^vaelib is not installed, and .*_config.yml$"):
        run_without_vaelib(refusal, [])
    calls = []
    run_without_vaelib(installs, calls)
    assert calls == [
        ("pip", f"install --quiet git+https://example.org/some/book@v{pair.version()}")
    ]


def run_without_vaelib(code: str, calls: list) -> None:
    """Run an install cell as if vaelib were missing; `calls` takes the magics that it runs."""

    class Shell:
        def run_line_magic(self, *arguments):
            calls.append(arguments)

    missing = code.replace("import vaelib", "import vaelib_that_is_missing")
    exec(missing, {"get_ipython": Shell})
