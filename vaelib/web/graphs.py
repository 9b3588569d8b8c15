"""The view of chapter 3: observe nodes of a graph, and see what they tell about each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import numpy as np

from vaelib.dsep import open_path
from vaelib.web import View, picture

# One drawing is an SVG of this width; the theme of the notebook sets the ink.
WIDTH, ROW, RADIUS = 640, 96, 22
BLUE, ORANGE = "#0072b2", "#d55e00"
Graph = Mapping[str, Collection[str]]


def _small(name: str, pair: str, places: str, **parents: dict[str, float]) -> dict:
    """A graph with standard normal noise; "B20" in `places` puts B into column 2, row 0."""
    at = {word[0]: (float(word[1]), -float(word[2])) for word in places.split()}
    noise = dict.fromkeys(parents, 1.0)
    return {"name": name, "pair": tuple(pair), "parents": parents, "places": at, "noise": noise}


# What every course on graphs begins with, and one open path without correlation.
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
    _small("two ways that cancel", "AC", "A00 B11 C20", A={}, B={"A": 1}, C={"A": -1, "B": 1}),
)  # fmt: skip


def separation_explorer(graphs: Sequence[Mapping]) -> View:
    """Choose a graph, two of its nodes and which others are observed.

    graphs  mappings with `name`; `parents`, node -> {parent: weight}; `places`, node -> (x, y)
            with y upwards; `noise`, node -> standard deviation of its own noise; and `pair`,
            the two nodes to begin with. The variables are X = sum of weight * parent + noise.
            At most eight nodes each.

    Raises ValueError for a graph with a cycle, an unknown or missing node, or noise of 0.
    """
    for graph in graphs:
        _check(graph)

    def live():
        import ipywidgets as w

        which = w.Dropdown(options=[(graph["name"], i) for i, graph in enumerate(graphs)])
        box = w.VBox()

        def switch(_=None) -> None:
            graph = graphs[which.value]
            nodes = list(graph["parents"])
            ends = [w.Dropdown(options=nodes, value=value) for value in graph["pair"]]
            toggles = [w.ToggleButton(value=False, description=node) for node in nodes]

            def show(a: str, b: str, *on: bool) -> str:
                observed = [n for n, yes in zip(nodes, on, strict=True) if yes and n not in (a, b)]
                text = sentence(graph, a, b, observed)
                return f"{graph_svg(graph, a, b, observed)}<div>{text}</div>"

            made = picture(show, *ends, *toggles)
            box.children = [made, w.HBox(ends), w.HBox(toggles)]

        which.observe(switch, "value")
        switch()
        return w.VBox([which, box])

    data = {
        "graphs": [
            {
                "name": graph["name"],
                "nodes": list(graph["parents"]),
                "parents": {n: dict(arrows) for n, arrows in graph["parents"].items()},
                "places": {n: [float(v) for v in graph["places"][n]] for n in graph["parents"]},
                "noise": {n: float(graph["noise"][n]) for n in graph["parents"]},
                "order": _order(graph["parents"]),
                "pair": list(graph["pair"]),
            }
            for graph in graphs
        ]
    }
    label = "Explorer: which nodes of a graph tell something about which others"
    return View("separation-explorer", "graphs", data, label=label, live=live)


def covariance(graph: Mapping) -> np.ndarray:
    """Of all nodes, in the order of `parents`: (n, n), from (I - B) x = noise."""
    nodes = list(graph["parents"])
    arrows = np.array([[graph["parents"][n].get(p, 0.0) for p in nodes] for n in nodes])
    spread = np.linalg.inv(np.eye(len(nodes)) - arrows) * [graph["noise"][n] for n in nodes]
    return spread @ spread.T


def partial_correlation(graph: Mapping, a: str, b: str, observed: Collection[str]) -> float:
    """Of a and b given the observed nodes, from the inverse of their covariance matrix."""
    nodes = list(graph["parents"])
    kept = [nodes.index(n) for n in (a, b, *observed)]
    precision = np.linalg.inv(covariance(graph)[np.ix_(kept, kept)])
    return float(-precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1]))


def sentence(graph: Mapping, a: str, b: str, observed: Collection[str]) -> str:
    """What the picture shows."""
    given = f"Given {_listed(observed)}" if observed else "With nothing observed"
    if a == b:
        return f"{given}: choose two different nodes."
    path = open_path(graph["parents"], a, b, observed)
    r = partial_correlation(graph, a, b, observed)
    pair = f"{given}, {pretty(a)} and {pretty(b)}"
    if path is None:
        return f"{pair} are d-separated: every path is blocked. Correlation {_number(r)}."
    way = pretty(a)
    for left, right in pairwise(path):
        way += f" {'→' if left in graph['parents'][right] else '←'} {pretty(right)}"
    luck = ", by an accident of these weights" if abs(r) < 1e-12 else ""
    return f"{pair} are not d-separated: {way} is open. Correlation {_number(r)}{luck}."


def pretty(name: str) -> str:
    """W0 as W with a small 0."""
    return name.translate({ord("0") + d: 0x2080 + d for d in range(10)})


def graph_svg(graph: Mapping, a: str, b: str, observed: Collection[str]) -> str:
    """Circles and arrows; observed nodes filled, the chosen pair ringed, an open path thick."""
    at, height = _pixels(graph["places"])
    path = (open_path(graph["parents"], a, b, observed) or []) if a != b else []
    steps = {frozenset(step) for step in pairwise(path)}
    drawn = ""
    for node, arrows in graph["parents"].items():
        for parent in arrows:
            (x1, y1), (x2, y2) = at[parent], at[node]
            unit = np.array([x2 - x1, y2 - y1]) / np.hypot(x2 - x1, y2 - y1)
            (tx, ty), (hx, hy) = at[parent] + RADIUS * unit, at[node] - (RADIUS + 4) * unit
            wing = [(hx, hy) - 11 * unit + side * 5 * unit[::-1] * (1, -1) for side in (1, -1)]
            on = frozenset((parent, node)) in steps
            ink, width = (ORANGE, 4) if on else ("currentColor", 1.5)
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(hx, hy), *wing])
            drawn += (
                f'<path d="M{tx:.1f} {ty:.1f}L{hx:.1f} {hy:.1f}" stroke="{ink}" '
                f'stroke-width="{width}"/><polygon points="{corners}" fill="{ink}"/>'
            )
    for node, (x, y) in at.items():
        seen, end = node in observed, node in (a, b)
        if end:
            drawn += (
                f'<rect x="{x - RADIUS - 6:.1f}" y="{y - RADIUS - 6:.1f}" rx="6" fill="none" '
                f'width="{2 * RADIUS + 12}" height="{2 * RADIUS + 12}" stroke="{ORANGE}" '
                'stroke-width="2.5"/>'
            )
        fill, ink = (BLUE, "white") if seen else ("none", "currentColor")
        drawn += (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{fill}" '
            f'stroke="currentColor" stroke-width="1.5"/><text x="{x:.1f}" y="{y + 5:.1f}" '
            f'fill="{ink}" text-anchor="middle">{pretty(node)}</text>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" style="max-width:{WIDTH}px" role="img" '
        f'aria-label="The graph; observed: {_listed(observed) or "none"}" font-size="14">'
        f"{drawn}</svg>"
    )


def _pixels(places: Mapping) -> tuple[dict, int]:
    xy = np.array([places[n] for n in places], float)
    low, high = xy.min(0), xy.max(0)
    rows = high[1] - low[1]
    unit = min((WIDTH - 120) / max(high[0] - low[0], 1), 150)
    left = WIDTH / 2 - unit * (high[0] - low[0]) / 2
    spots = np.column_stack([left + unit * (xy[:, 0] - low[0]), 40 + ROW * (high[1] - xy[:, 1])])
    return dict(zip(places, spots, strict=True)), round(80 + ROW * rows)


def _order(parents: Graph) -> list[str]:
    return list(TopologicalSorter({n: list(p) for n, p in parents.items()}).static_order())


def _listed(names: Collection[str]) -> str:
    *most, last = map(pretty, names or [""])
    return f"{', '.join(most)} and {last}" if most else last


def _number(value: float) -> str:
    return f"{value:z.3f}".replace("-", "\u2212")


def _check(graph: Mapping) -> None:
    name, parents = graph["name"], graph["parents"]
    for field in ("places", "noise"):
        if set(graph[field]) != set(parents):
            raise ValueError(f"graph {name!r}: {field} does not name the nodes of parents")
    unknown = {p for arrows in parents.values() for p in arrows} - set(parents)
    unknown |= set(graph["pair"]) - set(parents)
    if unknown:
        raise ValueError(f"graph {name!r}: not among its nodes: {sorted(unknown)}")
    if not 2 <= len(parents) <= 8:
        raise ValueError(f"graph {name!r}: {len(parents)} nodes, expected 2 to 8")
    if min(graph["noise"].values()) <= 0:
        raise ValueError(f"graph {name!r}: every node needs noise above 0")
    try:
        _order(parents)
    except CycleError as error:
        raise ValueError(f"graph {name!r} has a cycle: {error.args[1]}") from error
