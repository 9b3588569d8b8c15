"""log p(x) of the mixture: the exact value by two methods, and sampling within its error of it."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from vaelib import evidence
from vaelib.evidence import log_evidence_enumerated, log_evidence_importance, log_likelihood
from vaelib.mixture import Posterior, restarts


def rng(seed=0):
    return np.random.default_rng(seed)


def enumerated_one_by_one(x, k, sigma2):
    """One assignment at a time, each cluster by scipy's multivariate normal."""
    n, total = len(x), -np.inf
    for labels in itertools.product(range(k), repeat=n):
        log_joint = -n * math.log(k)
        for j in range(k):
            own = x[[c == j for c in labels]]
            if len(own):
                covariance = np.eye(len(own)) + sigma2
                normal = multivariate_normal(np.zeros(len(own)), covariance)
                log_joint += sum(normal.logpdf(column) for column in own.T)
        total = np.logaddexp(total, log_joint)
    return float(total)


@pytest.mark.parametrize(("n", "k", "d"), [(1, 3, 2), (5, 2, 1), (5, 3, 2), (4, 5, 3)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_enumeration_is_the_sum_over_assignments(n, k, d, offset):
    x = 2 * rng(n + k).standard_normal((n, d)) + offset
    expected = enumerated_one_by_one(x, k, 1.7)
    assert log_evidence_enumerated(x, k, sigma2=1.7) == pytest.approx(expected, rel=1e-11)


def test_enumeration_is_the_integral_over_the_centers():
    """K = 2 centers on the line, by quadrature: the other order of sum and integral."""
    x = np.array([[-1.5], [0.3], [2.0]])
    grid = np.linspace(-10, 10, 401)
    centers = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2, 1)
    log_prior = -0.5 * (centers**2).sum((1, 2)) / 2.0 - math.log(2 * math.pi * 2.0)
    mass = np.exp(log_prior + log_likelihood(x, centers)).sum() * (grid[1] - grid[0]) ** 2
    assert log_evidence_enumerated(x, 2, sigma2=2.0) == pytest.approx(math.log(mass), abs=1e-9)


def test_likelihood_without_labels():
    x, centers = rng(1).standard_normal((40, 2)), rng(2).standard_normal((6, 3, 2))
    for mu, got in zip(centers, log_likelihood(x, centers), strict=True):
        densities = [multivariate_normal(center, np.eye(2)).pdf(x) for center in mu]
        assert got == pytest.approx(np.log(np.mean(densities, axis=0)).sum(), rel=1e-12)


def test_the_size_of_the_chunks_does_not_matter(monkeypatch):
    x, centers = rng(1).standard_normal((40, 2)), rng(2).standard_normal((50, 3, 2))
    whole = log_likelihood(x, centers)
    monkeypatch.setattr(evidence, "CHUNK_BYTES", 1)
    np.testing.assert_allclose(log_likelihood(x, centers), whole, rtol=1e-13)


def test_the_memory_of_a_likelihood_does_not_grow_with_the_points():
    import tracemalloc

    x, centers = rng(1).standard_normal((300_000, 2)), rng(2).standard_normal((2, 10, 2))
    tracemalloc.start()
    try:
        log_likelihood(x, centers)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * evidence.CHUNK_BYTES  # one draw's logits are 23 times the working memory


def test_the_mean_over_labels_is_the_mean_over_permutations():
    log_a = rng(3).normal(size=(5, 4, 4))
    log_products = [
        sum(log_a[:, row, label] for row, label in enumerate(labels))
        for labels in itertools.permutations(range(4))
    ]
    expected = np.log(np.mean(np.exp(log_products), axis=0))
    np.testing.assert_allclose(evidence.log_mean_over_labels(log_a), expected, rtol=1e-12)


@pytest.mark.parametrize("spread", [0.5, 2.0, 6.0])
def test_sampling_agrees_with_enumeration(spread):
    """From overlapping to well separated clusters: within 6 standard errors, below 0.05 each."""
    g = rng(int(10 * spread))
    x = spread * g.standard_normal((3, 2))[g.integers(3, size=9)] + g.standard_normal((9, 2))
    exact = log_evidence_enumerated(x, 3, sigma2=4.0)
    best = max(restarts(x, 3, 20, rng=g, sigma2=4.0), key=lambda run: run.elbo)
    got = log_evidence_importance(x, best.posterior, sigma2=4.0, n_draws=100_000, rng=g, widen=1.5)
    assert got.log_p.stderr < 0.05
    assert got.log_p.off(exact) < 6
    # Negative control: without label switching, log p(x) is log 3! too small.
    assert spread < 6 or got.log_p.off(exact + math.log(6)) > 12


def test_one_component_is_exact():
    """q(mu) is the exact posterior: every weight is p(x)."""
    x = rng(4).standard_normal((20, 2))
    s2 = 1 / (1 + 20)
    posterior = Posterior(s2 * x.sum(0, keepdims=True), np.array([s2]))
    got = log_evidence_importance(x, posterior, n_draws=50, rng=rng(), widen=1.0)
    assert got.log_p.value == pytest.approx(log_evidence_enumerated(x, 1), rel=1e-12)
    assert got.ess == pytest.approx(1)
    assert got.log_p.stderr < 1e-6


def test_invalid_sizes_are_refused():
    x, many = np.zeros((11, 2)), Posterior(np.zeros((13, 2)), np.ones(13))
    with pytest.raises(ValueError, match=r"4\^11"):
        log_evidence_enumerated(x, 4)
    with pytest.raises(ValueError, match=r"0\^11"):
        log_evidence_enumerated(x, 0)
    with pytest.raises(ValueError, match="at most 12"):
        log_evidence_importance(x, many, rng=rng())
    with pytest.raises(ValueError, match="sigma2"):
        log_evidence_enumerated(x, 2, sigma2=0)
