"""Verdicts on the thesis, held to the rows of the ledger, and the table a chapter makes of them."""

import chapters
import pytest
import statements
from tree import ROOT

ONE = {
    "id": "claim-one", "kind": "claim", "thesis": "1.1", "paragraph": 3, "chapter": "01_one",
    "anchor": "one-answer", "words": "the answer $p(x|z)$ is 42", "verdict": "holds",
}  # fmt: skip


def row(agrees=None, statement="claim-one"):
    return {"id": "one-answer", "statement": statement, "agrees": agrees}


def problems(verdict, *rows, present=("01_one",)):
    return statements.problems([{**ONE, "verdict": verdict}], list(rows), set(present))


@pytest.mark.parametrize(
    ("verdict", "rows"),
    [
        ("holds", [row()]),
        ("holds", [row(True), row()]),
        ("holds corrected", [row(False)]),
        ("holds corrected", [row()]),
        ("does not hold", [row(False), row(True)]),
        ("not tested here", []),
        ("not tested here", [row()]),
    ],
)
def test_verdicts_that_their_evidence_bears_out(verdict, rows):
    assert problems(verdict, *rows) == []


@pytest.mark.parametrize(
    ("verdict", "rows", "message"),
    [
        ("holds", [row(True), row(False)], "claim-one holds, but one-answer speak against it"),
        ("does not hold", [row()], "claim-one does not hold, but no row speaks against it"),
        ("does not hold", [row(True)], "no row speaks against it"),
        ("not tested here", [row(True)], "a row has its thesis_value"),
        ("holds", [], "claim-one holds, but no row is evidence on it"),
        ("holds corrected", [], "no row is evidence on it"),
        ("does not hold", [], "no row is evidence on it"),
        ("holds", [row(), row(statement="claim-two")], "no verdict on 'claim-two'"),
    ],
)
def test_a_verdict_without_its_evidence_is_a_problem(verdict, rows, message):
    (problem,) = problems(verdict, *rows)
    assert message in problem


def test_no_evidence_is_asked_of_a_chapter_that_is_not_there():
    assert problems("holds", present=()) == []


def test_a_row_of_our_own_needs_no_statement():
    assert statements.problems([], [row(statement=None)], {"01_one"}) == []


def test_the_table_says_statement_place_finding_and_verdict(monkeypatch):
    found = {**ONE, "finding": "it is 41", "verdict": "does not hold"}
    other = {**ONE, "id": "other", "chapter": "02_two", "finding": "elsewhere"}
    theorem = {**ONE, "thesis": "Theorem 1.1", "finding": "so it is"}
    slip = {**found, "id": "slip", "weight": "slip"}
    monkeypatch.setattr(statements, "items", lambda: (found, ONE, other, slip, theorem))
    first, second = statements.table("01_one").splitlines()[2:]
    assert first == (
        r"| The answer $p(x\mid z)$ is 42 ([Section 1.1, paragraph 3](#one-answer)) "
        "| It is 41 | **does not hold** |"
    )
    assert "([Theorem 1.1](#one-answer))" in second
    assert "<b>does not hold</b>" in statements.table("01_one", "<b>{}</b>")


def test_the_inventory_is_read():
    assert statements.INVENTORY == ROOT / "book" / "inventory.yml"
    assert {item["chapter"] for item in statements.items()} == set(chapters.names())
