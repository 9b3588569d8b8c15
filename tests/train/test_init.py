"""Training: beats the mean image on every seed, tells the truth about itself, refuses bad input."""

import math

import pytest
import torch
from training import fit_with

from vaelib.data import DataError, digits, to_unit
from vaelib.data.corruptions import coarse_noise
from vaelib.drawn import phantoms
from vaelib.evaluate import elbo_terms, encode
from vaelib.likelihood import Bernoulli, Gaussian, ScaledGaussian
from vaelib.model import VAE, ConvVAE
from vaelib.objective import constant, linear_to

torch.set_num_threads(1)
LIK = Bernoulli()


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def small_run(pixels, seed=0, hidden=(8,), **changes):
    g = gen(seed)
    model = VAE(pixels.shape[1], hidden, 2, generator=g)
    settings = {"epochs": 2, "batch_size": 16, "lr": 1e-2, **changes}
    return model, fit_with(model, LIK, pixels, generator=g, **settings)


@pytest.fixture(scope="module")
def small_digits():
    return digits(side=8)


@pytest.fixture
def pixels():
    return torch.rand(50, 9, generator=gen(9))


def mean_image_score(train, test):
    """log p of each test image under independent pixels with the training means, nats."""
    p = (train.sum(0) + 0.5) / (len(train) + 1)
    return LIK.log_prob(p.logit(), test)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_beats_the_mean_image_on_images_it_has_not_seen(small_digits, seed):
    train, test = small_digits.train, small_digits.test
    model, _ = small_run(train.pixels, seed, (64, 32), epochs=60, batch_size=128, lr=3e-3)
    score = elbo_terms(model, LIK, test.pixels, gen(1), n_samples=10).value()
    gain = score - mean_image_score(train.x, test.x)  # image by image
    assert gain.mean() > 6 * gain.std() / math.sqrt(len(gain))


def test_an_untrained_model_does_not(small_digits):
    model = VAE(64, (64, 32), 2, generator=gen())
    score = elbo_terms(model, LIK, small_digits.test.pixels, gen(1)).value()
    assert score.mean() < mean_image_score(small_digits.train.x, small_digits.test.x).mean()


def test_the_same_seed_gives_the_same_run(pixels):
    (one, log_one), (two, log_two) = small_run(pixels, 3), small_run(pixels, 3)
    assert log_one.log_lik.equal(log_two.log_lik)
    assert log_one.kl.equal(log_two.kl)
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert p.equal(q)
    assert not small_run(pixels, 4)[1].kl.equal(log_one.kl)


def test_the_run_leaves_torchs_own_generator_alone(pixels):
    state = torch.random.get_rng_state()
    small_run(pixels)
    assert torch.random.get_rng_state().equal(state)


def test_bytes_and_their_unit_values_train_alike():
    bits = torch.randint(0, 256, (40, 9), generator=gen()).to(torch.uint8)
    as_bytes, as_floats = small_run(bits)[1], small_run(bits.float() / 255)[1]
    torch.testing.assert_close(as_bytes.kl, as_floats.kl)
    torch.testing.assert_close(as_bytes.log_lik, as_floats.log_lik)


# With a learning rate of 0 nothing moves, so an epoch's record has a known value.


def test_history_holds_means_over_every_example_of_the_epoch(pixels):
    pixels = pixels[:48]  # three whole batches
    model, log = small_run(pixels, lr=0.0, epochs=3)
    kl = elbo_terms(model, LIK, pixels, gen()).kl.mean()
    torch.testing.assert_close(log.kl, kl.expand(3))


def test_the_last_incomplete_batch_is_dropped_and_another_one_each_epoch(pixels):
    whole, part = small_run(pixels[:48], lr=0.0)[1], small_run(pixels, lr=0.0, epochs=4)[1]
    torch.testing.assert_close(whole.kl[0], whole.kl[1])
    assert len({round(v, 7) for v in part.kl.tolist()}) == 4


def test_the_weight_is_recorded_apart_from_the_elbo(pixels):
    plain = small_run(pixels, lr=0.0, epochs=4, beta=constant(1.0))[1]
    ramped = small_run(pixels, lr=0.0, epochs=4, beta=linear_to(4.0))[1]
    assert ramped.beta.tolist() == pytest.approx([0.25, 1.0, 2.0, 3.0])
    assert plain.beta.eq(1).all()
    assert ramped.elbo.equal(plain.elbo)
    assert ramped.elbo.equal(ramped.log_lik - ramped.kl)


def test_the_weight_acts_on_the_training():
    pixels = digits(side=8).train.pixels[:512]
    kls = [
        small_run(pixels, epochs=30, batch_size=64, hidden=(32,), beta=constant(beta))[1].kl[-1]
        for beta in (0.1, 1.0, 10.0)
    ]
    assert kls[0] > kls[1] > kls[2]


def test_beta_is_one_when_left_out(pixels):
    assert small_run(pixels)[1].beta.eq(1).all()


def test_more_samples_change_the_noise_not_the_meaning(pixels):
    one = small_run(pixels, lr=0.0, epochs=1)[1]
    many = small_run(pixels, lr=0.0, epochs=1, n_samples=64)[1]
    assert many.kl.equal(one.kl)
    assert many.log_lik.item() == pytest.approx(one.log_lik.item(), abs=0.5)


class Seen(Bernoulli):
    """Keeps every batch that it is asked about."""

    def __init__(self):
        object.__setattr__(self, "batches", [])

    def log_prob(self, out, x):
        self.batches.append(x)
        return super().log_prob(out, x)


def seen(**changes):
    """What a network of one gray value saw: (E, N, D), and of the validation (E, K, D)."""
    lik, g = Seen(), gen()
    pixels = torch.full((40, 100), 0.3)
    fit_with(
        VAE(100, (4,), 2, generator=g), lik, pixels, epochs=3, batch_size=20, generator=g,
        validation=pixels[:10], **changes,
    )  # fmt: skip
    train = torch.stack([x for x in lik.batches if len(x) == 20]).view(3, 40, 100)
    return train, torch.stack([x for x in lik.batches if len(x) == 10])


def test_binarized_pixels_are_drawn_anew_at_every_visit_with_their_gray_as_the_chance():
    train, kept = seen(binarize=True)
    assert set(train.unique().tolist()) == {0.0, 1.0}
    # 12,000 draws: one standard error is 0.0042, and drawing at 1/2 would be off by 48 of them
    assert abs(train.mean().item() - 0.3) < 6 * math.sqrt(0.3 * 0.7 / train.numel())
    # two visits agree in p^2 + (1 - p)^2 = 0.58 of the pixels, not in all
    agree = (train[0] == train[1]).float().mean().item()
    assert abs(agree - 0.58) < 6 * math.sqrt(0.58 * 0.42 / train[0].numel())
    assert kept[0].equal(kept[1]), "validation images keep their drawing"
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert seen()[0].unique().tolist() == pytest.approx([0.3])


def test_binarized_pixels_need_a_likelihood_of_them(pixels):
    with pytest.raises(DataError, match="binarized pixels need a Bernoulli"):
        fit_with(VAE(9, (4,), 2), Gaussian(), pixels, epochs=1, generator=gen(), batch_size=10,
            binarize=True)  # fmt: skip


def test_an_annealed_rate_rises_to_the_asked_one_and_ends_at_nothing(pixels, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def spy(self, *args):
        rates.extend(group["lr"] for group in self.param_groups)
        return step(self, *args)

    monkeypatch.setattr(torch.optim.Adam, "step", spy)
    small_run(pixels, epochs=40, batch_size=10, lr=1e-2, anneal=40)  # 200 steps
    top = max(rates)
    assert len(rates) == 200
    assert top == pytest.approx(1e-2, rel=1e-3)
    assert rates.index(top) == pytest.approx(10, abs=1)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 1e-4 * top
    # half a cosine passes its middle at the middle of the rest
    assert rates[104] == pytest.approx(5e-3, rel=0.03)


def test_an_annealed_run_that_ends_early_is_the_beginning_of_the_whole(pixels):
    whole, part = (small_run(pixels, epochs=n, batch_size=10, anneal=5)[1] for n in (5, 3))
    assert part.elbo.equal(whole.elbo[:3])
    assert not small_run(pixels, epochs=3, batch_size=10, anneal=3)[1].elbo.equal(part.elbo)


def test_the_model_is_left_ready_for_use(pixels):
    model, _ = small_run(pixels)
    assert not model.training


def test_any_likelihood_will_do(pixels):
    g = gen()
    model = VAE(9, (8,), 2, generator=g)
    log = fit_with(model, Gaussian(0.3), pixels, epochs=20, batch_size=16, lr=1e-2, generator=g)
    assert log.elbo[-1] > log.elbo[0]


def test_gaussian_pixels_need_not_lie_in_the_unit_range():
    x = 5 * torch.randn(64, 3, generator=gen())
    g = gen()
    model = VAE(3, (8,), 2, generator=g)
    log = fit_with(model, Gaussian(1.0), x, epochs=20, batch_size=16, lr=1e-2, generator=g)
    assert log.elbo[-1] > log.elbo[0]
    assert elbo_terms(model, Gaussian(1.0), x, gen()).kl.isfinite().all()
    assert encode(model, x, unit_range=False).mu.shape == (64, 2)
    with pytest.raises(DataError, match=r"expected \[0, 1\]"):
        encode(model, x)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_gaussian_pixels_have_to_be_finite(pixels, bad):
    pixels[7, 3] = bad
    with pytest.raises(DataError, match="expected finite"):
        fit_with(VAE(9, (4,), 2), Gaussian(), pixels, epochs=1, batch_size=16, generator=gen())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_full_covariance_closes_the_gap_that_a_diagonal_leaves(seed):
    """x = w z + noise with columns at 26 degrees.

    The best diagonal q misses the evidence by half of log(prod of the diagonal of the precision /
    its determinant), 0.572 nats here; the means below have a standard error of 0.004.
    """
    w = torch.tensor([[1.0, 0.9], [0.0, math.sqrt(0.19)], [0.0, 0.0]])
    lik, g = Gaussian(0.3), gen(seed)
    x = torch.randn(2048, 2, generator=g) @ w.T + 0.3 * torch.randn(2048, 3, generator=g)
    precision = torch.eye(2) + w.T @ w / 0.09
    floor = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
    covariance = w @ w.T + 0.09 * torch.eye(3)
    evidence = torch.distributions.MultivariateNormal(torch.zeros(3), covariance).log_prob(x)
    gaps = []
    for full_covariance in (False, True):
        model = VAE(3, (), 2, generator=g, full_covariance=full_covariance)
        with torch.no_grad():
            model.decoder[0].weight.copy_(w)
            model.decoder[0].bias.zero_()
        model.decoder.requires_grad_(False)
        fit_with(model, lik, x, epochs=80, batch_size=128, lr=2e-2, generator=g)
        terms = elbo_terms(model, lik, x, gen(9), n_samples=50)
        gaps.append((evidence - terms.value()).mean())
    assert gaps[0] > 0.95 * floor
    assert gaps[1] < 0.1 * floor


# --- bad input ------------------------------------------------------------------------------


def test_fewer_images_than_a_batch_are_refused(pixels):
    with pytest.raises(DataError, match="50 images are fewer than one batch of 51"):
        small_run(pixels, batch_size=51)


def test_exactly_one_batch_is_enough(pixels):
    assert small_run(pixels, batch_size=50)[1].kl.isfinite().all()


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, math.nan, math.inf])
def test_values_outside_the_unit_range_are_refused(pixels, bad):
    pixels[7, 3] = bad
    with pytest.raises(DataError, match=r"expected \[0, 1\]"):
        small_run(pixels)


def test_whole_numbers_other_than_bytes_are_refused():
    with pytest.raises(DataError, match=r"torch\.int64, expected uint8 or floating point"):
        small_run(torch.zeros(50, 9, dtype=torch.int64))


def test_images_of_the_wrong_size_are_refused(pixels):
    with pytest.raises(ValueError, match="expected"):
        fit_with(VAE(8, (4,), 2), LIK, pixels, epochs=1, batch_size=16, generator=gen())


def test_a_run_that_diverges_says_so(pixels):
    message = r"epoch \d+, step \d+: .*smaller learning rate than 1e\+30"
    with pytest.raises(FloatingPointError, match=message):
        small_run(pixels, lr=1e30, epochs=5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_training_beats_the_mean_image_on_cuda(small_digits):
    train, test = small_digits.train, small_digits.test
    g = gen()
    model = VAE(64, (64, 32), 2, generator=g).to("cuda")
    fit_with(model, LIK, train.pixels, epochs=40, batch_size=128, lr=3e-3, generator=g)
    score = elbo_terms(model, LIK, test.pixels, gen(1), n_samples=10).value().mean()
    assert score > mean_image_score(train.x, test.x).mean()


@pytest.mark.slow
def test_coarse_noise_is_for_the_encoder_only_and_obeys_the_seed():
    """What is learned are the clean images: noise in the target would raise sigma_x."""
    pixels = to_unit(phantoms(200, size=16, lesion=None).images.pixels)

    def run(std):
        g = gen(0)
        model = ConvVAE((1, 16, 16), (8, 8), 4, g)
        log = fit_with(
            model, ScaledGaussian(), pixels, epochs=60, batch_size=20, lr=5e-3, generator=g,
            coarse_noise=std,
        )  # fmt: skip
        return model, log

    (plain, _), (one, log_one), (_, log_two) = run(0.0), run(0.3), run(0.3)
    assert log_one.elbo.equal(log_two.elbo)
    spoiled = coarse_noise(pixels, (1, 16, 16), 0.3, gen(1))
    with torch.no_grad():
        found = [
            (model.decode(model.encode(spoiled).mu)[:, :-1] - pixels).square().mean()
            for model in (one, plain)
        ]
    assert found[0] < 0.9 * found[1], "it did not learn to take the noise away"


def test_coarse_noise_needs_images_with_a_shape():
    with pytest.raises(DataError, match="knows the shape"):
        fit_with(
            VAE(9, (4,), 2), LIK, torch.rand(20, 9), epochs=1, batch_size=5, generator=gen(),
            coarse_noise=0.1,
        )  # fmt: skip
