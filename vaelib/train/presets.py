"""The thesis's own settings (listing B.3, appendix C), and a quick variant of each.

    mnist    784-[512, 256]-2, Bernoulli pixels, 50 epochs, beta to 4
    brain    65536-[1024, 512, 256]-64, healthy slices only, 50 epochs, beta to 1.5
    celeba   49152-[2048, 1024, 512]-256, 100 epochs, beta to 2

The thesis measures gray and color images on [-1, 1] by their squared error: Gaussian pixels
with sigma_x^2 = 1/2 there, which is sigma_x = 1/sqrt(8) on the [0, 1] of this package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from vaelib import data
from vaelib.likelihood import Bernoulli, Gaussian, Likelihood
from vaelib.train.history import Settings

THESIS_PIXELS = Gaussian(1 / math.sqrt(8))
N_SLICES = 1600, 400  # drawn for training and test where none are on disk: about the thesis's
N_FACES = 9000, 1000


@dataclass(frozen=True)
class Preset:
    """A network, its data by name, and how it is trained; `size` is the side of an image."""

    data: str
    size: int
    hidden: tuple[int, ...]
    latent_dim: int
    lik: Likelihood
    beta_max: float
    settings: Settings


PRESETS = {
    ("mnist", "thesis"): Preset(
        "handwritten", 28, (512, 256), 2, Bernoulli(), 4.0, Settings(epochs=50, tf32=True)
    ),
    ("brain", "thesis"): Preset(
        "brain", 256, (1024, 512, 256), 64, THESIS_PIXELS, 1.5, Settings(epochs=50, tf32=True)
    ),
    ("celeba", "thesis"): Preset(
        "celeba", 128, (2048, 1024, 512), 256, THESIS_PIXELS, 2.0, Settings(epochs=100, tf32=True)
    ),
    ("mnist", "quick"): Preset(
        "handwritten", 28, (128, 64), 2, Bernoulli(), 4.0, Settings(epochs=100, lr=2e-3)
    ),
    ("brain", "quick"): Preset(
        "brain", 64, (128, 64), 16, THESIS_PIXELS, 1.5, Settings(epochs=10, batch_size=32, lr=1e-3)
    ),
    ("celeba", "quick"): Preset(
        "celeba", 32, (256, 128), 32, THESIS_PIXELS, 2.0, Settings(epochs=10, lr=1e-3)
    ),
}
NAMES = tuple(dict.fromkeys(name for name, _ in PRESETS))


@dataclass(frozen=True)
class Images:
    """Bytes (N, D) to train on, (K, D) to look at after each epoch, and what they are."""

    train: Tensor
    validation: Tensor
    says: str


def load(preset: Preset) -> Images:
    """The images of a preset: healthy slices only where they are brains, as in the thesis.

    No choice is made from the validation images, which are those of the test set. Where a
    data set is not on disk, the drawn one takes its place at the same size, and `says` so.
    Raises DataError for a damaged or incomplete data set, never for one that is not there.
    """
    if preset.data == "handwritten":
        digits = data.handwritten()
        return Images(digits.train.pixels, digits.test.pixels, str(digits))
    place = data.expected_folder()
    if preset.data == "celeba":
        if not data.has_celeba():
            faces = data.faces(sum(N_FACES), size=preset.size)
            return _drawn(faces.images, N_FACES[0], f"drawn faces, no celeba in {place}")
        faces = data.celeba(preset.size)
        return Images(faces.train.images.pixels, faces.test.images.pixels, str(faces))
    if not data.has_brain():
        slices = data.phantoms(sum(N_SLICES), size=preset.size, lesion=None)
        return _drawn(slices.images, N_SLICES[0], f"phantoms, no brain-tumor-mri in {place}")
    slices = data.brain(preset.size)
    train, test = (part[part.labels == 0] for part in (slices.train, slices.test))
    return Images(
        train.pixels, test.pixels, f"{slices.name}, healthy ({len(train):,} + {len(test):,} images)"
    )


def _drawn(images: data.ImageSet, n_train: int, what: str) -> Images:
    train, test = images[:n_train], images[n_train:]
    return Images(train.pixels, test.pixels, f"{what} ({len(train):,} + {len(test):,} images)")
