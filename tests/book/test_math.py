"""Formulas that are set while the book is built."""

import re

import chapters
import pytest
from sphinx.errors import ExtensionError


@pytest.fixture(scope="module")
def book_math():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(chapters.ROOT / "book" / "_ext"))
        import book_math

        yield book_math


@pytest.fixture
def setter(book_math, tmp_path):
    return book_math.Setter(tmp_path / "kept" / "math.json")


def test_a_formula_is_an_svg_with_its_tex_for_those_who_listen(setter):
    found = setter.set(r"p_\theta(x) < 1", display=False)
    assert found.startswith('<mjx-container class="MathJax" jax="SVG">')
    assert r'aria-label="p_\theta(x) &lt; 1"' in found
    assert "<path" not in found  # the outlines stand once in the page
    assert 'display="true"' in setter.set("x", display=True)


def test_outlines_stand_once_and_all_of_them(setter):
    body = setter.set("x + x", display=False) + setter.set("x^2", display=True)
    outlines = setter.outlines(body)
    there = re.findall(r'<path id="([^"]+)"', outlines)
    assert len(there) == len(set(there))
    assert set(there) == set(re.findall(r'href="#([^"]+)"', body))
    assert setter.outlines("<p>no formula</p>") == ""


def test_what_is_kept_needs_no_engine(setter, book_math, monkeypatch):
    first = setter.set(r"\frac12", display=False)
    setter.keep()
    again = book_math.Setter(setter.kept)
    monkeypatch.setattr(book_math.Setter, "engine", property(lambda self: pytest.fail("started")))
    assert again.set(r"\frac12", display=False) == first
    assert again.outlines(first) == setter.outlines(first)


@pytest.mark.parametrize("damaged", ["", "{", "[1"])
def test_a_damaged_store_is_made_anew(book_math, tmp_path, damaged):
    path = tmp_path / "math.json"
    path.write_text(damaged)
    assert "mjx-container" in book_math.Setter(path).set("x", display=False)


@pytest.mark.parametrize("tex", [r"\frac{a}{", r"\nosuchcommand x", r"\begin{aligned} a"])
def test_a_formula_that_does_not_parse_names_page_and_formula(setter, tex):
    with pytest.raises(ExtensionError, match=r"notebooks/05_cavi:7: .* in the formula") as problem:
        setter.set(tex, display=True, where="notebooks/05_cavi:7")
    assert repr(tex) in str(problem.value)


def test_dollars_in_cards_are_formulas_and_other_text_is_left(book_math, setter):
    class App:
        book_math = setter

    markup = book_math.with_mathematics(App, "<b>less</b> $a &lt; b$, and $c$")
    assert markup.startswith('<b>less</b> <span class="math notranslate nohighlight"><mjx-')
    assert markup.count("<mjx-container") == 2
    assert "$" not in markup
    assert 'aria-label="a &lt; b"' in markup
