"""Files that are whole or absent: written under a temporary name, flushed to disk, renamed.

A temporary name is `.NAME.part-HOST-PID-TOKEN`, so that what a killed process left behind can
be removed. A process id means something on its own host only: to another host a temporary file
or folder has been abandoned when its modification time, renewed by every write, is older than
LEASE.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

LEASE = 3600.0  # seconds
TEMPORARY = re.compile(r"\..+\.part-(?P<host>[0-9a-z_]+)-(?P<pid>[0-9]+)-[0-9a-f]{8}")
_in_use: set[str] = set()  # temporary names of this process


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` for a file or a folder, removed when the block ends.

    A folder's lease is that of its own modification time: renew it by `os.utime(folder)`.
    """
    new = path.with_name(f".{path.name}.part-{host()}-{os.getpid()}-{secrets.token_hex(4)}")
    _in_use.add(new.name)
    try:
        yield new
    finally:
        _remove(new)
        _in_use.discard(new.name)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that replaces `path` when the block ends, and only then.

    A process that is killed in between, or a full disk, leaves `path` as it was, and at most
    one temporary file for `sweep` to remove.
    """
    with temporary(path) as new:
        with new.open("wb") as out:
            yield out
            flush(out)
        new.replace(path)
        flush_folder(path.parent)


def write_whole(path: Path, content: bytes) -> None:
    """Write all of `content` to this path, or leave it as it was."""
    with replacing(path) as out:
        out.write(content)


def flush(out: BinaryIO) -> None:
    """Flush an open file to the disk, not only to the system's memory."""
    out.flush()
    os.fsync(out.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable (not needed on Windows, which cannot open one)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> int:
    """Remove the abandoned temporary files and folders of `folder`; returns how many there were.

    Only direct children with a temporary name are looked at; a link is removed, not followed.
    """
    left = [path for path in folder.iterdir() if _is_abandoned(path)]
    for path in left:
        _remove(path)
    return len(left)


@cache
def host() -> str:
    """The host name and a hash that is equal where process ids can be compared.

    It is made of the host name, the boot of the kernel and the namespace of a container.
    """
    name = socket.gethostname()
    facts = [name]
    with contextlib.suppress(OSError):  # Linux only
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return f"{re.sub('[^a-z0-9]+', '_', name.lower())[:32]}_{digest[:8]}"


def _is_abandoned(path: Path) -> bool:
    found = TEMPORARY.fullmatch(path.name)
    if not found or path.name in _in_use:
        return False
    if found["host"] == host() and os.name != "nt":  # where os.kill would end the process
        # our own id, in a container that was started again: of a process before this one
        return int(found["pid"]) == os.getpid() or not _is_alive(int(found["pid"]))
    try:
        return time.time() - path.lstat().st_mtime > LEASE
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # of another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
