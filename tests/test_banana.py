"""The banana in closed form equals the general construction, and its divergences quadrature."""

import math

import numpy as np
import pytest
import torch

from vaelib import banana as closed
from vaelib.densities import banana
from vaelib.gaussian import Diagonal, log_standard_normal
from vaelib.likelihood import Gaussian
from vaelib.rosenblatt import decode_exact, jac, optimal_q

TARGET = banana(closed.BEND, closed.SPREAD)
POINTS = [(0.0, 0.0), (1.5, 0.5), (-2.0, 1.0), (2.5, -2.5)]
each_point = pytest.mark.parametrize("z", POINTS, ids=str)


def row(z):
    return torch.tensor([z], dtype=torch.float64)


def grid(n):
    """Nodes and weights of a product of two Gauss-Hermite rules."""
    u, w = np.polynomial.hermite_e.hermegauss(n)
    nodes = torch.tensor(np.stack(np.meshgrid(u, u), -1).reshape(-1, 1, 2))
    return nodes, torch.tensor(np.outer(w, w).reshape(-1, 1) / w.sum() ** 2)


def log_ratio(q, z, sigma, n=60):
    eps, weights = grid(n)
    at = q.sample(eps)
    log_lik = Gaussian(sigma).log_prob(decode_exact(TARGET, at), decode_exact(TARGET, row(z)))
    return log_lik + log_standard_normal(at) - q.log_prob(at), weights


@each_point
def test_decoder_and_factors_are_those_of_the_general_construction(z):
    assert closed.decode(z) == pytest.approx(decode_exact(TARGET, row(z))[0].numpy())
    full, sds = closed.spreads(z[0])
    q = optimal_q(TARGET, decode_exact(TARGET, row(z)), 1.0)
    assert full == pytest.approx(q.chol[0].numpy())
    slope = jac(lambda z: decode_exact(TARGET, z), row(z))[0]
    assert sds == pytest.approx((slope.T @ slope).diagonal().rsqrt().numpy())


@each_point
@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_the_divergences_equal_quadrature(z, sigma):
    q = optimal_q(TARGET, decode_exact(TARGET, row(z)), sigma)
    log_w, weights = log_ratio(q, z, sigma)
    log_px = (log_w + weights.log()).logsumexp(0).item()
    assert closed.log_evidence(*closed.decode(z), sigma) == pytest.approx(log_px, abs=1e-6)
    sds = torch.tensor(sigma * closed.spreads(z[0])[1])
    flat, _ = log_ratio(Diagonal(row(z), 2 * sds.log()), z, sigma)
    found = closed.gap(*z, sigma)
    assert found.full == pytest.approx(log_px - (weights * log_w).sum().item(), abs=1e-6)
    assert found.diagonal == pytest.approx(log_px - (weights * flat).sum().item(), abs=1e-6)


@each_point
def test_small_noise_leads_to_zero_and_to_the_floor(z):
    full, diagonal, floor = closed.gap(*z, 1e-5)
    assert floor == pytest.approx(0.5 * math.log1p(z[0] ** 2))
    assert full == pytest.approx(0, abs=1e-6)
    assert diagonal == pytest.approx(floor, abs=1e-6)
