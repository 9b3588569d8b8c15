"""Files that are whole or not there: written beside their place, flushed to disk, renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends, and only then.

    Whoever is killed in between, or meets a full disk, leaves `path` as it was; at most one
    file named `.NAME.PID-...` stays, for `sweep` to take away.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with new.open("wb") as out:
            yield out
            flush(out)
        new.replace(path)
        flush_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """All of `content` under this name, or what was there before."""
    with replacing(path) as out:
        out.write(content)


def flush(out: BinaryIO) -> None:
    """To the disk itself, not only to the system's memory."""
    out.flush()
    os.fsync(out.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in it last; Windows cannot open a folder, and needs no help."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_alive(pid: int) -> bool:
    """True when there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
