"""Decode small files into declared types, and report any defect as one error message.

A type is a `msgspec.Struct`; limits on its values are given with `msgspec.Meta`. The message
says which file is wrong, where in it, what was expected and found, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

LARGEST = 2**24  # bytes of a file; the largest of ours has thousands
Size = Annotated[int, Meta(gt=0, lt=2**24)]  # of an image or a layer
Sizes = Annotated[tuple[Size, ...], Meta(max_length=64)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class SchemaError(ValueError):
    """A file or value that is not of its declared type."""


def decode(
    content: bytes,
    kind: type[T],
    where: object,
    mend: str = "",
    error: type[Exception] = SchemaError,
    decoder: Callable[..., T] = msgspec.json.decode,
) -> T:
    """The JSON in `content` as a `kind`; `decoder=msgspec.toml.decode` for TOML.

    Raises `error`, which names `where` the content is from and how to `mend` it, for anything
    else: malformed text, a missing, unknown or wrong field, a number that is not finite or out
    of its range, nesting too deep.
    """
    with _refusals(where, mend, error):
        if len(content) > LARGEST:
            raise ValueError(f"Expected at most {LARGEST:,} bytes, got more")
        return decoder(content, type=kind)


def convert(
    value: object,
    kind: type[T],
    where: object,
    mend: str = "",
    error: type[Exception] = SchemaError,
    dec_hook: Callable[[type, object], object] | None = None,
) -> T:
    """Plain dicts, lists and numbers as a `kind`; raises as `decode` does.

    `dec_hook` makes values of the types that msgspec does not know.
    """
    with _refusals(where, mend, error):
        return msgspec.convert(value, kind, dec_hook=dec_hook)


def read(path: Path, kind: type[T], mend: str = "", error: type[Exception] = SchemaError) -> T:
    """The JSON file `path` as a `kind`; raises `error` also for a file that cannot be read."""
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise OSError("it is not a regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as problem:
        reason = problem.strerror or problem
        raise error(f"{path} cannot be read: {reason}. {mend}".rstrip()) from problem
    return decode(content, kind, path, mend, error)


def encode(value: object) -> bytes:
    """JSON that people can read; `decode` gives back the value."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


@contextmanager
def _refusals(where: object, mend: str, error: type[Exception]) -> Iterator[None]:
    """Whatever msgspec says about a value, as one message."""
    try:
        yield
    except RecursionError:
        raise error(f"{where} is not valid: it is nested too deeply. {mend}".rstrip()) from None
    except ValueError as problem:
        raise error(f"{where} is not valid: {problem}. {mend}".rstrip()) from problem
