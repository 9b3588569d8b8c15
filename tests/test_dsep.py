"""d-separation against networkx, and against partial correlations of linear Gaussian networks."""

import itertools
import math

import numpy as np
import pytest

from vaelib.dsep import open_path

M = {"A": (), "B": (), "C": ("A",), "D": ("A", "B"), "E": ("B",)}


def triples(nodes):
    for a, b in itertools.combinations(nodes, 2):
        others = [n for n in nodes if n not in (a, b)]
        for size in range(len(others) + 1):
            yield from ((a, b, given) for given in itertools.combinations(others, size))


def dags(n):
    """Every acyclic graph of n nodes up to relabeling: arrows point to later nodes."""
    slots = list(itertools.combinations(range(n), 2))
    for on in itertools.product((False, True), repeat=len(slots)):
        yield {
            child: tuple(p for (p, c), bit in zip(slots, on, strict=True) if bit and c == child)
            for child in range(n)
        }


def test_an_open_path_is_there_exactly_when_networkx_finds_no_separation():
    networkx = pytest.importorskip("networkx")
    found = {True: 0, False: 0}
    for parents in dags(4):
        other = networkx.DiGraph([(p, n) for n, ps in parents.items() for p in ps])
        other.add_nodes_from(parents)
        for a, b, given in triples(list(parents)):
            blocked = open_path(parents, a, b, given) is None
            assert blocked == networkx.is_d_separator(other, {a}, {b}, set(given))
            found[blocked] += 1
    assert min(found.values()) > 100  # both answers occur often


def partial_correlation(weights, a, b, given):
    """Of nodes a and b given others in x = B x + noise, with unit noise and weights B (n, n)."""
    root = np.linalg.inv(np.eye(len(weights)) - weights)
    kept = [a, b, *given]
    precision = np.linalg.inv((root @ root.T)[np.ix_(kept, kept)])
    return precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])


def test_no_path_exactly_where_random_weights_give_no_partial_correlation():
    rng = np.random.default_rng(0)
    smallest, largest = math.inf, 0.0
    for parents in dags(4):
        weights = np.zeros((4, 4))
        for child, its_parents in parents.items():
            for parent in its_parents:
                weights[child, parent] = rng.uniform(0.5, 1.5)
        for a, b, given in triples(list(parents)):
            r = abs(partial_correlation(weights, a, b, given))
            if open_path(parents, a, b, given) is None:
                largest = max(largest, r)
            else:
                smallest = min(smallest, r)
    assert largest < 1e-12
    assert smallest > 1e-6


def test_the_shortest_open_path_is_returned():
    assert open_path(M, "C", "E", ()) is None
    assert open_path(M, "C", "E", ("D",)) == ["C", "A", "D", "B", "E"]
    assert open_path(M, "C", "E", ("D", "A")) is None
    assert open_path(M, "A", "D", ()) == ["A", "D"]
    assert open_path(M, "C", "D", ()) == ["C", "A", "D"]


def test_an_observed_descendant_opens_a_collider():
    parents = {"A": {}, "C": {}, "B": {"A": 1, "C": 1}, "D": {"B": 1}}
    assert open_path(parents, "A", "C", ()) is None
    assert open_path(parents, "A", "C", ("D",)) == ["A", "B", "C"]
