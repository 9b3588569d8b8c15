"""The view of chapter 3: it reasons as Python does, and its controls do what they say."""

import itertools
import json

import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web.graphs import partial_correlation, sentence, separation_explorer

pytestmark = pytest.mark.browser

REGRESSION = {
    "name": "the regression",
    "parents": {
        "W0": {},
        "W1": {},
        **{f"Y{i}": {"W0": 1.0, "W1": x} for i, x in enumerate((-1.5, 0.5, 2.0), 1)},
    },
    "places": {"W0": (-0.5, 0), "W1": (0.5, 0), "Y1": (-1, -1), "Y2": (0, -1), "Y3": (1, -1)},
    "noise": {"W0": 2.0, "W1": 1.0, "Y1": 0.5, "Y2": 0.5, "Y3": 0.5},
    "pair": ("W0", "W1"),
}
LETTER = {  # children before parents: the order must not come from the order of the nodes
    "name": "a <letter>",
    "parents": {
        "C": {"A": -0.7}, "E": {"B": 2}, "D": {"A": 1, "B": 1.3}, "F": {"D": 1}, "A": {}, "B": {},
    },
    "places": {"A": (0, 0), "B": (2, 0), "C": (0, -1), "D": (1, -1), "E": (2, -1), "F": (1, -2)},
    "noise": dict.fromkeys("CEDFAB", 1.0),
    "pair": ("C", "E"),
}  # fmt: skip
FAINT = {  # 0.000 on the page, and no accident
    "name": "faint",
    "parents": {"A": {}, "B": {"A": 1e-4}},
    "places": {"A": (0, 0), "B": (1, 0)},
    "noise": {"A": 1.0, "B": 1.0},
    "pair": ("A", "B"),
}
CANCEL = {
    "name": "two ways",
    "parents": {"A": {}, "B": {"A": 1}, "C": {"A": -1, "B": 1}},
    "places": {"A": (0, 0), "B": (1, -1), "C": (2, 0)},
    "noise": dict.fromkeys("ABC", 1.0),
    "pair": ("A", "C"),
}
GRAPHS = [REGRESSION, LETTER, CANCEL, FAINT]


@pytest.fixture
def view():
    return separation_explorer(GRAPHS)


def button(root, name):
    return root.get_by_role("button", name=name, exact=True)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph["name"])
def test_every_sentence_and_every_correlation_is_python_s(load_script, graph):
    page = load_script("graphs")
    data = separation_explorer([graph]).data["graphs"][0]
    nodes, questions = list(graph["parents"]), []
    for a, b in itertools.permutations(nodes, 2):
        others = [n for n in nodes if n not in (a, b)]
        for size in range(len(others) + 1):
            questions += [[a, b, list(s)] for s in itertools.combinations(others, size)]
    texts, numbers = page.evaluate(
        """([g, all]) => [all.map((q) => sentence(g, ...q)),
                          all.map((q) => partialCorrelation(g, ...q))]""",
        [json.loads(json.dumps(data)), questions],
    )
    for question, text, number in zip(questions, texts, numbers, strict=True):
        assert number == pytest.approx(partial_correlation(graph, *question), abs=1e-12)
        assert text == sentence(graph, *question)
    if graph in (REGRESSION, LETTER):  # both kinds of answers were compared
        assert 0 < sum("are d-separated" in text for text in texts) < len(texts)


def test_buttons_observe_and_forget(root):
    assert said(root) == sentence(REGRESSION, "W0", "W1", [])
    before = pixels(root)
    button(root, "Y₂").click()
    assert said(root) == sentence(REGRESSION, "W0", "W1", ["Y2"])
    assert button(root, "Y₂").get_attribute("aria-pressed") == "true"
    assert pixels(root) != before
    button(root, "Y₂").click()
    assert said(root) == sentence(REGRESSION, "W0", "W1", [])
    assert pixels(root) == before


def test_the_pair_cannot_be_observed(root):
    assert button(root, "W₀").is_disabled()
    button(root, "Y₁").click()
    root.get_by_label("Does").select_option("Y₁")  # observed until now
    assert said(root) == sentence(REGRESSION, "Y1", "W1", [])
    assert button(root, "Y₁").is_disabled()
    assert not button(root, "W₀").is_disabled()
    root.get_by_label("tell us something about").select_option("Y₁")
    assert said(root) == sentence(REGRESSION, "Y1", "Y1", [])


def test_keys(root, page):
    button(root, "Y₁").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert said(root) == sentence(REGRESSION, "W0", "W1", ["Y1", "Y2"])


def test_a_click_on_a_node_observes_it(root, page):
    place = page.evaluate(
        """() => {
          const node = document.querySelector("canvas");
          return [node.clientWidth, node.clientHeight];
        }"""
    )
    x = place[0] / 2  # Y2 stands in the middle of the lower row
    hits = 0
    for y in range(60, int(place[1]) - 100, 12):
        root.locator("canvas").click(position={"x": x, "y": y})
        if said(root) == sentence(REGRESSION, "W0", "W1", ["Y2"]):
            hits += 1
            break
    assert hits == 1


def test_another_graph_starts_afresh(root):
    button(root, "Y₁").click()
    root.get_by_role("combobox", name="Graph").select_option("a <letter>")
    assert said(root) == sentence(LETTER, "C", "E", [])
    assert root.get_by_role("button").count() == 6
    button(root, "F").click()
    assert said(root) == sentence(LETTER, "C", "E", ["F"])
    assert "C ← A → D ← B → E is open" in said(root)
    root.get_by_role("combobox", name="Graph").select_option("two ways")
    assert "by an accident of these weights" in said(root)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)
    assert root.get_by_role("group", name="Observed nodes").count() == 1


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
