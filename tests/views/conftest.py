"""A view alone on a page from disk, and the functions of its script."""

import pytest

from vaelib.views import bundle


@pytest.fixture
def open_view(page, tmp_path):
    """Open a view alone on a page from file://, and return its root element."""

    def open_it(view):
        path = tmp_path / "view.html"
        path.write_text(view.page(), encoding="utf-8")
        page.goto(path.as_uri())
        return page.locator(".vw")

    return open_it


@pytest.fixture
def root(view, page, open_view):
    """The module's `view`, opened; it ends without an error and asked no other host."""
    yield open_view(view)
    assert not page.problems
    assert not page.outside


@pytest.fixture
def load_script(page):
    """An empty page with what one view's script exports as globals: `load_script("search")`."""

    def load(name):
        page.goto("about:blank")
        page.evaluate(
            """async (source) => {
              const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
              Object.assign(window, await import(url));
            }""",
            bundle(name),
        )
        return page

    return load
