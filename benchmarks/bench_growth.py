"""How the time and memory of the exact methods grow with the data, from 1e4 to 1e6 (README.md).

    python benchmarks/bench_growth.py [FIGURE]

Prints the curves and their exponents (the b of c N^b, fitted in each round of runs that took
turns) as a table in Markdown, and draws them into the file FIGURE where one is named.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one thread

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import interleaved, peak_bytes

from vaelib import mixture
from vaelib.detection import auroc
from vaelib.estimate import Estimate
from vaelib.evaluate import log_evidence_2d
from vaelib.evidence import log_evidence_enumerated, log_likelihood
from vaelib.model import VAE

SIZES = np.array([2**13, 2**15, 2**17, 2**19, 2**20])
REPEATS = 4
Task = Callable[[], object]


def cavi(n: int, d: int) -> Task:
    """Five sweeps of CAVI with ten components."""
    rng = np.random.default_rng(0)
    x, start = 3 * rng.standard_normal((n, d)), mixture.random_start(rng, 10, d)
    return lambda: mixture.fit(x, 10, init=start, max_iter=5, tol=-1)


def enumerated(n: int) -> Task:
    """Exact log p(x) of a mixture: the sum over n assignments of log2(n) points to two labels."""
    x = np.random.default_rng(0).standard_normal((round(np.log2(n)), 2))
    return lambda: log_evidence_enumerated(x, 2)


def likelihood(n: int) -> Task:
    """log p(x | mu) of n points under five draws of ten centers, labels summed out."""
    rng = np.random.default_rng(0)
    x, centers = rng.standard_normal((n, 2)), rng.standard_normal((5, 10, 2))
    return lambda: log_likelihood(x, centers)


def grid(n: int) -> Task:
    """Exact log p(x) of n images of 64 pixels under a VAE with two latents: 32 x 32 cells."""
    model = VAE(64, (32,), 2, generator=torch.Generator().manual_seed(0))
    images = torch.randint(256, (n, 64), dtype=torch.uint8)
    return lambda: log_evidence_2d(model, images, 32)


def ranks(n: int) -> Task:
    """AUROC of n scores, half of them of ill images."""
    healthy, ill = np.random.default_rng(0).standard_normal((2, n // 2))
    return lambda: auroc(healthy, ill + 1)


CURVES = {
    "CAVI, D = 2": lambda n: cavi(n, 2),
    "CAVI, D = 16": lambda n: cavi(n, 16),
    "evidence of a mixture, by assignments": enumerated,
    "likelihood of a mixture, by points": likelihood,
    "evidence of a VAE, by images": grid,
    "AUROC, by scores": ranks,
}
MARKERS = dict(zip(CURVES, "osD^vX", strict=True))
IN_TORCH = {grid}  # whose memory tracemalloc does not see


def measure(make: Callable[[int], Task]) -> tuple[np.ndarray, np.ndarray]:
    """CPU seconds (sizes, rounds), and the peak bytes that NumPy held besides the data (sizes,)."""
    tasks = {n: make(n) for n in SIZES.tolist()}
    seconds = interleaved(tasks, REPEATS)
    peaks = [np.nan if make in IN_TORCH else peak_bytes(run) for run in tasks.values()]
    return np.array(list(seconds.values())), np.array(peaks)


def exponent(amounts: np.ndarray) -> Estimate:
    """The b of c N^b by least squares in logarithms, round by round: amounts (sizes, rounds)."""
    return Estimate.of(np.polyfit(np.log(SIZES), np.log(amounts), 1)[0])


def table(found: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Seconds, exponents and memory in Markdown."""
    lines = [
        "| N | " + " | ".join(f"{n:,}" for n in SIZES) + " | exponent | memory at the last N |",
        "| --- |" + " ---: |" * (len(SIZES) + 2),
    ]
    for name, (seconds, peaks) in found.items():
        shown = " | ".join(f"{1000 * s:,.1f} ms" for s in np.median(seconds, 1))
        memory = "not measured" if np.isnan(peaks[-1]) else f"{peaks[-1] / 2**20:,.1f} MiB"
        lines.append(f"| {name} | {shown} | {exponent(seconds):.2f} | {memory} |")
    return "\n".join(lines)


def draw(found: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Seconds and peak memory against N, all axes logarithmic."""
    import matplotlib.pyplot as plt
    import seaborn

    from vaelib import figures

    figures.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.6), sharex=True)
    hues = dict(zip(found, figures.DIGITS, strict=False))
    for name, (seconds, peaks) in found.items():
        line = {"color": hues[name], "marker": MARKERS[name]}
        seaborn.lineplot(
            x=SIZES, y=np.median(seconds, 1), ax=left, label=name, legend=False, **line
        )
        if not np.isnan(peaks[-1]):
            seaborn.lineplot(x=SIZES, y=peaks / 2**20, ax=right, **line)
    left.set(xscale="log", yscale="log", xlabel="N", ylabel="CPU seconds, one thread")
    right.set(yscale="log", xlabel="N", ylabel="peak memory besides the data, MiB")
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    found = {name: measure(make) for name, make in CURVES.items()}
    print(table(found))
    if arguments:
        draw(found, Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
