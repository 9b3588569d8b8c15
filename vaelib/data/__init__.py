"""The data sets: images as bytes, labels, a stated shape, and a clear refusal of bad input.

digits()       scikit-learn's bundled handwritten digits, brought to 28 x 28: always there
mnist()        MNIST in torchvision's layout under VAELIB_DATA
handwritten()  MNIST where it is on disk, else the digits
brain()        brain MRI slices, a folder for each kind, under VAELIB_DATA
celeba()       aligned faces with a table of attributes, under VAELIB_DATA

`data.corruptions` spoils images: noise, struck pixels, masks of missing ones. `data.copies`
finds the same picture stored twice, and `normalized()` gives each slice its own scale of gray.
"""

from pathlib import Path

from vaelib import runtime
from vaelib.data.brain import brain, has_brain, normalized
from vaelib.data.brain import folder as brain_folder
from vaelib.data.celeba import Faces, celeba, has_celeba
from vaelib.data.common import DataError, Dataset, ImageSet, to_unit
from vaelib.data.digits import digits
from vaelib.data.mnist import files, has_mnist, mnist


def expected_folder() -> Path:
    """The folder of the data sets, which may be missing where VAELIB_DATA is not set.

    Raises DataError where it is set and names no folder: that is no reason to go on with
    images that come with the package, or are drawn.
    """
    folder = runtime.data_dir()
    if runtime.data_dir_is_named() and not folder.is_dir():
        raise DataError(
            f"VAELIB_DATA names {folder}, and there is no such folder (a relative path counts "
            f"from {Path.cwd()}). Correct it, or unset it to do without data sets."
        )
    return folder


def handwritten() -> Dataset:
    """MNIST where it is on disk, else the bundled digits.

    Raises DataError for a damaged MNIST and for a VAELIB_DATA that names no folder: neither
    is a reason to go on with other images in silence.
    """
    folder = expected_folder()
    inside = [f for f in (folder, folder / "raw") if any(f.glob("*-ubyte"))]
    if inside and not has_mnist():
        raise DataError(
            f"MNIST lies in {inside[0]}, expected in {folder / 'MNIST' / 'raw'}: "
            "set VAELIB_DATA to the folder that holds MNIST/raw."
        )
    return mnist() if has_mnist() else digits()


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
