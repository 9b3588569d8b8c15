"""The data sets: images as bytes, labels, a stated shape, and a clear refusal of bad input.

digits()       scikit-learn's bundled handwritten digits, enlarged to 28 x 28: always available
mnist()        MNIST, as torchvision lays it out under VAELIB_DATA
handwritten()  MNIST where it is on disk, else the digits
brain()        brain MRI slices, one folder per class, under VAELIB_DATA
celeba()       aligned faces with a table of attributes, under VAELIB_DATA

`data.corruptions` adds noise and masks, `data.copies` finds the same picture stored twice, and
`normalized()` scales the gray values of each slice. Drawn images are in `vaelib.drawn`.
"""

from pathlib import Path

from vaelib import runtime
from vaelib.data.brain import brain, has_brain, normalized
from vaelib.data.brain import folder as brain_folder
from vaelib.data.celeba import Faces, celeba, data_folder, has_celeba
from vaelib.data.common import DataError, Dataset, ImageSet, to_unit
from vaelib.data.digits import digits
from vaelib.data.mnist import has_mnist, misplaced, mnist, mnist_files


def expected_folder() -> Path:
    """The folder of the data sets, which may be missing unless VAELIB_DATA names it.

    Raises DataError if VAELIB_DATA names no folder: a typing error must not replace data sets
    by bundled or drawn images.
    """
    folder = runtime.data_dir()
    if runtime.data_dir_is_named() and not folder.is_dir():
        raise DataError(
            f"VAELIB_DATA names {folder}, and there is no such folder (a relative path starts "
            f"at {Path.cwd()}). Correct it, or unset it to do without data sets."
        )
    return folder


def handwritten() -> Dataset:
    """MNIST where it is on disk, else the bundled digits.

    Raises DataError for a damaged or misplaced MNIST and for a VAELIB_DATA that names no
    folder: neither may be replaced by other images silently.
    """
    folder = expected_folder()
    if not has_mnist() and (found := misplaced()):
        raise DataError(
            f"MNIST: there is {found}, expected {folder / 'MNIST' / 'raw'} with the four unpacked "
            "files: move them, or set VAELIB_DATA to the folder that holds MNIST/raw."
        )
    return mnist() if has_mnist() else digits()


def files() -> list[Path]:
    """What there is of the data sets: it has another path, size or date when one is added."""
    slices = (brain_folder() / part for part in ("Training", "Testing"))
    faces = data_folder()
    return mnist_files() + [path for path in (*slices, faces) if path.exists()]


__all__ = [
    "DataError",
    "Dataset",
    "Faces",
    "ImageSet",
    "brain",
    "brain_folder",
    "celeba",
    "digits",
    "expected_folder",
    "files",
    "handwritten",
    "has_brain",
    "has_celeba",
    "has_mnist",
    "mnist",
    "normalized",
    "to_unit",
]
