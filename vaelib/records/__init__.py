"""Tables of measured numbers: those of this run, and beside them those of the thesis's scale.

`show` draws a table and keeps it in the cell's output. `make record CHAPTER=NN_name` runs a
chapter in the thesis profile and copies its tables into this folder, ID.json each, with the
data, the device, the date and the command. From then on `show` draws the recorded table below
that of a quick run, marked as recorded; nobody types its numbers.
"""

from __future__ import annotations

import html
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vaelib import runtime, schema
from vaelib.estimate import Estimate

MIME = "application/vnd.vaelib.record+json"
FOLDER = Path(__file__).parent

Cell = float | str | tuple[float, float]  # a value, a word, or a value and its standard error


class RecordError(ValueError):
    """A table that is refused, or a recorded one that cannot be read."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Measured numbers by row and column, and how they were made.

    `rows` are pairs of a name and its cells, one for each of `columns`; not a mapping, since
    notebooks sort the keys of what they store. `facts` says on which data, device and date, in
    which profile, and with which command.
    """

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    unit: str = ""
    digits: Annotated[int, Meta(ge=0, le=15)] = 2
    best: Literal["", "max", "min"] = ""
    facts: dict[str, str] = {}

    def __post_init__(self):
        for name, cells in self.rows:
            if len(cells) != len(self.columns):
                raise ValueError(
                    f"row {name!r} has {len(cells)} cells, expected {len(self.columns)}, "
                    "one for each column"
                )
            for cell in cells:
                if not isinstance(cell, str) and not all(map(math.isfinite, _numbers(cell))):
                    raise ValueError(f"row {name!r} holds {cell}, not finite")


@dataclass(frozen=True)
class Shown:
    """What a cell displays: the table of this run, and the recorded one where there is one."""

    here: Table
    recorded: Table | None

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        tables = [table for table in (self.here, self.recorded) if table is not None]
        return {
            MIME: msgspec.to_builtins(self.here),
            "text/html": "".join(draw(t, recorded=t is self.recorded) for t in tables),
            "text/plain": "\n\n".join(plain(t, recorded=t is self.recorded) for t in tables),
        }


def show(
    id: str,
    title: str,
    columns: Sequence[str],
    rows: Mapping[str, Sequence[Cell | Estimate]],
    *,
    data: object,
    unit: str = "",
    digits: int = 2,
    best: str = "",
) -> Shown:
    """The table of this run for the last line of a cell, and the recorded one below it.

    A cell is a number, a word, or a value with its standard error, an Estimate or a pair, drawn
    as a 95 % interval. `best` ("max" or "min") sets the best number of each column in bold.
    `data` is what the numbers were measured on. In the thesis profile the table of the run
    stands alone.

    Raises RecordError for rows of another length than the columns, numbers that are not finite,
    or a recorded table that cannot be read.
    """
    facts = {
        "data": str(data),
        "profile": runtime.profile(),
        "device": f"{runtime.device_name()}, {platform.machine()}, torch {version('torch')}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    table = {
        "id": id,
        "title": title,
        "columns": tuple(columns),
        "rows": [(name, [_plain(cell) for cell in cells]) for name, cells in rows.items()],
        "unit": unit,
        "digits": digits,
        "best": best,
        "facts": facts,
    }
    here = schema.convert(table, Table, f"table {id}", error=RecordError)
    return Shown(here, None if runtime.profile() == "thesis" else recorded(id))


def recorded(id: str) -> Table | None:
    """The table of the thesis's scale with this id, None where none was recorded.

    Raises RecordError when its file cannot be read.
    """
    path = FOLDER / f"{id}.json"
    return schema.read(path, Table, "Record it again.", RecordError) if path.exists() else None


def tables(notebook: dict) -> list[Table]:
    """The tables of an executed notebook (nbformat 4, as a dict), in order.

    Raises RecordError for one that is not valid.
    """
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    stored = [out["data"][MIME] for out in outputs if MIME in out.get("data", {})]
    return [schema.convert(it, Table, "a table in a notebook", error=RecordError) for it in stored]


def draw(table: Table, *, recorded: bool = False) -> str:
    """The table as HTML. Its colors come from book.css; without it, it stays readable."""
    kind = "record-kept" if recorded else "record-here"
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    top = [_best(table, i) for i in range(len(table.columns))]
    body = ""
    for name, cells in table.rows:
        drawn = "".join(
            f"<td{' class=record-best' if name in top[i] else ''}>"
            f"{html.escape(_text(cell, table.digits))}</td>"
            for i, cell in enumerate(cells)
        )
        body += f'<tr><th scope="row">{html.escape(name)}</th>{drawn}</tr>'
    title, how = html.escape(_caption(table)), html.escape(_how(table, recorded))
    return (
        f'<div class="record {kind}" style="margin:.8em 0">'
        f'<div class="record-title">{title}</div><div class="record-facts">{how}</div>'
        f'<div style="overflow-x:auto" tabindex="0"><table aria-label="{title}">'
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def plain(table: Table, *, recorded: bool = False) -> str:
    """The table as text, for those who see no HTML."""
    lines = [["", *table.columns]]
    lines += [[name, *(_text(c, table.digits) for c in cells)] for name, cells in table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    grid = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in lines]
    return "\n".join([_caption(table), _how(table, recorded), *grid])


def _caption(table: Table) -> str:
    return table.title + (f" ({table.unit})" if table.unit else "")


def _how(table: Table, recorded: bool) -> str:
    first = "Recorded at the thesis's scale" if recorded else "Measured in this run"
    return " · ".join([first, *(f"{name} {fact}" for name, fact in table.facts.items())])


def _text(cell: Cell, digits: int) -> str:
    if isinstance(cell, str):
        return cell
    value, *error = _numbers(cell)
    if not any(error):
        return f"{value:.{digits}f}"
    half = 1.96 * error[0]
    shown = f"{half:.{digits}f}"
    return f"{value:.{digits}f} ± {shown if float(shown) else f'{half:.1g}'}"


def _best(table: Table, column: int) -> list[str]:
    """The rows whose number is the best of this column, as it is printed."""
    if not table.best:
        return []
    found = {
        name: round(_numbers(cells[column])[0], table.digits)
        for name, cells in table.rows
        if not isinstance(cells[column], str)
    }
    best = {"max": max, "min": min}[table.best](found.values(), default=None)
    return [name for name, value in found.items() if value == best]


def _numbers(cell: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(cell) if isinstance(cell, tuple | list) else (cell,)


def _plain(cell: Cell | Estimate) -> Cell:
    """With plain floats, which JSON takes."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Estimate):
        cell = (cell.value, cell.stderr)
    numbers = tuple(float(number) for number in _numbers(cell))
    return numbers if len(numbers) > 1 else numbers[0]
