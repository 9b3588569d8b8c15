"""The rewriting of one MyST text: read its tokens, collect what to change, change it.

A text is not printed anew from its tokens, so all that is not MyST stays letter by letter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import chapters
import myst
from labels import ReferenceProblem
from markdown_it.token import Token

if TYPE_CHECKING:
    from plain import Page

# Block tokens that every renderer knows, or that hold others that are looked at themselves.
KNOWN = re.compile(
    r"(paragraph|heading|bullet_list|ordered_list|list_item|blockquote|table|thead|tbody|tr|th|td)"
    r"_(open|close)|inline|hr|fence|code_block|html_block|math_block"
    r"|footnote_(block|reference)_(open|close)|footnote_anchor"
)
KNOWN_INLINE = re.compile(
    r"text|softbreak|hardbreak|code_inline|math_inline|html_inline|(em|strong|link)_(open|close)"
    r"|image|myst_role|footnote_ref"
)


@dataclass(frozen=True)
class Edit:
    """Replace text[start:end]; an insertion where they are equal."""

    start: int
    end: int
    text: str


class Conversion:
    """One text: reads its tokens, collects what to change, and changes it from the end."""

    def __init__(self, page: Page, text: str, flat: bool):
        self.page, self.text, self.flat = page, text, flat
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.edits: list[Edit] = []
        self.anchors = ""  # of labels that wait for the block which they name
        self.paragraph: int | None = None  # where the paragraph just before begins
        self.begins = 0  # where the present paragraph begins
        self.cells = {}  # for each row of a table, where its next cell is looked for

    def run(self) -> str:
        for token in myst.parse(self.text):
            self.read(token)
        if self.anchors:
            self.edits.append(Edit(len(self.text), len(self.text), f"\n\n{self.anchors}"))
        text = self.text
        # Stable: of insertions at one place, the first stays first.
        for edit in sorted(self.edits, key=lambda edit: (edit.start, edit.end))[::-1]:
            text = text[: edit.start] + edit.text + text[edit.end :]
        return re.sub(r"\n{3,}", "\n\n", text).strip("\n")

    def read(self, token: Token) -> None:
        found = myst.directive(token)
        before, self.paragraph = self.paragraph, None
        if token.type == "inline":
            self.read_inline(token)
        elif token.type == "paragraph_close":
            self.paragraph = self.begins
        elif token.type == "footnote_reference_open":
            self.footnote(token)
        elif token.type == "myst_target":
            self.anchors += self.page.anchor(token.content)
            self.replace_lines(token, "")
        elif token.type == "myst_line_comment":
            self.replace_lines(token, "")
        elif token.type == "math_block_label" or (token.type == "math_block" and self.flat):
            self.formula(token, before)
        elif found:
            anchors, self.anchors = self.anchors, ""
            self.replace_lines(token, self.page.box(found, anchors, self.flat) + "\n")
        elif token.type in ("fence", "colon_fence") and token.info.startswith("{"):
            raise ReferenceProblem(f"{token.info} has no plain form")
        elif not KNOWN.fullmatch(token.type):
            raise ReferenceProblem(f"{token.type} has no plain form: {self.source(token)!r}")
        if self.anchors and token.map and token.nesting >= 0 and token.type != "myst_target":
            self.place_anchors(token)
        if token.type == "paragraph_open":
            self.begins = self.text_start(token)

    def source(self, token: Token) -> str:
        start, end = token.map or (0, 1)
        return "".join(self.lines[start:end])

    def text_start(self, token: Token) -> int:
        """Where a block's first letter stands, behind quote marks and indentation."""
        first = self.lines[token.map[0]]
        mark = re.match(r"(\s|>|[-*+]\s|\d+[.)]\s)*", first)
        return self.starts[token.map[0]] + mark.end()

    def place_anchors(self, token: Token) -> None:
        """Into a heading or paragraph; before other blocks, on a line of their own."""
        anchors, self.anchors = self.anchors, ""
        if token.type == "heading_open":
            place = self.starts[token.map[0]] + len(self.lines[token.map[0]].rstrip("\n"))
            self.edits.append(Edit(place, place, f" {anchors}"))
        elif token.type == "paragraph_open":
            place = self.text_start(token)
            self.edits.append(Edit(place, place, anchors))
        else:
            place = self.starts[token.map[0]]
            self.edits.append(Edit(place, place, f"{anchors}\n\n"))

    def replace_lines(self, token: Token, text: str) -> None:
        first, last = token.map
        lead = re.match(r"[\s>]*", self.lines[first])[0]
        if re.match(r"[-*+\d]", self.lines[first][len(lead) :]):
            raise ReferenceProblem(f"a box directly behind a list's mark: {self.lines[first]!r}")
        text = "".join(lead + line for line in text.splitlines(keepends=True))
        self.edits.append(Edit(self.starts[first], self.starts[last], text))

    def formula(self, token: Token, paragraph: int | None) -> None:
        """A display formula: its number as a tag; its anchor at the sentence that leads to it."""
        name = token.info if token.type == "math_block_label" else ""
        tag = f"\\tag{{{self.page.labels[name].number}}}" if name else ""
        if anchor := self.page.anchor(name):
            place = self.starts[token.map[0]] if paragraph is None else paragraph
            self.edits.append(Edit(place, place, anchor + ("\n\n" if paragraph is None else "")))
        if self.flat:
            body = " ".join(f"{token.content} {tag}".split())
            self.replace_lines(token, f"$$ {body} $$\n")
            return
        last = next(n for n in range(token.map[1] - 1, -1, -1) if self.lines[n].strip())
        line = self.lines[last]
        close = re.search(r"\$\$\s*\([^()]*\)\s*$", line)
        lead = line[: close.start()]
        mark = lead if not lead.strip(" >") else ""
        text = f"{tag}\n{mark}$$\n" if mark or not lead.strip() else f"{tag} $$\n"
        start = self.starts[last] + close.start()
        self.edits.append(Edit(start, self.starts[last + 1], text))

    def footnote(self, token: Token) -> None:
        """The mark of a footnote's text: its number, where its references arrive."""
        name = token.meta["label"]
        start = self.starts[token.map[0]]
        mark = re.match(r"\s*\[\^[^]]+\]:\s*", self.lines[token.map[0]])
        number = re.search(r"\d+", self.page.note(name))[0]
        text = f'<a id="note-{name}"></a><sup>{number}</sup> '
        self.edits.append(Edit(start, start + mark.end(), text))

    def read_inline(self, token: Token) -> None:
        """Roles, links and footnotes of a paragraph, heading or cell of a table."""
        places = self.places(token)
        edits = [edit for child in token.children or () for edit in self.inline_edits(child)]
        for edit in edits:
            end = places[edit.end - 1] + 1 if edit.end > edit.start else places[edit.start]
            self.edits.append(Edit(places[edit.start], end, edit.text))

    def inline_edits(self, child: Token) -> list[Edit]:
        if not KNOWN_INLINE.fullmatch(child.type):
            raise ReferenceProblem(f"{child.type} has no plain form")
        if "span" not in child.meta:
            return []
        start, end = child.meta["span"]
        if child.type == "myst_role":
            return [Edit(start, end, self.page.role(child.meta["name"], child.content))]
        if child.type == "link_open":
            target = child.attrs["href"]
            href = self.page.href(target)
            close = child.meta["label_end"]
            edits = [] if href == target else [Edit(close + 1, end, f"({href})")]
            if close == start + 1:  # [](target): the title of what it points to
                edits.append(Edit(close, close, self.title_of(target)))
            return edits
        if child.type == "footnote_ref":
            return [Edit(start, end, self.page.note(child.meta["label"]))]
        return []

    def title_of(self, target: str) -> str:
        file, _, anchor = target.partition("#")
        if anchor:
            return self.page.words(self.page.labels[anchor])
        return chapters.title(Path(file).stem)

    def places(self, token: Token) -> list[int]:
        """For each letter of an inline token's content, where it stands in the text."""
        places: list[int] = []
        for number, line in enumerate(token.content.split("\n")):
            row = token.map[0] + number
            source = self.lines[row].rstrip("\n")
            if source.rstrip().endswith(line.rstrip()):
                column = len(source.rstrip()) - len(line.rstrip())
            else:  # a table's cell: behind those before it
                column = max(source.find(line, self.cells.get(row, 0)), 0)
                self.cells[row] = column + len(line)
            start = self.starts[row] + column
            places += range(start, start + len(line) + 1)
        return places
