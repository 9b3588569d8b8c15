"""Timing side by side: every contender runs once in each round, so a busy machine slows all alike.

Trust the ratios, not the seconds: `interleaved` measures, `ratio` and `line` sum up.
"""

from __future__ import annotations

import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path


def interleaved(
    fns: dict[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds of `clock` per call, `repeats` for each function; CPU seconds if not given.

    Round i calls every function once, each round in another order, after one round
    that warms up and is not counted.
    """
    names = list(fns)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(-1, repeats):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            start = clock()
            fns[name]()
            spent = clock() - start
            if i >= 0:
                seconds[name].append(spent)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """How many times longer `slow` took, round by round: median, lower and upper quartile."""
    ratios = sorted(s / max(f, 1e-9) for s, f in zip(slow, fast, strict=True))
    if len(ratios) == 1:
        return ratios[0], ratios[0], ratios[0]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return middle, low, high


def line(label: str, slow: list[float], fast: list[float], *, goal: float | None = None) -> str:
    """One printed line: the median ratio, its quartiles and, where there is one, the goal."""
    middle, low, high = ratio(slow, fast)
    aim = "" if goal is None else f"   goal {goal:g}x: {'reached' if middle >= goal else 'MISSED'}"
    return f"{label:<58}{middle:8.1f}x  ({low:.1f} to {high:.1f}){aim}"


def cpu_name() -> str:
    """The name of the processor, where the system tells it."""
    info = Path("/proc/cpuinfo")  # platform.processor() is empty on many Linux systems
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def peak_bytes(fn: Callable[[], object]) -> int:
    """The most memory that `fn` held at once beyond what there was before (tracemalloc)."""
    fn()  # caches and imports first, so that they are not counted
    tracemalloc.start()
    try:
        fn()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
