"""Marginal likelihood of the Gaussian mixture, exact or by sampling, to compare the ELBO with.

log p(x) is in nats for the whole data set. Arrays: x (N, D), centers m (K, D).
"""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from vaelib.estimate import Estimate
from vaelib.mixture import CHUNK_BYTES, LOG_2PI, Posterior, points, positive

MAX_ASSIGNMENTS = 2**20
MAX_COMPONENTS = 12  # 2^12 sets of labels, with one number per draw for each


class Evidence(NamedTuple):
    """An estimate of log p(x) in nats, and the effective sample size as a share of the draws."""

    log_p: Estimate
    ess: float


def log_evidence_enumerated(x: np.ndarray, n_components: int, *, sigma2: float = 1.0) -> float:
    """Exact log p(x) in nats: the sum over all K^N assignments, each a product of Gaussians.

    Given the assignment, the points of one cluster are jointly normal in each coordinate, with
    covariance I + sigma2 11^T. Raises ValueError for more than 2^20 assignments.
    """
    x, _ = points(x), positive(sigma2)
    (n, d), k = x.shape, n_components
    if k < 1 or n * math.log2(k) > math.log2(MAX_ASSIGNMENTS):
        raise ValueError(f"cannot enumerate {k}^{n} assignments (from 1 to {MAX_ASSIGNMENTS})")
    center = x.mean(0)
    counts, sums = np.zeros((1, k)), np.zeros((1, k, d))
    for point in x - center:  # each assignment so far is extended in K ways
        counts = (counts[:, None] + np.eye(k)).reshape(-1, k)
        sums = (sums[:, None] + np.eye(k)[:, :, None] * point).reshape(-1, k, d)
    means = sums / np.maximum(counts, 1)[..., None]
    within = ((x - center) ** 2).sum() - (sums * means).sum((1, 2))
    between = counts * ((means + center) ** 2).sum(-1) / (1 + sigma2 * counts)
    log_det = d * np.log1p(sigma2 * counts)
    log_joint = -0.5 * (within + (between + log_det).sum(-1))
    return float(logsumexp(log_joint)) - n * math.log(k) - 0.5 * n * d * LOG_2PI


def log_likelihood(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """log p(x | mu) in nats, marginalized over the labels: centers (L, K, D) -> (L,)."""
    (n_draws, k, d), n = centers.shape, len(x)
    height = max(1, min(n, CHUNK_BYTES // (8 * k)))  # points at once, for `width` draws
    width = max(1, CHUNK_BYTES // (8 * k * height))
    found = np.zeros(n_draws)
    for start, first in product(range(0, n_draws, width), range(0, n, height)):
        some, part = centers[start : start + width], x[first : first + height]
        logits = -0.5 * cdist(some.reshape(-1, d), part, "sqeuclidean").reshape(-1, k, len(part))
        top = logits.max(1)
        total = np.exp(logits - top[:, None]).sum(1)
        found[start : start + width] += (top + np.log(total)).sum(-1)
    return found - n * (math.log(k) + 0.5 * d * LOG_2PI)


def log_evidence_importance(
    x: np.ndarray,
    posterior: Posterior,
    *,
    sigma2: float = 1.0,
    n_draws: int = 20_000,
    rng: np.random.Generator,
    widen: float = 1.1,
) -> Evidence:
    """log p(x) in nats by importance sampling: centers from q(mu), labels summed out exactly.

    p(x, mu) is invariant under permutations of the labels (label switching): each mode has K!
    equal copies, of which q(mu) covers one. The proposal is the mean of q(mu) over all
    permutations; because the copies are equal, it suffices to draw from one of them and to
    weight with the mean. The proposal's standard deviation is `widen` times that of q(mu),
    which is too narrow where clusters overlap. A mode that no copy of q(mu) covers is missed:
    pass the posterior of the best of many restarts. Raises ValueError for K > 12.
    """
    x, _ = points(x, posterior), positive(sigma2)
    if len(posterior.m) > MAX_COMPONENTS:
        raise ValueError(f"K must be at most {MAX_COMPONENTS} here, got {len(posterior.m)}")
    (k, d), m, s2 = posterior.m.shape, posterior.m, widen**2 * posterior.s2
    mu = m + np.sqrt(s2)[:, None] * rng.standard_normal((n_draws, k, d))
    squares = ((mu[:, :, None] - m) ** 2).sum(-1)  # (L, K, K)
    log_q = log_mean_over_labels(-0.5 * (squares / s2 + d * (LOG_2PI + np.log(s2))))
    log_prior = -0.5 * ((mu**2).sum((1, 2)) / sigma2 + k * d * (LOG_2PI + math.log(sigma2)))
    log_w = log_prior + log_likelihood(x, mu) - log_q
    ess = float(np.exp(2 * logsumexp(log_w) - logsumexp(2 * log_w))) / n_draws
    log_p = float(logsumexp(log_w)) - math.log(n_draws)
    stderr = math.sqrt(max(1 / ess - 1, 0) / n_draws)  # of a logarithm: the relative one
    return Evidence(Estimate(log_p, stderr, n_draws), ess)


def log_mean_over_labels(log_a: np.ndarray) -> np.ndarray:
    """log of the mean over permutations p of prod_k exp(log_a[:, k, p(k)]): (L, K, K) -> (L,).

    A permanent over K!. Dynamic programming over the sets of labels of the first j rows takes
    2^K sets instead of K! permutations.
    """
    k = log_a.shape[-1]
    sums = {frozenset(): np.zeros(len(log_a))}
    for row in range(k):
        sums = {
            labels: logsumexp([sums[labels - {j}] + log_a[:, row, j] for j in labels], axis=0)
            for labels in map(frozenset, combinations(range(k), row + 1))
        }
    return sums[frozenset(range(k))] - math.lgamma(k + 1)
