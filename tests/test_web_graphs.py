"""The view of chapter 3: its paths against other libraries and exact numbers, its widget."""

import math
import xml.etree.ElementTree as ElementTree

import pytest

from vaelib.dsep import open_path
from vaelib.web.graphs import (
    SMALL,
    covariance,
    graph_svg,
    partial_correlation,
    sentence,
    separation_explorer,
)

M = {"A": {}, "B": {}, "C": {"A": 1.0}, "D": {"A": 1.0, "B": 1.0}, "E": {"B": 1.0}}
PLACES = {"A": (0, 0), "B": (2, 0), "C": (0, -1), "D": (1, -1), "E": (2, -1)}


def graph(parents=M, **changes):
    made = {
        "name": "a graph",
        "parents": parents,
        "places": {n: PLACES.get(n, (0.0, 0.0)) for n in parents},
        "noise": dict.fromkeys(parents, 1.0),
        "pair": tuple(parents)[:2],
    }
    return made | changes


def test_correlations_of_one_observation_of_a_line_have_a_closed_form():
    parents = {"W0": {}, "W1": {}, "Y1": {"W0": 1.0, "W1": 3.0}}
    places = {"W0": (0, 0), "W1": (1, 0), "Y1": (0.5, -1)}
    made = graph(parents, places=places, noise={"W0": 2.0, "W1": 1.0, "Y1": 0.5})
    rho = -2 * 1 * 3 / math.sqrt((4 + 0.25) * (9 + 0.25))
    assert partial_correlation(made, "W0", "W1", ["Y1"]) == pytest.approx(rho, abs=1e-12)
    assert covariance(made)[2, 2] == pytest.approx(4 + 9 + 0.25)
    assert sentence(made, "W0", "W1", ["Y1"]) == (
        "Given Y₁, W₀ and W₁ are not d-separated: W₀ → Y₁ ← W₁ is open. Correlation −0.957."
    )


def test_words():
    assert sentence(graph(), "C", "E", []) == (
        "With nothing observed, C and E are d-separated: every path is blocked. Correlation 0.000."
    )
    assert "Given A, B and D, C and E" in sentence(graph(), "C", "E", ["A", "B", "D"])
    assert sentence(graph(), "C", "C", []).endswith("choose two different nodes.")
    cancel = {"A": {}, "B": {"A": 1.0}, "C": {"A": -1.0, "B": 1.0}}
    assert sentence(graph(cancel), "A", "C", []).endswith(
        "A → C is open. Correlation 0.000, by an accident of these weights."
    )


def test_a_faint_correlation_is_no_accident():
    faint = graph({"A": {}, "B": {"A": 1e-4}})
    assert sentence(faint, "A", "B", []).endswith("A → B is open. Correlation 0.000.")


def test_the_small_graphs_say_what_their_names_promise():
    separation_explorer(SMALL)  # refuses graphs that are none
    chain, fork, collider, letter, cancel = (item["parents"] for item in SMALL)
    for parents in (chain, fork):
        assert open_path(parents, "A", "C", ()) == ["A", "B", "C"]
        assert open_path(parents, "A", "C", ("B",)) is None
    for seen in ("B", "D"):
        assert open_path(collider, "A", "C", (seen,)) == ["A", "B", "C"]
    assert open_path(collider, "A", "C", ()) is None
    assert open_path(letter, "C", "E", ("D",)) == ["C", "A", "D", "B", "E"]
    assert open_path(letter, "C", "E", ("A", "D")) is None
    assert open_path(cancel, "A", "C", ()) == ["A", "C"]
    assert abs(partial_correlation(SMALL[-1], "A", "C", ())) < 1e-12


def test_the_drawing_has_every_node_and_every_arrow():
    for observed in ([], ["D"], ["A", "D"]):
        picture = ElementTree.fromstring(graph_svg(graph(), "C", "E", observed))
        tags = [child.tag for child in picture.iter()]
        assert tags.count("circle") == 5
        assert tags.count("path") == tags.count("polygon") == 4
        assert tags.count("rect") == 2
        thick = [p for p in picture.iter("path") if p.get("stroke-width") == "4"]
        assert len(thick) == (4 if observed == ["D"] else 0)


def test_the_widget_follows_its_controls():
    view = separation_explorer([graph(pair=("C", "E")), graph(name="again", pair=("A", "D"))])
    which, box = view.live().children
    picture, ends, toggles = box.children
    assert [end.value for end in ends.children] == ["C", "E"]
    assert sentence(graph(), "C", "E", []) in picture.value
    toggles.children[3].value = True
    assert sentence(graph(), "C", "E", ["D"]) in picture.value
    toggles.children[2].value = True  # one of the pair: cannot be observed
    assert sentence(graph(), "C", "E", ["D"]) in picture.value
    which.value = 1
    picture, ends, toggles = box.children
    assert [end.value for end in ends.children] == ["A", "D"]
    assert not any(toggle.value for toggle in toggles.children)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": {"A": (0, 0)}}, "places does not name"),
        ({"noise": dict.fromkeys("ABCDX", 1.0)}, "noise does not name"),
        ({"noise": dict.fromkeys("ABCDE", 0.0)}, "above 0"),
        ({"parents": M | {"A": {"C": 1.0}}}, "has a cycle"),
        ({"parents": M | {"A": {"Z": 1.0}}}, "not among its nodes: \\['Z'\\]"),
        ({"pair": ("A", "Q")}, "not among its nodes: \\['Q'\\]"),
    ],
)
def test_graphs_that_are_none_are_refused(changes, message):
    with pytest.raises(ValueError, match=rf"'a graph'.*{message}"):
        separation_explorer([graph(**changes)])


def test_too_many_nodes_are_refused():
    nodes = {f"N{i}": {} for i in range(9)}
    with pytest.raises(ValueError, match="9 nodes"):
        separation_explorer([graph(nodes)])
