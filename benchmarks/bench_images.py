"""A folder of faces: decoding it the first time against a plain PIL loop, and opening it again.

    python benchmarks/bench_images.py [rounds]

On CelebA where it is under VAELIB_DATA, else on 2,000 JPEGs of its size made for the occasion.
The loop crops the same square and has to give the same pixels. Wall time, since part of the
gain is that of several cores; run it on a quiet machine.

Then all of CelebA as it would be, 202,599 empty files with a table and a cache of 9.3 GiB of
zeros that takes no room on disk: how long `celeba(128)` takes, and what it adds to memory.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from common import interleaved, line
from PIL import Image

from vaelib import runtime
from vaelib.data import cache, celeba
from vaelib.data.celeba import IMAGES, data_folder, has_celeba
from vaelib.data.decode import Decoding

SIZES = (64, 128)
N_ALL, N_ATTRIBUTES = 202_599, 40


def some_files(folder: Path, n: int = 2000) -> Path:
    """JPEGs of CelebA's size, with some structure in them."""
    rng = np.random.default_rng(0)
    for i in range(n):
        rough = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8))
        rough.resize((178, 218), Image.Resampling.BICUBIC).save(folder / f"{i:06}.jpg", quality=90)
    return folder


def plain(folder: Path, names: list[str], size: int) -> np.ndarray:
    """One process, one image after the other: open, the square in the middle, resized, array."""
    rows = []
    for name in names:
        image = Image.open(folder / name).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = left, top, left + side, top + side
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
        rows.append(np.asarray(image).transpose(2, 0, 1).reshape(-1))
    return np.stack(rows)


@contextmanager
def caching(folder: Path) -> Iterator[None]:
    """The cache of vaelib is this folder."""
    with mock.patch.object(runtime, "cache_dir", return_value=folder):
        yield


def first_decoding(folder: Path, names: list[str], how: Decoding) -> cache.Decoded:
    with tempfile.TemporaryDirectory() as empty, caching(Path(empty)):
        return cache.decode(folder, names, how)


def compare(folder: Path, rounds: int) -> None:
    """The loop, the first decoding and opening again, at each size."""
    names = sorted(path.name for path in folder.iterdir())
    with tempfile.TemporaryDirectory() as kept:
        for size in SIZES:
            how = Decoding(size, size, channels=3, fit="crop")
            with caching(Path(kept)):
                ours = cache.decode(folder, names, how).pixels.numpy()
            if not np.array_equal(ours, plain(folder, names, size)):
                sys.exit("the loop gives other pixels")

            def again(how: Decoding = how) -> None:
                with caching(Path(kept)):
                    cache.decode(folder, names, how)

            spent = interleaved(
                {
                    "loop": lambda size=size: plain(folder, names, size),
                    "first": lambda how=how: first_decoding(folder, names, how),
                    "again": again,
                },
                repeats=rounds,
                clock=time.perf_counter,
            )
            print(f"{len(names):,} files to {size} x {size}, {runtime.n_cores()} cores, wall time")
            print(line("PIL loop / first decoding", spent["loop"], spent["first"], goal=2))
            print(line("first decoding / opening again", spent["first"], spent["again"], goal=50))
            print("    " + ", ".join(f"{k} {statistics.median(v):.3f} s" for k, v in spent.items()))


def plant(names: list[str], n_bytes: int, home: Path, _rows, test: float, index: dict) -> Path:
    """In place of `cache._build`: an index of all names and a file of pixels that is a hole."""
    n_train = round(len(names) * (1 - test))
    index |= {"names": names, "n_train": n_train, "copies": []}
    written = json.dumps(index).encode()
    final = home / cache._key(written)
    final.mkdir()
    (final / cache.INDEX).write_bytes(written)
    with (final / cache.PIXELS).open("wb") as hole:
        hole.truncate(len(names) * n_bytes)
    return final


def all_of_celeba(root: Path) -> None:
    """Lay out the names and the attributes of all of CelebA, and a cache of its pixels."""
    images = root / "celeba" / IMAGES
    images.mkdir(parents=True)
    names = [f"{i:06}.jpg" for i in range(1, N_ALL + 1)]
    for name in names:
        (images / name).touch()
    columns = " ".join(f"Attribute_{i}" for i in range(N_ATTRIBUTES))
    marks = np.where(np.random.default_rng(0).random((N_ALL, N_ATTRIBUTES)) < 0.3, " 1", "-1")
    rows = (f"{name}  {' '.join(row)}" for name, row in zip(names, marks, strict=True))
    table = "\n".join([str(N_ALL), columns, *rows]) + "\n"
    (root / "celeba" / "list_attr_celeba.txt").write_text(table)
    build = partial(plant, names, 3 * SIZES[-1] ** 2)
    with caching(root), mock.patch.object(cache, "_build", build):
        celeba(SIZES[-1], folder=root / "celeba")


def open_all(root: Path) -> None:
    """In a process of its own: seconds and memory of opening what is planted there."""
    import pandas  # noqa: F401 - what is imported is not counted

    def anonymous() -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) // 1024

    before, start, cpu = anonymous(), time.perf_counter(), time.process_time()
    with caching(root):
        faces = celeba(SIZES[-1], folder=root / "celeba")
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(
        f"{faces}, {SIZES[-1]} x {SIZES[-1]}: opened in {spent:.1f} s, {cpu:.1f} s of CPU (goal 3)"
    )
    print(f"    {anonymous() - before} MiB of anonymous memory (goal 100 MiB)")


def main() -> None:
    if sys.argv[1:2] == ["open"]:
        open_all(Path(sys.argv[2]))
        return
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    with tempfile.TemporaryDirectory() as made:
        folder = data_folder() / IMAGES if has_celeba() else some_files(Path(made))
        compare(folder, rounds)
    with tempfile.TemporaryDirectory() as root:
        all_of_celeba(Path(root))
        for _ in range(3):
            subprocess.run([sys.executable, __file__, "open", root], check=True)


if __name__ == "__main__":
    main()
