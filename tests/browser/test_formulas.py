"""Formulas of the built pages: there at once, without a script, and nothing moves for them."""

import re

import pytest
from chapters import ROOT, names

HTML = ROOT / "_build" / "html"
PAGES = sorted((HTML / "notebooks").glob("*.html")) + sorted((HTML / "book").glob("*.html"))
pytestmark = [
    pytest.mark.book,
    pytest.mark.browser,
    pytest.mark.skipif(not PAGES, reason="no pages in _build/html: run `make book` first"),
]
FIRST_SCREEN = 800  # ms from the start to the formulas of the first screen
LOADED = 2_500_000  # bytes of script in a page

WATCH = """
window.shift = 0;
new PerformanceObserver(list => { for (const e of list.getEntries())
  if (!e.hadRecentInput) window.shift += e.value; })
  .observe({type: "layout-shift", buffered: true});
"""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_formula_is_set_and_no_mathjax_is_loaded(page, path):
    page.goto(path.as_uri())
    assert page.evaluate("document.querySelectorAll('script[src*=athjax]').length") == 0
    bare = page.evaluate(
        """() => [...document.querySelectorAll("span.math, div.math")]
        .filter(node => !node.querySelector("mjx-container svg")).map(node => node.outerHTML)"""
    )
    assert bare == []
    lost = page.evaluate(
        """() => [...document.querySelectorAll("mjx-container use")]
        .filter(use => !document.getElementById(use.getAttribute("xlink:href").slice(1))).length"""
    )
    assert lost == 0
    text = page.locator("article").inner_text()
    assert not re.search(r"\\\(|\\\)|\\begin\{", re.sub(r"(?s)```.*?```", "", text))


@pytest.mark.parametrize("name", names())
def test_formulas_are_there_at_once_and_nothing_jumps(browser, name):
    painted, shifts = [], []
    for _ in range(3):  # the best of three: this machine runs other tests as well
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto((HTML / "notebooks" / f"{name}.html").as_uri(), wait_until="load")
        first = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9"
        painted.append(page.evaluate(first))
        page.wait_for_timeout(500)
        shifts.append(page.evaluate("window.shift"))
        context.close()
        if painted[-1] < FIRST_SCREEN:
            break
    assert min(painted) < 2 * FIRST_SCREEN
    assert max(shifts) < 0.1


@pytest.mark.parametrize("name", names())
def test_a_link_into_a_page_arrives(page, name):
    address = (HTML / "notebooks" / f"{name}.html").as_uri()
    page.goto(address)
    last = page.locator("article section[id]:not(details *)").last.get_attribute("id")
    page.goto("about:blank")
    page.goto(f"{address}#{last}")
    page.wait_for_timeout(300)
    top = page.evaluate("id => document.getElementById(id).getBoundingClientRect().top", last)
    end = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 2")
    assert -5 <= top <= 140 or end


def test_the_scripts_of_a_page_are_small(page):
    scripts = {}
    page.on("response", lambda answer: scripts.update({answer.url: answer}))
    page.goto((HTML / "notebooks" / f"{names()[5]}.html").as_uri())
    page.wait_for_load_state("load")
    files = page.evaluate("[...document.scripts].filter(s => s.src).map(s => s.src)")
    sizes = {url: len(scripts[url].body()) for url in files if url in scripts}
    assert sizes
    assert sum(sizes.values()) < LOADED, sizes
