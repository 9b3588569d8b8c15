"""The statements of the thesis in book/inventory.yml: which verdict each has, and on what evidence.

An item that is judged has a `verdict`, the `paragraph` of the section in which the thesis makes
the statement, and, where a chapter shows it in its table, a `finding`. A slip of the pen has
`weight: slip` and stays out of that table. The evidence are the rows of the ledger that name the
item. A verdict is a reader's judgment; the rows have to bear it out.
"""

from __future__ import annotations

import re
from functools import cache

import chapters
import yaml

HOLDS, CORRECTED = "holds", "holds corrected"
FAILS, UNTESTED = "does not hold", "not tested here"
VERDICTS = (HOLDS, CORRECTED, FAILS, UNTESTED)
INVENTORY = chapters.ROOT / "book" / "inventory.yml"


@cache
def items() -> tuple[dict, ...]:
    """Everything in the inventory, in order."""
    return tuple(yaml.safe_load(INVENTORY.read_text(encoding="utf-8")))


def judged(chapter: str | None = None) -> list[dict]:
    """The statements that have a verdict, of one chapter or of all."""
    return [i for i in items() if "verdict" in i and chapter in (None, i["chapter"])]


def in_table(chapter: str) -> list[dict]:
    """The statements that a chapter's table shows."""
    return [i for i in judged(chapter) if "finding" in i and i.get("weight") != "slip"]


def problems(those: list[dict], rows: list[dict], present: set[str]) -> list[str]:
    """Verdicts that the rows of the ledger do not bear out, and rows on what is no statement.

    `present` are the chapters that were run: of others there is no evidence to be had.
    """
    verdicts = {item["id"]: item.get("verdict") for item in those}
    found = []
    for row in rows:
        if row["statement"] is not None and verdicts.get(row["statement"]) is None:
            found.append(f"row {row['id']}: no verdict on {row['statement']!r} in the inventory")
    for item in those:
        evidence = [row for row in rows if row["statement"] == item["id"]]
        against = [row["id"] for row in evidence if row["agrees"] is False]
        match item.get("verdict"):
            case "holds" if against:
                found.append(f"{item['id']} holds, but {', '.join(against)} speak against it")
            case "does not hold" if evidence and not against:
                found.append(f"{item['id']} does not hold, but no row speaks against it")
            case "not tested here" if any(row["agrees"] is not None for row in evidence):
                found.append(f"{item['id']} is not tested here, but a row has its thesis_value")
        tested = item.get("verdict") in (HOLDS, CORRECTED, FAILS)
        if tested and not evidence and item["chapter"] in present:
            found.append(f"{item['id']} {item['verdict']}, but no row is evidence on it")
    return found


def place(item: dict) -> str:
    """Where in the thesis: its number, and the paragraph where that names a section only."""
    number = item["thesis"]
    if re.match(r"[A-Z][a-z]", number):  # a theorem, an equation, a figure
        return number
    return f"Section {number}, paragraph {item['paragraph']}"


def table(chapter: str, badge: str = "**{}**") -> str:
    """What the thesis says and what the chapter finds, as a Markdown table.

    `badge` is the form of a verdict, with a place for its words.
    """
    lines = ["| The thesis | What we find | Verdict |", "| --- | --- | --- |"]
    for item in in_table(chapter):
        words = f"{item['words']} ([{place(item)}](#{item['anchor']}))"
        verdict = badge.format(item["verdict"], kind=item["verdict"].replace(" ", "-"))
        lines.append(f"| {_cell(words)} | {_cell(item['finding'])} | {verdict} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """On one line. A bar would end the cell: in a formula it is written as its command."""
    text = re.sub(
        r"\$[^$]+\$",
        lambda formula: formula[0].replace(r"\|", r"\Vert ").replace("|", r"\mid "),
        " ".join(text.split()),
    )
    return text[0].upper() + text[1:]
