"""A section whose title begins with "Deeper: " is folded in the page, and stays a section.

It keeps its number, its place in the contents and its labels. Its title becomes the summary of a
<details>; browsers open it for find-in-page, the script folds.js for links and print.
"""

from __future__ import annotations

from docutils import nodes

PREFIX = "Deeper: "
SCRIPT = "folds.js"


def fold_sections(app, doctree, docname) -> None:
    """Put the contents of deeper sections into <details>. Other formats than HTML keep them."""
    if app.builder.format != "html":
        return
    for section in doctree.findall(nodes.section):
        title = section.next_node(nodes.title)
        if title is None or title.parent is not section:
            continue
        if not title.astext().startswith(PREFIX):
            continue
        at = section.index(title)
        content = section.children[at + 1 :]
        section["classes"].append("deeper-section")
        del section[at:]
        section += [_html('<details class="deeper"><summary>'), title]
        section += [_html('</summary><div class="deeper-body">'), *content]
        section += _html("</div></details>")


def add_script(app, pagename, templatename, context, doctree) -> None:
    """The script that opens folds, on pages that have any."""
    if "<details" in context.get("body", ""):
        app.add_js_file(SCRIPT, loading_method="defer")


def _html(markup: str) -> nodes.raw:
    return nodes.raw("", markup, format="html")
