"""The benchmark for CUDA devices: its parts at a tiny size, on whatever device there is."""

import dataclasses

import pytest
import torch
from msgspec.structs import replace

from vaelib import runtime
from vaelib.model import VAE
from vaelib.train import presets


@pytest.fixture
def bench(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    import bench_gpu

    return bench_gpu


@pytest.fixture
def tiny(bench, monkeypatch):
    """The digit preset with a small network, one epoch, and two batches of random bytes."""
    whole = presets.PRESETS["mnist", "thesis"]
    preset = replace(whole, hidden=(8, 4), settings=replace(whole.settings, epochs=1))
    monkeypatch.setitem(presets.PRESETS, ("mnist", "thesis"), preset)
    monkeypatch.setitem(bench.THERE, "mnist", lambda: False)
    monkeypatch.setitem(bench.IMAGES, "mnist", 256)
    return preset


def test_it_says_so_and_ends_well_where_there_is_no_device(bench, monkeypatch, capsys):
    monkeypatch.setattr(runtime, "has_cuda", lambda: False)
    bench.main([])
    assert capsys.readouterr().out == (
        "bench_gpu: PyTorch finds no CUDA device here, nothing was measured.\n"
    )


def test_a_report_names_the_data_the_limit_and_the_precision(bench, tiny, capsys):
    device = runtime.device()
    machine = bench.Machine.measure(device, side=64, launches=10)
    assert min(machine.bandwidth, machine.fp32, machine.tf32, machine.launch) > 0
    bench.report("mnist", machine, device)
    said = capsys.readouterr().out
    assert "1 epochs of 256 images, 2 steps · RANDOM bytes, the data set is missing" in said
    assert "  TF32 " in said
    assert "  FP32 " in said
    assert said.count("% of it reached") == 2
    assert "apart, within 0.005" in said


def test_the_kernels_of_one_step_are_counted(bench, tiny):
    images, _ = bench.pixels("mnist", tiny)
    count = bench.n_kernels(tiny, images.to(runtime.device()))
    assert 20 < count < 1000


@pytest.mark.parametrize("name", ["mnist", "brain", "celeba"])
def test_the_limit_counts_the_weights_and_products_of_the_network(bench, name):
    preset = presets.PRESETS[name, "thesis"]
    dim = preset.size**2 * (3 if name == "celeba" else 1)
    sizes = (dim, *preset.hidden, preset.latent_dim)
    with torch.device("meta"):
        model = VAE(dim, preset.hidden, preset.latent_dim)
        layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    n_weights = sum(layer.weight.numel() for layer in layers)
    machine = bench.Machine(bandwidth=28.0, fp32=1e30, tf32=1e30, launch=1e-9)
    seconds, bound = bench.limit(machine, sizes, 128, kernels=1, tf32=True)
    assert seconds == pytest.approx(n_weights)
    assert bound == "Adam's memory traffic"
    # forward, gradient of the weights, and of the inputs except for the images: 2 B each
    products = 2 * 128 * (3 * n_weights - layers[0].weight.numel())
    machine = dataclasses.replace(machine, bandwidth=1e30, tf32=1.0)
    assert bench.limit(machine, sizes, 128, kernels=1, tf32=True) == (products, "matrix products")
    machine = dataclasses.replace(machine, tf32=1e30, launch=2.0)
    assert bench.limit(machine, sizes, 128, kernels=30, tf32=True) == (60.0, "starting kernels")


def test_the_real_data_are_used_where_they_are(bench, monkeypatch):
    class Some:
        train, says = torch.zeros(70_000, 1, dtype=torch.uint8), "some digits"

    monkeypatch.setitem(bench.THERE, "mnist", lambda: True)
    monkeypatch.setattr(bench, "load", lambda preset: Some)
    images, says = bench.pixels("mnist", presets.PRESETS["mnist", "thesis"])
    assert (len(images), says) == (60_000, "some digits")
