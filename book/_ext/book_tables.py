"""The tables that this book makes of its own runs: ledger, inventory, times."""

from __future__ import annotations

import html

import chapters
import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from vaelib import ledger

VERDICTS = (ledger.HOLDS, ledger.CORRECTED, ledger.FAILS)
LEDGER_HEAD = ("The thesis says", "Measured", "Must be", "Thesis", "Verdict")


class LedgerTable(SphinxDirective):
    """All rows of this build's ledger, by chapter, with the count of each verdict."""

    def run(self) -> list[nodes.Node]:
        rows = self.env.app.book_rows
        counts = " · ".join(
            f"{badge(v)} <b>{sum(row['verdict'] == v for row in rows)}</b>" for v in VERDICTS
        )
        parts = [f'<p class="ledger-counts">{len(rows)} checks: {counts}</p>']
        for name in self.env.app.book_runs:
            body = "".join(ledger_row(row) for row in rows if row["chapter"] == name)
            if body:
                parts.append(f"<h3>{chapter_link(name)}</h3>" + table(LEDGER_HEAD, body))
        return [nodes.raw("", "\n".join(parts), format="html")]


class InventoryTable(SphinxDirective):
    """book/inventory.yml: what of the thesis is treated where."""

    def run(self) -> list[nodes.Node]:
        path = chapters.ROOT / "book" / "inventory.yml"
        self.env.note_dependency(str(path))
        items = yaml.safe_load(path.read_text())
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
    return f'<span class="ledger-badge ledger-{verdict.replace(" ", "-")}">{verdict}</span>'


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


def ledger_row(row: dict) -> str:
    """One row; its id links to the box in the chapter."""
    fields = {key: value for key, value in row.items() if key != "chapter"}
    entry = ledger.Entry(**fields)
    fix = (
        f"<br><small>Corrected: {html.escape(entry.correction)}</small>" if entry.correction else ""
    )
    link = chapter_link(row["chapter"], f"check-{entry.id}", entry.id)
    cells = (
        f"<b>{html.escape(entry.thesis)}</b> {html.escape(entry.says)}{fix}"
        f"<br><small>{link}</small>",
        html.escape(ledger.measured(entry)),
        html.escape(ledger.interval(entry)),
        html.escape(ledger.claimed(entry)),
        badge(entry.verdict),
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
