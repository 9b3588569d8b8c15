"""The ledger: a claim of this book, its measured value, and the interval that it has to meet.

`check` shows a card, records the row in the cell's output and raises an error when the claim
fails, so a chapter that no longer holds cannot be built. A row may be evidence on a statement of
the thesis, named by its id in book/inventory.yml, which keeps the statement's one verdict.
`rows` reads the recorded rows back from an executed notebook.
"""

from __future__ import annotations

import datetime
import html
import math
import re
from dataclasses import asdict, dataclass
from numbers import Real

from vaelib.estimate import HALF_WIDTH_95, Estimate

MIME = "application/vnd.vaelib.ledger+json"
SIGMAS = 6  # standard errors of an Estimate that a check allows or asks for


class LedgerError(AssertionError):
    """A claim of this book failed: the measured value lies outside its interval."""


@dataclass(frozen=True)
class Entry:
    """One row of the ledger. `low`/`high` bound OUR claim.

    statement   the id of the statement of the thesis on which this is evidence; None: ours
    agrees      whether the number that the thesis's statement amounts to fits our measurement;
                None where it amounts to no number
    recorded    the day of the value, where it was read from a card or a record; None: this run
    """

    id: str
    claim: str
    statement: str | None
    value: float
    low: float | None
    high: float | None
    thesis_value: float | list[float] | None = None
    agrees: bool | None = None
    stderr: float | None = None
    unit: str = ""
    recorded: str | None = None

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {MIME: asdict(self), "text/html": card(self), "text/plain": line(self)}


def check(
    id: str,
    value: Real | Estimate,
    *,
    claim: str,
    statement: str | None = None,
    low: float | None = None,
    high: float | None = None,
    exact: float | None = None,
    above: float | None = None,
    below: float | None = None,
    thesis_value: float | tuple[float, float] | None = None,
    stderr: float | None = None,
    unit: str = "",
    recorded: str | None = None,
) -> Entry:
    """Record a claim and assert that our measured `value` lies in [`low`, `high`].

    id            unique in the book, e.g. "cavi-monotone"
    value         a number, or an `Estimate`, whose standard error is recorded
    claim         our claim, in a sentence for readers; mathematics between dollar signs
    statement     the id of the statement of the thesis on which this row is evidence; without
                  it the claim is the book's own and says nothing about the thesis
    low, high     the interval of our claim; leave one out for a one-sided interval
    exact         of an Estimate: our claim is that it measures this number, so the interval
                  is exact ± 6 standard errors
    above, below  of an Estimate: it exceeds `above` (or stays below `below`) by at least 6
                  standard errors
    thesis_value  what the thesis's statement amounts to: a number (it agrees when it lies in
                  our interval) or a pair (it agrees when our value lies between the two).
                  Leave it out when the statement implies no number, or the number we claim
    stderr        standard error of `value` where it is a number estimated from samples
    recorded      the day ("2026-11-25") of a value that was read from a card or a record

    Displays a card and returns the entry when our claim holds. Raises LedgerError when
    the value is outside the interval or not finite; ValueError when the interval (or the
    thesis's pair) is missing, given twice, has low above high or is not finite, when exact,
    above or below come without a single Estimate whose standard error is positive, when there
    is a thesis_value without a statement, and when `recorded` is no day.
    """
    if isinstance(value, Estimate):
        if stderr is not None:
            raise ValueError(f"ledger entry {id!r}: an Estimate brings its own stderr")
        low, high = _in_sigmas(id, value, low, high, exact, above, below)
        value, stderr = value.value, value.stderr
    elif not (exact is None and above is None and below is None):
        raise ValueError(f"ledger entry {id!r}: exact, above and below need an Estimate")
    if low is None and high is None:
        raise ValueError(f"ledger entry {id!r} has no interval: give low, high or both")
    if thesis_value is not None and statement is None:
        raise ValueError(f"ledger entry {id!r}: a thesis_value of no statement; name it")
    low, high = _bounds(id, low, high)
    value = float(value)
    if isinstance(thesis_value, tuple | list):
        thesis = list(_bounds(id, *thesis_value))
    else:
        thesis = _finite(id, thesis_value)
    entry = Entry(
        id=id,
        claim=claim,
        statement=statement,
        value=value,
        low=low,
        high=high,
        thesis_value=thesis,
        agrees=_agrees(value, low, high, thesis),
        stderr=_finite(id, stderr),
        unit=unit,
        recorded=_day(id, recorded),
    )
    if not (math.isfinite(value) and _between(value, low, high)):
        raise LedgerError(
            f"{id}: measured {value:.6g}{unit and ' ' + unit}, allowed is {interval(entry)}. "
            f"The claim: {claim}"
        )
    _display(entry)
    return entry


def rows(notebook: dict, chapter: str) -> list[dict]:
    """The recorded rows of an executed notebook (nbformat 4, as a dict), in order."""
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", []))
    found = (output["data"][MIME] for output in outputs if MIME in output.get("data", {}))
    return [{"id": row["id"], "chapter": chapter, **row} for row in found]


def interval(entry: Entry) -> str:
    """`low to high`, `at most high`, `at least low`, or `middle ± half` for a narrow one."""
    low, high = entry.low, entry.high
    if low is None:
        return f"at most {_number(high)}"
    if high is None:
        return f"at least {_number(low)}"
    if low == high:
        return f"exactly {_number(low)}"
    if f"{low:.4g}" == f"{high:.4g}":
        return f"{_number((low + high) / 2, 6)} ± {_number((high - low) / 2, 2)}"
    return f"{_number(low)} to {_number(high)}"


def measured(entry: Entry) -> str:
    """The value with its 95 % half-width and its unit."""
    narrow = None not in (entry.low, entry.high) and f"{entry.low:.4g}" == f"{entry.high:.4g}"
    spread = f" ± {_number(HALF_WIDTH_95 * entry.stderr, 2)}" if entry.stderr else ""
    return f"{_number(entry.value, 6 if narrow else 4)}{spread}{entry.unit and ' ' + entry.unit}"


def claimed(entry: Entry) -> str:
    """The number that the thesis's statement amounts to, or nothing where there is none."""
    if entry.thesis_value is None:
        return ""
    if isinstance(entry.thesis_value, list):
        return " to ".join(_number(end) for end in entry.thesis_value)
    return _number(entry.thesis_value)


def line(entry: Entry) -> str:
    """The entry on one line, for readers without HTML."""
    return f"{entry.id}: {entry.claim} Measured {measured(entry)}, allowed {interval(entry)}."


def card(entry: Entry, verdict: str = "") -> str:
    """The card in HTML; `verdict` is HTML that says which statement of the thesis it is about.

    Its colors come from book.css; it is readable without. Mathematics stays between dollar signs,
    which JupyterLab sets, and the extension of the book.
    """
    if not verdict and entry.statement:
        verdict = f"Evidence on the statement <code>{html.escape(entry.statement)}</code>"
        if entry.agrees is not None:
            verdict += ": agrees" if entry.agrees else ": speaks against it"
    facts = [
        f"recorded on {entry.recorded}: " if entry.recorded else "measured: ",
        f"<b>{in_html(measured(entry))}</b> · allowed: {in_html(interval(entry))}",
    ]
    if claimed(entry):
        facts.append(f" · the thesis: {in_html(claimed(entry))}")
    verdict = verdict and f'<div class="ledger-verdict">{verdict}</div>'
    return (
        f'<div class="ledger" id="check-{html.escape(entry.id)}" '
        'style="border-left:4px solid currentColor;padding:.4em .9em;margin:.6em 0">'
        '<div class="ledger-claim"><span class="ledger-mark" role="img" aria-label="checked">✓'
        f"</span> {html.escape(entry.claim)}</div>"
        f'<div class="ledger-value">{"".join(facts)}</div>{verdict}</div>'
    )


def in_html(text: str) -> str:
    """Escaped for HTML, with 3e-11 as 3 · 10 to the -11 and signs as signs."""
    text = html.escape(text)
    text = re.sub(r"\b1e(-?\d+)", r"10<sup>\1</sup>", text)
    text = re.sub(r"(\d)e(-?\d+)", r"\1 · 10<sup>\2</sup>", text)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


def _number(value: float, digits: int = 4) -> str:
    """With `digits` significant digits: 0.8333, 144,443, 3e-11."""
    text = f"{value:.{digits}g}"
    if "e" in text and 1 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0*", lambda sign: "e-" if sign[1] == "-" else "e", text)


def _day(id: str, recorded: str | None) -> str | None:
    if recorded is not None:
        try:
            datetime.date.fromisoformat(recorded)
        except ValueError as problem:
            raise ValueError(f"ledger entry {id!r}: recorded = {recorded!r} is no day") from problem
    return recorded


def _in_sigmas(id: str, value: Estimate, low, high, exact, above, below) -> tuple:
    """(low, high) of a check on an Estimate, whose tolerance is counted in standard errors."""
    if not isinstance(value.value, float):
        raise ValueError(f"ledger entry {id!r}: {value} is an array, check one entry at a time")
    slack = SIGMAS * value.stderr
    if not (slack > 0 or exact is above is below is None):
        raise ValueError(f"ledger entry {id!r}: a standard error of 0 is no tolerance")
    found = []
    for bounds in (
        ((low, 0), (exact, -slack), (above, slack)),
        ((high, 0), (exact, slack), (below, -slack)),
    ):
        side = [bound + shift for bound, shift in bounds if bound is not None]
        if len(side) > 1:
            raise ValueError(f"ledger entry {id!r}: exact, above, below, low, high: one per side")
        found.append(side[0] if side else None)
    return tuple(found)


def _finite(id: str, value: Real | None) -> float | None:
    """As a plain float, since JSON takes no others."""
    if value is not None and not math.isfinite(value := float(value)):
        raise ValueError(f"ledger entry {id!r}: {value} is not a finite number; leave it out")
    return value


def _bounds(id: str, low: Real | None, high: Real | None) -> tuple[float | None, float | None]:
    low, high = _finite(id, low), _finite(id, high)
    if low is not None and high is not None and low > high:
        raise ValueError(f"ledger entry {id!r}: low = {low:g} is above high = {high:g}")
    return low, high


def _between(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _agrees(value, low, high, thesis) -> bool | None:
    """Whether what the thesis's statement amounts to fits what we measured."""
    if thesis is None:
        return None
    if isinstance(thesis, list):
        return _between(value, *thesis)
    return _between(thesis, low, high)


def _display(entry: Entry) -> None:
    """Show the card in a notebook; do nothing outside of one (tests, scripts)."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(entry)
