"""CAVI for the mixture: equal to the equations, monotone, finite, and a lower bound."""

import math

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal

from vaelib import mixture
from vaelib.estimate import Estimate
from vaelib.evidence import log_evidence_enumerated
from vaelib.mixture import Posterior, basins, elbo, elbo_terms, fit, responsibilities, update

# A sweep may lose this share of |ELBO| to rounding, some thousand times 2^-52.
ROUNDING = 1e-12


def rng(seed=0):
    return np.random.default_rng(seed)


def blobs(generator, n=60, k=3, d=2, spread=4.0):
    centers = spread * generator.standard_normal((k, d))
    return centers[generator.integers(k, size=n)] + generator.standard_normal((n, d))


def random_q(generator, n, k, d):
    """An arbitrary q, the result of no update."""
    posterior = Posterior(2 * generator.standard_normal((k, d)), generator.uniform(0.3, 2, size=k))
    return posterior, generator.dirichlet(np.ones(k), size=n)


def plain(x, start, sigma2, sweeps, weight=None):
    """CAVI from the readable equations; `weight` of s2 in the responsibilities, D/2 if None."""
    posterior, elbos = start, []
    weight = x.shape[1] / 2 if weight is None else weight
    for sweep in range(sweeps + 1):
        squares = ((x[:, None] - posterior.m) ** 2).sum(-1)
        resp = softmax(-0.5 * squares - weight * posterior.s2, axis=1)
        elbos.append(elbo(x, posterior, resp, sigma2=sigma2))
        if sweep < sweeps:
            posterior = update(x, resp, sigma2=sigma2)
    return posterior, np.array(elbos)


# --- easy and hard problems ------------------------------------------------------------------

KINDS = {
    "plain": lambda x, g: (x, 1.0),
    "flat prior": lambda x, g: (x, 1e12),
    "tight prior": lambda x, g: (x, 1e-6),
    "centers at +-1000": lambda x, g: (x + g.choice([-1000, 1000], size=x.shape), 1.0),
    "+-1000, fair prior": lambda x, g: (x + g.choice([-1000, 1000], size=x.shape), 1e6),
    "offset 1e8": lambda x, g: (x + 1e8, 1.0),
    "offset 1e8, fair prior": lambda x, g: (x + 1e8, 1e16),
    "all the same point": lambda x, g: (np.repeat(x[:1], len(x), axis=0), 1.0),
    "every point twice": lambda x, g: (np.repeat(x, 2, axis=0), 1.0),
    "one point": lambda x, g: (x[:1], 1.0),
    "an outlier": lambda x, g: (np.vstack([x, 1e4 * np.ones((1, x.shape[1]))]), 1.0),
    "scales 1 to 1e8": lambda x, g: (x * g.choice([1, 1e4, 1e8], size=(len(x), 1)), 1e16),
    "tiny": lambda x, g: (1e-9 * x, 1.0),
}


def problem(kind, seed):
    """(x, start, sigma2) of random size: N 1..40, D 1..5, K 1..11, often K > N."""
    g = rng([seed, *kind.encode()])
    n, d, k = (int(g.integers(1, high)) for high in (41, 6, 12))
    x, sigma2 = KINDS[kind](g.choice([0.1, 1, 3]) * g.standard_normal((n, d)), g)
    if g.random() < 0.5 and k <= len(x):
        return x, Posterior(x[g.permutation(len(x))[:k]], np.full(k, 10.0)), sigma2
    return x, mixture.random_start(g, k, d), sigma2


def largest_fall(elbos):
    """The largest decrease in a trace, as a share of |ELBO|."""
    return max(0.0, float(-(np.diff(elbos) / np.abs(elbos[1:])).min()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_always_finite_and_monotone(kind):
    for seed in range(40):
        x, start, sigma2 = problem(kind, seed)
        run = fit(x, len(start.m), sigma2=sigma2, init=start, max_iter=30, tol=-1)
        assert np.isfinite(run.elbos).all()
        assert np.isfinite(run.path).all()
        assert (run.posterior.s2 > 0).all()
        assert largest_fall(run.elbos) <= ROUNDING


def small_plane_problem(seed):
    g = rng(seed)
    return g.uniform(-3, 3, size=(int(g.integers(4, 12)), 2)), mixture.random_start(g, 3, 2)


def test_with_the_weight_of_s2_in_the_thesis_the_elbo_decreases():
    """The negative control of the test above: 1/2 s2 where two dimensions need 2/2 s2."""
    problems = [small_plane_problem(seed) for seed in range(100)]
    falls = [largest_fall(plain(x, start, 1.0, 30, weight=0.5)[1]) for x, start in problems]
    assert sum(fall > 1e-6 for fall in falls) > 5
    right = [largest_fall(plain(x, start, 1.0, 30)[1]) for x, start in problems]
    assert max(right) <= ROUNDING


# --- the fast path is the equations ----------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "k", "d"), [(1, 1, 1), (7, 3, 2), (60, 5, 1), (300, 4, 2), (90, 12, 8)]
)
def test_the_pass_equals_the_equations(n, k, d):
    x, start = blobs(rng(n), n, k, d), mixture.random_start(rng(k), k, d)
    run = fit(x, k, sigma2=2.0, init=start, max_iter=25, tol=-1)
    posterior, elbos = plain(x, start, 2.0, 25)
    np.testing.assert_allclose(run.elbos, elbos, rtol=1e-12)
    np.testing.assert_allclose(run.posterior.m, posterior.m, atol=1e-9)
    np.testing.assert_allclose(run.posterior.s2, posterior.s2, rtol=1e-9)
    np.testing.assert_array_equal(run.path[-1], run.posterior.m)
    assert run.elbo == run.elbos[-1]


def test_far_from_the_origin_the_pass_keeps_digits_that_the_plain_form_loses():
    """Against the same equations in extended precision, at offset 1e8 under a wide prior."""
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("no extended precision on this machine")
    x = blobs(rng(5), 80) + 1e8
    start = Posterior(x[:3], np.full(3, 10.0))
    run = fit(x, 3, sigma2=1e16, init=start, max_iter=20, tol=-1)
    exact = extended(x, start, 1e16, 20)
    assert np.abs(run.elbos / exact - 1).max() < 1e-10
    assert np.abs(plain(x, start, 1e16, 20)[1] / exact - 1).max() > 1e-10


def extended(x, start, sigma2, sweeps):
    """The ELBOs of CAVI in numpy's long double."""
    x, m, s2 = (a.astype(np.longdouble) for a in (x, start.m, start.s2))
    (n, d), k, elbos = x.shape, len(m), []
    for _ in range(sweeps + 1):
        logits = -0.5 * (((x[:, None] - m) ** 2).sum(-1) + d * s2)
        top = logits.max(1, keepdims=True)
        total = np.exp(logits - top).sum(1, keepdims=True)
        resp = np.exp(logits - top) / total
        log_norm = (top + np.log(total)).sum() - n * np.log(k) - 0.5 * n * d * np.log(2 * np.pi)
        kl = (m**2).sum() / sigma2 + d * (s2 / sigma2 - 1 - np.log(s2 / sigma2)).sum()
        elbos.append(float(log_norm - 0.5 * kl))
        s2 = 1 / (1 / np.longdouble(sigma2) + resp.sum(0))
        m = s2[:, None] * (resp.T @ x)
    return np.array(elbos)


@pytest.mark.parametrize("wide", [1, 1000])
def test_the_size_of_the_chunks_does_not_matter(monkeypatch, wide):
    x, start = wide * blobs(rng(1), 1000, 5, 3), mixture.random_start(rng(2), 5, 3)
    whole = fit(x, 5, init=start, max_iter=10, tol=-1)
    for size in (1, 20_000):
        monkeypatch.setattr(mixture, "CHUNK_BYTES", size)
        parts = fit(x, 5, init=start, max_iter=10, tol=-1)
        np.testing.assert_allclose(parts.elbos, whole.elbos, rtol=1e-12)
        np.testing.assert_allclose(parts.posterior.m, whole.posterior.m, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(1_000_000, 2), (200_000, 16)])
def test_a_fit_needs_one_copy_of_the_data_and_no_array_of_n_times_k(n, d):
    import tracemalloc

    x, start = blobs(rng(1), n, d=d), mixture.random_start(rng(2), 40, d)
    tracemalloc.start()
    try:
        fit(x, 40, init=start, max_iter=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * x.nbytes  # the responsibilities alone would be 40 / d times x.nbytes


def test_responsibilities_are_distributions_even_where_exp_underflows():
    x, start = 1000 * blobs(rng(3), 50), mixture.random_start(rng(4), 4, 2)
    resp = responsibilities(x, start)
    np.testing.assert_allclose(resp.sum(1), 1, rtol=1e-12)
    assert (resp >= 0).all()


def test_each_update_maximizes_the_elbo():
    """No other q(c) and no other q(mu), near the update or far from it, has a higher ELBO."""
    g = rng(6)
    x = blobs(g, 30, 3, 3)
    posterior, resp = random_q(g, 30, 3, 3)
    best_c = elbo(x, posterior, responsibilities(x, posterior), sigma2=2.0)
    best = update(x, resp, sigma2=2.0)
    best_mu = elbo(x, best, resp, sigma2=2.0)
    for size in (0.01, 0.1, 1.0) * 30:
        other = softmax(
            np.log(responsibilities(x, posterior)) + size * g.standard_normal((30, 3)), 1
        )
        assert elbo(x, posterior, other, sigma2=2.0) < best_c
        near = Posterior(
            best.m + size * g.standard_normal((3, 3)), best.s2 * np.exp(size * g.standard_normal(3))
        )
        assert elbo(x, near, resp, sigma2=2.0) < best_mu


# --- exact oracles ---------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_with_one_component_the_elbo_is_the_log_evidence(d, offset):
    x, sigma2 = rng(d).standard_normal((12, d)) + offset, 3.0
    covariance = np.eye(12) + sigma2 * np.ones((12, 12))
    exact = sum(multivariate_normal(np.zeros(12), covariance).logpdf(column) for column in x.T)
    run = fit(x, 1, sigma2=sigma2, rng=rng(), max_iter=1)
    assert run.elbo == pytest.approx(exact, abs=1e-9, rel=1e-12)
    assert log_evidence_enumerated(x, 1, sigma2=sigma2) == pytest.approx(exact, rel=1e-12)


def test_any_q_stays_below_the_enumerated_evidence():
    for seed in range(100):
        g = rng(seed)
        n, k, d = int(g.integers(1, 8)), int(g.integers(2, 4)), int(g.integers(1, 4))
        x = blobs(g, n, k, d, spread=1.5)
        exact = log_evidence_enumerated(x, k, sigma2=1.5)
        posterior, resp = random_q(g, n, k, d)
        assert elbo(x, posterior, resp, sigma2=1.5) < exact
        assert fit(x, k, sigma2=1.5, rng=g).elbo < exact


# --- each term against Monte Carlo -----------------------------------------------------------


def monte_carlo_terms(x, posterior, resp, sigma2, n_draws, g):
    """Each term of the ELBO, estimated from draws of q alone."""
    (n, d), k = x.shape, len(posterior.m)
    std = np.sqrt(posterior.s2)[:, None]
    mu = posterior.m + std * g.standard_normal((n_draws, k, d))
    c = (g.random((n_draws, n, 1)) > np.cumsum(resp, 1)[:, :-1]).sum(-1)
    chosen = np.take_along_axis(mu, c[..., None], axis=1)

    def log_normal(y, mean, variance):
        return (-0.5 * np.log(2 * np.pi * variance) - 0.5 * (y - mean) ** 2 / variance).sum((1, 2))

    samples = {
        "E log p(mu)": log_normal(mu, 0, sigma2),
        "E log p(c)": np.full(n_draws, -n * math.log(k)),
        "E log p(x | c, mu)": log_normal(x, chosen, 1),
        "entropy of q(c)": -np.log(resp[np.arange(n), c]).sum(1),
        "entropy of q(mu)": -log_normal(mu, posterior.m, std**2),
    }
    return {name: Estimate.of(values) for name, values in samples.items()}


def listing_terms(x, posterior, resp, sigma2):
    """Listing A.1's formula in two dimensions: 1/2 log 2 pi per point, one entropy subtracted."""
    terms = elbo_terms(x, posterior, resp, sigma2=sigma2)
    terms["E log p(x | c, mu)"] += 0.5 * len(x) * math.log(2 * math.pi)
    terms["entropy of q(mu)"] *= -1
    return terms


def test_every_term_is_its_expectation():
    g = rng(11)
    x = blobs(g, 7)
    posterior, resp = random_q(g, 7, 3, 2)
    ours = elbo_terms(x, posterior, resp, sigma2=1.5)
    theirs = listing_terms(x, posterior, resp, 1.5)
    estimates = monte_carlo_terms(x, posterior, resp, 1.5, 40_000, g)
    assert list(estimates) == list(ours)
    wrong = []
    for name, found in estimates.items():
        # E log p(c) is constant, with standard error 0.
        assert abs(ours[name] - found.value) <= 6 * found.stderr + 1e-9, name
        if abs(theirs[name] - found.value) > 12 * found.stderr + 1e-9:
            wrong.append(name)
    assert wrong == ["E log p(x | c, mu)", "entropy of q(mu)"]
    assert sum(ours.values()) == pytest.approx(elbo(x, posterior, resp, sigma2=1.5), rel=1e-12)


# --- symmetries ------------------------------------------------------------------------------


def test_order_of_points_and_labels_of_components_do_not_matter():
    x, start = blobs(rng(1), 100, 4), mixture.random_start(rng(2), 4, 2)
    run = fit(x, 4, init=start, max_iter=20, tol=-1)
    points, labels = rng(3).permutation(100), rng(4).permutation(4)
    same = fit(x[points], 4, init=start, max_iter=20, tol=-1)
    np.testing.assert_allclose(same.posterior.m, run.posterior.m, atol=1e-9)
    permuted = Posterior(start.m[labels], start.s2[labels])
    other = fit(x, 4, init=permuted, max_iter=20, tol=-1)
    np.testing.assert_allclose(other.posterior.m, run.posterior.m[labels], atol=1e-9)
    np.testing.assert_allclose(other.elbos, run.elbos, rtol=1e-12)


def test_rotating_the_data_rotates_the_centers():
    angle = 0.7
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    x, start = blobs(rng(1), 100, 4), mixture.random_start(rng(2), 4, 2)
    run = fit(x, 4, init=start, max_iter=20, tol=-1)
    turned = fit(x @ turn.T, 4, init=Posterior(start.m @ turn.T, start.s2), max_iter=20, tol=-1)
    np.testing.assert_allclose(turned.posterior.m, run.posterior.m @ turn.T, atol=1e-9)
    np.testing.assert_allclose(turned.elbos, run.elbos, rtol=1e-12)


def test_under_a_flat_prior_shifting_the_data_shifts_the_centers():
    x, sigma2 = blobs(rng(1), 100), 1e30
    start = Posterior(x[:3], np.full(3, 10.0))
    run = fit(x, 3, sigma2=sigma2, init=start, max_iter=20, tol=-1)
    for shift in (np.array([5.0, -3.0]), 1e8):
        there = Posterior(start.m + shift, start.s2)
        moved = fit(x + shift, 3, sigma2=sigma2, init=there, max_iter=20, tol=-1)
        np.testing.assert_allclose(moved.posterior.m - shift, run.posterior.m, atol=1e-6)
        np.testing.assert_allclose(moved.elbos, run.elbos, rtol=1e-8)


def test_under_a_tight_prior_the_centers_shift_less_than_the_data():
    """The control of the test above: the prior is centered at the origin, not at the data."""
    x = blobs(rng(1), 100)
    near = fit(x, 1, rng=rng(2)).posterior.m
    far = fit(x + 100, 1, rng=rng(2)).posterior.m
    np.testing.assert_allclose(far - near, 100 * 100 / 101, rtol=1e-9)


def test_saddle_and_escape():
    """Centers that start equal stay equal; a tiny difference grows until they separate."""
    x = blobs(rng(1), 200, 2, spread=6)
    together = Posterior(np.ones((2, 2)), np.full(2, 10.0))
    stuck = fit(x, 2, init=together)
    np.testing.assert_allclose(stuck.posterior.m[0], stuck.posterior.m[1], atol=1e-9)
    nudge = 1e-6 * rng(2).standard_normal((2, 2))
    free = fit(x, 2, init=Posterior(together.m + nudge, together.s2), tol=-1)
    assert free.elbo > stuck.elbo + 100


# --- runs, restarts, basins ------------------------------------------------------------------


def test_when_a_run_stops():
    x, start = blobs(rng(1)), mixture.random_start(rng(2), 3, 2)
    none = fit(x, 3, init=start, max_iter=0)
    assert len(none.elbos) == len(none.path) == 1
    assert not none.converged
    np.testing.assert_array_equal(none.posterior.m, start.m)
    assert len(fit(x, 3, init=start, max_iter=7, tol=-1).elbos) == 8
    run = fit(x, 3, init=start)
    assert run.converged
    assert run.elbos[-1] - run.elbos[-2] <= 1e-12 * abs(run.elbo)


def test_a_generator_draws_the_start():
    x = blobs(rng(1))
    start = mixture.random_start(rng(2), 3, 2)
    np.testing.assert_array_equal(fit(x, 3, rng=rng(2)).elbos, fit(x, 3, init=start).elbos)
    runs = mixture.restarts(x, 3, 4, rng=rng(2), max_iter=5)
    np.testing.assert_array_equal(runs[0].path[0], start.m)
    assert len({run.elbo for run in runs}) > 1


def test_basins_ignore_a_permutation_of_the_labels():
    x = blobs(rng(1), 200, 4, spread=6)
    run = fit(x, 4, rng=rng(3))
    labels = [2, 0, 3, 1]
    permuted = fit(x, 4, init=Posterior(run.posterior.m[labels], run.posterior.s2[labels]))
    worse = fit(x, 4, init=Posterior(np.zeros((4, 2)), np.ones(4)))
    found = basins([worse, permuted, run])
    assert [sorted(basin.runs) for basin in found] == [[1, 2], [0]]
    assert found[0].best.elbo >= found[1].best.elbo
    back = mixture.relabel(permuted.posterior, run.posterior.m)
    np.testing.assert_allclose(back.m, run.posterior.m, atol=1e-3)


def test_equal_elbos_at_different_centers_are_different_basins():
    m, s2, elbos = np.array([[0.0], [5.0]]), np.ones(2), np.array([-3.0, -2.0])
    one = mixture.Fit(Posterior(m, s2), elbos, m[None], True)
    two = mixture.Fit(Posterior(-m, s2), elbos, -m[None], True)
    assert len(basins([one, two])) == 2


# --- errors ----------------------------------------------------------------------------------

GOOD = np.zeros((5, 2))
BAD = {
    "nan": (np.array([[1.0, np.nan]]), 1, {}, "finite"),
    "inf": (np.array([[1.0, np.inf]]), 1, {}, "finite"),
    "overflow": (np.array([[1e200, 0.0]]), 1, {}, "1e150"),
    "flat": (np.zeros(5), 1, {}, r"\(N, D\).*\(5,\)"),
    "empty": (np.zeros((0, 2)), 1, {}, "at least 1"),
    "no columns": (np.zeros((5, 0)), 1, {}, "at least 1"),
    "sigma2 0": (GOOD, 1, {"sigma2": 0.0}, "sigma2"),
    "sigma2 < 0": (GOOD, 1, {"sigma2": -1.0}, "sigma2"),
    "sigma2 nan": (GOOD, 1, {"sigma2": math.nan}, "sigma2"),
    "no components": (GOOD, 0, {}, "n_components must be at least 1"),
    "start of another shape": (GOOD, 2, {"init": Posterior(GOOD, np.ones(5))}, r"\(2, 2\)"),
}


@pytest.mark.parametrize("why", BAD)
def test_invalid_input_is_refused(why):
    x, k, options, says = BAD[why]
    options = options if "init" in options else {"rng": rng(), **options}
    with pytest.raises(ValueError, match=says):
        fit(x, k, **options)


def test_exactly_one_start_is_required():
    with pytest.raises(ValueError, match="one of the two"):
        fit(GOOD, 1)
    with pytest.raises(ValueError, match="one of the two"):
        fit(GOOD, 1, rng=rng(), init=Posterior(np.zeros((1, 2)), np.ones(1)))


@pytest.mark.parametrize(
    ("m", "s2"),
    [
        (np.zeros(3), np.ones(3)),
        (np.zeros((3, 2)), np.ones(2)),
        (np.zeros((3, 2)), np.zeros(3)),
        (np.full((3, 2), np.nan), np.ones(3)),
    ],
)
def test_an_invalid_posterior_is_refused(m, s2):
    with pytest.raises(ValueError, match=r"m must be|s2"):
        Posterior(m, s2)


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="3 columns"):
        responsibilities(np.zeros((4, 3)), Posterior(np.zeros((1, 2)), np.ones(1)))
