"""Likelihoods against torch.distributions, for extreme logits, and normalized as densities."""

import itertools
import math

import pytest
import torch
from torch import distributions

from vaelib.likelihood import Bernoulli, Gaussian, ScaledGaussian, binarize

torch.set_num_threads(1)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=gen(seed), dtype=torch.float64)


def test_bernoulli_is_that_of_torch_on_black_and_white():
    out, x = 5 * draw(3, 4, 6), draw(4, 6, seed=1).gt(0).double()
    expected = distributions.Bernoulli(logits=out).log_prob(x.expand(3, 4, 6)).sum(-1)
    torch.testing.assert_close(Bernoulli().log_prob(out, x), expected)


def test_bernoulli_on_gray_is_the_cross_entropy():
    out, x = draw(4, 6), torch.rand(4, 6, generator=gen(1), dtype=torch.float64)
    p = out.sigmoid()
    expected = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    torch.testing.assert_close(Bernoulli().log_prob(out, x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [30.0, 100.0, 1e4, 1e30])
def test_bernoulli_stays_exact_where_the_sigmoid_rounds(size, dtype):
    out = torch.tensor([[size], [size], [-size], [-size]], dtype=dtype)
    x = torch.tensor([[1.0], [0.0], [0.0], [1.0]], dtype=dtype)
    expected = torch.tensor([0.0, -size, 0.0, -size], dtype=dtype)
    torch.testing.assert_close(Bernoulli().log_prob(out, x), expected, atol=1e-12, rtol=1e-6)
    out.requires_grad_()
    Bernoulli().log_prob(out, x).sum().backward()
    assert out.grad.isfinite().all()


def test_probabilities_of_all_black_and_white_images_add_up_to_one():
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6))).double()
    total = Bernoulli().log_prob(draw(1, 6), images).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0, dtype=torch.float64))


def test_over_gray_values_the_cross_entropy_integrates_to_less_than_one_half():
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)[:, None, None]
    logits = torch.tensor([-6.0, -1.0, -0.01, 2.0], dtype=torch.float64)
    density = Bernoulli().log_prob(logits[:, None], x).exp()
    mass = torch.trapezoid(density, dx=1 / 2000, dim=0)
    torch.testing.assert_close(mass, (logits / 2).tanh() / logits, atol=1e-5, rtol=0)
    assert (mass < 0.5).all()


def test_gaussian_is_that_of_torch():
    out, x = draw(3, 4, 6), draw(4, 6, seed=1)
    for sigma_x in (0.1, 1.0, 3.0):
        expected = distributions.Normal(out, sigma_x).log_prob(x).sum(-1)
        torch.testing.assert_close(Gaussian(sigma_x).log_prob(out, x), expected)


def test_a_gaussian_density_may_exceed_one():
    x = torch.zeros(1, 784)
    expected = -784 * (0.5 * math.log(2 * math.pi) + math.log(0.1))
    assert Gaussian(0.1).log_prob(x, x).item() == pytest.approx(expected, rel=1e-6)
    assert expected > 0


@pytest.mark.parametrize("sigma_x", [0.0, -1.0, math.nan])
def test_a_standard_deviation_must_be_positive(sigma_x):
    with pytest.raises(ValueError, match="expected a positive standard deviation"):
        Gaussian(sigma_x)


@pytest.mark.parametrize("lik", [Bernoulli(), Gaussian(0.7)])
def test_shapes_and_gradients(lik):
    out, x = draw(3, 2, 5).requires_grad_(), torch.rand(2, 5, dtype=torch.float64, generator=gen())
    assert lik.log_prob(out, x).shape == (3, 2)
    assert lik.mean(out).shape == out.shape
    assert torch.autograd.gradcheck(lik.log_prob, (out, x))


def test_means():
    out = torch.tensor([-1e4, 0.0, 1e4])
    assert Bernoulli().mean(out).tolist() == [0.0, 0.5, 1.0]
    assert Gaussian().mean(out) is out


# Binarization: the mean of n draws has standard error sqrt(x (1 - x) / n); detect a bias of 0.02.


def far_from_gray(drawn, x, n):
    error = (x * (1 - x) / n).sqrt()
    return ((drawn.mean(0) - x).abs() > 6 * error)[(x > 0) & (x < 1)]


def test_binarized_pixels_are_black_or_white_and_gray_on_average():
    n = math.ceil((12 * 0.5 / 0.02) ** 2)
    x = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    drawn = binarize(x.expand(n, 5), gen())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn[:, 0].eq(0).all()
    assert drawn[:, 4].eq(1).all()
    assert not far_from_gray(drawn, x, n).any()
    assert far_from_gray(binarize((x + 0.02).expand(n, 5), gen()), x, n).all()


def test_binarization_is_determined_by_its_generator():
    x = torch.full((50, 50), 0.5)
    assert binarize(x, gen(1)).equal(binarize(x, gen(1)))
    assert not binarize(x, gen(1)).equal(binarize(x, gen(2)))


def test_a_scaled_gaussian_takes_log_sigma_from_the_last_output():
    out, x = draw(3, 4, 7), draw(4, 6, seed=1)
    found = ScaledGaussian().log_prob(out, x)
    normal = distributions.Normal(out[..., :-1], out[..., -1:].exp())
    torch.testing.assert_close(found, normal.log_prob(x).sum(-1))
    out[..., -1] = math.log(0.3)
    torch.testing.assert_close(
        ScaledGaussian().log_prob(out, x), Gaussian(0.3).log_prob(out[..., :-1], x)
    )
    assert ScaledGaussian().mean(out).equal(out[..., :-1])


def test_the_optimal_sigma_is_the_root_mean_squared_error():
    mean, x = draw(50), draw(50, seed=1)
    log_sigma = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    best = ((x - mean) ** 2).mean().log() / 2
    for value, flat in ((best.item(), True), (best.item() + 0.1, False)):
        with torch.no_grad():
            log_sigma.fill_(value)
        log_prob = ScaledGaussian().log_prob(torch.cat([mean, log_sigma]), x)
        (slope,) = torch.autograd.grad(log_prob, log_sigma)
        assert (slope.abs().item() < 1e-9) == flat
