"""MyST in, plain Markdown out: what becomes of each box, reference and label."""

import jupytext
import labels as label_pass
import pair
import pytest
from labels import Labels, ReferenceProblem
from plain import Page
from tree import FRONT_MATTER

SAMPLE = """\
(ch-sample)=
# A sample

See [the rule](#sec-rule), {eq}`eq-rule`, {prf:ref}`thm-rule`, {numref}`fig-rule`
and {ref}`the other section <sec-deep>`; code like `{eq}` and `$x$` stays.

(sec-rule)=
## The rule

The rule is, for $a_1 < b_1$,

$$
a = b
$$ (eq-rule)

and no more.

(sec-box)=
:::{prf:theorem} A title with $x$
:label: thm-rule

Let {eq}`eq-rule` hold. Then

$$
c
= d .
$$ (eq-second)
:::

:::{prf:proof}
By {prf:ref}`thm-rule`.
:::

```{code-cell} ipython3
---
mystnb:
  figure: {name: fig-rule, caption: "What {eq}`eq-second` looks like."}
tags: [hide-input]
---
draw()
```

| left | right |
|---|---|
| {eq}`eq-rule` | {eq}`eq-rule` and {prf:ref}`thm-rule` |

- An item with {eq}`eq-rule`,
  and its second line with [a link](#sec-rule).
"""


def page_of(text: str, name: str = "04_sample") -> tuple[Page, list]:
    """A chapter of its own, with the labels that it has."""
    notebook = jupytext.reads(FRONT_MATTER + text, fmt="md:myst")
    labels = Labels()
    label_pass.read_chapter(labels, name, notebook)
    return Page(f"notebooks/{name}", labels), notebook.cells


def plain(text: str) -> str:
    page, cells = page_of(text)
    return "\n\n".join(
        cell.source if cell.cell_type == "markdown" else f"CODE {cell.metadata}"
        for cell in pair.converted(cells, page, "04_sample")
    )


@pytest.fixture(scope="module")
def sample() -> str:
    return plain(SAMPLE)


def test_references_become_words_and_links(sample):
    assert "[the rule](#sec-rule), [(4.1)](#eq-rule), [Theorem 4.1](#thm-rule)" in sample
    assert "[Fig. 4.1](#fig-rule)" in sample
    assert "| [(4.1)](#eq-rule) | [(4.1)](#eq-rule) and [Theorem 4.1](#thm-rule) |" in sample
    assert "- An item with [(4.1)](#eq-rule),\n  and its second line with [a link]" in sample


def test_code_and_formulas_are_copied_letter_by_letter(sample):
    assert "code like `{eq}` and `$x$` stays." in sample
    assert "for $a_1 < b_1$," in sample


def test_titles_and_labels(sample):
    assert sample.startswith("# 4. A sample\n")  # nobody refers to ch-sample
    assert '## The rule <a id="sec-rule"></a>\n' in sample
    assert ")=" not in sample


def test_a_formula_has_its_number_and_is_found_at_the_sentence_before_it(sample):
    assert '<a id="eq-rule"></a>The rule is, for' in sample
    assert "$$\na = b\n\\tag{4.1}\n$$\n\nand no more." in sample


def test_a_theorem_is_a_quote_with_its_formulas_on_one_line(sample):
    assert '> <a id="thm-rule"></a>**Theorem 4.1** (A title with $x$).' in sample
    assert "> $$ c = d . \\tag{4.2} $$" in sample
    assert "**Proof.** By [Theorem 4.1](#thm-rule).\u00a0∎" in sample


def test_a_caption_stands_under_its_hidden_cell(sample):
    cell, _, caption = sample.partition("CODE ")[2].partition("\n\n")
    assert "'source_hidden': True" in cell
    where = '<a id="fig-rule"></a>**Figure 4.1.** What [(4.2)](#eq-second) looks like.'
    assert caption.startswith(where)


def test_a_reference_to_nothing_is_refused():
    with pytest.raises(ReferenceProblem, match="nothing has the label 'eq-nowhere'"):
        plain("# Title\n\nSee {eq}`eq-nowhere`.\n")


SAMPLE_NEEDS = {"sec-deep": "(sec-deep)=\n## Another section\n"}
SAMPLE += "\n" + SAMPLE_NEEDS["sec-deep"]


@pytest.mark.parametrize(
    "text",
    [
        ":::{unheard-of}\nText.\n:::",
        "A {kbd}`key`.",
        "Some [words]{.with-a-class}.",
        "\\begin{align}\na &= b\n\\end{align}",
        "term\n: definition",
    ],
)
def test_what_has_no_plain_form_is_refused(text):
    with pytest.raises(ReferenceProblem, match="no plain form"):
        plain(f"# Title\n\n{text}\n")


SOLUTION = """\
# Title

:::{admonition} Exercise 1
:class: tip
Show that

$$
a = b .
$$
:::

:::{dropdown} Solution
Look:

$$
a = b .
$$
:::

```{code-cell} ipython3
:tags: [hide-cell]

solve()
```
"""


def test_an_exercise_is_a_quote_and_its_solution_a_fold():
    text = plain(SOLUTION)
    assert "> **Exercise 1**\n>\n> Show that\n>\n> $$ a = b . $$" in text
    fold = "<details>\n<summary><b>Solution</b></summary>\n\nLook:\n\n$$\na = b .\n$$\n\n</details>"
    assert f"{fold}\n\n{pair.CODE_BELOW}" in text
    assert "'source_hidden': True" in text


def test_notes_margins_and_footnotes():
    text = plain(
        "# Title\n\n:::{note}\nMind[^a] this.\n:::\n\n:::{margin}\nAn aside.\n:::\n\n"
        "A word[^b].\n\n[^b]: Its {ref}`note <ch>`.\n\n(ch)=\nHere.\n".replace("[^a] ", " ")
    )
    assert "> **Note**\n>\n> Mind this." in text
    assert "> An aside." in text
    assert "A word<sup>[1](#note-b)</sup>." in text
    assert '<a id="note-b"></a><sup>1</sup> Its [note](#ch).' in text
    assert '<a id="ch"></a>Here.' in text


def test_titles_are_taken_where_a_link_has_no_words():
    text = plain("# Title\n\nSee [](#sec-a) and {ref}`sec-a`.\n\n(sec-a)=\n## On $a$\n")
    assert "See [On $a$](#sec-a) and [On $a$](#sec-a)." in text


def test_links_to_other_pages():
    page, _ = page_of("# Title\n")
    assert page.href("05_cavi_mixture.md") == "05_cavi_mixture.ipynb"
    assert page.href("../book/errata.md") == "../book/errata.md"
    assert page.href("https://example.org/a.md") == "https://example.org/a.md"
    with pytest.raises(ReferenceProblem, match=r"no file nowhere\.md"):
        page.href("nowhere.md")


def test_labels_of_other_chapters_and_pages():
    page = Page("notebooks/04_elbo", label_pass.of_book())
    assert page.role("prf:ref", "thm-cavi-factor") == (
        "[Theorem 5.1](05_cavi_mixture.ipynb#thm-cavi-factor)"
    )
    assert page.href("#erratum-11") == "../book/errata.md"


def test_links_to_the_site_where_it_is_known(monkeypatch):
    page = Page("notebooks/04_elbo", label_pass.of_book())
    monkeypatch.setattr("plain.site", lambda: "https://example.org/vae")
    assert page.href("#erratum-11") == "https://example.org/vae/book/errata.html#erratum-11"
    assert page.href("05_cavi_mixture.md") == "05_cavi_mixture.ipynb"


def test_citations_are_names_and_years():
    page, _ = page_of("# Title\n")
    assert page.role("cite:t", "blei2017variational") == (
        "[Blei et al. (2017)](#work-blei2017variational)"
    )
    both = page.role("cite:p", "bishop2006pattern,baldi1989neural")
    assert both.startswith("([Bishop, 2006](#work-bishop2006pattern); [Baldi and Hornik, 1989]")
    assert page.cited == {"blei2017variational", "bishop2006pattern", "baldi1989neural"}
    with pytest.raises(ReferenceProblem, match="has no work 'nobody2000'"):
        page.role("cite:p", "nobody2000")


# --- sections that are folded -----------------------------------------------------------------

DEEPER = """\
# Title

See [there](#sec-fold) and [here](#sec-code).

(sec-fold)=
## Deeper: why $a = b$

First.

### A part

Second.

## Open

Text.

(sec-code)=
### Deeper: with code

Before.

```{code-cell} ipython3
run()
```

After.

### Next

The end.
"""


def test_a_deeper_section_is_a_fold_that_links_arrive_in():
    text = plain(DEEPER)
    fold = text[text.index("<details>") : text.index("</details>")]
    assert '<summary><a id="sec-fold"></a><b>Deeper: why $a = b$</b></summary>\n\nFirst.' in fold
    assert "### A part\n\nSecond." in fold
    assert "Open" not in fold
    assert text.count("<details>") == 1


def test_a_deeper_section_with_code_is_a_folded_heading():
    page, cells = page_of(DEEPER)
    cells = pair.converted(cells, page, "04_sample")
    folded = [c for c in cells if c.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert [c.source for c in folded] == ['### Deeper: with code <a id="sec-code"></a>']
    assert [c.source for c in cells[cells.index(folded[0]) + 1 :]][:2] == ["Before.", "run()"]
    # The section ends where a cell begins with the next heading.
    assert cells[-1].source == "### Next\n\nThe end."
