"""From an image file to a row of bytes: one size, one number of channels, or a clear refusal."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vaelib import runtime
from vaelib.data.common import DataError

try:
    import simplejpeg
except ImportError:  # no build for this system: Pillow decodes every file, to the same pixels
    simplejpeg = None

MAX_PIXELS = 64_000_000  # far above any slice or photograph for these models
MAX_BYTES = 64 * 2**20
CHUNK = 64  # files that a thread decodes at once
NAMED = 10  # how many bad files are listed; the others are counted
Row = tuple[str, np.ndarray, bytes]
MAX_SIDE = 4096  # of the decoded image
# Pillow reads more formats, some of them by starting other programs.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
MODES = {1: "L", 3: "RGB"}
# Marker, length 17 and precision 8 of a baseline frame of three components (ISO 10918-1, B.2.2).
BASELINE, APP1 = b"\xff\xc0\x00\x11\x08", b"\xff\xe1"  # APP1 holds EXIF and XMP


@dataclass(frozen=True)
class Decoding:
    """Target height and width, 1 channel (gray) or 3 (color), and how the image is fitted.

    `crop` keeps the aspect ratio and crops both sides (the thesis's Resize and CenterCrop for
    faces), `stretch` does not keep it (its Resize for brain slices).
    """

    height: int
    width: int
    channels: int = 1
    fit: str = "stretch"

    def __post_init__(self):
        for side in (self.height, self.width):
            if type(side) is not int or not 1 <= side <= MAX_SIDE:
                raise DataError(
                    f"images of {self.height!r} x {self.width!r} pixels, expected whole numbers "
                    f"from 1 to {MAX_SIDE:,}"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W), as `ImageSet` states it."""
        return self.channels, self.height, self.width

    @property
    def n_bytes(self) -> int:
        """Size of one decoded image in bytes."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in asdict(self).items())


def decode_file(path: Path, how: Decoding) -> tuple[np.ndarray, bytes]:
    """The image as (C * H * W,) uint8, channels first, and the SHA-256 of its file (32 bytes).

    Raises DataError that says what is wrong with the file: missing, unreadable, empty, not an
    image, damaged, too large, or with pixels of unknown range.
    """
    content = _content(path)
    if (plain := _plain_jpeg(content, how)) is not None:
        return _resized(plain, how), hashlib.sha256(content).digest()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _refuse_unusable(image, path)
            if image.format == "PNG":  # else its checksums would not be verified
                Image.open(io.BytesIO(content), formats=FORMATS).verify()
            pixels = _fitted(image, how)
    except Image.UnidentifiedImageError as problem:
        raise DataError(
            f"{path} is no image: it begins with {content[:12]!r}, expected {', '.join(FORMATS)}"
        ) from problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise DataError(f"{path} is too large: {problem}") from problem
    except DataError:
        raise
    except Exception as problem:  # every codec has errors of its own
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise DataError(f"{path} is damaged: {reason}") from problem
    return pixels, hashlib.sha256(content).digest()


def decode_all(
    folder: Path, names: Sequence[str], how: Decoding, left_out: list[str], *, skip_bad: bool
) -> Iterator[Row]:
    """The images in their order: name, pixels, SHA-256 of the file; decoded by a thread per core.

    Messages about bad files are added to `left_out`. At the end raises DataError with the first
    ten of them, unless skip_bad and another file is good.

    Threads are enough: decoding and resizing, most of the work, release the interpreter lock,
    and a process would first have to import this package.
    """

    def some(part: Sequence[str]) -> list[Row | str]:
        results: list[Row | str] = []
        for name in part:
            try:
                results.append((name, *decode_file(folder / name, how)))
            except DataError as problem:
                results.append(str(problem))
        return results

    parts = [names[i : i + CHUNK] for i in range(0, len(names), CHUNK)]
    with (
        ThreadPoolExecutor(runtime.n_cores()) as pool,
        runtime.progress(len(names), f"decoding {folder.name}") as bar,
    ):
        for results in pool.map(some, parts):
            left_out += [result for result in results if isinstance(result, str)]
            yield from (result for result in results if not isinstance(result, str))
            bar.update(len(results))
    n = len(left_out)
    if not n or (skip_bad and n < len(names)):
        return
    lines = [f"{n} of {len(names)} files in {folder} are no usable images:", *left_out[:NAMED]]
    if n > NAMED:
        lines.append(f"and {n - NAMED} more")
    advice = "\nReplace or delete them, or pass skip_bad=True to leave them out."
    raise DataError("\n  ".join(lines) + ("" if skip_bad else advice))


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise DataError(f"{path} cannot be read: it is a folder or a device, expected a file")
        if status.st_size > MAX_BYTES:
            raise DataError(f"{path} has {status.st_size:,} bytes, expected at most {MAX_BYTES:,}")
        content = path.read_bytes()
    except OSError as problem:
        raise DataError(f"{path} cannot be read: {problem.strerror}") from problem
    if not content:
        raise DataError(f"{path} is empty (0 bytes)")
    return content


def _plain_jpeg(content: bytes, how: Decoding) -> Image.Image | None:
    """A color JPEG of full size, by a decoder that takes half of Pillow's time; else None.

    None is for Pillow: gray, progressive, CMYK, perhaps rotated or not quite right, or so large
    that Pillow would skip detail as it decodes (its `draft` in `_fitted`).
    """
    at = content.find(BASELINE)
    if simplejpeg is None or how.channels != 3 or at < 0 or APP1 in content:
        return None
    height, width = struct.unpack_from(">HH", content.ljust(at + 9), at + 5)
    skips = width >= 4 * how.width and height >= 4 * how.height
    if skips or width * height > MAX_PIXELS:
        return None
    try:
        pixels = simplejpeg.decode_jpeg(content, strict=True)
    except ValueError:
        return None
    return Image.fromarray(pixels) if pixels.shape[:2] == (height, width) else None


def _refuse_unusable(image: Image.Image, path: Path) -> None:
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise DataError(
            f"{path} has pixels of 32 bits, whose black and white are not known; expected 8 or "
            "16 bits: scale them, and save them as PNG."
        )
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{path} has {image.width:,} x {image.height:,} pixels, "
            f"expected at most {MAX_PIXELS:,} in all"
        )


def _fitted(image: Image.Image, how: Decoding) -> np.ndarray:
    """Decode, rotate by EXIF, convert and resize: (C * H * W,) uint8."""
    mode = MODES[how.channels]
    image.draft(mode, (2 * how.width, 2 * how.height))  # JPEG can skip detail as it decodes
    ImageOps.exif_transpose(image, in_place=True)
    return _resized(_in_mode(image, mode), how)


def _resized(image: Image.Image, how: Decoding) -> np.ndarray:
    """The image in the size and the layout of `how`: (C * H * W,) uint8."""
    box = _centered(image.size, how) if how.fit == "crop" else None
    size = (how.width, how.height)
    image = image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    planes = b"".join(image.tobytes("raw", band) for band in image.getbands())
    return np.frombuffer(planes, np.uint8)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert the mode; 16 bits are scaled to 8, transparent images get a black background."""
    if image.mode.startswith("I"):
        gray = np.asarray(image).astype(np.int64).clip(0, 65_535) // 257
        image = Image.fromarray(gray.astype(np.uint8))
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image if image.mode == mode else image.convert(mode)


def _centered(size: tuple[int, int], how: Decoding) -> tuple[float, float, float, float]:
    """The largest centered box (left, top, right, bottom) of the target aspect ratio."""
    width, height = size
    scale = min(width / how.width, height / how.height)
    w, h = scale * how.width, scale * how.height
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h
