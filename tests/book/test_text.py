"""How the pages are written: one spelling, one anatomy, short cells, figures that speak."""

import re
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from new_page import LAST_SECTIONS, MOVED, N_EXERCISES
from tree import FRONT_MATTER, ROOT, tracked

CHAPTERS = sorted((ROOT / "notebooks").glob("*.md"))
PAGES = sorted((ROOT / "book").glob("*.md"))

ANATOMY = [
    "What you will see",
    "What you need",
    "Setup",
    "The statement",
    "From symbols to code",
    "A case with a known answer",
    "The experiment",
    "The figures",
    "Thesis and here",
    "Explore",
    "Exercises",
    "Summary",
]
TAGS = {"hide-input", "hide-cell", "remove-output", "raises-exception"}
LONG, TOO_LONG = 15, 25  # lines of a cell: worth a look, not allowed

STEMS = (
    "normal|optim|maxim|minim|regular|factor|general|initial|visual|summar|real|recogn|organ|"
    "paramet(?:e?r)|random|standard|amort|discret|vector|marginal|character|memor|util|special|"
    "local|penal|categor|binar|emphas|custom|priorit|serial|final|equal|stabil|linear|quant"
)
BRITISH = re.compile(
    rf"(?:{STEMS})is(?:e|ed|es|er|ers|ing|ation|ations|able)(?![a-z])"
    "|colour|behaviour|favour|neighbour|flavour|honour|rigour|artefact|catalogue|sceptic"
    "|centre(?!l)|(?<![a-z])grey(?!s)|fibre|whilst|amongst|judgement|licence|defence"
    "|labell(?:ed|ing)|modell(?:ed|ing)|cancell(?:ed|ing)|travell|analyse(?!s\\b)|programme(?!r|d)"
)

# Ids of the ledger that were agreed on before the chapters were written. An id is a name, not
# prose: only in quotes or backticks, whole, is it left alone.
AGREED_IDS = re.compile(r"[\"'`](?:pgm-factorisation|latent-binarised-iwae)[\"'`]")


@dataclass(frozen=True)
class Cell:
    line: int  # of its opening fence
    end: int  # of its closing fence
    metadata: dict
    code: list[str]


def where(path: Path, line: int, problem: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {problem}"


def check(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(problems)


def cells(text: str) -> list[Cell]:
    """The code cells of a chapter, with their options as `:tags:` lines or a YAML block."""
    lines = text.splitlines()
    found, start, fence = [], None, ""
    for number, line in enumerate(lines, start=1):
        opening = re.match(r"(`{3,})\{code-cell\}", line)
        if start is None and opening:
            start, fence = number, opening[1]
        elif start is not None and line.strip() == fence:
            metadata, code = split_cell(lines[start : number - 1])
            found.append(Cell(start, number, metadata, code))
            start = None
    assert start is None, f"the code cell at line {start} is never closed"
    return found


def split_cell(body: list[str]) -> tuple[dict, list[str]]:
    if body and body[0].strip() == "---":
        end = body.index("---", 1)
        return yaml.safe_load("\n".join(body[1:end])) or {}, strip_blank(body[end + 1 :])
    options = 0
    while options < len(body) and re.match(r":[\w-]+:", body[options]):
        options += 1
    metadata = yaml.safe_load("\n".join(line[1:] for line in body[:options])) or {}
    return metadata, strip_blank(body[options:])


def strip_blank(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").splitlines()


def is_sentence(line: str) -> bool:
    """Prose, a list item or a formula: not a heading, a target, a fence, an option or nothing."""
    line = line.strip()
    marker = r"#|:{3,}|`{3,}|\([^)]*\)=$|:[\w-]+:|<!--|%|\+\+\+"
    return bool(re.search(r"[A-Za-z]", line)) and not re.match(marker, line)


def needs_a_sentence(cell: Cell) -> bool:
    """Not the picture of what the cell above has computed, nor a check of it: they speak."""
    hidden = "hide-input" in cell.metadata.get("tags", [])
    drawn = "figure" in cell.metadata.get("mystnb", {})
    return not (hidden and (drawn or any("ledger.check(" in line for line in cell.code)))


def test_there_are_chapters():
    assert CHAPTERS, "no notebooks/NN_name.md: the tests below would pass for nothing"


each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@each_chapter
def test_front_matter(path):
    text = path.read_text()
    assert text.startswith(FRONT_MATTER), f"{path.name}:1: the front matter is not\n{FRONT_MATTER}"
    title = text.removeprefix(FRONT_MATTER).lstrip("\n")
    form = f"{path.name}: after the front matter come a target (ch-…)= and one title"
    assert re.match(r"\(ch-[\w-]+\)=\n# \S", title), form
    assert len(headings(text, level=1)) == 1, form


@each_chapter
def test_anatomy(path):
    """A chapter of the first edition has twelve sections; a new page ends in the same three."""
    found = [title for _, title in headings(path.read_text(), level=2)]
    if path.stem in MOVED:
        assert tuple(found[-len(LAST_SECTIONS) :]) == LAST_SECTIONS, path.name
        assert not set(found) & (set(ANATOMY) - set(LAST_SECTIONS)), "say what is found there"
    else:
        assert found == ANATOMY, path.name


each_moved = pytest.mark.parametrize(
    "path", [p for p in CHAPTERS if p.stem in MOVED], ids=lambda p: p.stem
)


@each_moved
def test_a_new_page_has_a_card_six_exercises_and_its_table(path):
    text = path.read_text()
    card = re.search(
        r"^:::\{admonition\} In short\n:class: in-short\n(.+?)^:::$", text, re.M | re.S
    )
    assert card, "no card In short"
    sentences = re.findall(r"[.!?](?=\s|$)", card[1])
    assert len(sentences) <= 4, f"the card has {len(sentences)} sentences, at most 4"
    assert len(re.findall(r"\]\(#|\{(?:ref|numref|prf:ref|eq)\}", card[1])) >= 3, (
        "link each sentence to its place"
    )
    assert text.count("```{thesis-table}") == 1
    exercises = re.findall(r"^:::\{admonition\} Exercise (\d) \(([^)]*)\)$", text, re.M)
    assert [int(number) for number, _ in exercises] == list(range(1, N_EXERCISES + 1))
    kinds = [kind for _, kind in exercises]
    assert sum("by hand" in k for k in kinds) == 2, kinds
    assert sum("code" in k for k in kinds) == 2, kinds
    assert sum("proof" in k for k in kinds) == 1, kinds
    assert sum("open" in k for k in kinds) == 1, kinds


@each_moved
def test_checks_of_a_new_page_stand_in_cells_of_their_own(path):
    problems = []
    for cell in cells(path.read_text()):
        if any("ledger.check(" in line for line in cell.code):
            if not {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])):
                problems.append(where(path, cell.line, "a check stands open: tag it hide-input"))
            if any("plt.show()" in line for line in cell.code):
                problems.append(where(path, cell.line, "a check and a figure in one cell"))
    check(problems)


def headings(text: str, level: int) -> list[tuple[int, str]]:
    """Headings of one level with their lines, outside of code."""
    found, inside = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = re.match(r"`{3,}", line)
        if fence and not inside:
            inside = fence[0]
        elif fence and line.strip() == inside:
            inside = ""
        elif not inside and re.match(rf"#{{{level}}} ", line):
            found.append((number, line[level + 1 :].strip()))
    return found


@each_chapter
def test_cells_are_short(path):
    """One idea a cell. Cells that are merely long are listed as a warning."""
    found = cells(path.read_text())
    check([
        where(path, c.line, f"a cell of {len(c.code)} lines, at most {TOO_LONG}")
        for c in found
        if len(c.code) > TOO_LONG
    ])  # fmt: skip
    long = [f"{c.line} ({len(c.code)})" for c in found if LONG < len(c.code) <= TOO_LONG]
    if long:
        warnings.warn(f"{path.name}: cells over {LONG} lines at {', '.join(long)}", stacklevel=1)


@each_chapter
def test_no_two_cells_without_a_sentence_between(path):
    text = path.read_text()
    lines, found = text.splitlines(), cells(text)
    check([
        where(path, after.line, "no sentence between this code cell and the one before it")
        for before, after in pairwise(found)
        if needs_a_sentence(after)
        and not any(is_sentence(line) for line in lines[before.end : after.line - 1])
    ])  # fmt: skip


@each_chapter
def test_every_figure_has_a_name_a_caption_and_words_for_those_who_cannot_see_it(path):
    problems = []
    for cell in cells(path.read_text()):
        options = cell.metadata.get("mystnb", {})
        figure, image = options.get("figure", {}), options.get("image", {})
        draws = any(re.search(r"\bplt\.show\(\)", line) for line in cell.code)
        if not (figure or image or draws):
            continue
        wanted = {"figure.name": figure.get("name"), "figure.caption": figure.get("caption"),
                  "image.alt": image.get("alt")}  # fmt: skip
        for key, value in wanted.items():
            if not value:
                problems.append(where(path, cell.line, f"a figure without mystnb {key}"))
            elif "\n" in value.strip():
                problems.append(where(path, cell.line, f"mystnb {key} is not on one line"))
    check(problems)


@each_chapter
def test_only_known_tags(path):
    check([
        where(path, cell.line, f"tags {sorted(extra)}, allowed are {sorted(TAGS)}")
        for cell in cells(path.read_text())
        if (extra := set(cell.metadata.get("tags", [])) - TAGS)
    ])  # fmt: skip


@pytest.mark.parametrize("path", CHAPTERS + PAGES, ids=lambda path: path.stem)
def test_markup_that_every_renderer_knows(path):
    """No glue, no {doc}: JupyterLab and other renderers of MyST must read the same text."""
    banned = {
        r"\{glue\b|\bglue\(": "glue: print the value, or let the ledger show it",
        r"\{doc\}": "{doc}: write [text](file.md)",
        r"\\newcommand|\\def\\": "a TeX macro: write the command out",
    }
    check([
        where(path, number, f"no {advice}")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for pattern, advice in banned.items()
        if re.search(pattern, line)
    ])  # fmt: skip


def british(text: str) -> list[tuple[int, str]]:
    """Line and word of every British spelling."""
    return [
        (number, match[0])
        for number, line in enumerate(text.splitlines(), start=1)
        for match in BRITISH.finditer(AGREED_IDS.sub("", line.lower()))
    ]


def test_american_spelling():
    suffixes = {".md", ".py", ".js", ".css", ".yml", ".yaml", ".toml", ".bib", ".mplstyle", ".json"}
    paths = [p for p in tracked() if p.suffix in suffixes and p != Path(__file__).resolve()]
    check([
        where(path, line, f"{word!r} is not American spelling")
        for path in paths
        for line, word in british(path.read_text())
    ])  # fmt: skip


# --- the checks checked ---------------------------------------------------------------------

SAMPLE = """\
A sentence.

```{code-cell} ipython3
:tags: [hide-input]
x = 1
```

## A heading is no sentence

(target)=
```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-a, caption: "A"}
tags: [skip-execution]
---
plt.show()
```
"""


def test_the_cell_reader_reads_both_kinds_of_options():
    first, second = cells(SAMPLE)
    assert first == Cell(3, 6, {"tags": ["hide-input"]}, ["x = 1"])
    assert second.metadata["mystnb"]["figure"]["name"] == "fig-a"
    assert second.code == ["plt.show()"]


def test_headings_and_targets_do_not_count_as_text():
    first, second = cells(SAMPLE)
    between = SAMPLE.splitlines()[first.end : second.line - 1]
    assert between
    assert not any(is_sentence(line) for line in between)
    assert is_sentence("It settles.")


@pytest.mark.parametrize("word", ["Colour", "normalised", "centred", "grey", "optimisation"])
def test_british_words_are_found(word):
    assert british(f"The {word} one.")


def test_an_agreed_id_is_no_prose_but_only_as_an_id():
    assert not british('ledger.check("pgm-factorisation", worst)\nsee `pgm-factorisation`')
    assert british("The pgm-factorisation holds, and the factorisation too.")
    assert british('"pgm-factorisation-again"')


@pytest.mark.parametrize(
    "word",
    ["color", "central", "concentrated", "optimism", "emphasis", "Greys", "analyses", "axes"],
)
def test_other_words_are_left_alone(word):
    assert not british(f"The {word} one.")
