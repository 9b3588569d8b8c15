"""Chapters are numbered as the thesis's sections are, by their file names, not by counting.

`notebooks/05_cavi_mixture` is chapter 5 also while chapters 2 to 4 are still to come, in
the sidebar, its sections, its figures and its equations.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx_external_toc.collectors import TocTreeCollectorWithStyles as Collector


def number_by_file(app) -> None:
    """Renumber right after Sphinx has counted, so that figures and links take the new numbers."""
    count = Collector.assign_section_numbers

    def assign(self, env) -> list[str]:
        changed = count(self, env)
        for docname in env.toc_secnumbers:
            found = re.match(r"notebooks/(\d+)_", docname)
            if found:
                _renumber(env, docname, int(found[1]))
        return changed

    Collector.assign_section_numbers = assign


def _renumber(env, docname: str, chapter: int) -> None:
    numbers = env.toc_secnumbers[docname]
    env.toc_secnumbers[docname] = {
        anchor: number and (chapter, *number[1:]) for anchor, number in numbers.items()
    }
    links = env.tocs[docname].findall(nodes.reference)
    for node in [env.titles[docname], *links]:
        if node.get("secnumber"):
            node["secnumber"] = [chapter, *node["secnumber"][1:]]
