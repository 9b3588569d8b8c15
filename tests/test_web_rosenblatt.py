"""The explorer of chapter 9: its closed forms are those of the room rosenblatt."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from vaelib.gaussian import Diagonal, log_standard_normal
from vaelib.likelihood import Gaussian
from vaelib.rosenblatt import banana, decode_exact, jac, optimal_q
from vaelib.web import rosenblatt

TARGET = banana(rosenblatt.BEND, rosenblatt.SPREAD)
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
def test_f_and_the_factors_are_those_of_the_room(z):
    assert rosenblatt.decode(z) == pytest.approx(decode_exact(TARGET, row(z))[0].numpy())
    full, sds = rosenblatt.spreads(z[0])
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
    assert rosenblatt.log_evidence(*rosenblatt.decode(z), sigma) == pytest.approx(log_px, abs=1e-6)
    sds = torch.tensor(sigma * rosenblatt.spreads(z[0])[1])
    flat, _ = log_ratio(Diagonal(row(z), 2 * sds.log()), z, sigma)
    found = rosenblatt.gap(*z, sigma)
    assert found.full == pytest.approx(log_px - (weights * log_w).sum().item(), abs=1e-6)
    assert found.diagonal == pytest.approx(log_px - (weights * flat).sum().item(), abs=1e-6)


@each_point
def test_small_noise_leads_to_zero_and_to_the_floor(z):
    full, diagonal, floor = rosenblatt.gap(*z, 1e-5)
    assert floor == pytest.approx(0.5 * math.log1p(z[0] ** 2))
    assert full == pytest.approx(0, abs=1e-6)
    assert diagonal == pytest.approx(floor, abs=1e-6)


def test_log_posterior_is_highest_near_z_and_has_the_shape_of_q():
    z, sigma = np.array([1.5, 0.5]), 0.01
    full, _ = rosenblatt.spreads(1.5)
    x, eps = rosenblatt.decode(z), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]])
    log_p = rosenblatt.log_posterior(z + sigma * eps @ full.T, x, sigma)
    assert log_p - log_p[0] == pytest.approx(-0.5 * (eps**2).sum(1), abs=0.15)


@pytest.mark.parametrize("sigma", [0.1, 1.2])
def test_log_posterior_is_the_log_joint_up_to_a_constant(sigma):
    z = torch.tensor([[1.5, 0.5], [0.3, -1.0], [-2.0, 2.0]], dtype=torch.float64)
    x = decode_exact(TARGET, z[:1])
    joint = Gaussian(sigma).log_prob(decode_exact(TARGET, z), x) + log_standard_normal(z)
    log_p = rosenblatt.log_posterior(z.numpy(), x[0].numpy(), sigma)
    assert log_p - log_p[0] == pytest.approx((joint - joint[0]).numpy())


def test_the_ellipse_is_two_standard_deviations_away():
    full, _ = rosenblatt.spreads(-1.0)
    points = rosenblatt.ellipse(np.array([1.0, 2.0]), full)
    back = np.linalg.solve(full, (points - [1.0, 2.0]).T)
    assert np.linalg.norm(back, axis=0) == pytest.approx(np.full(61, 2.0))
    assert points[0] == pytest.approx(points[-1])


def test_the_widget_follows_its_controls():
    picture, z1, z2, noise = rosenblatt.rosenblatt_explorer((1.5, 0.5), 0.3).live().children
    assert rosenblatt.sentence(1.5, 0.5, 0.3) in picture.value
    z1.value, z2.value, noise.value = -2.0, 1.0, 0.02
    assert rosenblatt.sentence(-2.0, 1.0, 0.02) in picture.value
    ElementTree.fromstring(picture.value.split("<div>")[0])


@pytest.mark.parametrize(("start", "sigma"), [((3.0, 0.0), 0.3), ((0.0, 0.0), 0.25)])
def test_a_start_outside_the_view_is_refused(start, sigma):
    with pytest.raises(ValueError, match="outside the view"):
        rosenblatt.rosenblatt_explorer(start, sigma)
