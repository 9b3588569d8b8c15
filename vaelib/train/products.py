"""Precision of the matrix products of a run: chosen at its start, put back after it.

What torch calls "medium" depends on the CPU. Where there are no bfloat16 units, oneDNN multiplies
float32 about as exactly as MKL does, on AMD in half the time. Where there are some (AMX), the
factors are rounded to 8 bits. So it is tried, and used only where it is both exact and faster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from statistics import median

import torch
from torch import Tensor, nn

ERROR = 2e-4  # largest error of a product of standard normal factors against float64
FASTER = 1.1  # times
SMALLEST = 2**20  # multiplications; a shorter time is not reliable
LARGEST = 128, 512, 512  # rows, terms, columns; of a larger product this part is tried
ROUNDS = 10
NAMES = {"highest": "ieee", "tf32": "tf32", "medium": "bf16"}  # what a backend calls them


@contextmanager
def at(device: torch.device, precision: str) -> Iterator[None]:
    """Multiply float32 with this precision ("highest", "tf32", "medium") inside the block.

    Only the setting of the device's own backend is changed and put back: torch refuses to read
    the setting of all backends once that of one has been changed.
    """
    backend = (torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn).matmul
    before = backend.fp32_precision
    backend.fp32_precision = NAMES[precision]
    try:
        yield
    finally:
        backend.fp32_precision = before


def shape(model: nn.Module, rows: int) -> tuple[int, int, int]:
    """Rows, terms and columns of the largest product of linear layers, as far as it is tried."""
    sizes = [layer.weight.shape for layer in model.modules() if isinstance(layer, nn.Linear)]
    n_out, n_in = max(sizes, key=lambda size: size.numel(), default=(0, 0))
    return tuple(map(min, (rows, n_in, n_out), LARGEST))


@cache
def is_exact(rows: int, n_in: int, n_out: int) -> bool:
    """Whether a product of this shape has an error of at most ERROR in "medium" on this CPU."""
    x, weight = factors(rows, n_in, n_out)
    with at(x.device, "medium"):
        found = x @ weight.T
    return bool(((found - x.double() @ weight.double().T).abs() <= ERROR).all())


@cache
def pays(rows: int, n_in: int, n_out: int) -> bool:
    """Whether such a product is exact and, by more than FASTER, faster in "medium" than before.

    Decided once per process and shape.
    """
    if rows * n_in * n_out < SMALLEST or not is_exact(rows, n_in, n_out):
        return False
    x, weight = factors(rows, n_in, n_out)
    seconds: dict[str, list[float]] = {"highest": [], "medium": []}
    for _ in range(ROUNDS):
        for precision, spent in seconds.items():
            with at(x.device, precision):
                begin = time.perf_counter()
                x @ weight.T
                spent.append(time.perf_counter() - begin)
    slow, fast = seconds.values()
    return all(typical(slow) > FASTER * typical(fast) for typical in (min, median))


def factors(rows: int, n_in: int, n_out: int) -> tuple[Tensor, Tensor]:
    """Standard normal x (rows, n_in) and weight (n_out, n_in), the same every time."""
    gen = torch.Generator().manual_seed(0)
    return torch.randn(rows, n_in, generator=gen), torch.randn(n_out, n_in, generator=gen)
