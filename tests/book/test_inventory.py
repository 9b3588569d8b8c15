"""The inventory of the thesis and the list of errata, held to the chapters and to each other."""

import re
from collections import Counter

import pytest
import statements
import yaml
from tree import ROOT

ITEMS = yaml.safe_load((ROOT / "book" / "inventory.yml").read_text())
ERRATA = (ROOT / "book" / "errata.md").read_text()
CHAPTERS = [
    "01_bayesian_coin",
    "02_neural_networks",
    "03_graphical_models",
    "04_elbo",
    "05_cavi_mixture",
    "06_stochastic_search",
    "07_autoencoders",
    "08_reparameterization",
    "09_approximation_theorem",
    "10_latent_space",
    "11_denoising",
    "12_anomaly_detection",
    "13_latent_manipulation",
]
KINDS = {"definition", "theorem", "equation", "result", "figure", "listing", "claim"}
STATUSES = {"right", "slip", "wrong", "open"}
FIELDS = {"id", "kind", "thesis", "words", "chapter", "anchor"}
TABLE_ROWS = 8  # of "What the thesis says and what we find", at most
CLASSES = {"notation", "mathematics", "code", "claim"}


def written() -> set[str]:
    """The chapters that the table of contents lists and that are there."""
    toc = (ROOT / "_toc.yml").read_text()
    named = set(re.findall(r"notebooks/(\w+)", toc))
    return {name for name in named if (ROOT / "notebooks" / f"{name}.md").exists()}


def labels(name: str) -> set[str]:
    """Everything in a chapter that a link can point to."""
    text = (ROOT / "notebooks" / f"{name}.md").read_text()
    patterns = (
        r"^\(([^)\s]+)\)=\s*$",  # (label)=
        r"^\s*:(?:label|name):\s*(\S+)\s*$",  # directives
        r"^\s*(?:>\s*)?\$\$\s*\(([^)\s]+)\)\s*$",  # $$ (eq-name)
        r"\bfigure:\s*\{[^}]*?\bname:\s*([\w-]+)",  # figures of code cells, on one line
        r"^\s+name:\s*([\w-]+)\s*$",  # or on lines of their own
    )
    return {label for pattern in patterns for label in re.findall(pattern, text, re.MULTILINE)}


def entries() -> list[tuple[str, str, str]]:
    """The errata in order: label, number in the title, all lines up to the next entry."""
    pattern = r"^\(erratum-(\w+)\)=\n(\w+) · (.+\n(?:(?!^#|^\().*\n?)*)"
    return re.findall(pattern, ERRATA, re.MULTILINE)


def test_every_item_is_complete():
    for item in ITEMS:
        judged = {"verdict", "paragraph"} if "verdict" in item else {"status"}
        optional = {"errata", "finding", "weight"} if "verdict" in item else {"errata"}
        assert set(item) - optional == FIELDS | judged, f"{item['id']}: fields {sorted(item)}"
        assert item["kind"] in KINDS, f"{item['id']}: kind {item['kind']}"
        assert item.get("status", "right") in STATUSES, f"{item['id']}: status {item['status']}"
        assert item["chapter"] in CHAPTERS, f"{item['id']}: chapter {item['chapter']}"
        assert isinstance(item["thesis"], str), f"{item['id']}: put {item['thesis']} in quotes"


def test_every_verdict_is_one_of_four_and_explained_where_it_is_not_plainly_holds():
    problems = []
    for item in statements.judged():
        if item["verdict"] not in statements.VERDICTS:
            problems.append(f"{item['id']}: verdict {item['verdict']!r}")
        if not isinstance(item["paragraph"], int):
            problems.append(f"{item['id']}: paragraph {item['paragraph']!r} is no number")
        if item.get("weight", "slip") != "slip":
            problems.append(f"{item['id']}: weight {item['weight']!r}, the only one is slip")
        if "finding" not in item and item["verdict"] != statements.HOLDS:
            problems.append(f"{item['id']} {item['verdict']}: say in a finding what we find")
    for name in CHAPTERS:
        if (rows := len(statements.in_table(name))) > TABLE_ROWS:
            problems.append(f"{name}: {rows} findings, at most {TABLE_ROWS} fit into its table")
    assert not problems, "\n" + "\n".join(problems)


def test_ids_are_unique():
    twice = [i for i, n in Counter(item["id"] for item in ITEMS).items() if n > 1]
    assert not twice, f"ids used more than once: {twice}"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [({"definition", "theorem"}, 14), ({"equation"}, 7), ({"figure"}, 16), ({"listing"}, 9)],
)
def test_nothing_numbered_is_left_out(kinds, expected):
    numbers = {item["thesis"] for item in ITEMS if item["kind"] in kinds}
    assert len(numbers) == expected, sorted(numbers)


def test_every_item_of_a_written_chapter_has_an_anchor_that_exists():
    problems = []
    known = {name: labels(name) for name in written()}
    for item in ITEMS:
        here = known.get(item["chapter"])
        if here is None and item["anchor"] is not None:
            problems.append(f"{item['id']}: anchor {item['anchor']} in a chapter not yet written")
        if here is not None and item["anchor"] not in here:
            what = "no anchor" if item["anchor"] is None else f"no label {item['anchor']!r}"
            problems.append(f"{item['id']}: {what} in notebooks/{item['chapter']}.md")
    assert not problems, "\n" + "\n".join(problems)


def test_errata_are_numbered_and_labeled():
    assert [label for label, _, _ in entries()] == [number for _, number, _ in entries()]
    numbers = [number for _, number, _ in entries()]
    assert len(numbers) == len(set(numbers)) == ERRATA.count("\n(erratum-")
    # In a section by chapter, not by number; 48b keeps the number it was first known by.
    assert sorted(int(n) for n in numbers if n != "48b") == list(range(1, len(numbers)))


def test_every_erratum_says_class_place_status_and_both_sides():
    problems = []
    for _, number, text in entries():
        badges = set(re.findall(r"\{bdg-\w+\}`(\w+)`", text))
        if not badges or not badges <= CLASSES:
            problems.append(f"erratum {number}: class {sorted(badges)}")
        if not re.search(r"shown in \[chapter|chapter \d+, to come", text):
            problems.append(f"erratum {number}: no status")
        if not re.search(r"^  \*\*Thesis\.\*\* .+\n\n  \*\*Instead\.\*\* ", text, re.MULTILINE):
            problems.append(f"erratum {number}: wants **Thesis.** and **Instead.** paragraphs")
    assert not problems, "\n" + "\n".join(problems)


def test_the_errata_page_knows_which_chapters_are_written():
    there = {int(name[:2]) for name in written()}
    shown = {int(n) for n in re.findall(r"shown in \[chapter (\d+)\]", ERRATA)}
    to_come = {int(n) for n in re.findall(r"chapter (\d+), to come", ERRATA)}
    assert shown <= there, f"links to chapters that are not there: {sorted(shown - there)}"
    assert not to_come & there, f"no longer to come: {sorted(to_come & there)}"


def test_links_from_the_errata_page_arrive_in_the_chapter_they_name():
    problems = []
    for number, target in re.findall(r"shown in \[chapter (\d+)\]\((\S+)\)", ERRATA):
        name = CHAPTERS[int(number) - 1]
        if target not in {f"../notebooks/{name}.md", *(f"#{a}" for a in labels(name))}:
            problems.append(f"chapter {number}: {target} is not in notebooks/{name}.md")
    assert not problems, "\n" + "\n".join(problems)


def test_items_name_errata_that_exist():
    numbers = {number for _, number, _ in entries()}
    named = {str(n): item["id"] for item in ITEMS for n in item.get("errata", [])}
    assert set(named) <= numbers, {n: i for n, i in named.items() if n not in numbers}


def test_readme_and_opening_page_name_the_chapters_that_are_written():
    readme, opening = ((ROOT / name).read_text() for name in ("README.md", "book/intro.md"))
    in_readme = re.findall(r"\]\(notebooks/(\w+)\.md\) \| [\d.–]+ \| written \|", readme)
    cards = re.findall(r":link: \.\./notebooks/(\w+)$", opening, re.MULTILINE)
    assert set(in_readme) == set(cards) == written()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_arrive(name):
    text = re.sub(r"`[^`\n]*`", "", (ROOT / name).read_text())  # examples are no links
    targets = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    assert not [target for target in targets if not (ROOT / target).exists()]
