"""The ledger: a claim of the thesis, our measured value, its interval, a verdict.

`check` shows a small box, records the row in the cell's output and raises an error when our own
statement fails, so a chapter that no longer holds cannot be built. `rows` reads the recorded
rows back from an executed notebook, for the reproduction page.
"""

from __future__ import annotations

import html
import math
from dataclasses import asdict, dataclass
from numbers import Real

from vaelib.estimate import HALF_WIDTH_95, Estimate

MIME = "application/vnd.vaelib.ledger+json"
SIGMAS = 6  # standard errors of an Estimate that a check allows or asks for
HOLDS, CORRECTED, FAILS = "holds", "holds corrected", "does not hold"


class LedgerError(AssertionError):
    """Our own statement failed: the measured value lies outside its interval."""


@dataclass(frozen=True)
class Entry:
    """One row of the ledger. `low`/`high` bound OUR statement; `verdict` judges the thesis's."""

    id: str
    thesis: str
    says: str
    value: float
    low: float | None
    high: float | None
    thesis_value: float | list[float] | None
    verdict: str
    stderr: float | None = None
    unit: str = ""
    correction: str = ""

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {MIME: asdict(self), "text/html": box(self), "text/plain": line(self)}


def check(
    id: str,
    value: Real | Estimate,
    *,
    thesis: str,
    says: str,
    low: float | None = None,
    high: float | None = None,
    exact: float | None = None,
    above: float | None = None,
    below: float | None = None,
    thesis_value: float | tuple[float, float] | None = None,
    correction: str = "",
    stderr: float | None = None,
    unit: str = "",
) -> Entry:
    """Record a claim and assert that our measured `value` lies in [`low`, `high`].

    id            unique in the book, e.g. "cavi-monotone"
    thesis        the section or equation of the thesis, e.g. "2.4"
    says          what the thesis states there, in our words
    value         a number, or an `Estimate`, whose standard error is recorded
    low, high     the interval of OUR statement; leave one out for a one-sided interval
    exact         of an Estimate: our statement is that it measures this number, so the interval
                  is exact ± 6 standard errors
    above, below  of an Estimate: it exceeds `above` (or stays below `below`) by at least 6
                  standard errors
    thesis_value  what the thesis's statement amounts to: a number (it holds when it lies in
                  our interval) or a pair (it holds when our value lies between the two).
                  Leave it out when our statement IS the thesis's statement
    correction    what had to be corrected first; the verdict is then "holds corrected"
    stderr        standard error of `value` where it is a number estimated from samples

    Displays a box and returns the entry when our statement holds. Raises LedgerError when
    the value is outside the interval or not finite, ValueError when the interval (or the
    thesis's pair) is missing, given twice, has low above high or is not finite, and when exact,
    above or below come without a single Estimate whose standard error is positive.
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
    low, high = _bounds(id, low, high)
    value = float(value)
    ours = math.isfinite(value) and _between(value, low, high)
    if isinstance(thesis_value, tuple | list):
        claim = list(_bounds(id, *thesis_value))
    else:
        claim = _finite(id, thesis_value)
    entry = Entry(
        id=id,
        thesis=thesis,
        says=says,
        value=value,
        low=low,
        high=high,
        thesis_value=claim,
        verdict=_verdict(value, low, high, claim, correction),
        stderr=_finite(id, stderr),
        unit=unit,
        correction=correction,
    )
    if not ours:
        raise LedgerError(
            f"{id}: measured {value:.6g}{unit and ' ' + unit}, expected {interval(entry)}. "
            f"The thesis ({thesis}) says: {says}"
        )
    _display(entry)
    return entry


def rows(notebook: dict, chapter: str) -> list[dict]:
    """The recorded rows of an executed notebook (nbformat 4, as a dict), in order."""
    outputs = (output for cell in notebook["cells"] for output in cell.get("outputs", []))
    found = (output["data"][MIME] for output in outputs if MIME in output.get("data", {}))
    return [{"id": row["id"], "chapter": chapter, **row} for row in found]


def interval(entry: Entry) -> str:
    """`[low, high]`, `at most high`, `at least low`, or `middle ± half` for a narrow one."""
    if entry.low is None:
        return f"at most {entry.high:.6g}"
    if entry.high is None:
        return f"at least {entry.low:.6g}"
    if entry.low == entry.high:
        return f"exactly {entry.low:.6g}"
    if f"{entry.low:.6g}" == f"{entry.high:.6g}":
        return f"{(entry.low + entry.high) / 2:.6g} ± {(entry.high - entry.low) / 2:.2g}"
    return f"[{entry.low:.6g}, {entry.high:.6g}]"


def measured(entry: Entry) -> str:
    """The value with its 95 % half-width and its unit."""
    spread = f" ± {HALF_WIDTH_95 * entry.stderr:.2g}" if entry.stderr else ""
    return f"{entry.value:.6g}{spread}{entry.unit and ' ' + entry.unit}"


def claimed(entry: Entry) -> str:
    """What the thesis's statement amounts to, or a dash where it gives no number."""
    if entry.thesis_value is None:
        return "–"
    if isinstance(entry.thesis_value, list):
        return f"{entry.thesis_value[0]:.6g} to {entry.thesis_value[1]:.6g}"
    return f"{entry.thesis_value:.6g}"


def line(entry: Entry) -> str:
    """The entry on one line, for readers without HTML."""
    return f"{entry.id}: {measured(entry)}, expected {interval(entry)} — thesis {entry.verdict}"


def box(entry: Entry) -> str:
    """The box in HTML. Its colors come from book.css; it is readable without."""
    shown = {
        "id": entry.id,
        "thesis": entry.thesis,
        "says": entry.says,
        "value": measured(entry),
        "interval": interval(entry),
        "claimed": claimed(entry),
        "correction": entry.correction,
    }
    text = {name: html.escape(value) for name, value in shown.items()}
    fix = (
        f'<div class="ledger-fix"><b>Corrected:</b> {text["correction"]}</div>'
        if entry.correction
        else ""
    )
    kind = entry.verdict.replace(" ", "-")
    return (
        f'<div class="ledger ledger-{kind}" id="check-{text["id"]}" '
        'style="border-left:4px solid currentColor;padding:.4em .9em;margin:.6em 0">'
        f'<div class="ledger-says"><b>Thesis {text["thesis"]}</b> · {text["says"]}</div>'
        f'<div class="ledger-value">here <b>{text["value"]}</b> · must be {text["interval"]}'
        f" · thesis {text['claimed']}</div>{fix}"
        f'<div class="ledger-verdict"><span class="ledger-badge">{entry.verdict}</span> '
        f"<code>{text['id']}</code></div></div>"
    )


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


def _verdict(value, low, high, claim, correction) -> str:
    if claim is None:
        stands = True
    elif isinstance(claim, list):
        stands = _between(value, *claim)
    else:
        stands = _between(claim, low, high)
    if correction:
        return CORRECTED
    return HOLDS if stands else FAILS


def _display(entry: Entry) -> None:
    """Show the box in a notebook; do nothing outside of one (tests, scripts)."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        display(entry)
