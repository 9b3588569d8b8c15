"""The pages that `make book` wrote, opened from disk with every other host out of reach."""

import re

import pytest
from chapters import ROOT, names

HTML = ROOT / "_build" / "html"
PAGES = sorted(
    p.relative_to(HTML).as_posix()
    for folder in ("book", "notebooks")
    for p in (HTML / folder).glob("*.html")
)
CHAPTERS = [f"notebooks/{name}.html" for name in names()]
pytestmark = [
    pytest.mark.book,
    pytest.mark.browser,
    pytest.mark.skipif(not PAGES, reason="no pages in _build/html: run `make book` first"),
]


def visit(page, name, settle=0):
    page.goto((HTML / name).as_uri())
    page.wait_for_timeout(settle)


def test_every_chapter_has_its_page():
    assert set(CHAPTERS) <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_page_asks_nobody_and_raises_nothing(page, name):
    visit(page, name, settle=300)
    assert page.outside == []
    assert page.problems == []


@pytest.mark.parametrize("name", PAGES)
def test_page_fits_a_phone(page, name):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, name, settle=200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    wide = page.evaluate(
        """() => [...document.querySelectorAll(".bd-article *")].filter((node) => {
          const scrolls = node.closest(".table-scroll, pre, .math, mjx-container, .output, table");
          return !scrolls && node.getBoundingClientRect().right > window.innerWidth + 1
            && getComputedStyle(node).position !== "absolute";
        }).map((node) => node.outerHTML.slice(0, 120))"""
    )
    assert wide == []


def test_figures_follow_the_theme_and_load_what_is_shown(page):
    visit(page, CHAPTERS[0])
    shown = """() => [...document.querySelectorAll("picture")]
        .filter(node => node.checkVisibility()).map(node => node.className)"""
    load = """() => Promise.all([...document.images].filter(i => i.checkVisibility()).map(i => {
        i.loading = "eager"; return i.decode().then(() => i.naturalWidth); }))"""
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert set(page.evaluate(shown)) == {f"figure-{theme}"}
        assert min(page.evaluate(load)) > 100


def test_on_a_phone_panels_stand_under_each_other(page):
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, CHAPTERS[0])
    narrow = page.evaluate(
        """() => [...document.querySelectorAll("picture.figure-light:has(source) img")]
        .filter(i => i.checkVisibility()).map(i => { i.loading = "eager"; return i.decode()
        .then(() => [i.currentSrc.endsWith("-narrow.webp"), i.getBoundingClientRect().right]); })
        .reduce(async (all, one) => [...await all, await one], [])"""
    )
    assert narrow
    for is_narrow, right in narrow:
        assert is_narrow
        assert right <= 391


@pytest.mark.parametrize("name", PAGES)
def test_images_have_words(page, name):
    visit(page, name)
    silent = page.locator(".bd-article img:not([alt]), .bd-article img[alt='']").count()
    assert silent == 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_dead_controls(page, name):
    visit(page, name)
    assert page.locator(".vw").count() >= 1
    assert page.locator(".bd-article input[type=range]").count() == (
        page.locator(".vw input[type=range]").count()
    )
    assert "jupyter.widget-view" not in page.content()
    for view in page.locator(".vw").all():
        assert view.get_attribute("aria-label")
        assert view.locator("canvas, svg, img").count() >= 1


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_says_how_it_ran(page, name):
    visit(page, name)
    text = page.locator(".run-facts").inner_text()
    assert re.search(r"computed on \d{4}-\d\d-\d\d in the (quick|thesis) profile on ", text)


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapters_carry_the_number_of_their_file(page, name):
    visit(page, name)
    number = int(re.match(r"notebooks/(\d+)_", name)[1])
    assert page.locator("h1 .section-number").inner_text().strip() == f"{number}."
    figures = page.locator("figcaption .caption-number").all_text_contents()
    assert figures
    assert all(text.strip().startswith(f"Fig. {number}.") for text in figures)


def test_icons_are_drawn(page):
    visit(page, CHAPTERS[0], settle=300)
    icons = page.locator(".article-header-buttons i, .article-header-buttons svg")
    assert icons.count() >= 4
    assert page.evaluate("document.fonts.check('12px \"Font Awesome 6 Free\"')") or (
        page.locator("svg.svg-inline--fa").count() >= 4
    )


def test_theme_changes_and_views_follow(page):
    visit(page, CHAPTERS[0])
    view = page.locator(".vw").first
    background = "node => getComputedStyle(node).backgroundColor"
    seen = set()
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        seen.add(view.evaluate(background))
    assert len(seen) == 2


def test_copy_button_copies_the_cell(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, CHAPTERS[0], settle=300)
    cell = page.locator("div.cell_input:visible").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == cell.locator("pre").inner_text().strip()


def test_search_finds_a_chapter(page):
    page.goto((HTML / "search.html").as_uri() + "?q=posterior")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    targets = page.locator("#search-results li a").evaluate_all("nodes => nodes.map(n => n.href)")
    assert any("01_bayesian_coin" in target for target in targets)


def test_ledger_rows_link_to_their_boxes(page):
    visit(page, "book/reproduction.html")
    links = page.locator(".ledger-table a[href*='#check-']")
    hrefs = links.evaluate_all("nodes => nodes.map(n => n.href)")
    assert len(hrefs) >= 9
    for chapter in CHAPTERS:
        ids = [href.split("#")[1] for href in hrefs if chapter in href]
        visit(page, chapter)
        missing = [i for i in ids if page.locator(f"[id='{i}']").count() != 1]
        assert missing == []


def test_inventory_links_reach_their_anchors(page):
    visit(page, "book/reproduction.html")
    links = page.locator("#coverage ~ .table-scroll a, section#coverage a[href*='notebooks/']")
    hrefs = set(links.evaluate_all("nodes => nodes.map(n => n.href)"))
    for chapter in CHAPTERS:
        anchors = {h.split("#")[1] for h in hrefs if chapter in h and "#" in h}
        visit(page, chapter)
        missing = [a for a in sorted(anchors) if page.locator(f"[id='{a}']").count() == 0]
        assert missing == []
