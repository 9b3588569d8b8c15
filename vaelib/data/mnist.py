"""MNIST as torchvision lays it out: VAELIB_DATA/MNIST/raw/*-ubyte, checked by hash."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from pathlib import Path

import numpy as np
import torch

from vaelib import runtime
from vaelib.data.common import DataError, Dataset, ImageSet

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


def fetch() -> Path:
    """Download MNIST with torchvision into VAELIB_DATA and return the folder of its files.

    Files arrive in a temporary folder and move to their place only when all four are
    verified: no file is ever half-written. Raises DataError, saying what to do.
    """
    from torchvision.datasets import MNIST

    folder = raw_dir()
    if all(_is_intact(folder / name) for name in FILES):
        return folder
    try:
        runtime.data_dir().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".mnist-", dir=runtime.data_dir()) as arrival:
            with contextlib.redirect_stdout(io.StringIO()):  # its notes about mirrors
                MNIST(root=arrival, download=True)
            for name in FILES:
                _checked(Path(arrival) / "MNIST" / "raw" / name)
            folder.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (Path(arrival) / "MNIST" / "raw" / name).replace(folder / name)
    except (RuntimeError, OSError, DataError) as problem:
        reason = " ".join(str(problem).split())
        raise DataError(
            f"MNIST could not be downloaded into {folder}: {reason}. "
            "Check the network and the free disk space, then run the command again."
        ) from problem
    return folder


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
    sha256, size = FILES[path.name]
    try:
        content = path.read_bytes()
    except OSError as problem:
        reason = (
            "is missing"
            if isinstance(problem, FileNotFoundError)
            else f"cannot be read ({problem})"
        )
        raise DataError(f"MNIST: {path} {reason}; {HOW_TO_MEND}.") from problem
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
