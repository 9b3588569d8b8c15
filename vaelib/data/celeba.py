"""Faces in CelebA's layout: aligned photographs and a table of attributes.

    VAELIB_DATA/celeba/img_align_celeba/*.jpg     (or one level deeper, as Kaggle packs them)
    VAELIB_DATA/celeba/list_attr_celeba.txt    (the original), or .csv (Kaggle's)

A folder of your own portraits works as well: the same two names, any attributes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vaelib import runtime
from vaelib.data.cache import decode
from vaelib.data.common import DataError, Dataset, ImageSet, elsewhere, near
from vaelib.data.decode import Decoding

if TYPE_CHECKING:
    import pandas as pd

IMAGES = "img_align_celeba"
TABLES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
TEST_SHARE = 0.1
CHUNK = 25_000  # rows of the table that are text at once
HOW_TO_FIX = (
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
        """Which faces have the attribute: (N,) bool.

        Raises DataError for an unknown name, with close matches, and for an attribute that all
        or none of the faces have: there is nothing to compare.
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
    """The folder that should hold the faces."""
    return runtime.data_dir() / "celeba"


def has_celeba() -> bool:
    """True when the folder exists, whatever is in it."""
    return data_folder().is_dir()


def celeba(
    size: int = 64, *, folder: Path | str | None = None, skip_bad: bool = False
) -> Dataset[Faces]:
    """Color faces of size x size with their attributes, cropped to a square at the center.

    `folder` names another folder of the same layout. A tenth is the test set, chosen by the
    content of the files; of identical files one is kept. Labels are 0: a face has no class.

    Raises DataError that names what is missing, damaged or inconsistent: files, columns, rows,
    values. skip_bad=True leaves out damaged images and rows without an image, and says so in
    the notes.
    """
    folder = data_folder() if folder is None else Path(folder).expanduser()
    table = _table_of(folder)
    images = folder / IMAGES
    images = images / IMAGES if (images / IMAGES).is_dir() else images
    ids, names, values = read_table(table)
    ids, values, notes = _with_image(images, table, ids, values, skip_bad)
    how = Decoding(size, size, channels=3, fit="crop")
    decoded = decode(images, ids, how, test=TEST_SHARE, skip_bad=skip_bad)
    if decoded.left_out:
        notes.append(f"left out {len(decoded.left_out)} damaged images: {decoded.left_out[0]}")
    if decoded.copies:
        notes.append(f"left out {len(decoded.copies)} copies of images that are kept")
    row_of = {file: row for row, file in enumerate(ids)}
    kept = values.index_select(0, torch.tensor([row_of[file] for file in decoded.names]))
    labels = torch.zeros(len(kept), dtype=torch.int64)
    faces = Faces(ImageSet(decoded.pixels, labels, how.shape, decoded.names), kept, names)
    n = decoded.n_train
    if n in (0, len(faces)):
        raise DataError(
            f"{len(faces)} different faces in {images} are too few: none of them is in the "
            f"{'test' if n else 'training'} set. Use a hundred or more."
        )
    return Dataset("CelebA", faces[:n], faces[n:], tuple(notes))


def read_table(path: Path) -> tuple[list[str], tuple[str, ...], Tensor]:
    """File names, attribute names and values (N, A) bool of a table of attributes.

    The original text (a count, the names, one row per file), or a table with a header,
    separated by commas, semicolons or tabs; 1 is yes, -1 or 0 no. Raises DataError that names
    the line.
    """
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig") as file:
            filled = (line for line in file if line.strip())
            first, second = next(filled, ""), next(filled, "")
        original = first.strip().isdecimal()
        mark = r"\s+" if original else max(",;\t", key=first.count)
        width = len(second.split()) + 1 if original else first.count(mark) + 1
        chunks = pd.read_csv(
            path, sep=mark, names=range(width), index_col=False, keep_default_na=False,
            dtype={0: str, **dict.fromkeys(range(1, width), "category")}, na_values=[""],
            skip_blank_lines=False, skipinitialspace=True, encoding="utf-8-sig",
            chunksize=CHUNK, low_memory=False,
        )  # fmt: skip
        parts = [chunk.dropna(how="all") for chunk in chunks]
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path} cannot be read as text in UTF-8: {problem}") from problem
    except pd.errors.ParserError as problem:
        raise DataError(f"{path} is not a table of attributes: {problem}") from problem
    header = parts[0].iloc[1:2, : width - 1] if original else parts[0].iloc[:1, 1:]
    names = tuple(str(name).strip() for name in header.to_numpy().ravel())
    parts[0] = parts[0].iloc[2 if original else 1 :]
    ids = [str(file).strip() for part in parts for file in part[0].tolist()]
    if original and len(ids) != int(first):
        raise DataError(
            f"{path} announces {first.strip()} faces in its first line and has {len(ids)} rows: "
            "it is truncated, or was edited"
        )
    _refuse_duplicates(path, "columns named", names, "names of attributes in its header")
    _refuse_duplicates(path, "rows for", ids, "rows below its header, expected one for each image")
    return ids, names, torch.cat([_values(path, part, names) for part in parts])


def _values(path: Path, part: pd.DataFrame, names: tuple[str, ...]) -> Tensor:
    """The attributes in some rows of a table: (n, A) bool."""
    import pandas as pd

    numbers = np.empty((len(part), len(names)))
    for column, cells in enumerate(part.columns[1:]):
        known = pd.to_numeric(part[cells].cat.categories, errors="coerce")
        numbers[:, column] = np.append(known, np.nan)[part[cells].cat.codes]
    wrong = np.argwhere(~np.isin(numbers, (-1, 0, 1)))
    if len(wrong):
        row, column = wrong[0]
        cell = part.iat[row, column + 1]
        raise DataError(
            f"{path}, line {part.index[row] + 1} ({part.iat[row, 0]}): {names[column]} is "
            f"{'' if pd.isna(cell) else cell!r}, expected 1 or -1 (or 0)"
        )
    return torch.from_numpy(numbers == 1)


def _refuse_duplicates(path: Path, what: str, entries: Sequence[str], none: str) -> None:
    if not entries:
        raise DataError(f"{path} has no {none}")
    entry, count = Counter(entries).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path} has {count} {what} {entry}")


def _table_of(folder: Path) -> Path:
    if not (folder / IMAGES).is_dir():
        hint = elsewhere(folder / IMAGES, folder.parent)
        raise DataError(f"faces: no folder {folder / IMAGES}{hint} To fix it, {HOW_TO_FIX}.")
    for name in TABLES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"faces: no table of attributes in {folder}, expected {' or '.join(TABLES)}. "
        f"To fix it, {HOW_TO_FIX}."
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
            f"first {lost[0]}{near(lost[0], sorted(there)[:1000])} Add the images, or pass "
            "skip_bad=True to go on without them."
        )
    notes = [f"left out {len(lost)} rows without an image, the first {lost[0]}"] if lost else []
    extra = len(there) - (len(ids) - len(lost))
    if extra:
        notes.append(f"{extra} files in {images.name} have no row in {table.name}")
    return [f for f, found in zip(ids, has, strict=True) if found], values[has], notes
