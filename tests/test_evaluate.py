"""Measures of a VAE against closed forms, other quadratures and values computed by hand."""

import math

import numpy as np
import pytest
import torch
from linear_gaussian import LinearGaussian
from scipy import integrate, stats
from untrained import gray_images, rough_model

from vaelib import evaluate
from vaelib.gaussian import kl_to_standard
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.objective import importance_bound

torch.set_num_threads(1)
LIK = Bernoulli()


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


# --- the ELBO of a data set -----------------------------------------------------------------


def test_elbo_terms_have_the_value_of_the_closed_form():
    """E log p(x|z) and KL of a linear-Gaussian VAE, image by image, at 6 standard errors."""
    case = LinearGaussian.make()
    case.shift_encoder(mu=0.3, logvar=-0.8)
    x = case.draw(6)
    x = (x - x.min()) / (x.max() - x.min())  # any data will do, in the range of images
    case.model.double()
    mu, logvar = (t.detach() for t in case.model.encode(x))
    # E |x - w z - b|^2 = |x - w mu - b|^2 + sum_j |w_j|^2 sigma_j^2
    far = ((x - mu @ case.w.T - case.b) ** 2).sum(-1) + (logvar.exp() * (case.w**2).sum(0)).sum(-1)
    s2 = case.lik.sigma_x**2
    expected = -0.5 * (len(case.b) * math.log(2 * math.pi * s2) + far / s2)
    n = 20_000
    case.model.float()
    terms = evaluate.elbo_terms(case.model, case.lik, x.float(), gen(), n_samples=n)
    sd = 2.0  # of one draw: bounded here, and checked to be enough below
    error = sd / math.sqrt(n)
    assert ((terms.log_lik - expected).abs() < 6 * error).all()
    torch.testing.assert_close(terms.kl, kl_to_standard(mu, logvar).float())
    one = evaluate.elbo_terms(case.model, case.lik, x.float().repeat(200, 1), gen(1)).log_lik
    assert one.view(200, 6).std(0).max() < sd


def test_results_do_not_depend_on_the_batch_size():
    model, x = rough_model(), gray_images()
    whole, parts = evaluate.encode(model, x), evaluate.encode(model, x, batch_size=7)
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b)
    a = evaluate.log_evidence_2d(model, x, side=30)
    torch.testing.assert_close(a, evaluate.log_evidence_2d(model, x, side=30, batch_size=3))
    kl = [evaluate.elbo_terms(model, LIK, x, gen(), batch_size=b).kl for b in (20, 6)]
    torch.testing.assert_close(*kl)
    log_w = evaluate.importance_weights(model, LIK, x, gen(), n_samples=4, batch_size=6)
    assert log_w.shape == (4, 20)


def test_bytes_and_floats_give_the_same_result():
    model, bits = rough_model(), torch.randint(0, 256, (5, 9), generator=gen()).to(torch.uint8)
    for a, b in zip(evaluate.encode(model, bits), evaluate.encode(model, bits / 255), strict=True):
        torch.testing.assert_close(a, b)


def test_no_gradients_are_recorded_and_no_parameter_changes():
    model, x = rough_model(), gray_images()
    before = [p.detach().clone() for p in model.parameters()]
    assert not evaluate.decode(model, LIK, torch.zeros(1, 2)).requires_grad
    assert not evaluate.log_evidence_2d(model, x, side=10).requires_grad
    assert all(p.equal(q) for p, q in zip(model.parameters(), before, strict=True))


def test_decode_keeps_leading_axes_and_gives_probabilities():
    images = evaluate.decode(rough_model(), LIK, torch.randn(3, 4, 2, generator=gen()))
    assert images.shape == (3, 4, 9)
    assert 0 < images.min() < images.max() < 1


# --- the evidence ---------------------------------------------------------------------------


def test_evidence_of_a_decoder_that_ignores_z():
    """log p(x) is then log p(x|z) for any z, up to the prior mass outside the grid."""
    model, x = rough_model(), gray_images()
    with torch.no_grad():
        model.decoder[0].weight.zero_()
        expected = LIK.log_prob(model.decode(torch.zeros(1, 2)), x)
    found = evaluate.log_evidence_2d(model, x, side=60, extent=6.0)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    small = evaluate.log_evidence_2d(model, x, side=60, extent=1.0)
    inside = 2 * math.log(stats.norm.cdf(1) - stats.norm.cdf(-1))
    torch.testing.assert_close(small, expected + inside, atol=1e-4, rtol=0)


def test_log_evidence_agrees_with_simpsons_rule():
    """Simpson's rule in double precision, up to 6 standard deviations of the prior."""
    model, x = rough_model(data_dim=3), gray_images(2, data_dim=3)
    found = evaluate.log_evidence_2d(model, x, side=200, extent=6.0)
    (w1, b1), (w2, b2) = [
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
        for layer in (model.decoder[0], model.decoder[2])
    ]
    ticks = np.linspace(-6, 6, 601)
    z = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    out = np.maximum(z @ w1.T + b1, 0) @ w2.T + b2
    prior = stats.norm.pdf(z).prod(-1)
    for image, log_px in zip(x.double().numpy(), found, strict=True):
        joint = np.exp((image * out - np.logaddexp(0, out)).sum(-1)) * prior
        total = integrate.simpson(integrate.simpson(joint, x=ticks), x=ticks)
        assert log_px.item() == pytest.approx(math.log(total), abs=1e-4)


def test_a_finer_grid_gives_the_same_log_evidence():
    model, x = rough_model(), gray_images()
    coarse, fine = (evaluate.log_evidence_2d(model, x, side=side) for side in (80, 160))
    assert (coarse - fine).abs().max() < 1e-3


def test_the_evidence_of_all_binary_images_sums_to_one():
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6)
    total = evaluate.log_evidence_2d(rough_model(6), images, side=80, extent=6.0).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_a_rotation_of_the_latent_space_leaves_the_evidence_unchanged():
    model, x = rough_model(), gray_images()
    before = evaluate.log_evidence_2d(model, x, extent=6.0)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    with torch.no_grad():
        model.decoder[0].weight.copy_(model.decoder[0].weight @ turn)
    torch.testing.assert_close(
        evaluate.log_evidence_2d(model, x, extent=6.0), before, atol=1e-3, rtol=0
    )


def test_elbo_and_importance_bounds_are_ordered_below_the_evidence():
    model, x = rough_model(), gray_images()
    log_px = evaluate.log_evidence_2d(model, x, side=120, extent=6.0)
    log_w = evaluate.importance_weights(model, LIK, x, gen(), n_samples=6400)
    means, errors = [], []
    for n_samples in (1, 8, 64):
        bounds = torch.stack([importance_bound(part) for part in log_w.split(n_samples)])
        means.append(bounds.mean(0))
        errors.append(bounds.std(0) / math.sqrt(len(bounds)))
    elbo = evaluate.elbo_terms(model, LIK, x, gen(2), n_samples=6400).value()
    assert ((elbo - means[0]).abs() < 6 * (2 * errors[0] ** 2).sqrt()).all()
    for i, above in enumerate([*means[1:], log_px]):
        assert (means[i] - 6 * errors[i] < above).all()
    assert (means[0] + 6 * errors[0] < log_px).all(), "the order is not seen: the test has no power"


def test_a_grid_needs_a_2d_latent_space():
    with pytest.raises(ValueError, match="needs a 2-D latent space, this model has 3"):
        evaluate.log_evidence_2d(VAE(9, (4,), 3), gray_images())


def test_the_grid_is_centered_and_z1_varies_fastest():
    z = evaluate.grid_2d(4, 2.0)
    ticks = [-1.5, -0.5, 0.5, 1.5]
    assert z[:4].tolist() == [[t, -1.5] for t in ticks]
    assert z[::4].tolist() == [[-1.5, t] for t in ticks]
    assert z.mean(0).abs().max() == 0


# --- what the codes say ---------------------------------------------------------------------


def test_active_units_are_those_whose_mean_varies():
    mu = torch.stack([torch.zeros(100), 0.05 * torch.randn(100, generator=gen())], dim=1)
    assert evaluate.active_units(mu).tolist() == [False, False]
    mu[:50, 1] += 1
    assert evaluate.active_units(mu).tolist() == [False, True]
    assert evaluate.active_units(mu, threshold=0.5).tolist() == [False, False]


def test_separated_classes_have_a_diagonal_confusion_matrix():
    labels = torch.arange(3).repeat_interleave(40)
    z = 10 * labels[:, None] + torch.randn(120, 2, generator=gen())
    votes = evaluate.neighbor_confusion(z[::2], labels[::2], z[1::2], labels[1::2], n_neighbors=5)
    assert (votes == 20 * np.eye(3)).all()


def test_rows_of_the_confusion_matrix_are_true_classes():
    # class 1 lies among class 0: all of it is voted 0
    z_train = torch.cat([torch.zeros(9, 2), torch.ones(1, 2)])
    y_train = torch.tensor([0] * 9 + [1])
    z_test, y_test = torch.zeros(4, 2), torch.ones(4, dtype=torch.int64)
    votes = evaluate.neighbor_confusion(z_train, y_train, z_test, y_test, n_neighbors=3)
    assert votes.tolist() == [[0, 0], [4, 0]]


# --- errors of images -----------------------------------------------------------------------


def test_squared_errors_count_masked_pixels_only():
    x = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    x_hat = torch.tensor([[0.5, 0.0, 0.0], [0.0, 1.0, 1.0]])
    assert evaluate.squared_errors(x_hat, x).tolist() == pytest.approx([1.25 / 3, 0])
    some = torch.tensor([[True, True, False], [False, True, True]])
    assert evaluate.squared_errors(x_hat, x, some).tolist() == pytest.approx([0.125, 0])
    none = torch.zeros_like(some)
    assert evaluate.squared_errors(x_hat, x, none).isnan().all()


def test_psnr_of_known_errors():
    assert evaluate.psnr(torch.tensor([0.01, 1.0])).tolist() == pytest.approx([20, 0], abs=1e-5)


def test_ssim_is_one_for_equal_images_and_the_formula_for_constant_ones():
    x = gray_images(3, 144)
    assert evaluate.ssim(x, x, 12).tolist() == pytest.approx([1] * 3, abs=1e-5)
    a, b = torch.full((1, 144), 0.3), torch.full((1, 144), 0.6)
    c1 = 0.01**2
    exact = (2 * 0.3 * 0.6 + c1) / (0.3**2 + 0.6**2 + c1)
    assert evaluate.ssim(a, b, 12).item() == pytest.approx(exact, abs=1e-4)


def test_ssim_equals_explicit_sums_over_windows():
    """The formula with explicit sums at each window position, in double precision."""
    x, y = gray_images(2, 14 * 14).double(), gray_images(2, 14 * 14, seed=6).double()
    ticks = np.arange(11) - 5
    w = np.exp(-(ticks[:, None] ** 2 + ticks**2) / (2 * 1.5**2))
    w /= w.sum()
    exact = []
    for a, b in zip(x.numpy().reshape(-1, 14, 14), y.numpy().reshape(-1, 14, 14), strict=True):
        values = []
        for i in range(4):
            for j in range(4):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                mp, mq = (w * p).sum(), (w * q).sum()
                vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
                cov = (w * (p - mp) * (q - mq)).sum()
                values.append(
                    (2 * mp * mq + 1e-4) * (2 * cov + 9e-4)
                    / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
                )  # fmt: skip
        exact.append(np.mean(values))
    found = evaluate.ssim(x, y, 14).numpy()
    np.testing.assert_allclose(found, exact, atol=1e-12)
    assert (evaluate.ssim(x, 1 - x, 14) < 0).all(), "a negative has a negative similarity"


def test_bootstrap_means_have_the_standard_error_and_stay_paired():
    values = torch.randn(2, 400, generator=gen(3))
    values[1] = values[0] + 0.1
    means = evaluate.resampled_means(values, 2000, gen(4))
    assert means.shape == (2000, 2)
    exact = values[0].std(correction=0) / math.sqrt(400)
    assert abs(means[:, 0].std() / exact - 1) < 6 / math.sqrt(2 * 2000)
    torch.testing.assert_close(means[:, 1] - means[:, 0], torch.full((2000,), 0.1))
