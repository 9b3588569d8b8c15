"""What a run watches: validation images, patience, gradients, a loss that explodes."""

import math
import subprocess
import sys

import pytest
import torch
from training import fit_with

from vaelib.data import DataError, digits
from vaelib.evaluate import elbo_terms
from vaelib.likelihood import Bernoulli, Gaussian
from vaelib.model import VAE
from vaelib.objective import constant, linear_to
from vaelib.train import Settings
from vaelib.train.divergence import Divergence
from vaelib.train.loop import Training
from vaelib.train.presets import NAMES

torch.set_num_threads(1)
LIK = Bernoulli()
PIXELS = torch.rand(60, 9, generator=torch.Generator().manual_seed(9))
TRAIN, VALIDATION = PIXELS[:48], PIXELS[48:]


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def small_run(pixels=TRAIN, lik=LIK, **changes):
    g = gen()
    model = VAE(pixels.shape[1], (8,), 2, generator=g)
    settings = {"epochs": 3, "batch_size": 16, "lr": 1e-2, **changes}
    return model, fit_with(model, lik, pixels, generator=g, **settings)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def gradient_norm(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item()


# --- validation -----------------------------------------------------------------------------


def test_validation_images_are_measured_with_the_same_noise_each_epoch():
    model, log = small_run(lr=0.0, validation=VALIDATION)
    kl = elbo_terms(model, LIK, VALIDATION, gen()).kl.mean()
    torch.testing.assert_close(log.val_kl, kl.expand(3))
    assert log.val_log_lik.eq(log.val_log_lik[0]).all()
    assert log.val_elbo.equal(log.val_log_lik - log.val_kl)


def test_the_validation_value_is_that_of_the_weights_after_the_epoch():
    model, log = small_run(validation=VALIDATION)
    kl = elbo_terms(model, LIK, VALIDATION, gen()).kl.mean()
    torch.testing.assert_close(log.val_kl[-1], kl)


def test_more_validation_images_than_a_batch_are_all_seen():
    many = torch.rand(1203, 9, generator=gen(2))
    model, log = small_run(lr=0.0, validation=many, epochs=1)
    torch.testing.assert_close(log.val_kl[0], elbo_terms(model, LIK, many, gen()).kl.mean())


def test_bytes_will_do_for_validation():
    bits = (VALIDATION * 255).round().to(torch.uint8)
    as_bytes, as_floats = (small_run(validation=images)[1] for images in (bits, bits.float() / 255))
    torch.testing.assert_close(as_bytes.val_kl, as_floats.val_kl)


def test_watching_changes_nothing_in_the_training():
    (one, log_one), (two, log_two) = small_run(), small_run(validation=VALIDATION)
    assert flat(one).equal(flat(two))
    assert log_one.kl.equal(log_two.kl)
    assert log_one.val_elbo is None


def test_bad_validation_images_are_refused():
    with pytest.raises(DataError, match=r"expected \[0, 1\]"):
        small_run(validation=VALIDATION * 300)


# --- patience -------------------------------------------------------------------------------


def test_patience_ends_a_run_that_gets_worse_and_keeps_the_best_weights():
    few, unseen = digits(side=8).train.pixels[:32], digits(side=8).test.pixels[:200]
    model, log = small_run(few, epochs=400, lr=3e-2, validation=unseen, patience=10)
    best = log.val_elbo.argmax().item()
    assert len(log.kl) == best + 11 < 400
    kl = elbo_terms(model, LIK, unseen, gen()).kl.mean()
    torch.testing.assert_close(kl, log.val_kl[best])
    assert abs(log.val_kl[-1] - log.val_kl[best]) > 1e-3 * log.val_kl[best]


def test_patience_that_is_long_enough_ends_nothing():
    model, log = small_run(validation=VALIDATION, patience=3)
    assert len(log.kl) == 3
    kl = elbo_terms(model, LIK, VALIDATION, gen()).kl.mean()
    torch.testing.assert_close(kl, log.val_kl[log.val_elbo.argmax()])


# --- the weight of the KL -------------------------------------------------------------------


def test_the_schedule_may_go_by_the_step():
    asked = []

    def beta(step, steps):
        asked.append((step, steps))
        return step / steps

    log = small_run(beta=beta, beta_per_step=True)[1]
    assert [a for a in asked if a[1] == 9] == asked
    assert sorted({a[0] for a in asked}) == list(range(9))
    torch.testing.assert_close(log.beta, torch.tensor([1 / 9, 4 / 9, 7 / 9]))


def test_a_constant_by_the_step_is_a_constant_by_the_epoch():
    one, two = (small_run(beta=constant(2.0), beta_per_step=on)[0] for on in (False, True))
    assert flat(one).equal(flat(two))
    other = small_run(beta=linear_to(4.0))[0]
    assert not flat(one).equal(flat(other))


# --- gradients ------------------------------------------------------------------------------


def test_gradients_are_no_longer_than_asked():
    free, clipped = small_run()[0], small_run(clip_norm=0.1)[0]
    assert gradient_norm(free) > 0.1
    assert gradient_norm(clipped) <= 0.1 * (1 + 1e-5)


def test_a_limit_that_is_never_reached_changes_nothing():
    assert flat(small_run()[0]).equal(flat(small_run(clip_norm=1e9)[0]))


# --- a loss that explodes -------------------------------------------------------------------


class Exploding(Gaussian):
    """Fine for three calls, then a loss of another size, or an error where it is None."""

    def __init__(self, value):
        super().__init__(1.0)
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "value", value)

    def log_prob(self, out, x):
        self.calls.append(1)
        scale = 1.0 if len(self.calls) <= 3 else self.value
        if scale is None:
            raise ZeroDivisionError
        return super().log_prob(out, x) * scale


@pytest.mark.parametrize("value", [1e6, math.inf, -math.inf, math.nan])
def test_the_run_stops_at_the_step_and_its_weights_are_those_before(value):
    g = gen()
    model = VAE(9, (8,), 2, generator=g)
    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1: .*smaller.*not taken"):
        fit_with(
            model, Exploding(value), PIXELS[:32], epochs=3, batch_size=16, lr=1e-2, generator=g
        )
    g = gen()
    before = VAE(9, (8,), 2, generator=g)
    with pytest.raises(ZeroDivisionError):
        fit_with(
            before, Exploding(None), PIXELS[:32], epochs=3, batch_size=16, lr=1e-2, generator=g
        )
    assert flat(model).equal(flat(before))


def test_a_loss_that_grows_is_no_explosion():
    g = gen()
    model = VAE(9, (8,), 2, generator=g)
    log = fit_with(model, Exploding(50.0), PIXELS[:32], epochs=3, batch_size=16, generator=g)
    assert log.log_lik[-1] < log.log_lik[0]


@pytest.mark.parametrize("value", [1e6, math.nan])
def test_steps_after_a_bad_one_are_not_taken_before_it_is_read(value):
    """The bad step is the fourth of six of one epoch, so the host reads it two steps later."""
    g, run = gen(), {"epochs": 1, "batch_size": 10, "lr": 1e-2}
    model, lik = VAE(9, (8,), 2, generator=g), Exploding(value)
    with pytest.raises(FloatingPointError, match="epoch 0, step 3"):
        fit_with(model, lik, PIXELS, generator=g, clip_norm=1.0, anneal=2, **run)
    assert len(lik.calls) == 6
    g = gen()
    before = VAE(9, (8,), 2, generator=g)
    with pytest.raises(ZeroDivisionError):
        fit_with(before, Exploding(None), PIXELS, generator=g, clip_norm=1.0, anneal=2, **run)
    assert flat(model).equal(flat(before))


@pytest.mark.parametrize("value", [1e6, math.nan])
def test_no_state_is_given_out_after_a_bad_step(value):
    g = gen()
    run = Training(
        VAE(9, (8,), 2, generator=g), Exploding(value), PIXELS, Settings(1, 10), generator=g
    )
    steps = run.steps()
    for _ in range(3):
        next(steps)
    weights = {name: value.clone() for name, value in run.state_dict().items() if "." in name}
    next(steps)
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="step 3"):
            run.state_dict()
    moments = {f"optimizer.{i}.{k}" for i in range(8) for k in ("step", "exp_avg", "exp_avg_sq")}
    assert moments < weights.keys()
    run.divergence.unread.clear()
    for name, value in run.state_dict().items():
        if name.startswith(("model", "optimizer")):
            assert weights[name].equal(value), name


def test_the_host_reads_the_losses_every_hundred_steps_and_after_each_epoch(monkeypatch):
    unread = []
    read = Divergence.read

    def spy(self, at, settings):
        unread.append(len(self.unread))
        read(self, at, settings)

    monkeypatch.setattr(Divergence, "read", spy)
    small_run(torch.rand(250, 9), batch_size=1, epochs=1)
    assert unread == [100, 100, 50, 0]


@pytest.mark.slow
def test_steps_of_each_preset_neither_mix_devices_nor_wait_for_one(root):
    """On a CUDA device that is not there."""
    command = [sys.executable, root / "tests" / "fake_cuda.py", *NAMES]
    subprocess.run(command, check=True, cwd=root)


# --- the terminal, the GPU ------------------------------------------------------------------


def test_nothing_is_printed_where_there_is_no_terminal(capfd):
    small_run(validation=VALIDATION)
    assert capfd.readouterr() == ("", "")


def test_no_epochs_are_no_entries():
    assert len(small_run(epochs=0)[1].elbo) == 0


def test_the_precision_of_products_is_as_before():
    before = torch.get_float32_matmul_precision()
    small_run(tf32=True)
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_tf32_changes_the_elbo_of_an_epoch_by_less_than_half_a_percent():
    pixels, elbos = digits().train.pixels, []
    for tf32 in (False, True):
        g = gen()
        model = VAE(784, (512, 256), 2, generator=g).to("cuda")
        elbos.append(fit_with(model, LIK, pixels, epochs=10, generator=g, tf32=tf32).elbo)
    torch.testing.assert_close(elbos[1], elbos[0], rtol=5e-3, atol=0.0)
