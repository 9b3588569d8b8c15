"""Folded sections: closed as a reader finds them, opened by links, by find-in-page and in print."""

import pytest
from chapters import ROOT, names
from new_page import MOVED

HTML = ROOT / "_build" / "html" / "notebooks"
pytestmark = [
    pytest.mark.book,
    pytest.mark.browser,
    pytest.mark.skipif(not HTML.exists(), reason="no pages in _build/html: run `make book` first"),
    pytest.mark.skipif(not MOVED, reason="no chapter has folds yet"),
]
NAME = MOVED[0] if MOVED else names()[0]
OPEN = "nodes => nodes.map(node => node.open)"
FOLDS = "details.deeper"


def visit(page, fragment=""):
    page.goto((HTML / f"{NAME}.html").as_uri() + fragment)
    page.wait_for_selector(".open-all")


@pytest.mark.parametrize("name", MOVED)
def test_deeper_sections_are_closed_and_stay_in_the_contents(page, name):
    page.goto((HTML / f"{name}.html").as_uri())
    assert page.locator(FOLDS).count() >= 1
    assert not any(page.locator(FOLDS).evaluate_all(OPEN))
    titles = page.locator(f"{FOLDS} > summary :is(h2, h3, h4)")
    assert titles.count() == page.locator(FOLDS).count()
    for heading in titles.all():
        assert "Deeper: " in heading.inner_text()
        assert heading.locator(".section-number").count() == 1
    marked = page.locator(".page-toc .toc-entry.deeper > a").count()
    assert marked == titles.count()


def inside(page) -> str:
    """The id of something inside a fold that a link could name."""
    return page.locator(f"{FOLDS} .deeper-body [id]:not(svg *)").first.get_attribute("id")


def test_a_link_opens_the_fold_and_arrives(page):
    visit(page)
    target = inside(page)
    visit(page, f"#{target}")
    page.wait_for_timeout(300)
    box = page.locator(f"[id='{target}']").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 900


def test_the_same_link_opens_it_again(page):
    visit(page)
    target = inside(page)
    page.evaluate(
        """id => { const link = document.createElement("a");
        link.href = "#" + id; link.id = "probe"; link.textContent = "there";
        document.querySelector("article h1").after(link); }""",
        target,
    )
    for _ in range(2):
        page.locator("#probe").click()
        page.wait_for_timeout(200)
        assert page.locator(f"[id='{target}']").is_visible()
        page.locator(FOLDS).evaluate_all("nodes => nodes.forEach(node => { node.open = false })")
        page.evaluate("scrollTo(0, 0)")


def test_a_link_to_the_section_opens_it(page):
    visit(page)
    section = page.locator("section.deeper-section").first.get_attribute("id")
    visit(page, f"#{section}")
    page.wait_for_timeout(200)
    assert page.locator(FOLDS).first.get_attribute("open") is not None


def test_one_control_opens_all_and_closes_them(page):
    visit(page)
    control = page.locator(".open-all")
    assert f"({page.locator(FOLDS).count()})" in control.inner_text()
    control.click()
    assert all(page.locator(FOLDS).evaluate_all(OPEN))
    control.click()
    assert not any(page.locator(FOLDS).evaluate_all(OPEN))


def test_a_fold_works_from_the_keyboard(page):
    visit(page)
    page.locator(f"{FOLDS} > summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(FOLDS).first.get_attribute("open") is not None


def test_find_in_page_can_reach_what_is_folded(page):
    """Chromium searches what is skipped, not what is removed from the page, and opens it."""
    visit(page)
    hidden = page.locator(f"{FOLDS} .deeper-body").first
    assert hidden.evaluate("node => getComputedStyle(node).display") != "none"


def test_print_opens_everything_and_closes_it_again(page):
    visit(page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert all(page.locator("article details").evaluate_all(OPEN))
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not any(page.locator("article details").evaluate_all(OPEN))
