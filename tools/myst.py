"""Read MyST Markdown with the parser that builds the pages, and keep the places of what it finds.

markdown-it tells on which lines a block stands, but not where in a paragraph a role or a
link does. The rules that find these are wrapped here, so that their tokens carry
`meta["span"]`: start and end in the text of the paragraph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import yaml
from chapters import ROOT
from jupytext.myst import parse_directive_options
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

# Bare addresses are links in every notebook program; substitutions are not used.
NOT_NEEDED = {"linkify", "substitution"}
SPANS = {
    "myst_role": "myst_role",
    "link": "link_open",
    "image": "image",
    "footnote_ref": "footnote_ref",
}


@dataclass(frozen=True)
class Directive:
    """`:::{name} argument`, its options, its body, and the line of the body's first line."""

    name: str
    argument: str
    options: dict
    body: str
    line: int


@cache
def parser() -> MarkdownIt:
    """The parser of the pages (`parse.myst_enable_extensions` of _config.yml), with spans."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    extensions = set(config["parse"]["myst_enable_extensions"]) - NOT_NEEDED
    md = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    rules = {rule.name: rule.fn for rule in md.inline.ruler.__rules__}
    for name, token_type in SPANS.items():
        md.inline.ruler.at(name, _with_span(rules[name], token_type))
    return md


def parse(text: str) -> list[Token]:
    """The tokens of a Markdown text; those of directives are not parsed further."""
    return parser().parse(text)


def directive(token: Token) -> Directive | None:
    """What a fence says if it is a directive, else None."""
    info = token.info.strip()
    if token.type not in ("fence", "colon_fence") or not info.startswith("{"):
        return None
    name, _, argument = info[1:].partition("}")
    body, options = parse_directive_options(token.content, f"{name}: ")
    line = token.map[0] + 1 + len(token.content.splitlines()) - len(body)
    return Directive(name, argument.strip(), options, "\n".join(body), line)


def walk(text: str) -> Iterator[Token]:
    """All tokens of a text in their order, those inside directives and paragraphs too."""
    for token in parse(text):
        yield token
        yield from token.children or ()
        found = directive(token)
        if found:
            if found.argument:
                yield from walk(found.argument)
            yield from walk(found.body)


def _with_span(rule, token_type: str):
    def wrapped(state, silent: bool) -> bool:
        start, before = state.pos, len(state.tokens)
        label_end = 0
        if token_type == "link_open" and not silent and state.src[start] == "[":
            label_end = state.md.helpers.parseLinkLabel(state, start, True)
        found = rule(state, silent)
        if found and not silent:
            token = next(t for t in state.tokens[before:] if t.type == token_type)
            token.meta = {**token.meta, "span": (start, state.pos), "label_end": label_end}
        return found

    return wrapped
