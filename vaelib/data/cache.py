"""Images decoded once: rows of bytes on disk, keyed by their content, mapped when loaded.

    <cache>/decoded/<key>/pixels.u8     (N, C * H * W) bytes
                          sha256.u8     (N, 32) bytes, of the files they were decoded from
                          index.json    settings, names, what was left out, hashes of the two
    <cache>/decoded/<stamp>.key         the key of these files: a hash of names, sizes, times

The key is the hash of index.json, so a folder is proved by its name alone. Reading all image
files is slow: a second load compares names, sizes and times only, as make and git do; where
those differ, for instance in a copy, the contents decide. A folder is built under a temporary
name and renamed when it is complete: a killed process leaves nothing that could be mistaken
for a cache, and of two that build at once one wins and the other uses its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaelib import files, runtime
from vaelib.data.common import DataError
from vaelib.data.decode import Decoding, decode_file

VERSION = 2  # raise it when the same files would give other bytes, or the layout changes
NAMED = 10  # how many bad files are listed; the others are counted
CHUNK = 64
PIXELS, DIGESTS, INDEX = "pixels.u8", "sha256.u8", "index.json"
KEY = re.compile(rb"[0-9a-f]{32}")
_verified: set[tuple] = set()  # files whose bytes this process has verified


@dataclass(frozen=True)
class Decoded:
    """pixels (N, C * H * W) uint8, mapped from disk; digests (N, 32) uint8; names of the files.

    `left_out` are the messages about files that were skipped on request.
    """

    pixels: Tensor
    digests: np.ndarray
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def decode(folder: Path, names: Sequence[str], how: Decoding, *, skip_bad: bool = False) -> Decoded:
    """The images `names` of `folder`, from the cache if they are there, else decoded now.

    Raises DataError that names every bad file (the first ten, and how many more), or leaves
    them out with skip_bad; for no files at all; for a cache that cannot be written.
    """
    if not names:
        raise DataError(f"no images to decode in {folder}")
    home = runtime.cache_dir() / "decoded"
    stamp = home / f"{_stamp(folder, names, how, skip_bad)}.key"
    decoded = None
    if key := _read_key(stamp):
        decoded = _load(home / key, names, how)
    if decoded is None:
        try:
            home.mkdir(parents=True, exist_ok=True)
            files.sweep(home)
            built = _build(home, folder, names, how, skip_bad)
            files.write_whole(stamp, built.name.encode())
        except OSError as problem:
            raise DataError(
                f"decoded images cannot be kept in {home}: {problem.strerror or problem}. "
                "Free some space, or name another folder by VAELIB_CACHE."
            ) from problem
        decoded = _load(built, names, how)
    if decoded is None:
        raise DataError(f"{built} is not as it was written: run again, or check the disk.")
    return decoded


def _stamp(folder: Path, names: Sequence[str], how: Decoding, skip_bad: bool) -> str:
    """A hash of names, sizes and times: all that is known without reading the files."""
    lines, root = [f"{VERSION} {folder.resolve()} {how} {skip_bad}"], f"{folder}{os.sep}"
    for name in names:
        try:
            status = os.stat(root + name)  # noqa: PTH116 - twice as fast
            lines.append(f"{name}\0{status.st_size} {status.st_mtime_ns}")
        except OSError:  # `decode_file` will say what is wrong with it
            lines.append(name)
    return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()


def _read_key(stamp: Path) -> str | None:
    """The key that a stamp holds, or None: only a name that this module gives is ever used."""
    try:
        content = stamp.read_bytes() if stamp.is_file() else b""
    except OSError:
        return None
    return content.decode() if KEY.fullmatch(content) else None


def _build(home: Path, folder: Path, names: Sequence[str], how: Decoding, skip_bad: bool) -> Path:
    """Decode into a temporary folder, then rename that to its key."""
    kept, left_out, digests, content = [], [], [], hashlib.sha256()
    with files.temporary(home / "building") as new:
        new.mkdir()
        with (new / PIXELS).open("wb") as out:
            for row, result in enumerate(_decode_all(folder, names, how)):
                if row % CHUNK == 0:
                    os.utime(new)  # renews the lease
                if isinstance(result, DataError):
                    left_out.append(str(result))
                    continue
                pixels, digest = result
                out.write(pixels)
                content.update(pixels)
                kept.append(names[row])
                digests.append(digest)
            files.flush(out)
        _refuse(left_out, len(kept), folder, skip_bad)
        files.write_whole(new / DIGESTS, b"".join(digests))
        hashes = {PIXELS: content, DIGESTS: hashlib.sha256(b"".join(digests))}
        index = {
            "version": VERSION,
            "decoding": str(how),
            "sha256": {name: content.hexdigest() for name, content in hashes.items()},
            "left_out": left_out,
            "names": kept,
        }
        written = json.dumps(index).encode()
        files.write_whole(new / INDEX, written)
        files.flush_folder(new)
        final = home / _key(written)
        _rename(new, final)
    files.flush_folder(home)
    return final


def _decode_all(
    folder: Path, names: Sequence[str], how: Decoding
) -> Iterator[tuple[np.ndarray, bytes] | DataError]:
    """The images in their order, decoded by one thread per core.

    Threads are enough: decoding and resizing, two thirds of the work on small faces, release
    the interpreter lock, and a process would first have to import this package.
    """

    def some(part: Sequence[str]) -> list[tuple[np.ndarray, bytes] | DataError]:
        results: list[tuple[np.ndarray, bytes] | DataError] = []
        for name in part:
            try:
                results.append(decode_file(folder / name, how))
            except DataError as problem:
                results.append(problem)
        return results

    parts = [names[i : i + CHUNK] for i in range(0, len(names), CHUNK)]
    with (
        ThreadPoolExecutor(runtime.n_cores()) as pool,
        runtime.progress(len(names), f"decoding {folder.name}") as bar,
    ):
        for results in pool.map(some, parts):
            yield from results
            bar.update(len(results))


def _refuse(left_out: list[str], n_kept: int, folder: Path, skip_bad: bool) -> None:
    if not left_out or (skip_bad and n_kept):
        return
    lines = left_out[:NAMED]
    if len(left_out) > NAMED:
        lines.append(f"and {len(left_out) - NAMED} more")
    advice = "" if skip_bad else " Replace or delete them, or pass skip_bad=True to leave them out."
    raise DataError(
        f"{len(left_out)} of {len(left_out) + n_kept} files in {folder} are no usable images:\n  "
        + "\n  ".join(lines)
        + (f"\n{advice.strip()}" if advice else "")
    )


def _key(index: bytes) -> str:
    return hashlib.sha256(index).hexdigest()[:32]


def _rename(new: Path, final: Path) -> None:
    """Give a finished folder its key; the folder of a faster process serves as well."""
    if _read_index(final) is not None:
        return
    with contextlib.suppress(OSError):
        if final.exists() or final.is_symlink():  # a damaged one, removed as a whole
            with files.temporary(final) as damaged:
                final.rename(damaged)
        new.rename(final)
    if _read_index(final) is None:
        raise OSError(f"{new} could not be renamed to {final}")


def _load(folder: Path, names: Sequence[str], how: Decoding) -> Decoded | None:
    """The content of a folder, or None if it is damaged or is not of these images."""
    index = _read_index(folder)
    if index is None or index["decoding"] != str(how):
        return None
    kept = tuple(index["names"])
    known, n = set(kept), len(kept)
    if len(names) != n + len(index["left_out"]) or kept != tuple(k for k in names if k in known):
        return None
    try:
        # mode "c": private pages, so that no tensor can write into the cache
        pixels = np.memmap(folder / PIXELS, np.uint8, "c", shape=(n, how.n_bytes))
        digests = np.fromfile(folder / DIGESTS, np.uint8).reshape(n, -1)
    except (OSError, ValueError):
        return None
    return Decoded(torch.from_numpy(pixels), digests, kept, tuple(index["left_out"]))


def _read_index(folder: Path) -> dict | None:
    """The index of a folder whose bytes are those of its name and its hashes, else None."""
    try:
        content = (folder / INDEX).read_bytes() if (folder / INDEX).is_file() else b""
        if _key(content) != folder.name:
            return None
        index = json.loads(content)
        whole = all(_is_verified(folder / name, sha) for name, sha in index["sha256"].items())
    except OSError:
        return None
    return index if whole else None


def _is_verified(path: Path, sha256: str) -> bool:
    """True if a file has this hash; it is read once per process, unless it changes."""
    status = path.stat()
    seen = (path, sha256, status.st_ino, status.st_size, status.st_mtime_ns)
    if seen not in _verified and path.is_file():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                _verified.add(seen)
    return seen in _verified
