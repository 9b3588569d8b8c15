"""The inference gap in two dimensions against samples, closed forms and finer grids."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from untrained import gray_images, rough_model

from vaelib import evaluate, plane
from vaelib.gaussian import Diagonal, log_standard_normal, reparameterize
from vaelib.model import VAE
from vaelib.runtime import generator as gen

torch.set_num_threads(1)
LIK = plane.LIK


def sharp_model(data_dim=400):
    """Steep logits, linear in z: unimodal posteriors, far narrower than a coarse cell."""
    model = VAE(data_dim, (), 2, generator=gen(3))
    with torch.no_grad():
        model.decoder[0].weight *= 8.0
    return model


@torch.no_grad()
def elbo_by_quadrature(model, x):
    """The ELBO of the encoder's q by Gauss-Hermite quadrature in both coordinates: (B,) nats."""
    nodes, weights = (torch.from_numpy(v).float() for v in np.polynomial.hermite_e.hermegauss(24))
    eps = torch.cartesian_prod(nodes, nodes)[:, None]  # (K, 1, 2)
    q = model.encode(x)
    z = reparameterize(q.mu, q.logvar, eps.expand(-1, len(x), -1))
    log_w = LIK.log_prob(model.decode(z), x) + log_standard_normal(z) - q.log_prob(z)
    return (torch.outer(weights, weights).view(-1, 1) * log_w).sum(0) / weights.sum() ** 2


def test_the_gap_is_the_sum_of_its_parts_and_a_worse_encoder_widens_only_the_amortization_gap():
    model, x = rough_model(), gray_images()
    fine = {"side": 160, "extent": 6.0}
    log_px = evaluate.log_evidence_2d(model, x, **fine)
    approximation, amortization = plane.gaps(model, x, **fine)
    assert (approximation > -1e-4).all()
    assert (amortization >= 0).all()
    n = 5000
    log_w = evaluate.importance_weights(model, LIK, x, gen(0), n_samples=n)
    error = log_w.std(0) / math.sqrt(n)
    assert ((log_px - log_w.mean(0) - approximation - amortization).abs() < 6 * error).all()
    with torch.no_grad():
        model.encoder[-1].bias[:2] += 1.0
    same, more = plane.gaps(model, x, **fine)
    torch.testing.assert_close(same, approximation, atol=2e-3, rtol=0)
    assert (more > amortization + 0.05).float().mean() > 0.8


def test_a_diagonal_gaussian_posterior_leaves_no_approximation_gap():
    """A decoder that ignores z: the posterior is the prior, and the encoder's KL is the gap."""
    model, x = rough_model(), gray_images()
    with torch.no_grad():
        model.decoder[0].weight.zero_()
        model.encoder[-1].bias[:2] += 1.0
        kl = model.encode(x).kl_to_standard()
    approximation, amortization = plane.gaps(model, x, side=160, extent=6.0)
    torch.testing.assert_close(approximation, torch.zeros(len(x)), atol=2e-3, rtol=0)
    torch.testing.assert_close(amortization, kl, atol=2e-3, rtol=0)
    assert kl.min() > 0.01, "there is no gap to see: the test has no power"


def test_measure_agrees_with_the_functions_that_it_calls():
    model, x = rough_model(), gray_images(40)
    found = plane.measure(model, x, gen(0), n_exact=20, n_costly=10)
    assert {name: len(values) for name, values in found.items()} == {
        "-ELBO": 40, "-log p(x)": 20, "gap, L = 1": 10, "gap, L = 10": 10, "gap, L = 100": 10,
        "gap, L = 500": 10, "approximation gap": 3, "amortization gap": 3,
    }  # fmt: skip
    log_px = evaluate.log_evidence_2d(model, x[::2], side=320)
    torch.testing.assert_close(found["-log p(x)"], -log_px)
    rungs = [found[f"gap, L = {n}"] for n in (1, 10, 100, 500)]
    for above, below in pairwise(rungs):  # of the same draws: Jensen holds for each image
        assert (above > below).all()
    _, amortization = plane.gaps(model, x[::16], side=320)
    torch.testing.assert_close(found["amortization gap"], amortization, atol=1e-3, rtol=0)
    split = found["approximation gap"] + found["amortization gap"]
    terms = evaluate.importance_weights(model, LIK, x[::16], gen(3), n_samples=500)
    error = 2 * terms.std(0) / math.sqrt(500)
    assert ((rungs[0][::4] - split).abs() < 6 * error).all()


def test_posteriors_narrower_than_a_cell_are_resolved():
    """Here coarse cells alone are off by tenths of a nat; the fine windows correct that."""
    model = sharp_model()
    x = evaluate.decode(model, LIK, torch.randn(12, 2, generator=gen(1)))
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([0.1, -0.2, -1.0, -1.5]))
    coarse, fine = (plane.gaps(model, x, side=side, extent=4.0) for side in (80, 400))
    for found, wanted in zip(coarse, fine, strict=True):
        torch.testing.assert_close(found, wanted, atol=5e-3, rtol=0)
    assert coarse[0].min() > -1e-3
    there, wanted = (evaluate.log_evidence_2d(model, x, s, 4.0) for s in (80, 800))
    assert (there - wanted).abs().max() > 0.1, "a coarse cell is narrow enough: no power"
    exact = wanted - elbo_by_quadrature(model, x)
    torch.testing.assert_close(sum(coarse), exact, atol=5e-3, rtol=0)


def test_the_best_diagonal_gaussian_of_a_gaussian_has_its_mean_and_conditional_variances():
    """The best diagonal q of N(m, C) has mean m and variances 1 / (C^-1)_jj (Bishop 10.1.2)."""
    ticks = torch.linspace(-2, 2, 81).expand(1, 2, 81)
    z2, z1 = torch.meshgrid(ticks[0, 1], ticks[0, 0], indexing="ij")
    a, b = z1 - 0.3, z2 + 0.2
    rows = -0.5 * (30 * a**2 + 2 * 10 * a * b + 12 * b**2)[None]
    start = Diagonal(torch.zeros(1, 2), torch.full((1, 2), -4.0))
    q = plane.best_gaussian(rows, ticks, start, steps=400)
    torch.testing.assert_close(q.mu, torch.tensor([[0.3, -0.2]]), atol=2e-3, rtol=0)
    wanted = torch.tensor([[-math.log(30), -math.log(12)]])
    torch.testing.assert_close(q.logvar, wanted, atol=5e-3, rtol=0)


def test_gaps_need_a_2d_latent_space():
    with pytest.raises(ValueError, match="needs a 2-D latent space, this model has 3"):
        plane.gaps(VAE(9, (4,), 3), gray_images())
