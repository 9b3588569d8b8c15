"""Images decoded once: rows of bytes on disk, keyed by their content, mapped when loaded.

    <cache>/decoded/<key>/pixels.u8     (N, C * H * W) bytes, training images before test images
                          index.json    what was asked, names, what was left out, two checksums
    <cache>/decoded/<stamp>.key         the key of these files: a hash of names, sizes, times

The key is the hash of index.json, so an index is proved by the name of its folder. Reading all
image files is slow, and so is reading all pixels: a second load compares names, sizes and times
only, as make and git do; where those differ, for instance in a copy, the contents decide. A
folder is built under a temporary name and renamed when it is complete: a killed process leaves
nothing that could be mistaken for a cache, and of two that build at once one wins and the other
uses its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from vaelib import files, runtime
from vaelib.data.common import DataError
from vaelib.data.decode import CHUNK, Decoding, Row, decode_all

VERSION = 4  # raise it when the same files would give other bytes, or the layout changes
PIXELS, INDEX = "pixels.u8", "index.json"
STAMP = re.compile(r"([0-9a-f]{32}) ([0-9]+ [0-9]+)")  # a key, and what `_state` says


@dataclass(frozen=True)
class Decoded:
    """pixels (N, C * H * W) uint8, mapped from disk, and the names of their files.

    The first n_train rows are for training, the others for the test. `left_out` are the messages
    about files that were skipped on request, `copies` the names of those identical to a kept one.
    """

    pixels: Tensor
    names: tuple[str, ...]
    n_train: int
    left_out: tuple[str, ...]
    copies: tuple[str, ...]


def decode(
    folder: Path,
    names: Sequence[str],
    how: Decoding,
    *,
    test: str | float = 0.0,
    skip_bad: bool = False,
) -> Decoded:
    """The images `names` of `folder`, from the cache if they are there, else decoded now.

    Of identical files the first is kept. `test` is how the names of the test set begin, or its
    share, chosen by content alone: adding images never moves existing ones.

    Raises DataError that names every bad file (the first ten, and how many more), or leaves
    them out with skip_bad; for no files at all; for a cache that cannot be written.
    """
    if not names:
        raise DataError(f"no images to decode in {folder}")
    home = runtime.cache_dir() / "decoded"
    asked = _hash([f"{VERSION} {how} {test!r} {skip_bad}", *names])
    stamp = home / f"{_hash([asked, *_states(folder, names)])}.key"
    key, state = _read_stamp(stamp)
    found = home / key
    index = _read_index(found, asked)
    if index and state == _state(found):
        return _mapped(found, index, how)
    try:
        if not (index and _is_whole(found, index)):
            home.mkdir(parents=True, exist_ok=True)
            files.sweep(home)
            index = {"asked": asked, "left_out": []}
            rows = decode_all(folder, names, how, index["left_out"], skip_bad=skip_bad)
            found = _build(home, rows, test, index)
    except OSError as problem:
        raise DataError(
            f"decoded images cannot be kept in {home}: {problem.strerror or problem}. "
            "Free some space, or name another folder by VAELIB_CACHE."
        ) from problem
    with contextlib.suppress(OSError):  # a cache that may only be read
        files.write_whole(stamp, f"{found.name} {_state(found)}".encode())
    return _mapped(found, index, how)


def _hash(lines: list[str]) -> str:
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()


def _states(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Folder, names, sizes and times: all that is known without reading the files."""
    yield str(folder.resolve())
    root = f"{folder}{os.sep}"
    for name in names:
        try:
            status = os.stat(root + name)  # noqa: PTH116 - twice as fast
            yield f"{name}\0{status.st_size} {status.st_mtime_ns}"
        except OSError:  # `decode_file` will say what is wrong with it
            yield name


def _read_stamp(stamp: Path) -> tuple[str, str]:
    """The key in a stamp and the state it vouches for: only a name that this module gives."""
    try:
        found = STAMP.fullmatch(stamp.read_text("latin-1")) if stamp.is_file() else None
    except OSError:
        found = None
    return (found[1], found[2]) if found else ("none", "")


def _state(folder: Path) -> str:
    """What changes when the pixels are written or replaced."""
    try:
        status = (folder / PIXELS).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _build(home: Path, rows: Iterator[Row], test: str | float, index: dict) -> Path:
    """Write rows and completed index into a temporary folder, then rename that to its key."""
    with files.temporary(home / "building") as new:
        new.mkdir()
        with (new / PIXELS).open("wb") as out:
            index |= _write_rows(out, new, rows, test)
            files.flush(out)
        written = json.dumps(index).encode()
        files.write_whole(new / INDEX, written)
        files.flush_folder(new)
        final = home / _key(written)
        _rename(new, final, index)
    files.flush_folder(home)
    return final


def _write_rows(out: BinaryIO, new: Path, rows: Iterator[Row], test: str | float) -> dict:
    """Write the pixels, test images last; returns what the index says about them."""
    train, held, copies = [], [], []
    seen, sources, crc32 = set(), hashlib.sha256(), 0
    with tempfile.TemporaryFile(dir=new) as last:
        for n, (name, pixels, digest) in enumerate(rows):
            if n % CHUNK == 0:
                os.utime(new)  # renews the lease
            if digest in seen:
                copies.append(name)
            elif _is_for_test(name, digest, test):
                held.append(name)
                last.write(pixels)
            else:
                train.append(name)
                out.write(pixels)
                crc32 = zlib.crc32(pixels, crc32)
            seen.add(digest)
            sources.update(digest)
        last.seek(0)
        while block := last.read(2**20):
            out.write(block)
            crc32 = zlib.crc32(block, crc32)
    names = {"names": train + held, "n_train": len(train), "copies": copies}
    return names | {"sources": sources.hexdigest(), "crc32": crc32}


def _is_for_test(name: str, digest: bytes, test: str | float) -> bool:
    if isinstance(test, str):
        return name.startswith(test)
    return int.from_bytes(digest[:8], "big") / 2**64 < test


def _key(index: bytes) -> str:
    return hashlib.sha256(index).hexdigest()[:32]


def _rename(new: Path, final: Path, index: dict) -> None:
    """Give a finished folder its key; the folder of a faster process serves as well."""
    if not _is_whole(final, index):  # not there, or damaged: removed as a whole
        with contextlib.suppress(OSError), files.temporary(final) as damaged:
            final.rename(damaged)
    try:
        new.rename(final)
    except OSError:
        if not _is_whole(final, index):
            raise


def _read_index(folder: Path, asked: str) -> dict | None:
    """The index of a folder if it is that of its name and of what is asked, else None."""
    try:
        content = (folder / INDEX).read_bytes() if (folder / INDEX).is_file() else b""
    except OSError:
        return None
    index = json.loads(content) if _key(content) == folder.name else {}
    return index if index.get("asked") == asked else None


def _is_whole(folder: Path, index: dict) -> bool:
    """True if a folder holds this index and its pixels; reads all of them."""
    try:
        return (
            _read_index(folder, index["asked"]) == index
            and _crc32(folder / PIXELS) == index["crc32"]
        )
    except OSError:
        return False


def _crc32(path: Path) -> int:
    """A third of the time of a SHA-256, and enough to notice damage."""
    crc32 = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            crc32 = zlib.crc32(block, crc32)
    return crc32


def _mapped(folder: Path, index: dict, how: Decoding) -> Decoded:
    names = tuple(index["names"])
    # mode "c": private pages, so that no tensor can write into the cache
    pixels = np.memmap(folder / PIXELS, np.uint8, "c", shape=(len(names), how.n_bytes))
    left_out, copies = tuple(index["left_out"]), tuple(index["copies"])
    return Decoded(torch.from_numpy(pixels), names, index["n_train"], left_out, copies)
