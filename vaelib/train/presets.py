"""The thesis's own settings (listing B.3, appendix C), six of ours, a quick variant of each.

    mnist    784-[512, 256]-2, Bernoulli pixels, 50 epochs, beta to 4
    brain    65536-[1024, 512, 256]-64, healthy slices only, 50 epochs, beta to 1.5
    celeba   49152-[2048, 1024, 512]-256, 100 epochs, beta to 2
    latent-ours       784-[512, 256]-2 with waves of z, beta = 1, an annealed rate
    latent-binarized  784-[300, 300]-40, beta = 1, pixels drawn black or white at every visit
    brain-ours        convolutions at 128 x 128, 64 latent dimensions, the noise of pixels learned;
                      it learns to take coarse noise away
    celeba-mlp        the thesis's form at the size of ours: 12288-[2048, 1024, 512]-128, beta to 2
    celeba-ours       convolutions at 64 x 64, 128 latent dimensions, the noise of pixels learned
    portraits-ours    the same at 48 x 48 with 32 latent dimensions, for drawn faces, whatever is
                      on disk

The thesis measures gray and color images on [-1, 1] by their squared error: Gaussian pixels
with sigma_x^2 = 1/2 there, which is sigma_x = 1/sqrt(8) on the [0, 1] of this package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from vaelib import data, drawn
from vaelib.data import copies
from vaelib.likelihood import Bernoulli, Gaussian, Likelihood, ScaledGaussian
from vaelib.model import VAE, ConvVAE, Network
from vaelib.objective import constant, linear_to
from vaelib.train.history import Settings

THESIS_PIXELS = Gaussian(1 / math.sqrt(8))
N_SLICES = 1600, 400  # drawn for training and test where none are on disk: about the thesis's
N_FACES = 9000, 1000
N_PORTRAITS = 12_000, 1000


class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network, its data by name, and how it is trained; `size` is the side of an image.

    The weight of the KL grows to beta_max as in the thesis, or is `steady` from the start.
    `extras` are further arguments of the VAE. `held_out` training images, the last ones, are
    looked at after each epoch instead of the test images, so that choices can be made on them.
    `normalized` slices have their own scale of gray each, no near copy of a test image among
    them, and whole groups of copies held out. With `channels` the network is convolutional, and
    `hidden` is empty.
    """

    data: str
    size: int
    hidden: tuple[int, ...]
    latent_dim: int
    lik: Likelihood
    beta_max: float
    settings: Settings
    steady: bool = False
    held_out: int = 0
    extras: dict[str, int | bool] = {}
    channels: tuple[int, ...] = ()
    normalized: bool = False

    @property
    def beta(self) -> Callable[[int, int], float]:
        """The schedule of the weight."""
        return constant(self.beta_max) if self.steady else linear_to(self.beta_max)

    def network(self, data_dim: int, generator: torch.Generator) -> Network:
        """An untrained network for images of so many numbers, its weights drawn."""
        if not self.channels:
            return VAE(data_dim, self.hidden, self.latent_dim, generator, **self.extras)
        shape = data_dim // self.size**2, self.size, self.size
        return ConvVAE(shape, self.channels, self.latent_dim, generator, **self.extras)


def _conv(
    images: str,
    size: int,
    channels: tuple[int, ...],
    latent_dim: int,
    held_out: int,
    settings: Settings,
    **more: object,
) -> Preset:
    """A convolutional model of ours: the ELBO itself, with sigma_x learned."""
    return Preset(
        images,
        size,
        (),
        latent_dim,
        ScaledGaussian(),
        1.0,
        settings,
        steady=True,
        held_out=held_out,
        channels=channels,
        **more,
    )


def _digits(hidden: tuple[int, ...], latent_dim: int, settings: Settings, **more: object) -> Preset:
    """A model of ours for handwritten digits: the ELBO itself, beta = 1 from the start."""
    return Preset(
        "handwritten", 28, hidden, latent_dim, Bernoulli(), 1.0, settings, steady=True, **more
    )


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
    ("latent-ours", "thesis"): _digits(
        (512, 256),
        2,
        Settings(epochs=45, batch_size=200, lr=2e-3, anneal=45),
        held_out=5000,
        extras={"n_waves": 3},
    ),
    ("latent-ours", "quick"): _digits(
        (128, 64),
        2,
        Settings(epochs=100, lr=2e-3, anneal=100),
        held_out=137,
        extras={"n_waves": 3},
    ),
    ("latent-binarized", "thesis"): _digits(
        (300, 300),
        40,
        Settings(epochs=100, batch_size=256, lr=2e-3, binarize=True, anneal=100),
        held_out=5000,
    ),
    ("latent-binarized", "quick"): _digits(
        (128, 128),
        20,
        Settings(epochs=100, lr=2e-3, binarize=True, anneal=100),
        held_out=137,
    ),
    ("brain-ours", "thesis"): _conv(
        "brain",
        128,
        (16, 32, 64, 128, 128),
        64,
        160,
        Settings(epochs=40, batch_size=32, lr=1.5e-3, clip_norm=1e4, anneal=40, coarse_noise=0.25),
        normalized=True,
    ),
    ("brain-ours", "quick"): _conv(
        "brain",
        64,
        (8, 16, 32, 32),
        16,
        160,
        Settings(epochs=6, batch_size=32, lr=2e-3, anneal=6, coarse_noise=0.25),
        normalized=True,
    ),
    ("celeba-mlp", "thesis"): Preset(
        "celeba", 64, (2048, 1024, 512), 128, THESIS_PIXELS, 2.0, Settings(epochs=40), held_out=500
    ),
    ("celeba-mlp", "quick"): Preset(
        "celeba",
        32,
        (256, 128),
        32,
        THESIS_PIXELS,
        2.0,
        Settings(epochs=10, lr=1e-3),
        held_out=500,
    ),
    ("celeba-ours", "thesis"): _conv(
        "celeba",
        64,
        (32, 64, 128, 256),
        128,
        500,
        Settings(epochs=40, batch_size=32, lr=1e-3, clip_norm=1e4, anneal=40),
    ),
    ("celeba-ours", "quick"): _conv(
        "celeba", 32, (16, 32, 64), 32, 500, Settings(epochs=3, batch_size=64, lr=2e-3, anneal=3)
    ),
    ("portraits-ours", "thesis"): _conv(
        "portraits",
        48,
        (16, 32, 64),
        32,
        500,
        Settings(epochs=60, batch_size=32, lr=1.5e-3, clip_norm=1e4, anneal=60),
    ),
    ("portraits-ours", "quick"): _conv(
        "portraits", 32, (8, 16, 32), 16, 500, Settings(epochs=2, batch_size=64, lr=2e-3, anneal=2)
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

    The validation images are those of the test set, and no choice is made from them, unless
    the preset holds training images out. Where a data set is not on disk, the drawn one takes
    its place at the same size, and `says` so.
    Raises DataError for a damaged or incomplete data set, never for one that is not there.
    """
    what, train, test = _load(preset)
    if not preset.held_out:
        says = f"{what} ({len(train):,} + {len(test):,} images)"
        return Images(train.pixels, test.pixels, says)
    apart = copies.apart if preset.normalized and data.has_brain() else _last
    train, kept = apart(train, preset.held_out)
    says = f"{what} ({len(train):,} + {len(kept):,} of the training images)"
    return Images(train.pixels, kept.pixels, says)


def _load(preset: Preset) -> tuple[str, data.ImageSet, data.ImageSet]:
    """What the images are, those to train on, those to test on."""
    if preset.data == "handwritten":
        digits = data.handwritten()
        return digits.name, digits.train, digits.test
    if preset.data == "portraits":
        images = drawn.faces(sum(N_PORTRAITS), size=preset.size).images
        return "drawn faces", images[: N_PORTRAITS[0]], images[N_PORTRAITS[0] :]
    place = data.expected_folder()
    if preset.data == "celeba":
        if not data.has_celeba():
            images = drawn.faces(sum(N_FACES), size=preset.size).images
            what = f"drawn faces, no celeba in {place}"
            return what, images[: N_FACES[0]], images[N_FACES[0] :]
        faces = data.celeba(preset.size)
        return faces.name, faces.train.images, faces.test.images
    if not data.has_brain():
        images = drawn.phantoms(sum(N_SLICES), size=preset.size, lesion=None).images
        images = data.normalized(images) if preset.normalized else images
        what = f"phantoms, no brain-tumor-mri in {place}"
        return what, images[: N_SLICES[0]], images[N_SLICES[0] :]
    slices = data.brain(preset.size)
    if preset.normalized:
        slices = copies.without_copies(slices)
    train, test = (part[part.labels == 0] for part in (slices.train, slices.test))
    if not preset.normalized:
        return f"{slices.name}, healthy", train, test
    what = f"{slices.name}, healthy, normalized, without near copies"
    return what, data.normalized(train), data.normalized(test)


def _last(images: data.ImageSet, n: int) -> tuple[data.ImageSet, data.ImageSet]:
    return images[:-n], images[-n:]
