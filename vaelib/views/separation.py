"""The view of chapter 3: observe nodes of a graph, and see whether two others are d-separated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from graphlib import CycleError, TopologicalSorter

import traitlets

from vaelib.views import Place, View, bundle


@dataclass(frozen=True)
class GaussianGraph:
    """A directed acyclic graph of 2 to 8 nodes, each linear in its parents: X = sum w P + noise.

    parents   each node with its parents and their weights
    places    each node with its (x, y) in the picture, y upwards
    noise     each node with the standard deviation of its own noise
    pair      the two nodes to ask about at first

    Raises ValueError for a cycle, an unknown or missing node, or noise that is not above 0.
    """

    name: str
    parents: Mapping[str, Mapping[str, float]]
    places: Mapping[str, tuple[float, float]]
    noise: Mapping[str, float]
    pair: tuple[str, str]

    def __post_init__(self):
        for field in ("places", "noise"):
            if set(getattr(self, field)) != set(self.parents):
                raise ValueError(f"graph {self.name!r}: {field} and parents have other nodes")
        unknown = {p for weights in self.parents.values() for p in weights} - set(self.parents)
        unknown |= set(self.pair) - set(self.parents)
        if unknown:
            raise ValueError(f"graph {self.name!r}: not among its nodes: {sorted(unknown)}")
        if not 2 <= len(self.parents) <= 8:
            raise ValueError(f"graph {self.name!r}: {len(self.parents)} nodes, expected 2 to 8")
        if min(self.noise.values()) <= 0:
            raise ValueError(f"graph {self.name!r}: every node needs noise above 0")
        try:
            self.order()
        except CycleError as error:
            raise ValueError(f"graph {self.name!r} has a cycle: {error.args[1]}") from error

    def order(self) -> list[str]:
        """The nodes, each after its parents."""
        return list(TopologicalSorter({n: list(p) for n, p in self.parents.items()}).static_order())


def _small(name: str, pair: str, places: str, **parents: dict[str, float]) -> GaussianGraph:
    """A graph with standard normal noise; "B20" in `places` puts B into column 2, row 0."""
    at = {word[0]: (float(word[1]), -float(word[2])) for word in places.split()}
    return GaussianGraph(name, parents, at, dict.fromkeys(parents, 1.0), tuple(pair))


# The standard examples of d-separation, and one open path without correlation.
SMALL = (
    _small("a chain", "AC", "A00 B10 C20", A={}, B={"A": 1}, C={"B": 1}),
    _small("a fork", "AC", "A01 B10 C21", A={"B": 1}, B={}, C={"B": 1}),
    _small(
        "a collider and its child", "AC", "A00 B11 C20 D12",
        A={}, B={"A": 1, "C": 1}, C={}, D={"B": 1},
    ),
    _small(
        "the letter M", "CE", "A00 B20 C01 D11 E21",
        A={}, B={}, C={"A": 1}, D={"A": 1, "B": 1}, E={"B": 1},
    ),
    _small("two paths that cancel", "AC", "A00 B11 C20", A={}, B={"A": 1}, C={"A": -1, "B": 1}),
)  # fmt: skip


class SeparationExplorer(View):
    """Choose a graph, two of its nodes and which others are observed.

    graphs        to choose from; `graph_index` is the place of the chosen one
    pair          two of its nodes; at first those of the graph
    observed      nodes; one of the pair is not observed and is taken out when displayed
    path          the shortest open path between the pair, None if they are d-separated
    correlation   of the pair given the observed nodes, from the weights of the graph

    path and correlation are None until the view is displayed. A new graph_index takes the pair of
    its graph and no observed nodes, unless it has all of the present ones.
    Raises traitlets.TraitError for an index without a graph and for nodes that it does not have.
    """

    _esm = bundle("separation")
    graph_index = Place("graphs")
    pair = traitlets.Tuple(traitlets.Unicode(), traitlets.Unicode()).tag(sync=True)
    observed = traitlets.List(traitlets.Unicode()).tag(sync=True)
    path = traitlets.List(None, allow_none=True).tag(sync=True)
    correlation = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(self, graphs: Sequence[GaussianGraph], **traits: object):
        packed = [
            asdict(graph) | {"nodes": list(graph.parents), "order": graph.order()}
            for graph in graphs
        ]
        label = "Explorer: d-separation and correlation of two nodes, given others"
        super().__init__({"graphs": packed}, label, **traits)

    @property
    def _graph(self) -> dict:
        return self.data["graphs"][self.graph_index]

    @traitlets.default("pair")
    def _pair_of_the_graph(self) -> tuple[str, str]:
        return self._graph["pair"]

    @traitlets.validate("pair", "observed")
    def _nodes_of_the_graph(self, proposal: dict) -> Sequence[str]:
        unknown = set(proposal["value"]) - set(self._graph["nodes"])
        if unknown:
            nodes = ", ".join(self._graph["nodes"])
            name = proposal["trait"].name
            raise traitlets.TraitError(f"{name} takes nodes of {nodes}, not {sorted(unknown)}")
        return proposal["value"]

    @traitlets.observe("graph_index")
    def _start_afresh(self, _: dict) -> None:
        if not set(self._graph["nodes"]) >= {*self.pair, *self.observed}:
            self.observed, self.pair = [], self._graph["pair"]
