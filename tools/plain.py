"""MyST Markdown -> the plain Markdown that JupyterLab, Colab and VS Code show alike.

Only what MyST adds is rewritten; all else is copied letter by letter. What has no plain form
here is refused, so nothing is left in a notebook that only the pages can read.
"""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

import chapters
import citations
import labels as label_pass
import myst
import yaml
from labels import Label, Labels, ReferenceProblem
from markdown_it.token import Token
from myst import Directive

ADMONITIONS = {
    "admonition", "attention", "caution", "danger", "error", "hint", "important", "note",
    "seealso", "tip", "warning",
}  # fmt: skip
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


@dataclass
class Page:
    """One chapter on its way into a notebook: its place, the book's labels, the works it cites."""

    name: str  # "notebooks/05_cavi_mixture"
    labels: Labels
    cited: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)  # the names of its footnotes, in order

    def markdown(self, text: str, *, flat: bool = False) -> str:
        """A text in plain Markdown. `flat` sets each formula on one line, for block quotes."""
        return _Conversion(self, text, flat).run()

    def inline(self, text: str) -> str:
        """A title or a caption in plain Markdown, on one line."""
        return self.markdown(" ".join(text.split()))

    def anchor(self, name: str) -> str:
        """An anchor where the label stands; nothing where nobody refers to it."""
        return f'<a id="{name}"></a>' if name in self.labels.wanted else ""

    def caption(self, number: str, caption: str, name: str = "") -> str:
        """The line under a figure."""
        return f"{self.anchor(name)}**Figure {number}.** {self.inline(caption)}"

    # --- references ---------------------------------------------------------------------------

    def role(self, name: str, content: str) -> str:
        """A role in words and links."""
        if name in ("cite:p", "cite:t", "cite"):
            keys = [key.strip() for key in content.split(",")]
            self.cited.update(keys)
            return citations.cited(keys, in_sentence=name == "cite:t")
        if name not in ("eq", "numref", "prf:ref", "ref"):
            raise ReferenceProblem(f"the role {{{name}}} has no plain form")
        words, target = label_pass.role_target(content)
        label = self.labels[target]
        if name == "numref" and "%s" in words:
            words = words.replace("%s", label.number)
        return f"[{words or self.words(label)}]({self.link(label)})"

    def words(self, label: Label) -> str:
        """What a reference says that has no words of its own."""
        if label.kind == "equation":
            return f"({label.number})"
        if label.kind == "figure":
            return f"Fig. {label.number}"
        if label.kind in ("section", "block"):
            if not label.title:
                raise ReferenceProblem(f"a reference to {label.name!r} needs words: no title there")
            return self.inline(label.title)
        return f"{label.kind.title()} {label.number}".strip()

    def link(self, label: Label) -> str:
        """The address of a label, as seen from this notebook."""
        if label.page == self.name:
            return f"#{label.name}"
        return self.address(label.page, label.name)

    def address(self, page: str, anchor: str = "") -> str:
        """A page's address: another chapter's notebook, or a page of the site or its source."""
        here = PurePosixPath(self.name).parent
        if page.startswith("notebooks/"):
            file = os.path.relpath(f"{page}.ipynb", here)
        elif base := site():
            file = f"{base}/{page}.html"
        else:  # the source on disk has no anchors that a notebook program knows
            return os.path.relpath(f"{page}.md", here)
        return f"{file}#{anchor}" if anchor else file

    def href(self, target: str) -> str:
        """The address behind [words](target)."""
        if target.startswith("#"):
            return self.link(self.labels[target[1:]])
        file, _, anchor = target.partition("#")
        if not file.endswith(".md") or "://" in file:
            return target
        page = os.path.normpath(PurePosixPath(self.name).parent / file.removesuffix(".md"))
        if not (chapters.ROOT / f"{page}.md").exists():
            raise ReferenceProblem(f"no file {file}")
        return self.address(page, anchor)

    # --- boxes --------------------------------------------------------------------------------

    def box(self, found: Directive, anchors: str, flat: bool = False) -> str:
        """A directive in plain Markdown; `anchors` go to where the reader should arrive."""
        kind = found.name.removeprefix("prf:")
        if found.name == "prf:proof":
            body = _end_of_proof(self.markdown(found.body, flat=flat))
            return _run_in(f"{anchors}**Proof.**", body)
        if found.name.startswith("prf:"):
            name = found.options.get("label", "")
            number = self.labels[name].number if name else ""
            title = f" ({self.inline(found.argument)})" if found.argument else ""
            head = f"{anchors}{self.anchor(name)}**{f'{kind.title()} {number}'.strip()}**{title}."
            return quoted(_run_in(head, self.markdown(found.body, flat=True)))
        if found.name == "dropdown" or "dropdown" in str(found.options.get("class", "")):
            body = self.markdown(found.body, flat=flat)
            return folded(found.argument or kind.title(), body, anchors)
        if found.name in ADMONITIONS:
            title = self.inline(found.argument) or kind.title()
            return quoted(f"{anchors}**{title}**\n\n{self.markdown(found.body, flat=True)}")
        if found.name == "margin":  # a remark at the side
            return quoted(anchors + self.markdown(found.body, flat=True))
        if found.name in ("figure", "image"):
            return anchors + self.picture(found)
        if found.name == "math":
            name = found.options.get("label", "")
            tag = f" \\tag{{{self.labels[name].number}}}" if name else ""
            return f"{anchors}{self.anchor(name)}\n\n$$\n{found.body}{tag}\n$$".strip()
        raise ReferenceProblem(f"the directive {{{found.name}}} has no plain form")

    def note(self, name: str) -> str:
        """The number of a footnote, as a link to it."""
        if name not in self.notes:
            self.notes.append(name)
        return f"<sup>[{self.notes.index(name) + 1}](#note-{name})</sup>"

    def picture(self, found: Directive) -> str:
        image = f"![{found.options.get('alt', '')}]({found.argument})"
        name = found.options.get("name", "")
        if found.name == "image" or not found.body:
            return image
        return f"{image}\n\n{self.caption(self.labels[name].number, found.body, name)}"


class _Conversion:
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


def quoted(text: str) -> str:
    """A Markdown block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def folded(title: str, text: str, anchors: str = "") -> str:
    """A fold that the reader opens; a link to its anchors arrives at its title."""
    words = html.escape(re.sub(r"[*`]", "", title), quote=False)
    return f"<details>\n<summary>{anchors}<b>{words}</b></summary>\n\n{text}\n\n</details>"


def _run_in(head: str, body: str) -> str:
    """The head on the first line of the text, if that begins with a sentence."""
    if anchors := re.match(r"(?:<a id=\"[^\"]+\"></a>)+\n\n", body):  # of a formula without a lead
        head, body = anchors[0].strip() + head, body[anchors.end() :]
    begins_with_text = re.match(r"(?!\$\$|[-*+]\s|\d+[.)]\s|<(?!a id)|>|#|\|)", body)
    return f"{head} {body}" if begins_with_text else f"{head}\n\n{body}"


def _end_of_proof(text: str) -> str:
    """The text with the sign that ends a proof."""
    last = text.rstrip().rpartition("\n")[2]
    is_sentence = last and not re.match(r"\$\$|[|>]|</|```", last)
    return f"{text.rstrip()}\u00a0∎" if is_sentence else f"{text.rstrip()}\n\n∎"


@cache
def site() -> str:
    """The address of the built pages (`html.baseurl` of _config.yml), or "" if not set."""
    config = yaml.safe_load((chapters.ROOT / "_config.yml").read_text())
    return (config.get("html", {}).get("baseurl") or "").rstrip("/")
