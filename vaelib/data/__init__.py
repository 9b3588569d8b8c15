"""The data sets: images as bytes, labels, a stated shape, and a clear refusal of bad input.

digits()       scikit-learn's bundled handwritten digits, brought to 28 x 28: always there
mnist()        MNIST in torchvision's layout under VAELIB_DATA
handwritten()  MNIST where it is on disk, else the digits
"""

from vaelib.data.common import DataError, Dataset, ImageSet, to_unit
from vaelib.data.digits import digits
from vaelib.data.mnist import has_mnist, mnist


def handwritten() -> Dataset:
    """MNIST where it is on disk, else the bundled digits. A damaged MNIST is an error, not a no."""
    return mnist() if has_mnist() else digits()


__all__ = [
    "DataError",
    "Dataset",
    "ImageSet",
    "digits",
    "handwritten",
    "has_mnist",
    "mnist",
    "to_unit",
]
