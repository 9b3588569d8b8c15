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
from pathlib import PurePosixPath

import chapters
import citations
import labels as label_pass
import statements
import yaml
from labels import Label, Labels, ReferenceProblem
from myst import Directive
from rewrite import Conversion

ADMONITIONS = {
    "admonition", "attention", "caution", "danger", "error", "hint", "important", "note",
    "seealso", "tip", "warning",
}  # fmt: skip


@dataclass
class Page:
    """One chapter on its way into a notebook: its place, the book's labels, the works it cites."""

    name: str  # "notebooks/05_cavi_mixture"
    labels: Labels
    cited: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)  # the names of its footnotes, in order

    def markdown(self, text: str, *, flat: bool = False) -> str:
        """A text in plain Markdown. `flat` sets each formula on one line, for block quotes."""
        return Conversion(self, text, flat).run()

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
        if found.name == "thesis-table":
            return anchors + self.markdown(statements.table(PurePosixPath(self.name).name))
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
