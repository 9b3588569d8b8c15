"""The pages that `make book` wrote, and the notebooks that belong to them."""

import re

import labels
import pytest
from chapters import NOTEBOOKS, ROOT, names

HTML = ROOT / "_build" / "html"
CHAPTERS = names()
# A theorem's title may stand behind further targets of the same place.
BOX = (
    r'<div class="proof[^"]*" id="([^"]+)">\s*(?:<span id="[^"]*"></span>\s*)*'
    r'<p class="admonition-title"><span class="caption-number">\w+ ([\d.]+) '
)
FIGURE = r'<figure[^>]*id="([^"]+)"(?:(?!</figure>).)*?caption-number">Fig\. ([\d.]+)'
EQUATION = r'<span class="eqno">\(([\d.]+)\)<a[^>]*href="#equation-([^"]+)"'

pytestmark = [
    pytest.mark.book,
    pytest.mark.skipif(
        not (HTML / "notebooks").exists(), reason="no pages in _build/html: run `make book` first"
    ),
]


def page(name: str) -> str:
    return (HTML / "notebooks" / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_notebook_numbers_as_its_page_does(name):
    text = page(name)
    shown = {label: number for number, label in re.findall(EQUATION, text)}
    shown |= dict(re.findall(FIGURE, text, flags=re.DOTALL)) | dict(re.findall(BOX, text))
    found = labels.of_book().found.values()
    ours = {x.name: x.number for x in found if x.page == f"notebooks/{name}" and x.number}
    assert ours == shown


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_download_button_hands_out_the_committed_notebook(name):
    target = f"_sources/notebooks/{name}.ipynb"
    assert f'href="../{target}"' in page(name)
    assert (HTML / target).read_text() == (NOTEBOOKS / f"{name}.ipynb").read_text()
