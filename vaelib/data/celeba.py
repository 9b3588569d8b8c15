"""Faces in CelebA's layout: aligned photographs and a table of attributes.

    VAELIB_DATA/celeba/img_align_celeba/*.jpg     (or one level deeper, as Kaggle packs them)
    VAELIB_DATA/celeba/list_attr_celeba.txt    (the original), or .csv (Kaggle's)

A folder of portraits of one's own works as well: the same two names, any attributes.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vaelib import runtime
from vaelib.data.cache import decode, first_of_each, in_share
from vaelib.data.common import DataError, Dataset, ImageSet, elsewhere, near
from vaelib.data.decode import Decoding

IMAGES = "img_align_celeba"
TABLES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
TEST_SHARE = 0.1
VALUES = {"1": True, "+1": True, "-1": False, "0": False, "1.0": True, "-1.0": False, "0.0": False}
HOW_TO_MEND = (
    "run `python -m vaelib.data fetch celeba` for the steps, or point VAELIB_DATA at the folder "
    "that holds celeba"
)


@dataclass(frozen=True)
class Faces:
    """Images (N of them) and their attributes, (N, A) bool, by name."""

    images: ImageSet
    attributes: Tensor
    names: tuple[str, ...]

    def __post_init__(self):
        expected = (len(self.images), len(self.names))
        if tuple(self.attributes.shape) != expected:
            raise DataError(f"attributes {tuple(self.attributes.shape)}, expected {expected}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index) -> Faces:
        """A subset, by slice, index tensor or mask."""
        return Faces(self.images[index], self.attributes[index], self.names)

    def has(self, name: str) -> Tensor:
        """Which faces have the attribute: (N,) bool, by name and never by position.

        Raises DataError for an unknown name, with near ones, and for an attribute that all
        of the faces have or none: there is nothing to compare.
        """
        if name not in self.names:
            raise DataError(f"no attribute named {name!r}{near(name, self.names)}")
        has = self.attributes[:, self.names.index(name)]
        if has.all() or not has.any():
            raise DataError(
                f"{'all' if has.any() else 'none'} of the {len(self)} faces have {name}: "
                "nothing to compare. Take more images or another attribute."
            )
        return has


def data_folder() -> Path:
    """Where the faces are expected."""
    return runtime.data_dir() / "celeba"


def has_celeba() -> bool:
    """True when the folder is there, whatever is in it."""
    return data_folder().is_dir()


def celeba(size: int = 64, *, folder: Path | None = None, skip_bad: bool = False) -> Dataset[Faces]:
    """Color faces of size x size with their attributes, cut to a square from the middle.

    Another `folder` of the same layout may be named. A tenth is for the test, chosen by the
    content of the files: copies are dropped and never part. labels are 0, a face has no class.

    Raises DataError that names what is missing, damaged or does not fit together: files,
    columns, rows, values. skip_bad=True leaves damaged images and rows without an image out,
    and says so in the notes.
    """
    folder = data_folder() if folder is None else folder
    table = _table_of(folder)
    images = folder / IMAGES
    images = images / IMAGES if (images / IMAGES).is_dir() else images
    ids, names, values = read_table(table)
    ids, values, notes = _with_image(images, table, ids, values, skip_bad)
    how = Decoding(size, size, channels=3, fit="crop")
    decoded = decode(images, ids, how, skip_bad=skip_bad)
    if decoded.left_out:
        notes.append(f"left out {len(decoded.left_out)} damaged images: {decoded.left_out[0]}")
    row_of = {file: row for row, file in enumerate(ids)}
    kept = values[[row_of[file] for file in decoded.names]]
    labels = torch.zeros(len(decoded.names), dtype=torch.int64)
    faces = Faces(ImageSet(decoded.pixels, labels, how.shape, decoded.names), kept, names)
    (first,) = first_of_each(decoded)
    if len(first) < len(faces):
        notes.append(f"left out {len(faces) - len(first)} copies of images that are kept")
    for_test = torch.from_numpy(in_share(decoded.digests, TEST_SHARE))[first]
    if for_test.all() or not for_test.any():
        raise DataError(
            f"{len(first)} different faces in {images} are too few: none of them is in the "
            f"{'training' if for_test.any() else 'test'} set. Bring a hundred or more."
        )
    return Dataset("CelebA", faces[first[~for_test]], faces[first[for_test]], tuple(notes))


def read_table(path: Path) -> tuple[list[str], tuple[str, ...], Tensor]:
    """File names, attribute names and values (N, A) bool of a table of attributes.

    The original text (a count, the names, a row for each file) or comma, semicolon or tab
    separated with a header; any line ends, with or without a byte order mark; 1 is yes, -1 or
    0 no. Raises DataError that names the line.
    """
    first, *rest = _lines(path)
    count = first[1].strip()
    names, rows = _original(path, count, rest) if count.isdecimal() else _separated(first, rest)
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if not names or twice:
        problem = f"has two columns named {twice}" if twice else "has no names of attributes"
        raise DataError(f"{path} {problem} in its header")
    ids, values = [], []
    for number, (file, *marks) in rows:
        if len(marks) != len(names):
            raise DataError(
                f"{path}, line {number} ({file}): {len(marks)} values, expected {len(names)}"
            )
        try:
            values.append([VALUES[mark] for mark in marks])
        except KeyError as problem:
            raise DataError(
                f"{path}, line {number} ({file}): value {problem}, expected 1 or -1 (or 0)"
            ) from problem
        ids.append(file)
    if not ids:
        raise DataError(f"{path} has no rows below its header, expected one for each image")
    twice = next((file for file, n in Counter(ids).items() if n > 1), None)
    if twice:
        raise DataError(f"{path} has two rows for {twice}")
    return ids, tuple(names), torch.tensor(values, dtype=torch.bool)


Row = tuple[int, list[str]]  # the number of a line, and what stands in it


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} cannot be read as text in UTF-8: {problem}") from problem
    lines = [line for line in enumerate(text.splitlines(), 1) if line[1].strip()]
    if not lines:
        raise DataError(f"{path} is empty")
    return lines


def _original(
    path: Path, count: str, lines: list[tuple[int, str]]
) -> tuple[list[str], Iterator[Row]]:
    header, *rest = lines or [(0, "")]
    if count != str(len(rest)):
        raise DataError(
            f"{path} announces {count} faces in its first line and has {len(rest)} rows: "
            "it is truncated, or was edited"
        )
    return header[1].split(), ((number, line.split()) for number, line in rest)


def _separated(
    first: tuple[int, str], rest: list[tuple[int, str]]
) -> tuple[list[str], Iterator[Row]]:
    mark = max(",;\t", key=first[1].count)

    def cells(line: str) -> list[str]:
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=mark))]
        except csv.Error as problem:  # a cell of a hundred thousand characters
            return [str(problem)]

    return cells(first[1])[1:], ((number, cells(line)) for number, line in rest)


def _table_of(folder: Path) -> Path:
    if not (folder / IMAGES).is_dir():
        hint = elsewhere(folder / IMAGES, folder.parent)
        raise DataError(f"faces: no folder {folder / IMAGES}{hint} To mend it, {HOW_TO_MEND}.")
    for name in TABLES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"faces: no table of attributes in {folder}, expected {' or '.join(TABLES)}. "
        f"To mend it, {HOW_TO_MEND}."
    )


def _with_image(
    images: Path, table: Path, ids: list[str], values: Tensor, skip_bad: bool
) -> tuple[list[str], Tensor, list[str]]:
    """The rows whose file exists, and notes about those without one and files without a row."""
    there = {entry.name for entry in os.scandir(images)}
    has = [file in there for file in ids]
    lost = [file for file, found in zip(ids, has, strict=True) if not found]
    if lost and (not skip_bad or len(lost) == len(ids)):
        raise DataError(
            f"{table} names {len(lost):,} of {len(ids):,} files that are not in {images}, the "
            f"first {lost[0]}{near(lost[0], sorted(there)[:1000])} Bring the images, or pass "
            "skip_bad=True to go on without them."
        )
    notes = [f"left out {len(lost)} rows without an image, the first {lost[0]}"] if lost else []
    extra = len(there) - (len(ids) - len(lost))
    if extra:
        notes.append(f"{extra} files in {images.name} have no row in {table.name}")
    return [f for f, found in zip(ids, has, strict=True) if found], values[has], notes
