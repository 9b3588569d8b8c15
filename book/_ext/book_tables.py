"""What this book shows of its own runs: cards and tables of the ledger, inventory, times."""

from __future__ import annotations

import html

import chapters
import statements
from book_math import with_mathematics
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from vaelib import ledger

OURS = "ours"
LEDGER_HEAD = ("Statement or claim", "Measured", "Allowed", "The thesis", "Verdict")
BADGE = '<span class="ledger-badge ledger-{kind}">{}</span>'


class LedgerTable(SphinxDirective):
    """All statements of the thesis with their verdicts, each over its evidence, then our claims."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(statements.INVENTORY))
        app = self.env.app
        rows = app.book_rows
        verdicts = [item["verdict"] for item in statements.judged()]
        counts = " · ".join(
            f"{badge(verdict)} <b>{verdicts.count(verdict)}</b>" for verdict in statements.VERDICTS
        )
        parts = [
            f'<p class="ledger-counts">{len(verdicts)} statements of the thesis: {counts}. '
            f"{len(rows)} checks.</p>"
        ]
        for name in self.env.app.book_runs:
            here = [row for row in rows if row["chapter"] == name]
            body = "".join(
                statement_row(app, item) + "".join(ledger_row(app, r) for r in evidence(item, here))
                for item in statements.judged(name)
            )
            body += "".join(ledger_row(app, row) for row in here if row["statement"] is None)
            if body:
                parts.append(f"<h3>{chapter_link(name)}</h3>" + table(LEDGER_HEAD, body))
        return [nodes.raw("", "\n".join(parts), format="html")]


class ThesisTable(SphinxDirective):
    """What the thesis says and what this chapter finds, from book/inventory.yml."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(statements.INVENTORY))
        name = self.env.docname.rpartition("/")[2]
        box = nodes.container(classes=["thesis-table"])
        lines = statements.table(name, BADGE).splitlines()
        self.state.nested_parse(StringList(lines, str(statements.INVENTORY)), 0, box)
        return [box]


class InventoryTable(SphinxDirective):
    """book/inventory.yml: what of the thesis is treated where."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(statements.INVENTORY))
        items = statements.items()
        here = set(self.env.app.book_runs)
        done = sum(item["chapter"] in here for item in items)
        body = "".join(inventory_row(item, item["chapter"] in here) for item in items)
        count = (
            f"<p>{done} of {len(items)} items are covered by the chapters that exist so far.</p>"
        )
        return [nodes.raw("", count + table(("Thesis", "What", "Where"), body), format="html")]


class ChapterTimes(SphinxDirective):
    """How long each chapter took in this build, and on what."""

    def run(self) -> list[nodes.Node]:
        rows = []
        for name, run in self.env.app.book_runs.items():
            facts = chapters.facts(run)
            where = facts.environment
            data = "none" if where.data == "none" else "own folder"
            cells = (
                chapter_link(name), where.profile, html.escape(where.device), data,
                f"{facts.wall_seconds:.0f} s", f"{facts.cpu_seconds:.0f} s",
            )  # fmt: skip
            rows.append(table_row(cells))
        head = ("Chapter", "Profile", "Device", "Data", "Wall", "CPU")
        return [nodes.raw("", table(head, "".join(rows)), format="html")]


def badge(verdict: str) -> str:
    return BADGE.format(verdict, kind=verdict.replace(" ", "-"))


def cards(app, rows: list[dict]) -> dict[str, str]:
    """The card of each row of a chapter as its page shows it, by id.

    The first row on a statement of the thesis says what that is and what the verdict is; those
    that follow refer to it.
    """
    known = {item["id"]: item for item in statements.judged()}
    first: dict[str, str] = {}
    shown = {}
    for row in rows:
        item = known.get(row["statement"])
        if item is None:
            verdict = ""
        elif item["id"] not in first:
            first[item["id"]] = row["id"]
            verdict = (
                f"{badge(item['verdict'])} <b>The thesis</b> "
                f"({html.escape(statements.place(item))}): {html.escape(item['words'])}"
            )
        else:
            link = f'<a href="#check-{html.escape(first[item["id"]])}">the statement above</a>'
            verdict = f"More evidence on {link}: {badge(item['verdict'])}"
        shown[row["id"]] = with_mathematics(app, ledger.card(entry(row), verdict))
    return shown


def entry(row: dict) -> ledger.Entry:
    return ledger.Entry(**{key: value for key, value in row.items() if key != "chapter"})


def evidence(item: dict, rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["statement"] == item["id"]]


def chapter_link(name: str, anchor: str = "", text: str = "") -> str:
    """A link from a page in book/ to a chapter."""
    words = text or chapters.title(name)
    return f'<a href="../notebooks/{name}.html{anchor and "#" + anchor}">{html.escape(words)}</a>'


def table(head: tuple[str, ...], body: str) -> str:
    """A table that scrolls sideways in its own box where the screen is narrow."""
    cells = "".join(f"<th>{title}</th>" for title in head)
    return (
        '<div class="table-scroll"><table class="table ledger-table">'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def table_row(cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def statement_row(app, item: dict) -> str:
    """A statement of the thesis, with its verdict."""
    words = with_mathematics(app, html.escape(item["words"]))
    where = chapter_link(item["chapter"], html_id(item["anchor"]), statements.place(item))
    cell = f'<td colspan="4"><b>{where}</b> {words}</td>'
    return f'<tr class="ledger-statement">{cell}<td>{badge(item["verdict"])}</td></tr>'


def ledger_row(app, row: dict) -> str:
    """One row; its id links to the card in the chapter."""
    its = entry(row)
    link = chapter_link(row["chapter"], f"check-{its.id}", its.id)
    recorded = f"<br><small>recorded on {its.recorded}</small>" if its.recorded else ""
    cells = (
        f"{with_mathematics(app, html.escape(its.claim))}<br><small>{link}</small>",
        ledger.in_html(ledger.measured(its)) + recorded,
        ledger.in_html(ledger.interval(its)),
        ledger.in_html(ledger.claimed(its) or "–"),
        "" if its.statement else badge(OURS),
    )
    return table_row(cells)


def inventory_row(item: dict, exists: bool) -> str:
    where = item["chapter"]
    link = chapter_link(where, html_id(item.get("anchor") or "")) if exists else "chapter to come"
    what = f"{html.escape(item['words'])} <small>{item['kind']}</small>"
    return table_row((html.escape(str(item["thesis"])), what, link))


def html_id(anchor: str) -> str:
    """docutils turns the label `cavi_x y` into the element id `cavi-x-y`."""
    return nodes.make_id(anchor)
