"""Anomaly scores against values by hand and the closed form of a linear-Gaussian model."""

import pytest
import torch
from linear_gaussian import LinearGaussian
from untrained import gray_images, rough_model

from vaelib import anomaly
from vaelib.likelihood import Bernoulli

torch.set_num_threads(1)
SIDE = 8


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_residual_is_relative_to_the_decoded_mean():
    exact = LinearGaussian.make()
    x = exact.draw(7)
    found = anomaly.residual(exact.model, exact.lik, x)
    mu = exact.model.encode(x).mu
    torch.testing.assert_close(found, (x - mu @ exact.w.T - exact.b).detach())


def test_smoothing_averages_the_neighbors_inside_the_image():
    image = torch.zeros(1, SIDE * SIDE)
    image[0, 0] = 1
    found = anomaly.smoothed(image, SIDE, width=3).view(SIDE, SIDE)
    assert found[0, 0] == pytest.approx(1 / 4), "a corner has four"
    assert found[0, 1] == pytest.approx(1 / 6)
    assert found[1, 1] == pytest.approx(1 / 9)
    assert found[2].abs().max() == 0
    flat = torch.full((2, SIDE * SIDE), 0.3)
    torch.testing.assert_close(anomaly.smoothed(flat, SIDE), flat)


def test_the_largest_values_are_averaged():
    maps = torch.arange(100.0).repeat(2, 1)
    assert anomaly.top_mean(maps, 0.04).tolist() == [97.5, 97.5]
    assert anomaly.top_mean(maps[:, :10], 0.01).tolist() == [9, 9], "one pixel at least"


def test_contrast_changes_the_error_but_not_the_relative_scores():
    x = 0.2 + 0.4 * torch.rand(5, SIDE * SIDE, generator=gen())
    rest = 0.1 * torch.randn(5, SIDE * SIDE, generator=gen(1))
    one = anomaly.error_scores(rest, x, SIDE)
    two = anomaly.error_scores(1.5 * rest, 1.5 * x, SIDE)
    for name in ("error / variance", "tissue error / variance", "largest errors / deviation"):
        torch.testing.assert_close(one[name], two[name])
    torch.testing.assert_close(two["error"], 2.25 * one["error"])
    torch.testing.assert_close(two["largest errors"], 1.5 * one["largest errors"])


def test_errors_in_the_background_do_not_count_as_tissue():
    x = torch.zeros(1, SIDE * SIDE)
    x[0, 20:40] = torch.linspace(0.3, 0.8, 20)
    rest = torch.zeros_like(x)
    rest[0, :10] = 1
    found = anomaly.error_scores(rest, x, SIDE)
    assert found["tissue error / variance"].item() == 0
    assert found["error"].item() == pytest.approx(10 / 64)
    rest[0, 20:40] = 0.1
    variance = x[0, 20:40].var(correction=0).item()
    found = anomaly.error_scores(rest, x, SIDE)["tissue error / variance"]
    assert found.item() == pytest.approx(0.01 / variance, rel=1e-4)


def test_a_patch_scores_higher_than_noise_of_the_same_error():
    patch = torch.zeros(1, SIDE * SIDE)
    patch.view(SIDE, SIDE)[2:6, 2:6] = 0.5
    signs = torch.ones(SIDE, SIDE)
    signs[::2, ::2] = signs[1::2, 1::2] = -1
    grains = patch * signs.view(1, -1)
    x = torch.rand(1, SIDE * SIDE, generator=gen(1))
    one, two = (anomaly.error_scores(v, x, SIDE) for v in (patch, grains))
    assert one["error"].item() == pytest.approx(two["error"].item())
    assert one["largest errors"].item() > 2 * two["largest errors"].item()


def test_all_scores_are_finite_and_the_mahalanobis_distance_is_the_formula():
    model, pixels = rough_model(data_dim=SIDE * SIDE), gray_images(40, data_dim=SIDE * SIDE)
    lik = Bernoulli()
    healthy = anomaly.learn(model, lik, pixels, SIDE)
    found = anomaly.scores(model, lik, pixels, SIDE, healthy, gen())
    assert {len(v) for v in found.values()} == {40}
    assert all(v.isfinite().all() for v in found.values())
    assert found["-IWAE"].mean() < found["-ELBO"].mean(), "the bound rises with samples"
    mu = model.encode(pixels).mu.detach().double()
    away = mu - mu.mean(0)
    precision = torch.linalg.inv(torch.from_numpy(_shrunk(mu)))
    expected = ((away @ precision) * away).sum(1)
    torch.testing.assert_close(found["Mahalanobis"].double(), expected, rtol=1e-3, atol=1e-3)


def _shrunk(mu):
    from sklearn.covariance import ledoit_wolf

    return ledoit_wolf(mu.numpy())[0]


def test_the_relative_error_divides_by_the_healthy_error_of_each_pixel():
    """An error counts less at a pixel that healthy images reconstruct badly."""
    model, lik = rough_model(data_dim=SIDE * SIDE), Bernoulli()
    pixels = gray_images(60, data_dim=SIDE * SIDE)
    healthy = anomaly.learn(model, lik, pixels, SIDE)
    spread = anomaly.smoothed(anomaly.residual(model, lik, pixels).abs(), SIDE).mean(0)
    torch.testing.assert_close(healthy.spread, spread)
    relative = anomaly.smoothed(anomaly.residual(model, lik, pixels).abs(), SIDE) / healthy.spread
    torch.testing.assert_close(relative.mean(0), torch.ones(SIDE * SIDE), rtol=1e-4, atol=1e-4)
