"""Precision of products: tried before it is used, the user's own setting put back."""

import math

import pytest
import torch
from training import fit_with

from vaelib.likelihood import Bernoulli
from vaelib.model import VAE, ConvVAE
from vaelib.train import CheckpointError, Checkpoints, products

torch.set_num_threads(1)
PIXELS = torch.rand(48, 9, generator=torch.Generator().manual_seed(9))
SHAPE = 64, 256, 256


def backends():
    return torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cuda.matmul.fp32_precision


class Watching(Bernoulli):
    """Keeps the precision that each step sees; fails at the step `fails_at`."""

    def __init__(self, fails_at=math.inf):
        object.__setattr__(self, "seen", [])
        object.__setattr__(self, "fails_at", fails_at)

    def log_prob(self, out, x):
        self.seen.append(backends()[0])
        if len(self.seen) > self.fails_at:
            raise ZeroDivisionError
        return super().log_prob(out, x)


def small_run(lik=None, **options):
    gen = torch.Generator().manual_seed(0)
    options = {"epochs": 2, "batch_size": 16, "lr": 1e-2, **options}
    return fit_with(VAE(9, (8,), 2, gen), lik or Watching(), PIXELS, generator=gen, **options)


@pytest.fixture
def fresh(monkeypatch):
    """No decision of this process so far; none is left behind."""
    for decision in (products.is_exact, products.pays):
        decision.cache_clear()
    yield monkeypatch
    for decision in (products.is_exact, products.pays):
        decision.cache_clear()


@pytest.mark.parametrize(("medium", "name"), [(True, "bf16"), (False, "ieee")])
@pytest.mark.parametrize("fails_at", [3, math.inf])
def test_a_run_multiplies_as_asked_and_puts_the_setting_back(medium, name, fails_at):
    lik, before = Watching(fails_at), backends()
    try:
        history = small_run(lik, medium=medium)
    except ZeroDivisionError:
        assert fails_at == 3
    else:
        assert history.products == ("medium" if medium else "highest")
    assert set(lik.seen) == {name}
    assert backends() == before


@pytest.mark.parametrize("backend", [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul])
def test_a_run_works_after_the_setting_of_one_backend_was_changed(backend):
    """torch then refuses to read the setting of all backends, in the whole process."""
    before = backend.fp32_precision
    backend.fp32_precision = "tf32"
    try:
        with pytest.raises(RuntimeError, match="mix of the legacy and new"):
            torch.get_float32_matmul_precision()
        assert small_run().elbo.isfinite().all()
        assert backend.fp32_precision == "tf32"
    finally:
        backend.fp32_precision = before


def test_the_setting_of_all_backends_can_be_read_after_a_run():
    small_run(medium=True)
    assert torch.get_float32_matmul_precision() == "highest"


def test_what_is_tried_is_the_largest_linear_layer():
    assert products.shape(VAE(784, (512, 256), 2), 128) == (128, 512, 512)
    assert products.shape(ConvVAE((1, 16, 16), (8, 8), 16), 32) == (32, 128, 32)
    assert products.shape(VAE(4096, (16,), 2), 9999) == (128, 512, 16)


def test_medium_is_used_only_if_it_is_exact_and_faster(fresh):
    fresh.setattr(products, "ERROR", math.inf)
    fresh.setattr(products, "FASTER", 0.0)
    assert products.pays(*SHAPE)
    for name, value in {"FASTER": math.inf, "ERROR": 0.0, "SMALLEST": 2**40}.items():
        products.is_exact.cache_clear()
        products.pays.cache_clear()
        with fresh.context() as patch:
            patch.setattr(products, name, value)
            assert not products.pays(*SHAPE), name


def test_products_of_bfloat16_are_not_exact(fresh):
    """What a CPU with AMX does in "medium", wherever this runs."""
    x, weight = products.factors(*SHAPE)
    rounded = x.bfloat16().float() @ weight.bfloat16().float().T
    error = (rounded - x.double() @ weight.double().T).abs().max()
    assert error > 100 * products.ERROR
    with products.at(x.device, "highest"):
        exact = x @ weight.T
    assert (exact - x.double() @ weight.double().T).abs().max() < products.ERROR


def test_a_trial_is_made_once_in_a_process_and_takes_no_random_numbers(fresh):
    state = torch.random.get_rng_state()
    products.pays(*SHAPE)
    assert torch.random.get_rng_state().equal(state)
    fresh.setattr(products, "factors", None)  # a second one would need it
    products.pays(*SHAPE)


def resumed(folder, monkeypatch, pays, exact=True, **options):
    monkeypatch.setattr(products, "pays", lambda *shape: pays)
    monkeypatch.setattr(products, "is_exact", lambda *shape: exact)
    return small_run(checkpoints=Checkpoints(folder, steps=1), resume=True, **options)


@pytest.mark.parametrize("first", [True, False])
def test_a_resumed_run_multiplies_as_its_beginning(first, tmp_path, monkeypatch):
    whole = small_run(medium=first)
    with pytest.raises(ZeroDivisionError):
        resumed(tmp_path, monkeypatch, pays=first, lik=Watching(fails_at=4))
    lik = Watching()
    history = resumed(tmp_path, monkeypatch, pays=not first, lik=lik)
    assert set(lik.seen) == {"bf16" if first else "ieee"}
    assert history.elbo.equal(whole.elbo)


def test_a_run_in_medium_is_not_resumed_where_that_is_inexact_or_not_wanted(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        resumed(tmp_path, monkeypatch, pays=True, lik=Watching(fails_at=4))
    for options in ({"exact": False}, {"medium": False}):
        with pytest.raises(CheckpointError, match="medium: True there, False here"):
            resumed(tmp_path, monkeypatch, pays=True, **options)
