"""Images decoded once: rows of bytes on disk, keyed by content and settings, mapped when loaded.

    <cache>/decoded/<key>/pixels.u8     (N, C * H * W) bytes
                          sha256.u8     (N, 32) bytes, of the files they came from
                          index.json    sizes, which files were kept, what was left out
    <cache>/decoded/<stamp>.key         names, sizes and times of the files -> key

The key is a hash of the content of every file. Reading them all is slow, so a second load
compares names, sizes and times only, as make and git do; where those differ, for instance
in a copy, the contents decide. A folder is built under another name and renamed when it is
complete: whoever is killed leaves nothing that could be mistaken for a cache, and of two who
build at once one wins and the other uses what is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
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

VERSION = 1  # raise it when the same files would give other bytes
NAMED = 10  # so many bad files are listed, the others counted
CHUNK = 64
DIGEST = hashlib.sha256().digest_size


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
    """The images `names` of `folder`, from the cache where they are there, else decoded now.

    Raises DataError that names every bad file (the first ten, and how many more), or leaves
    them out with skip_bad; for no files at all; for a cache that cannot be written.
    """
    if not names:
        raise DataError(f"no images to decode in {folder}")
    home = runtime.cache_dir() / "decoded"
    stamp = home / f"{_stamp(folder, names, how, skip_bad)}.key"
    known = home / stamp.read_text() if stamp.is_file() else None
    if known is None or not _is_whole(known, how):
        try:
            home.mkdir(parents=True, exist_ok=True)
            _sweep(home)
            known = _build(home, folder, names, how, skip_bad)
            files.write_whole(stamp, known.name.encode())
        except OSError as problem:
            raise DataError(
                f"decoded images cannot be kept in {home}: {problem.strerror or problem}. "
                "Free some space, or name another folder by VAELIB_CACHE."
            ) from problem
    return _load(known, names, how)


def first_of_each(*parts: Decoded) -> list[Tensor]:
    """Which rows to keep, (K,) int64 for each part, so that no content occurs twice.

    An image that an earlier part has, or an earlier row of its own part, is left out: name
    the test set first, and nothing of it is in the training set.
    """
    seen: set[bytes] = set()
    kept = []
    for part in parts:
        rows = []
        for row, digest in enumerate(part.digests):
            key = digest.tobytes()
            if key not in seen:
                seen.add(key)
                rows.append(row)
        kept.append(torch.tensor(rows, dtype=torch.int64))
    return kept


def in_share(digests: np.ndarray, share: float) -> np.ndarray:
    """About `share` of the images, chosen by content: (N,) bool.

    The same image is on the same side whatever its name, its place and its companions, so
    copies never part and new images move no old one.
    """
    number = digests[:, :8].copy().view(">u8")[:, 0]
    return number / 2.0**64 < share


def _stamp(folder: Path, names: Sequence[str], how: Decoding, skip_bad: bool) -> str:
    """A hash of names, sizes and times: what can be known without reading the files."""
    lines, root = [f"{VERSION} {folder.resolve()} {how} {skip_bad}"], f"{folder}{os.sep}"
    for name in names:
        try:
            status = os.stat(root + name)  # noqa: PTH116 - twice as fast
            lines.append(f"{name}\0{status.st_size} {status.st_mtime_ns}")
        except OSError:  # `decode_file` will say what is wrong with it
            lines.append(name)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _build(home: Path, folder: Path, names: Sequence[str], how: Decoding, skip_bad: bool) -> Path:
    """Decode into a folder of its own, then give that its name: the key."""
    new = home / f".building-{os.getpid()}-{secrets.token_hex(4)}"
    new.mkdir()
    try:
        kept, left_out, digests = [], [], []
        with (new / "pixels.u8").open("wb") as out:
            for row, result in enumerate(_decode_all(folder, names, how)):
                if isinstance(result, DataError):
                    left_out.append(str(result))
                    continue
                pixels, digest = result
                out.write(pixels)
                kept.append(row)
                digests.append(digest)
            files.flush(out)
        _refuse(left_out, len(kept), folder, skip_bad)
        files.write_whole(new / "sha256.u8", b"".join(digests))
        index = {"shape": how.shape, "kept": kept, "left_out": left_out}
        files.write_whole(new / "index.json", json.dumps(index).encode())
        return _settle(new, home / _key(names, kept, digests, how), how)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _decode_all(
    folder: Path, names: Sequence[str], how: Decoding
) -> Iterator[tuple[np.ndarray, bytes] | DataError]:
    """The images in their order, decoded by as many threads as there are cores.

    Threads are enough: decoding and resizing, two thirds of the work on small faces, leave the
    interpreter to the others, and a process would first have to import this package.
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


def _key(names: Sequence[str], kept: list[int], digests: list[bytes], how: Decoding) -> str:
    content = hashlib.sha256(f"{VERSION} {how}".encode())
    for row, digest in zip(kept, digests, strict=True):
        content.update(names[row].encode() + b"\0" + digest)
    return content.hexdigest()[:32]


def _settle(new: Path, final: Path, how: Decoding) -> Path:
    """Rename the finished folder; where another process was faster, its folder serves as well."""
    files.flush_folder(new)
    if not _is_whole(final, how):
        with contextlib.suppress(OSError):
            new.rename(final)
        if not _is_whole(final, how):
            raise OSError(f"{new} could not be renamed to {final}")
    files.flush_folder(final.parent)
    return final


def _is_whole(folder: Path, how: Decoding) -> bool:
    """Sizes as they must be: a folder in which somebody has been is built again."""
    try:
        n = len(json.loads((folder / "index.json").read_bytes())["kept"])
        sizes = [(folder / name).stat().st_size for name in ("pixels.u8", "sha256.u8")]
    except (OSError, ValueError, KeyError):
        sizes, n = [], -1
    if sizes == [n * how.n_bytes, n * DIGEST]:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _load(folder: Path, names: Sequence[str], how: Decoding) -> Decoded:
    index = json.loads((folder / "index.json").read_bytes())
    n = len(index["kept"])
    # mode "c": private pages, so that nobody's tensor can write into the cache
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "c", shape=(n, how.n_bytes))
    digests = np.fromfile(folder / "sha256.u8", np.uint8).reshape(n, DIGEST)
    kept = tuple(names[row] for row in index["kept"])
    return Decoded(torch.from_numpy(pixels), digests, kept, tuple(index["left_out"]))


def _sweep(home: Path) -> None:
    """Take away what builders left that are no longer alive."""
    for left in home.glob(".building-*"):
        if not files.is_alive(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
