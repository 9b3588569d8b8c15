"""MNIST as torchvision lays it out: VAELIB_DATA/MNIST/raw/*-ubyte, checked by hash."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vaelib import runtime
from vaelib.data.common import DataError, Dataset, ImageSet
from vaelib.data.download import download
from vaelib.files import write_whole

SIDE = 28
# SHA-256 and size in bytes of the four unpacked files.
FILES = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        47_040_016,
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        60_008,
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        7_840_016,
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        10_008,
    ),
}
# The same of the files packed by gzip, as they are offered for download.
PACKED = {
    "train-images-idx3-ubyte": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        9_912_422,
    ),
    "train-labels-idx1-ubyte": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        28_881,
    ),
    "t10k-images-idx3-ubyte": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        1_648_877,
    ),
    "t10k-labels-idx1-ubyte": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        4_542,
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
HOW_TO_MEND = (
    "run `make data` to download MNIST, or point VAELIB_DATA at the folder that holds MNIST/raw"
)


def raw_dir() -> Path:
    """The folder of the four files: VAELIB_DATA/MNIST/raw, as torchvision lays it out."""
    return runtime.data_dir() / "MNIST" / "raw"


def files() -> list[Path]:
    """Those of the four files that are there, in whatever state."""
    return [path for name in FILES if (path := raw_dir() / name).exists()]


def has_mnist() -> bool:
    """True when the folder MNIST/raw exists and is not empty, whatever the state of its files."""
    folder = raw_dir()
    return folder.is_dir() and any(folder.iterdir())


def mnist() -> Dataset:
    """All of MNIST, 60,000 + 10,000 images of 28 x 28.

    Raises DataError naming the file when one is missing, truncated or altered.
    """
    return Dataset("MNIST", _read("train"), _read("t10k"))


def fetch(mirrors: Sequence[str] = MIRRORS, *, local: bool = False) -> Path:
    """Download MNIST into VAELIB_DATA and return the folder of its files.

    What arrives is kept in VAELIB_DATA/.mnist until all four are there and verified, so an
    interrupted download goes on at the next call and is never taken for the data set.
    `local` admits http from 127.0.0.1. Raises DataError, saying what to do.
    """
    folder, arrival = raw_dir(), runtime.data_dir() / ".mnist"
    if all(_is_intact(folder / name) for name in FILES):
        return folder
    try:
        for name, (sha256, size) in PACKED.items():
            packed = arrival / f"{name}.gz"
            if not packed.exists():
                urls = [f"{mirror}/{packed.name}" for mirror in mirrors]
                download(urls, packed, size=size, sha256=sha256, local=local)
        contents = {name: _unpacked(arrival / f"{name}.gz") for name in FILES}
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_whole(folder / name, content)
    except (OSError, DataError) as problem:
        if all(_is_intact(folder / name) for name in FILES):
            return folder  # by another process, which took away what both had brought
        raise DataError(
            f"MNIST could not be downloaded into {folder}: {problem}. "
            "Check the network and the free disk space, then run the command again."
        ) from problem
    shutil.rmtree(arrival, ignore_errors=True)
    return folder


def _unpacked(packed: Path) -> bytes:
    """The content of a packed file, verified; what is no good is deleted."""
    name = packed.name.removesuffix(".gz")
    try:
        with gzip.open(packed) as file:
            return _vouched(packed, file.read(FILES[name][1] + 1), *FILES[name])
    except DataError:
        packed.unlink()
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        packed.unlink()
        raise DataError(f"MNIST: {packed} is damaged: {problem}") from problem


def _read(part: str) -> ImageSet:
    images = _checked(raw_dir() / f"{part}-images-idx3-ubyte")
    labels = _checked(raw_dir() / f"{part}-labels-idx1-ubyte")
    # The IDX headers are 16 and 8 bytes; the hash has vouched for all that follows.
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, SIDE * SIDE)
    classes = np.frombuffer(labels, np.uint8, offset=8)
    return ImageSet(
        torch.from_numpy(pixels.copy()), torch.from_numpy(classes.copy()).long(), (1, SIDE, SIDE)
    )


def _is_intact(path: Path) -> bool:
    try:
        return bool(_checked(path))
    except DataError:
        return False


def _checked(path: Path) -> bytes:
    """The bytes of one file, or a DataError that says what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        reason = (
            "is missing"
            if isinstance(problem, FileNotFoundError)
            else f"cannot be read ({problem})"
        )
        raise DataError(f"MNIST: {path} {reason}; {HOW_TO_MEND}.") from problem
    return _vouched(path, content, *FILES[path.name])


def _vouched(path: Path, content: bytes, sha256: str, size: int) -> bytes:
    """The content of a file, once its size and its hash are right."""
    if len(content) != size:
        raise DataError(
            f"MNIST: {path} has {len(content):,} bytes, expected {size:,}: it is truncated or "
            f"another file. Delete it and {HOW_TO_MEND}."
        )
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise DataError(
            f"MNIST: {path} was altered: SHA-256 {got[:16]}…, expected {sha256[:16]}…. "
            f"Delete it and {HOW_TO_MEND}."
        )
    return content
