"""d-separation in a directed acyclic graph (thesis 1.3): which path conditioning leaves open.

Pearl (1988), *Probabilistic Reasoning in Intelligent Systems*: a path is blocked by an observed
node on it that is not a collider, or by a collider none of whose descendants, nor itself, is
observed. Nodes without an open path between them are conditionally independent in every
distribution that factorizes along the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def open_path(
    parents: Mapping[Node, Collection[Node]], a: Node, b: Node, observed: Collection[Node]
) -> list[Node] | None:
    """The shortest path from a to b that `observed` leaves open; None when they are d-separated.

    parents  each node with its parents; the graph must be acyclic. Among paths of the same
             length the one that comes first in the order of the nodes is returned
    """
    nodes = list(parents)
    neighbors = {n: [m for m in nodes if m in parents[n] or n in parents[m]] for n in nodes}
    opened = _with_ancestors(parents, observed)  # colliders with an observed descendant

    def is_open(left: Node, middle: Node, right: Node) -> bool:
        collider = left in parents[middle] and right in parents[middle]
        return middle in opened if collider else middle not in observed

    paths = [[a]]
    while paths:
        longer = []
        for path in paths:
            for node in neighbors[path[-1]]:
                if node in path or (len(path) > 1 and not is_open(*path[-2:], node)):
                    continue
                if node == b:
                    return [*path, b]
                longer.append([*path, node])
        paths = longer
    return None


def _with_ancestors(parents: Mapping[Node, Collection[Node]], nodes: Collection[Node]) -> set[Node]:
    found, stack = set(), list(nodes)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(parents[node])
    return found
