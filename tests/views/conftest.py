"""A view alone on a page from disk, and the functions of its script."""

import pytest

from vaelib.web import bundle


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
