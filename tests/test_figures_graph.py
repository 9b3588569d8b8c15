"""The drawing of a graph is made from its parents and nothing else."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Circle

from vaelib.figures import graph, layered

PARENTS = {"W0": (), "W1": (), "Y1": ("W0", "W1"), "Y2": ("W0", "W1"), "Z": ("Y1", "W0")}


@pytest.fixture
def ax():
    fig, made = plt.subplots()
    yield made
    plt.close(fig)


def test_parents_stand_above_their_children_and_rows_are_centered():
    places = layered(PARENTS)
    for child, parents in PARENTS.items():
        assert all(places[parent][1] > places[child][1] for parent in parents)
    assert places["W0"] == (-0.5, 0)
    assert places["W1"] == (0.5, 0)
    assert places["Z"] == (0, -2)
    assert len(set(places.values())) == len(PARENTS)


def test_a_cycle_has_no_rows():
    with pytest.raises(ValueError, match="cycle"):
        layered({"A": ("B",), "B": ("A",)})


def test_a_circle_for_each_node_and_an_arrow_from_each_parent(ax):
    graph(PARENTS, ax, names={"W0": "first"})
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert len(circles) == len(PARENTS)
    arrows = [text for text in ax.texts if hasattr(text, "arrow_patch")]
    assert len(arrows) == sum(map(len, PARENTS.values()))
    assert {text.get_text() for text in ax.texts} - {""} == {"first", "W1", "Y1", "Y2", "Z"}


def test_observed_nodes_have_a_second_rim(ax):
    graph(PARENTS, ax, observed=("Y1", "Z"))
    assert len([patch for patch in ax.patches if isinstance(patch, Circle)]) == len(PARENTS) + 2
