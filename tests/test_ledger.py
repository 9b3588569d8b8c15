"""The ledger: what raises an error, the verdict on the thesis, and rows read back from a run."""

import json
import math

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from vaelib import ledger
from vaelib.estimate import Estimate
from vaelib.ledger import LedgerError, check


def claim(value=1.0, **changes):
    """A claim that holds unless the test changes it."""
    options = {"claim": "It is $1$.", "statement": "claim-one", "low": 0, **changes}
    return check("test-row", value, **options)


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, None),  # the thesis gives no number, or the one that we claim
        ({"high": 2, "thesis_value": 1.5}, True),  # the thesis's number lies in our interval
        ({"high": 2, "thesis_value": 2}, True),  # ... its ends included
        ({"high": 2, "thesis_value": 2.1}, False),
        ({"high": 2, "thesis_value": -0.1}, False),
        ({"thesis_value": (0.9, 1.1)}, True),  # our value lies in the thesis's pair
        ({"thesis_value": (1.0, 1.0)}, True),
        ({"thesis_value": (1.1, 2)}, False),
    ],
)
def test_a_row_agrees_with_the_statement_or_speaks_against_it(changes, agrees):
    assert claim(**changes).agrees is agrees


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (1.0, {"low": 1.1}),
        (1.0, {"low": None, "high": 0.9}),
        (1.0, {"low": 1.0000001, "high": 2}),
        (math.nan, {"low": 0}),
        (math.nan, {"low": None, "high": 0}),
        (math.inf, {"low": 0}),
        (-math.inf, {"low": None, "high": 0}),
    ],
)
def test_our_own_statement_must_hold(value, bounds):
    with pytest.raises(LedgerError, match="test-row: measured"):
        claim(value, **bounds)


def test_a_failure_says_what_was_allowed_and_what_was_claimed():
    with pytest.raises(LedgerError, match=r"measured 3 nats, allowed is 0 to 2\..*It is \$1\$"):
        claim(3, high=2, unit="nats")


def test_what_the_thesis_says_does_not_excuse_our_own_failure():
    with pytest.raises(LedgerError):
        claim(-1, thesis_value=-1)


@pytest.mark.parametrize(
    "bounds",
    [
        {"low": None},
        {"low": 2, "high": 1},
        {"low": math.nan},
        {"high": math.nan},
        {"low": -math.inf},
        {"high": math.inf},
        {"thesis_value": (2, 1)},
        {"thesis_value": math.nan},
        {"stderr": math.nan},
        {"thesis_value": 1, "statement": None},
        {"recorded": "last Tuesday"},
    ],
)
def test_an_invalid_row_is_refused(bounds):
    with pytest.raises(ValueError, match="test-row") as problem:
        claim(**bounds)
    assert not isinstance(problem.value, LedgerError)


def test_numbers_of_other_libraries_become_plain_json():
    torch = pytest.importorskip("torch")
    entry = claim(
        torch.tensor(0.5),
        low=np.float32(0),
        high=np.int64(2),
        thesis_value=np.int64(1),
        stderr=np.float64(0.1),
    )
    row = entry._repr_mimebundle_()[ledger.MIME]
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert {type(row[key]) for key in ("value", "low", "high", "thesis_value", "stderr")} == {float}


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"low": 0.5}, "at least 0.5"),
        ({"low": None, "high": 2}, "at most 2"),
        ({"low": 1, "high": 1}, "exactly 1"),
        ({"low": 0, "high": 2}, "0 to 2"),
        ({"low": None, "high": 1e-10, "value": 0}, "at most 1e-10"),
        ({"value": 20, "low": 15, "high": 144_443}, "15 to 144,443"),
        ({"value": 5 / 6, "low": 5 / 6 - 1e-9, "high": 5 / 6 + 1e-9}, "0.833333 ± 1e-9"),
    ],
)
def test_the_interval_in_words(bounds, text):
    assert ledger.interval(claim(**bounds)) == text


MEASURED = Estimate(1.0, 0.1, 50)


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        ({"exact": 0.7}, 0.7 - 6 * 0.1, 0.7 + 6 * 0.1),
        ({"above": 0.2}, 0.2 + 6 * 0.1, None),
        ({"below": 1.8}, None, 1.8 - 6 * 0.1),
        ({"above": 0.2, "below": 1.8}, 0.2 + 6 * 0.1, 1.8 - 6 * 0.1),
        ({"above": 0.2, "high": 2.0}, 0.2 + 6 * 0.1, 2.0),
        ({"low": 0.5, "high": 2.0}, 0.5, 2.0),
    ],
)
def test_an_estimate_is_checked_in_standard_errors(bounds, low, high):
    entry = claim(MEASURED, **{"low": None, **bounds})
    assert (entry.value, entry.stderr) == (1.0, 0.1)
    assert (entry.low, entry.high) == (low, high)
    # The row is the one that its bounds by hand give.
    assert entry == claim(1.0, low=low, high=high, stderr=0.1)


@pytest.mark.parametrize("bounds", [{"exact": 1.61}, {"above": 0.41}, {"below": 1.59}])
def test_an_estimate_that_is_too_far_off_fails(bounds):
    with pytest.raises(LedgerError, match="test-row: measured 1"):
        claim(MEASURED, low=None, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (MEASURED, {}, "no interval"),
        (1.0, {"exact": 1.0}, "need an Estimate"),
        (1.0, {"low": 0.0, "above": 1.0}, "need an Estimate"),
        (MEASURED, {"exact": 1.0, "low": 0.0}, "one per side"),
        (MEASURED, {"exact": 1.0, "high": 2.0}, "one per side"),
        (MEASURED, {"above": 0.0, "low": 0.0}, "one per side"),
        (MEASURED, {"below": 2.0, "exact": 1.0}, "one per side"),
        (MEASURED, {"exact": 1.0, "stderr": 0.1}, "its own stderr"),
        (MEASURED, {"exact": math.nan}, "finite number"),
        (Estimate(1.0, 0.0, 50), {"exact": 1.0}, "no tolerance"),
        (Estimate(1.0, 0.0, 50), {"above": 0.0}, "no tolerance"),
        (Estimate(np.ones(3), np.ones(3), 50), {"exact": 1.0}, "one entry at a time"),
    ],
)
def test_an_invalid_tolerance_is_refused(value, bounds, message):
    with pytest.raises(ValueError, match=message) as problem:
        claim(value, **{"low": None, **bounds})
    assert not isinstance(problem.value, LedgerError)


def test_the_card_escapes_what_it_shows():
    text = "<script>alert('1 & 2')</script>"
    entry = check('a"b', 1, low=0, claim=text, statement=text, unit="<i>nats</i>")
    card = entry._repr_mimebundle_()["text/html"]
    assert "<script" not in card
    assert "<i>" not in card
    assert 'a"b' not in card
    assert card.count("&lt;script&gt;alert(&#x27;1 &amp; 2&#x27;)&lt;/script&gt;") == 2


def test_the_card_shows_claim_value_interval_and_what_it_is_evidence_on():
    entry = claim(1.5, high=2, thesis_value=7, stderr=0.1, unit="nats", recorded="2026-11-25")
    card = entry._repr_mimebundle_()["text/html"]
    shown = (
        "It is $1$.",
        "1.5 ± 0.2 nats",
        "0 to 2",
        "the thesis: 7",
        "claim-one",
        "check-test-row",
    )
    for part in (*shown, "against", "recorded on 2026-11-25"):
        assert part in card
    assert "recorded" not in ledger.card(claim())
    assert "Evidence" not in ledger.card(claim(statement=None))


def test_small_numbers_are_set_as_powers_of_ten():
    card = ledger.card(claim(-3.2e-11, low=None, high=1e-10))
    assert "−3.2 · 10<sup>−11</sup>" in card
    assert "at most 10<sup>−10</sup>" in card


def run(*sources):
    """Execute a notebook with these cells, the ledger imported first."""
    cells = [nbformat.v4.new_code_cell(s) for s in ("from vaelib import ledger", *sources)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return notebook


def test_rows_are_read_back_from_an_executed_notebook():
    call = (
        "_ = ledger.check('{}', 1.0, low=0, claim='It is <one>.', statement='one', thesis_value={})"
    )
    notebook = run(call.format("run-a", None), call.format("run-b", (2, 3)), "1 + 1")
    nbformat.validate(notebook)
    stored = json.loads(nbformat.writes(notebook))
    rows = ledger.rows(stored, chapter="01_tiny")
    assert [(row["id"], row["chapter"], row["agrees"]) for row in rows] == [
        ("run-a", "01_tiny", None),
        ("run-b", "01_tiny", False),
    ]
    assert rows[1]["thesis_value"] == [2, 3]
    promised = {"id", "chapter", "claim", "statement", "value", "low", "high", "thesis_value"}
    assert promised | {"recorded"} <= rows[0].keys()
    shown = stored["cells"][1]["outputs"][0]["data"]
    assert "It is &lt;one&gt;." in "".join(shown["text/html"])
    assert "run-a" in "".join(shown["text/plain"])


def test_a_failing_check_fails_the_run():
    with pytest.raises(CellExecutionError, match=r"LedgerError.*run-c"):
        run("ledger.check('run-c', 1.0, low=2, claim='It is two.')")


def test_a_notebook_without_rows_has_none():
    assert ledger.rows({"cells": [{"cell_type": "markdown"}]}, chapter="01_tiny") == []
