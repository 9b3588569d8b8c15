"""The view of chapter 3: paths equal vaelib.dsep's, correlations numpy's; its controls."""

import itertools
import json

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib.dsep import open_path
from vaelib.views.separation import SMALL, GaussianGraph, SeparationExplorer

browser = pytest.mark.browser

OBSERVATIONS = {f"Y{i}": {"W0": 1.0, "W1": x} for i, x in enumerate((-1.5, 0.5, 2.0), 1)}
REGRESSION = GaussianGraph(
    "the regression",
    parents={"W0": {}, "W1": {}, **OBSERVATIONS},
    places={"W0": (-0.5, 0), "W1": (0.5, 0), "Y1": (-1, -1), "Y2": (0, -1), "Y3": (1, -1)},
    noise={"W0": 2.0, "W1": 1.0, "Y1": 0.5, "Y2": 0.5, "Y3": 0.5},
    pair=("W0", "W1"),
)
LETTER = (
    GaussianGraph(  # children before parents: the order must not come from the order of the nodes
        "a <letter>",
        {"C": {"A": -0.7}, "E": {"B": 2}, "D": {"A": 1, "B": 1.3}, "F": {"D": 1}, "A": {}, "B": {}},
        {"A": (0, 0), "B": (2, 0), "C": (0, -1), "D": (1, -1), "E": (2, -1), "F": (1, -2)},
        dict.fromkeys("CEDFAB", 1.0),
        ("C", "E"),
    )
)
CANCEL = SMALL[-1]
GRAPHS = [REGRESSION, LETTER, CANCEL]
WITH_NODES = ("parents", "places", "noise")
GIVEN_D = "Given D, C and E are not d-separated: C ← A → D ← B → E is open. Correlation "


@pytest.fixture
def view():
    return SeparationExplorer(GRAPHS)


def questions(graph):
    """Every pair of nodes with every set of others: a, b, observed."""
    for a, b in itertools.permutations(graph.parents, 2):
        others = [n for n in graph.parents if n not in (a, b)]
        for size in range(len(others) + 1):
            yield from ((a, b, list(some)) for some in itertools.combinations(others, size))


def partial_correlation(graph, a, b, observed):
    """From the inverse of the covariance matrix of a, b and the observed nodes."""
    nodes = list(graph.parents)
    weights = np.array([[graph.parents[n].get(p, 0.0) for p in nodes] for n in nodes])
    spread = np.linalg.inv(np.eye(len(nodes)) - weights) * [graph.noise[n] for n in nodes]
    kept = [nodes.index(n) for n in (a, b, *observed)]
    precision = np.linalg.inv((spread @ spread.T)[np.ix_(kept, kept)])
    return -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])


def button(root, name):
    return root.get_by_role("button", name=name, exact=True)


@browser
def test_every_path_and_every_correlation_equal_pythons(load_script, view):
    page = load_script("separation")
    for graph, packed in zip(GRAPHS, view.data["graphs"], strict=True):
        asked = list(questions(graph))
        paths, numbers = page.evaluate(
            """([g, all]) => [all.map((q) => openPath(g, ...q)),
                              all.map((q) => partialCorrelation(g, ...q))]""",
            [json.loads(json.dumps(packed)), asked],
        )
        assert paths == [open_path(graph.parents, *question) for question in asked]
        exact = [partial_correlation(graph, *question) for question in asked]
        np.testing.assert_allclose(numbers, exact, rtol=0, atol=1e-12)
        assert 0 < paths.count(None) < len(paths) or graph is CANCEL


@browser
def test_sentences(load_script, view):
    page = load_script("separation")
    faint = GaussianGraph(
        "faint",
        {"A": {}, "B": {"A": 1e-4}},
        {"A": (0, 0), "B": (1, 0)},
        {"A": 1.0, "B": 1.0},
        ("A", "B"),
    )  # 0.000 on the page, and nothing cancels
    graphs = [*view.data["graphs"], SeparationExplorer([faint]).data["graphs"][0]]
    calls = [
        (0, "W0", "W1", []), (0, "W0", "W1", ["Y1"]), (1, "C", "E", ["A", "B", "D"]),
        (1, "C", "C", []), (2, "A", "C", []), (3, "A", "B", []),
    ]  # fmt: skip
    texts = page.evaluate(
        "([graphs, calls]) => calls.map(([i, ...rest]) => sentence(graphs[i], ...rest))",
        [json.loads(json.dumps(graphs)), calls],
    )
    r = f"{partial_correlation(REGRESSION, 'W0', 'W1', ['Y1']):.3f}"
    assert texts == [
        "With nothing observed, W₀ and W₁ are d-separated: every path is blocked. "
        "Correlation 0.000.",
        f"Given Y₁, W₀ and W₁ are not d-separated: W₀ → Y₁ ← W₁ is open. Correlation {r}.",
        "Given A, B and D, C and E are d-separated: every path is blocked. Correlation 0.000.",
        "With nothing observed: choose two different nodes.",
        "With nothing observed, A and C are not d-separated: A → C is open. "
        "Correlation 0.000: these weights cancel.",
        "With nothing observed, A and B are not d-separated: A → B is open. Correlation 0.000.",
    ]


@browser
def test_buttons_and_keys_observe_and_forget(root, page):
    before = pixels(root)
    button(root, "Y₂").click()
    assert trait(root, "observed") == ["Y2"]
    assert trait(root, "path") == ["W0", "Y2", "W1"]
    exact = partial_correlation(REGRESSION, "W0", "W1", ["Y2"])
    assert trait(root, "correlation") == pytest.approx(exact)
    assert button(root, "Y₂").get_attribute("aria-pressed") == "true"
    assert pixels(root) != before
    button(root, "Y₁").focus()
    page.keyboard.press("Space")
    assert trait(root, "observed") == ["Y1", "Y2"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    button(root, "Y₁").click()
    assert trait(root, "observed") == []
    assert trait(root, "path") is None
    page.mouse.move(0, 0)
    assert pixels(root) == before


@browser
def test_the_pair_cannot_be_observed(root):
    assert button(root, "W₀").is_disabled()
    button(root, "Y₁").click()
    root.get_by_label("Does").select_option("Y₁")  # observed until now
    assert trait(root, "pair") == ["Y1", "W1"]
    assert trait(root, "observed") == []
    assert button(root, "Y₁").is_disabled()
    assert not button(root, "W₀").is_disabled()
    root.get_by_label("tell us something about").select_option("Y₁")
    assert said(root) == "With nothing observed: choose two different nodes."
    assert trait(root, "correlation") is None


@browser
def test_a_click_on_a_node_observes_it(root):
    size = root.locator("canvas").bounding_box()
    x = size["width"] / 2  # Y2 is in the middle of the lower row
    for y in range(60, int(size["height"]) - 100, 24):
        root.locator("canvas").click(position={"x": x, "y": y})
        if trait(root, "observed"):
            break
    assert trait(root, "observed") == ["Y2"]


@browser
def test_another_graph_starts_afresh(root):
    button(root, "Y₁").click()
    root.get_by_role("combobox", name="Graph").select_option("a <letter>")
    assert trait(root, "pair") == ["C", "E"]
    assert trait(root, "observed") == []
    assert root.get_by_role("button").count() == 6
    button(root, "F").click()
    assert said(root).startswith(GIVEN_D.replace("Given D", "Given F"))


@browser
def test_traits_move_the_picture_and_the_controls(root):
    before = pixels(root)
    set_trait(root, "graph_index", 1)  # the pair and the observed nodes are of another graph
    assert trait(root, "pair") == ["C", "E"]
    assert root.get_by_role("combobox", name="Graph").input_value() == "1"
    set_trait(root, "observed", ["D"])
    assert said(root).startswith(GIVEN_D)
    assert button(root, "D").get_attribute("aria-pressed") == "true"
    set_trait(root, "pair", ["C", "D"])  # D cannot stay observed
    assert trait(root, "observed") == []
    assert root.get_by_label("tell us something about").input_value() == "2"
    assert pixels(root) != before


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    button(second, "Y₁").click()
    assert (trait(first, "observed"), trait(second, "observed")) == ([], ["Y1"])
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert root.get_by_role("group", name="Observed nodes").count() == 1
    assert_follows_theme(root, page)


def test_the_small_graphs_show_what_their_names_promise():
    chain, fork, collider, letter, cancel = (graph.parents for graph in SMALL)
    for parents in (chain, fork):
        assert open_path(parents, "A", "C", ()) == ["A", "B", "C"]
        assert open_path(parents, "A", "C", ("B",)) is None
    for observed in ("B", "D"):
        assert open_path(collider, "A", "C", (observed,)) == ["A", "B", "C"]
    assert open_path(collider, "A", "C", ()) is None
    assert open_path(letter, "C", "E", ("D",)) == ["C", "A", "D", "B", "E"]
    assert open_path(letter, "C", "E", ("A", "D")) is None
    assert open_path(cancel, "A", "C", ()) == ["A", "C"]
    assert partial_correlation(CANCEL, "A", "C", ()) == pytest.approx(0, abs=1e-12)


def test_a_new_graph_takes_its_pair_unless_it_has_the_present_nodes():
    view = SeparationExplorer([REGRESSION, *SMALL], observed=["Y1"])
    assert view.pair == ("W0", "W1")
    view.graph_index = 1
    assert (view.pair, view.observed) == (("A", "C"), [])
    view.observed = ["B"]
    view.graph_index = 2
    assert (view.pair, view.observed) == (("A", "C"), ["B"])
    assert SeparationExplorer(SMALL, graph_index=3, observed=["D"]).pair == ("C", "E")


def test_traits_that_no_graph_has_are_refused(view):
    with pytest.raises(traitlets.TraitError, match="graph_index is one of 0, 1, 2, not 3"):
        view.graph_index = 3
    with pytest.raises(traitlets.TraitError, match=r"pair takes nodes of W0, .*, not \['Q'\]"):
        view.pair = ("W0", "Q")
    with pytest.raises(traitlets.TraitError, match=r"observed takes nodes of .*, not \['A'\]"):
        SeparationExplorer(GRAPHS, observed=["A"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": {"A": (0, 0)}}, "places and parents have other nodes"),
        ({"noise": dict.fromkeys("ABCX", 1.0)}, "noise and parents have other nodes"),
        ({"noise": dict.fromkeys("ABC", 0.0)}, "above 0"),
        ({"parents": {"A": {"C": 1.0}, "B": {"A": 1.0}, "C": {"B": 1.0}}}, "has a cycle"),
        ({"parents": {"A": {"Z": 1.0}, "B": {}, "C": {}}}, r"not among its nodes: \['Z'\]"),
        ({"pair": ("A", "Q")}, r"not among its nodes: \['Q'\]"),
        ({name: {n: {} for n in "ABCDEFGHI"} for name in WITH_NODES}, "9 nodes, expected 2"),
    ],
)
def test_graphs_that_are_not_are_refused(changes, message):
    valid = {name: getattr(CANCEL, name) for name in (*WITH_NODES, "pair")}
    with pytest.raises(ValueError, match=f"'a graph'.*{message}"):
        GaussianGraph("a graph", **(valid | changes))
