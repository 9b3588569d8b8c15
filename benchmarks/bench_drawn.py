"""How long the drawn data sets take: 10,000 phantoms and 10,000 faces of 64 x 64.

    python benchmarks/bench_drawn.py

The goal is 20 s for each on two cores; this is one process with one thread. Prints CPU seconds
and the memory that drawing holds beyond the pictures themselves.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one thread

import statistics
from collections.abc import Callable

from common import interleaved, peak_bytes

from vaelib.drawn import faces, phantoms

N, GOAL, ROUNDS = 10_000, 20, 3
MIB = 2**20


def main() -> None:
    contenders: dict[str, Callable[[], object]] = {
        "phantoms": lambda: phantoms(N),
        "faces": lambda: faces(N),
    }
    seconds = interleaved(contenders, repeats=ROUNDS)
    for name, spent in seconds.items():
        middle = statistics.median(spent)
        verdict = "reached" if middle <= GOAL else "MISSED"
        print(
            f"{N:,} {name:<10}{middle:6.1f} s of CPU ({min(spent):.1f} to {max(spent):.1f})   "
            f"goal {GOAL} s: {verdict}"
        )
    # A picture and its mask are bytes; parts are joined at the end, so they count twice.
    sizes = {"phantoms": 2 * 64**2, "faces": 3 * 64**2}
    for name, draw in {"phantoms": phantoms, "faces": faces}.items():
        peak = peak_bytes(lambda draw=draw: draw(1000)) / MIB
        kept = 1000 * sizes[name] / MIB
        print(f"{name}: {peak:.0f} MiB at most for 1,000, of which {kept:.0f} are kept")


if __name__ == "__main__":
    main()
