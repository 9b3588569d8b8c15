"""Citations in words: "Blei et al. (2017)" in a sentence, and the entry in the list of works."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from chapters import ROOT
from labels import ReferenceProblem
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style


@cache
def works() -> BibliographyData:
    """The entries of book/references.bib."""
    return parse_file(ROOT / "book" / "references.bib")


@cache
def years() -> dict[str, str]:
    """The year of each work; with a letter where the same authors have two works in one year."""
    names = {key: (authors(key), _entry(key).fields["year"]) for key in works().entries}
    times, used, found = Counter(names.values()), Counter(), {}
    for key, name in sorted(names.items()):
        letter = chr(ord("a") + used[name]) if times[name] > 1 else ""
        used[name] += 1
        found[key] = name[1] + letter
    return found


def authors(key: str) -> str:
    """Last names as in a citation: one, two, or the first and "et al."; else the editors'."""
    persons = _entry(key).persons
    people = persons.get("author") or persons.get("editor") or []
    last = [_words(" ".join([*p.prelast_names, *p.last_names])) for p in people]
    if len(last) > 2:
        return f"{last[0]} et al."
    return " and ".join(last) or _words(_entry(key).fields["title"])


def cited(keys: list[str], in_sentence: bool) -> str:
    """Markdown for {cite:t} (`in_sentence`) or {cite:p}: each work a link to its entry."""
    if in_sentence:
        return ", ".join(f"[{authors(key)} ({years()[key]})](#{anchor(key)})" for key in keys)
    return (
        "(" + "; ".join(f"[{authors(key)}, {years()[key]}](#{anchor(key)})" for key in keys) + ")"
    )


def anchor(key: str) -> str:
    return f"work-{key}"


def listed(keys: set[str]) -> str:
    """A Markdown list of works, by author and year."""
    style, markdown = Style(), Backend()
    order = sorted(keys, key=lambda key: (authors(key).lower(), years()[key]))
    entries = {entry.key: entry for entry in style.format_entries([_entry(k) for k in order])}
    lines = []
    for key in order:
        text = " ".join(entries[key].text.render(markdown).split())
        text = re.sub(r"\\([-.()!+#])", r"\1", text)  # escapes that Markdown does not need here
        lines.append(f'- <a id="{anchor(key)}"></a>{text}')
    return "\n".join(lines)


def _entry(key: str) -> Entry:
    if key not in works().entries:
        raise ReferenceProblem(f"book/references.bib has no work {key!r}")
    return works().entries[key]


def _words(latex: str) -> str:
    return str(Text.from_latex(latex))
