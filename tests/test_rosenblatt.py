"""The exact maps of Theorem 4.1, against closed forms, SciPy and automatic differentiation."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from scipy import stats

from vaelib.densities import (
    Conditional,
    TargetDensity,
    banana,
    cauchy,
    gumbel,
    mixture,
    normal,
)
from vaelib.gaussian import log_standard_normal
from vaelib.rosenblatt import (
    conditional_cdf,
    decode_exact,
    encode_exact,
    jac,
    normal_cdf,
    optimal_q,
)

F64 = {"dtype": torch.float64}
WEIGHTS = torch.tensor([0.6, 0.4], **F64)
MEANS = torch.tensor([[-0.8, -0.6], [0.8, 0.6]], **F64)
CHOLS = torch.tensor([[[0.7, 0.0], [0.5, 0.4]], [[0.5, 0.0], [-0.4, 0.6]]], **F64)
BUMPS = mixture(WEIGHTS, MEANS, CHOLS)
RHO = 0.8
TILTED = TargetDensity(
    "tilted", (normal(0.0, 1.0), normal(lambda b: RHO * b[..., 0], math.sqrt(1 - RHO**2)))
)
TARGETS = [banana(), BUMPS, gumbel(), cauchy(), TILTED]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)


def noise(dim, n=300, seed=0, scale=1.5):
    return scale * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), **F64)


@each_target
def test_f_and_g_are_inverse(target):
    z = noise(target.dim)
    x = decode_exact(target, z)
    assert torch.allclose(encode_exact(target, x), z, rtol=0, atol=1e-8)
    assert torch.allclose(conditional_cdf(target, x), normal_cdf(z), rtol=1e-9)


@each_target
def test_the_jacobian_is_triangular_and_its_determinant_is_the_density(target):
    z = noise(target.dim)
    slope = jac(lambda z: decode_exact(target, z), z)
    assert (slope.triu(1) == 0).all()
    assert (slope.diagonal(dim1=-2, dim2=-1) > 0).all()
    log_det = torch.linalg.slogdet(slope)[1]
    log_px = target.log_prob(decode_exact(target, z))
    assert torch.allclose(log_px + log_det, log_standard_normal(z), atol=1e-10)


@each_target
def test_the_jacobians_of_f_and_g_are_inverse(target):
    z = noise(target.dim, n=50, scale=1.0)
    x = decode_exact(target, z)
    forth = jac(lambda z: decode_exact(target, z), z)
    back = jac(lambda x: encode_exact(target, x), x)
    assert torch.allclose(forth @ back, torch.eye(target.dim, **F64).expand_as(forth), atol=1e-8)


@pytest.mark.parametrize("target", [BUMPS, gumbel(), cauchy()], ids=lambda t: t.name)
def test_first_and_second_derivatives_pass_gradcheck(target):
    z = torch.tensor([[-1.1, 0.4], [0.0, 0.0], [0.7, -0.2]], **F64)[:, : target.dim].contiguous()
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: decode_exact(target, z), z)
    assert torch.autograd.gradgradcheck(lambda z: decode_exact(target, z), z, atol=1e-4)
    x = decode_exact(target, z).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: encode_exact(target, x), x)


def test_the_banana_by_hand():
    z = noise(2)
    x1, x2 = decode_exact(banana(bend=0.7, spread=0.3), z).T
    assert torch.equal(x1, z[:, 0])
    assert torch.allclose(x2, 0.7 * (z[:, 0] ** 2 - 1) + 0.3 * z[:, 1])


def test_a_mixture_of_one_is_the_cholesky_factor():
    chol = torch.tensor([[1.0, 0, 0], [0.5, 2.0, 0], [-0.3, 0.4, 0.7]], **F64)
    mean = torch.tensor([0.2, -1.0, 3.0], **F64)
    one = mixture(torch.ones(1, **F64), mean[None], chol[None])
    z = noise(3)
    assert torch.allclose(decode_exact(one, z), mean + z @ chol.T, atol=1e-9)


@pytest.mark.parametrize(
    ("target", "law"), [(gumbel(), stats.gumbel_r), (cauchy(), stats.cauchy)], ids=["g", "c"]
)
def test_quantiles_on_the_line_are_scipys(target, law):
    z = torch.linspace(-5, 5, 41, **F64)[:, None]
    x = decode_exact(target, z)[:, 0].numpy()
    assert x == pytest.approx(law.ppf(stats.norm.cdf(z[:, 0])), rel=1e-8, abs=1e-9)


@each_target
def test_both_tails_keep_their_digits(target):
    z = torch.tensor([[-30.0], [-12.0], [12.0], [30.0]], **F64).expand(-1, target.dim)
    x = decode_exact(target, z)
    assert torch.isfinite(x).all()
    assert torch.allclose(encode_exact(target, x), z, rtol=1e-7)


def test_q_of_a_gaussian_target_is_known():
    chol = torch.tensor([[1.0, 0.0], [RHO, math.sqrt(1 - RHO**2)]], **F64)
    x = noise(2, n=5)
    q = optimal_q(TILTED, x, 0.3)
    inverse = torch.linalg.inv(chol)
    assert torch.allclose(q.mu, x @ inverse.T)
    assert torch.allclose(q.chol, 0.3 * inverse.expand(5, 2, 2))


def test_draws_of_q_are_decoded_to_x_plus_noise():
    """f(z) - x is sigma u to leading order: the covariance cancels the Jacobian of f."""
    x = decode_exact(BUMPS, noise(2, n=4, scale=1.0))
    eps = noise(2, n=50, seed=1, scale=1.0)[:, None]
    misses = []
    for sigma in (1e-3, 1e-4):
        z = optimal_q(BUMPS, x, sigma).sample(eps)
        misses.append(((decode_exact(BUMPS, z) - x) / sigma - eps).abs().max().item())
    assert misses[1] == pytest.approx(misses[0] / 10, rel=0.05)


def test_jac_is_differentiable_where_its_argument_is():
    z = torch.tensor([[0.5, 1.0]], **F64, requires_grad=True)
    slope = jac(lambda z: decode_exact(banana(), z), z)
    (second,) = torch.autograd.grad(slope[0, 1, 0], z)
    assert torch.allclose(second, torch.tensor([[1.0, 0.0]], **F64))
    assert not jac(lambda z: decode_exact(banana(), z), z.detach()).requires_grad


def test_jac_of_a_single_row_can_be_nested():
    """Second derivatives of the banana's f at one z (2,): only d^2 f_2 / dz_1^2 = 1 is not 0."""
    z = torch.tensor([0.5, 1.0], **F64)
    f = partial(decode_exact, banana())
    assert torch.allclose(jac(f, z), torch.tensor([[1.0, 0.0], [0.5, 0.5]], **F64))
    second = jac(lambda at: jac(f, at).flatten(), z).view(2, 2, 2)
    expected = torch.zeros(2, 2, 2, **F64)
    expected[1, 0, 0] = 1
    assert torch.allclose(second, expected)


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"banana: z has shape \(3,\), expected \(\.\.\., 2\)"):
        decode_exact(banana(), torch.zeros(3))


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan])
def test_a_sigma_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ValueError, match="expected a positive standard deviation"):
        optimal_q(banana(), torch.zeros(1, 2, **F64), sigma)


def test_a_point_of_density_zero_is_refused():
    flat = Conditional(
        lambda x, _: x.log(),
        lambda x, _: (1 - x).log(),
        lambda x, _: torch.where((x > 0) & (x < 1), 0.0, -torch.inf),
    )
    uniform = TargetDensity("uniform", (flat,))
    z = torch.tensor([[-1.0], [0.5]], **F64)
    assert torch.allclose(encode_exact(uniform, normal_cdf(z)), z)
    with pytest.raises(ValueError, match=r"uniform: the density vanishes at x = \[1.5\]"):
        encode_exact(uniform, torch.tensor([[0.5], [1.5]], **F64))


def test_an_inverted_map_increases():
    z = torch.linspace(-8, 8, 401, **F64)
    x = decode_exact(BUMPS, torch.stack([z, 0 * z], -1))[:, 0]
    assert all(a < b for a, b in pairwise(x.tolist()))
