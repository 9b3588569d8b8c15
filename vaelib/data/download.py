"""A file from the network: over https only, of one size and one SHA-256, else not at all.

What has arrived waits beside the place of the file, as `.NAME.part-PID`, and the next call
goes on from there, in the same process or after the end of that one. The file itself takes
its name when it is whole and its hash is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from vaelib import files, runtime
from vaelib.data.common import DataError

ATTEMPTS = 5  # at one address, as long as each brings something
SECONDS = 30  # without a byte, and the connection counts as broken
CHUNK = 2**16


def download(
    urls: Sequence[str], path: Path, *, size: int, sha256: str, local: bool = False
) -> None:
    """Bring `path`, of exactly `size` bytes, from the first of the addresses that has it.

    local=True admits http from this very machine, 127.0.0.1, as well. Raises DataError that
    says what went wrong at each address; an OSError of the disk is the caller's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    problems = []
    for url in urls:
        for _ in range(ATTEMPTS):
            before = _length(part)
            try:
                _receive(url, part, size, local)
                _check(part, size, sha256)
            except (DataError, OSError, http.client.HTTPException) as problem:
                problems.append(f"{url}: {' '.join(str(problem).split())}")
            else:
                part.replace(path)
                return
            if _length(part) == before:
                break  # nothing came, so there is no use in asking again
    kept = _length(part)
    if not kept:
        part.unlink(missing_ok=True)
    advice = f"; {kept:,} of {size:,} bytes are kept, and the next call goes on" if kept else ""
    raise DataError(f"{path.name} did not arrive ({'; '.join(dict.fromkeys(problems))}){advice}")


class _Redirects(HTTPRedirectHandler):
    """Go where the server sends us, but never off https."""

    def __init__(self, local: bool):
        self.local = local

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _refuse_scheme(newurl, self.local)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_scheme(url: str, local: bool) -> None:
    where = urlsplit(url)
    here = local and where.scheme == "http" and where.hostname == "127.0.0.1"
    if where.scheme != "https" and not here:
        raise DataError(f"it leads to {url}, expected https")


def _receive(url: str, part: Path, size: int, local: bool) -> None:
    """What is missing in `part`, or all of it where the server cannot send a rest."""
    _refuse_scheme(url, local)
    have = _length(part)
    if have == size:
        return
    have = have if have < size else 0
    name = url.rsplit("/", 1)[-1]
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with build_opener(_Redirects(local)).open(request, timeout=SECONDS) as answer:
        rest = have and (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-")
        with part.open("ab" if rest else "wb") as out, runtime.progress(size, name) as bar:
            bar.update(out.tell())
            while chunk := answer.read(CHUNK):
                if out.tell() + len(chunk) > size:
                    out.truncate(0)
                    raise DataError(f"more than {size:,} bytes came: this is another file")
                out.write(chunk)
                bar.update(len(chunk))
            files.flush(out)


def _check(part: Path, size: int, sha256: str) -> None:
    """Raises ConnectionError for a part that is short, DataError for one that is wrong."""
    have = _length(part)
    if have < size:
        raise ConnectionError(f"the connection broke after {have:,} of {size:,} bytes")
    got = hashlib.sha256(part.read_bytes()).hexdigest()
    if got != sha256:
        part.unlink()  # all of it anew
        raise DataError(f"SHA-256 {got[:16]}…, expected {sha256[:16]}…: this is another file")


def _part(path: Path) -> Path:
    """Where this process collects the file; it takes over what a dead one has left."""
    mine = path.with_name(f".{path.name}.part-{os.getpid()}")
    for left in path.parent.glob(f".{path.name}.part-*"):
        if not files.is_alive(int(left.name.rsplit("-", 1)[1])):
            with contextlib.suppress(OSError):  # another process was faster
                left.replace(mine)
    return mine


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
