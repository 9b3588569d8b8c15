"""Image files for tests, whole and damaged."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed=0, size=(12, 10), mode="RGB"):
    """A smooth random picture, width x height."""
    rng = np.random.default_rng(seed)
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    rough = rng.integers(0, 256, (3, 3, channels), dtype=np.uint8).squeeze()
    return Image.fromarray(rough, mode).resize(size, Image.Resampling.BICUBIC)


def save(path, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, **options).save(path)
    return path


def encoded(seed=0, kind="JPEG", size=(40, 30)):
    out = io.BytesIO()
    picture(seed, size=size).save(out, kind)
    return out.getvalue()


def _huge_png():
    """A PNG whose header announces 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    )  # fmt: skip


def _flipped_png():
    content = bytearray(encoded(kind="PNG"))
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


# What can be wrong with a file: its content, and a word that the message has to say.
DAMAGE = {
    "empty": (b"", "is empty"),
    "truncated JPEG": (encoded()[: len(encoded()) // 2], "is damaged"),
    "truncated PNG": (encoded(kind="PNG")[:-40], "is damaged"),
    "half a header": (encoded()[:10], "is damaged"),
    "text renamed": (b"glioma,1\n" * 20, "is no image"),
    "web page": (b"<!DOCTYPE html><title>404</title>", "is no image"),
    "archive": (b"PK\x03\x04" + b"\0" * 60, "is no image"),
    "zeros": (b"\0" * 500, "is no image"),
    "flipped byte": (_flipped_png(), "is damaged"),
    "huge": (_huge_png(), "is too large|pixels, expected at most"),
}


def damage(path: Path, kind: str) -> str:
    """Write a damaged file; the word that its message has to say."""
    content, word = DAMAGE[kind]
    path.write_bytes(content)
    return word
