"""The beta distribution of the views of chapter 1 equals scipy's."""

import json

import numpy as np
import pytest
from scipy import special, stats

pytestmark = pytest.mark.browser

BELIEFS = [
    (1, 1), (2, 1), (1, 11), (100, 100), (1000, 200), (901, 101), (1000, 1000), (91_000, 11_000)
]  # fmt: skip
SHARES = [1e-6, 0.025, 0.3, 0.5, 0.8, 0.975, 1 - 1e-6]


@pytest.fixture
def script(load_script):
    """Call a function of the script at each of a list of arguments."""
    page = load_script("beta")
    return lambda name, calls: page.evaluate(f"{json.dumps(calls)}.map((c) => {name}(...c))")


def test_log_gamma_equals_scipys(script):
    x = [0.5, 1, 2, 3.7, 9.99, 10, 171.6, 1200, 1e5]
    ours = script("logGamma", [[v] for v in x])
    np.testing.assert_allclose(ours, special.gammaln(x), rtol=1e-12, atol=1e-12)


def test_the_distribution_equals_scipys(script):
    for a, b in BELIEFS:
        exact = stats.beta(a, b)
        theta = exact.ppf(SHARES)
        at_theta = [[t, a, b] for t in theta]
        np.testing.assert_allclose(np.exp(script("betaLogPdf", at_theta)), exact.pdf(theta), 1e-6)
        np.testing.assert_allclose(script("betaCdf", at_theta), SHARES, rtol=1e-6, atol=1e-9)
        quantiles = script("betaQuantile", [[p, a, b] for p in SHARES])
        np.testing.assert_allclose(quantiles, theta, rtol=0, atol=1e-9)
        [ends] = script("interval", [[a, b]])
        assert ends == pytest.approx(exact.interval(0.95), abs=1e-9)
        [mass] = script("within", [[a, b, 0.9, 0.01]])
        assert mass == pytest.approx(exact.cdf(0.91) - exact.cdf(0.89), abs=1e-9)


def test_the_distribution_at_the_ends_of_its_range(script):
    assert script("betaCdf", [[0, 2, 3], [1, 2, 3]]) == [0, 1]
    ends = script("betaLogPdf", [[1, 2, 1], [0, 1, 1]])
    assert ends == pytest.approx([np.log(2), 0])
