"""Gradient estimators over many replications at once, against one backward pass for each.

    python benchmarks/bench_estimators.py

Prints ratios of CPU time per gradient, each from runs that took turns, and the memory that
the moments of a million samples need beyond an empty run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: one thread for every contender

import resource
import subprocess
import sys

import torch
from common import interleaved, line

from vaelib.estimators import Gradient, moments, pathwise, score_function
from vaelib.gaussian import log_normal, reparameterize

DIM = 10
LOOPED, BATCHED = 500, 20_000  # gradients in a call
SAMPLES = 1_000_000
MIB = 2**20


def f(z: torch.Tensor) -> torch.Tensor:
    """A log density up to a constant: squares, a coupling of neighbors and something bounded."""
    return -(z**2).sum(-1) + (z[..., 1:] * z[..., :-1]).sum(-1) + torch.sin(z).sum(-1)


def looped(surrogate, mu: torch.Tensor, logvar: torch.Tensor, eps: torch.Tensor) -> Gradient:
    """One backward pass per sample, as one first writes it: (S, M) each."""
    found = []
    for e in eps:
        a, b = mu.clone().requires_grad_(), logvar.clone().requires_grad_()
        surrogate(a, b, e).backward()
        found.append((a.grad, b.grad))
    return Gradient(*(torch.stack(part) for part in zip(*found, strict=True)))


def score_surrogate(mu: torch.Tensor, logvar: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    z = reparameterize(mu, logvar, eps).detach()
    return f(z) * log_normal(z, mu, logvar)


def path_surrogate(mu: torch.Tensor, logvar: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    return f(reparameterize(mu, logvar, eps))


def mapped(surrogate, mu: torch.Tensor, logvar: torch.Tensor, eps: torch.Tensor) -> Gradient:
    """The same gradients by torch.func: vmap over grad."""
    gradient = torch.func.grad(surrogate, argnums=(0, 1))
    return Gradient(*torch.func.vmap(gradient, in_dims=(None, None, 0))(mu, logvar, eps))


def race(name: str, ours, surrogate, repeats: int = 9) -> None:
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.randn(2, DIM, generator=generator).double()
    many = torch.randn(BATCHED, DIM, generator=generator).double()
    few = many[:LOOPED]
    for other in (looped, mapped):
        for a, b in zip(ours(f, mu, logvar, few), other(surrogate, mu, logvar, few), strict=True):
            torch.testing.assert_close(a, b)
    times = interleaved(
        {
            "ours": lambda: ours(f, mu, logvar, many),
            "loop": lambda: looped(surrogate, mu, logvar, few),
            "vmap": lambda: mapped(surrogate, mu, logvar, many),
        },
        repeats,
    )
    per = {
        key: [t / (LOOPED if key == "loop" else BATCHED) for t in ts] for key, ts in times.items()
    }
    print(line(f"{name}, loop over backward / ours", per["loop"], per["ours"], goal=300))
    print(line(f"{name}, vmap over grad / ours", per["vmap"], per["ours"]))
    print(f"{'':4}{1e6 * min(per['ours']):.2f} us a gradient, fastest round\n")


def peak_mib(n_samples: int) -> float:
    """Peak resident memory of a fresh process that takes the moments of so many samples."""
    run = [sys.executable, __file__, "--moments", str(n_samples)]
    return float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def print_peak(n_samples: int) -> None:
    mu, logvar = torch.zeros(2, DIM, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for estimator in (score_function, pathwise):
        moments(lambda eps, e=estimator: e(f, mu, logvar, eps), DIM, n_samples, generator=generator)
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB)


def main() -> None:
    if "--moments" in sys.argv:
        return print_peak(int(sys.argv[-1]))
    print(f"CPU time per gradient of E f(z), z of {DIM} entries; medians (and quartiles)\n")
    race("score function", score_function, score_surrogate)
    race("pathwise", pathwise, path_surrogate)
    few, many = peak_mib(2), peak_mib(SAMPLES)
    print(
        f"moments of {SAMPLES:,} samples: {many:.0f} MiB in all, {many - few:.0f} beyond 2 samples"
    )
    print(f"goal 1024 MiB: {'reached' if many < 1024 else 'MISSED'}")
    return None


if __name__ == "__main__":
    main()
