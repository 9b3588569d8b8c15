"""The first decoding of a folder of faces against a plain PIL loop, and loading it again.

    python benchmarks/bench_images.py [rounds]

On CelebA where it is under VAELIB_DATA, else on 2,000 JPEGs of its size made for the
occasion. Wall time, since the gain is that of several cores; run it on a quiet machine.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from common import line
from PIL import Image

from vaelib import runtime
from vaelib.data.cache import decode
from vaelib.data.celeba import IMAGES, data_folder, has_celeba
from vaelib.data.decode import Decoding

SIZE = 128
HOW = Decoding(SIZE, SIZE, channels=3, fit="crop")


def some_files(folder: Path, n: int = 2000) -> Path:
    """JPEGs of CelebA's size, with some structure in them."""
    rng = np.random.default_rng(0)
    for i in range(n):
        rough = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8))
        rough.resize((178, 218), Image.Resampling.BICUBIC).save(folder / f"{i:06}.jpg", quality=90)
    return folder


def plain(folder: Path, names: list[str]) -> np.ndarray:
    """One process, one image after the other: open, shorter side to SIZE, middle, array."""
    rows = []
    for name in names:
        image = Image.open(folder / name).convert("RGB")
        scale = SIZE / min(image.size)
        width, height = (round(scale * side) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - SIZE) // 2, (height - SIZE) // 2
        image = image.crop((left, top, left + SIZE, top + SIZE))
        rows.append(np.asarray(image).transpose(2, 0, 1).reshape(-1))
    return np.stack(rows)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 3
    with tempfile.TemporaryDirectory() as made:
        folder = data_folder() / IMAGES if has_celeba() else some_files(Path(made))
        names = sorted(p.name for p in folder.iterdir())
        loops, firsts, agains = [], [], []
        for _ in range(rounds):
            with (
                tempfile.TemporaryDirectory() as cache,
                mock.patch.object(runtime, "cache_dir", lambda cache=cache: Path(cache)),
            ):
                loops.append(seconds(lambda: plain(folder, names)))
                firsts.append(seconds(lambda: decode(folder, names, HOW)))
                agains.append(seconds(lambda: decode(folder, names, HOW)))
    print(f"{len(names):,} files to {SIZE} x {SIZE}, {runtime.n_cores()} cores, wall time\n")
    print(line("PIL loop / first decoding", loops, firsts, goal=1.6))
    print(line("first decoding / loading again", firsts, agains, goal=50))
    print(f"    first {statistics.median(firsts):.2f} s, again {statistics.median(agains):.3f} s")


if __name__ == "__main__":
    main()
