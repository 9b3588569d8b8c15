"""A headless chromium with every request to another host refused and remembered."""

import shutil

import pytest

from vaelib.web import bundle

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
# --no-sandbox: chromium refuses to run as root with one, and CI containers are root.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: install it to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A desktop page; `page.outside` lists what it asked of others, `page.problems` its errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, has_touch=True)
    page = context.new_page()
    page.outside, page.problems = [], []

    def guard(route):
        page.outside.append(route.request.url)
        route.abort()

    context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), guard)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()


@pytest.fixture
def open_view(page, tmp_path):
    """Open a view of vaelib.web alone on a page from file://, and return its root element."""

    def open_it(view):
        path = tmp_path / f"{view.name}.html"
        path.write_text(view.page(), encoding="utf-8")
        page.goto(path.as_uri())
        return page.locator(f"#{view.name}")

    return open_it


@pytest.fixture
def root(view, page, open_view):
    """The module's `view`, opened; it ends without an error and asked no other host."""
    yield open_view(view)
    assert not page.problems
    assert not page.outside


@pytest.fixture
def load_script(page):
    """An empty page with the functions of one view's script: `load_script("search")`."""

    def load(name):
        page.goto("about:blank")
        page.add_script_tag(content=bundle(name))
        return page

    return load
