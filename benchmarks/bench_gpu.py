"""Training on a CUDA device: the thesis's three runs, in seconds and as a share of its limit.

Training only, at the thesis's settings and batch size, the data resident on the device; random
bytes of the right size where a data set is missing. First the machine: how fast it copies
memory, multiplies matrices and starts kernels. A step cannot be shorter than the longer of

    its kernels, started one by one;
    the memory traffic of Adam, plus its matrix products.

    python benchmarks/bench_gpu.py [PRESET ...]

Without a CUDA device it says so and ends well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from vaelib import data, runtime
from vaelib.model import VAE
from vaelib.train import fit
from vaelib.train.presets import PRESETS, Preset, load

GOALS = {"mnist": 5.0, "brain": 3.0, "celeba": 30.0}  # seconds
IMAGES = {"mnist": 60_000, "brain": 1_595, "celeba": 9_000}  # as many as there are, or are asked
THERE = {"mnist": data.has_mnist, "brain": data.has_brain, "celeba": data.has_celeba}
TOLERANCE = 5e-3  # of the final ELBO, TF32 against FP32
ADAM = 7 * 4  # bytes a weight: reads weight, gradient, both moments; writes all but the gradient


def wait(device: torch.device) -> None:
    """Until the device has done all it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """The shortest of some runs, after one that warms up."""
    spent = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        spent.append(time.perf_counter() - start)
    return min(spent[1:])


@dataclass(frozen=True)
class Machine:
    """What the device can do: bytes a second, operations a second, seconds a kernel."""

    bandwidth: float
    fp32: float
    tf32: float
    launch: float

    @classmethod
    def measure(cls, device: torch.device, side: int = 8192, launches: int = 10_000) -> Machine:
        """Copy side^2 floats, multiply two such matrices, start small kernels one by one."""
        a, b = torch.rand(2, side, side, device=device)
        out, small = torch.empty_like(a), torch.zeros(1, device=device)
        copied = seconds_of(lambda: out.copy_(a), device)

        def product(precision: str) -> float:
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision(precision)
            try:
                return 2 * side**3 / seconds_of(lambda: torch.mm(a, b, out=out), device)
            finally:
                torch.set_float32_matmul_precision(before)

        started = seconds_of(lambda: [small.add_(1) for _ in range(launches)], device)
        return cls(
            bandwidth=2 * a.nbytes / copied,
            fp32=product("highest"),
            tf32=product("high"),
            launch=started / launches,
        )

    def __str__(self) -> str:
        return (
            f"copies {self.bandwidth / 1e12:.3g} TB/s (read + write), multiplies "
            f"{self.fp32 / 1e12:.3g} (FP32) and {self.tf32 / 1e12:.3g} (TF32) TFLOP/s, "
            f"starts a kernel in {self.launch * 1e6:.1f} us"
        )


def pixels(name: str, preset: Preset) -> tuple[Tensor, str]:
    """The images of a preset and what they are, or as many random bytes."""
    n = IMAGES[name]
    if THERE[name]():
        images = load(preset)
        return images.train[:n], images.says
    channels = 3 if name == "celeba" else 1
    gen = runtime.generator(0)
    noise = torch.randint(0, 256, (n, channels * preset.size**2), dtype=torch.uint8, generator=gen)
    return noise, "RANDOM bytes, the data set is missing"


def train(preset: Preset, images: Tensor, *, tf32: bool, epochs: int) -> tuple[float, float]:
    """Seconds of the training alone, and the ELBO of its last epoch."""
    device = images.device
    gen = runtime.generator(0)
    model = VAE(images.shape[1], preset.hidden, preset.latent_dim, generator=gen).to(device)
    settings = replace(preset.settings, epochs=epochs, tf32=tf32)
    wait(device)
    start = time.perf_counter()
    history = fit(model, preset.lik, images, settings, generator=gen, beta=preset.beta)
    wait(device)
    return time.perf_counter() - start, history.elbo[-1].item()


def n_kernels(preset: Preset, images: Tensor) -> float:
    """Kernels a step, counted by torch's profiler as the difference of two runs."""
    kind = torch.autograd.DeviceType.CUDA if images.is_cuda else torch.autograd.DeviceType.CPU
    activities = [ProfilerActivity.CUDA if images.is_cuda else ProfilerActivity.CPU]
    size = preset.settings.batch_size
    counts = []
    for steps in (2, 6):
        with profile(activities=activities) as seen:
            train(preset, images[:size].repeat(steps, 1), tf32=True, epochs=1)
        counts.append(sum(event.device_type == kind for event in seen.events()))
    return (counts[1] - counts[0]) / 4


def limit(
    machine: Machine, sizes: tuple[int, ...], batch: int, kernels: float, *, tf32: bool
) -> tuple[float, str]:
    """The shortest possible step, in seconds, and what bounds it.

    `sizes` are the widths from the image to the latent; the decoder mirrors them.
    """
    weights = [a * b for a, b in pairwise(sizes)]
    # The encoder ends in 2 M; forward, gradient of the weights, gradient of the inputs (not of x).
    n_weights = 2 * sum(weights) + weights[-1]
    flops = 2 * batch * (3 * n_weights - weights[0])
    adam = ADAM * n_weights / machine.bandwidth
    work = adam + flops / (machine.tf32 if tf32 else machine.fp32)
    started = kernels * machine.launch
    if started > work:
        return started, "starting kernels"
    return work, "Adam's memory traffic" if 2 * adam > work else "matrix products"


def report(name: str, machine: Machine, device: torch.device) -> None:
    """Train one preset in TF32 and in FP32; print what it took."""
    preset = PRESETS[name, "thesis"]
    images, says = pixels(name, preset)
    images = images.to(device)
    size, epochs = preset.settings.batch_size, preset.settings.epochs
    steps = epochs * (len(images) // size)
    train(preset, images[: 2 * size], tf32=True, epochs=2)  # warms up
    kernels = n_kernels(preset, images)
    print(f"\n{name}: {epochs} epochs of {len(images):,} images, {steps:,} steps · {says}")
    elbos = []
    for tf32 in (True, False):
        seconds, elbo = train(preset, images, tf32=tf32, epochs=epochs)
        sizes = (images.shape[1], *preset.hidden, preset.latent_dim)
        least, bound = limit(machine, sizes, size, kernels, tf32=tf32)
        goal = f", asked {GOALS[name]:g}: {'reached' if seconds <= GOALS[name] else 'MISSED'}"
        print(
            f"  {'TF32' if tf32 else 'FP32'} {seconds:8.2f} s{goal if tf32 else ''} · limit "
            f"{steps * least:.2f} s ({bound}), {steps * least / seconds:.0%} of it reached"
        )
        elbos.append(elbo)
    apart = abs(elbos[0] / elbos[1] - 1)
    verdict = "within" if apart <= TOLERANCE else "BEYOND"
    print(f"  final ELBO, TF32 against FP32: {apart:.1e} apart, {verdict} {TOLERANCE:g}")


def main(names: list[str]) -> None:
    """The machine, then each preset."""
    if not runtime.has_cuda():
        print("bench_gpu: PyTorch finds no CUDA device here, nothing was measured.")
        return
    device = runtime.device()
    machine = Machine.measure(device)
    print(f"{runtime.device_name()}, torch {torch.__version__}: {machine}")
    for name in names or GOALS:
        report(name, machine, device)


if __name__ == "__main__":
    main(sys.argv[1:])
