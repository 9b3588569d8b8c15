"""MNIST, read and downloaded by torchvision (VAELIB_DATA/MNIST/raw), verified by SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import socket
from pathlib import Path

from vaelib import files, runtime
from vaelib.data.common import DataError, Dataset, ImageSet

SIDE = 28
KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")
# For each part its number of images and the SHA-256 of its pixels and of its labels, as bytes.
PARTS = {
    "train": (
        60_000,
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    ),
    "t10k": (
        10_000,
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
}
SECONDS = 30.0  # without a byte from the network, before the connection counts as broken
HOW_TO_FIX = "run `make data` to download it, or point VAELIB_DATA at the folder that holds MNIST"


def mnist() -> Dataset:
    """All of MNIST, 60,000 + 10,000 images of 28 x 28; never downloads.

    Raises DataError naming the file when one is missing, truncated or altered.
    """
    return _read(runtime.data_dir())


def has_mnist() -> bool:
    """True when MNIST/raw (or MNIST/processed) holds anything, whatever its state."""
    return any((runtime.data_dir() / "MNIST").glob("*/*"))


def mnist_files(root: Path | None = None) -> list[Path]:
    """Those of the four files that exist, in whatever state, under VAELIB_DATA or another root."""
    raw = (root or runtime.data_dir()) / "MNIST" / "raw"
    paths = [raw / f"{part}-{kind}" for part in PARTS for kind in KINDS]
    return [path for path in paths if path.exists()]


def misplaced() -> Path | None:
    """A file of MNIST near VAELIB_DATA in a place or a form that torchvision does not read."""
    places = ("", "raw/", "[Mm][Nn][Ii][Ss][Tt]/", "[Mm][Nn][Ii][Ss][Tt]/*/", "*/MNIST/raw/")
    for place in places:
        for path in sorted(runtime.data_dir().glob(f"{place}t*-images?idx3?ubyte*")):
            return path
    return None


def fetch() -> Path:
    """Download MNIST into VAELIB_DATA unless it is there and intact; returns its folder.

    The files arrive in a temporary folder and take their places once they are verified: an
    interrupted download leaves no data set. Raises DataError that says what to do.
    """
    from torchvision.datasets import MNIST

    root, before = runtime.data_dir(), socket.getdefaulttimeout()
    raw = root / "MNIST" / "raw"
    try:
        if has_mnist() and _read(root):
            return raw
    except DataError:
        pass  # damaged: downloaded again
    socket.setdefaulttimeout(SECONDS)  # torchvision sets none
    try:
        root.mkdir(parents=True, exist_ok=True)
        files.sweep(root)
        with files.temporary(root / "MNIST") as new:
            MNIST(new, download=True)
            _read(new)
            raw.mkdir(parents=True, exist_ok=True)
            for path in mnist_files(new):
                files.write_whole(raw / path.name, path.read_bytes())
    except (OSError, RuntimeError, http.client.HTTPException, DataError) as problem:
        raise DataError(
            f"MNIST could not be downloaded into {raw}: {' '.join(str(problem).split())}. "
            "Check the network and the free disk space, then run the command again."
        ) from problem
    finally:
        socket.setdefaulttimeout(before)
    return raw


def _read(root: Path) -> Dataset:
    return Dataset("MNIST", _part(root, "train"), _part(root, "t10k"))


def _part(root: Path, part: str) -> ImageSet:
    from torchvision.datasets import MNIST

    _, *hashes = PARTS[part]
    try:
        found = MNIST(root, train=part == "train")
        pixels, labels = found.data.flatten(1), found.targets.long()
        contents = pixels.numpy().tobytes(), labels.byte().numpy().tobytes()
    except Exception as problem:  # one type for each way in which a file can be damaged
        raise DataError(f"MNIST: {_first_problem(root)} {HOW_TO_FIX}.") from problem
    for kind, content, expected in zip(KINDS, contents, hashes, strict=True):
        if (got := hashlib.sha256(content).hexdigest()) != expected:
            older = (root / "MNIST" / "processed").exists()  # torchvision prefers this folder
            path = root / "MNIST" / ("processed" if older else "raw") / f"{part}-{kind}"
            raise DataError(
                f"MNIST: {path} was altered: SHA-256 {got[:16]}…, expected {expected[:16]}…. "
                f"Delete it and {HOW_TO_FIX}."
            )
    return ImageSet(pixels, labels, (1, SIDE, SIDE))


def _first_problem(root: Path) -> str:
    """What is wrong with the first file that torchvision cannot read; it wants all four."""
    for part, (n, *_) in PARTS.items():
        for kind, size in zip(KINDS, (16 + SIDE * SIDE * n, 8 + n), strict=True):
            path = root / "MNIST" / "raw" / f"{part}-{kind}"
            if not path.exists():
                return f"{path} is missing{f' (there is {at})' if (at := misplaced()) else ''};"
            if not path.is_file():
                return f"{path} cannot be read, it is not a file. Delete it and"
            if (got := path.stat().st_size) != size:
                return f"{path} has {got:,} bytes, expected {size:,}. Delete it and"
    return f"{root / 'MNIST'} cannot be read. Delete it and"
