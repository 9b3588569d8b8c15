"""Presets: the thesis's own settings and ours, with a quick variant of each, in presets.toml.

The thesis measures gray and color images on [-1, 1] by their squared error: Gaussian pixels
with sigma_x^2 = 1/2 there, which is sigma_x = 1/sqrt(8) on the [0, 1] of this package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from vaelib import data, drawn, schema
from vaelib.data import copies
from vaelib.likelihood import Bernoulli, Gaussian, Likelihood, ScaledGaussian
from vaelib.model import VAE, ConvVAE, Network
from vaelib.objective import constant, linear_to
from vaelib.train.history import Settings

THESIS_PIXELS = Gaussian(1 / math.sqrt(8))
LIKELIHOODS = {
    "Bernoulli": Bernoulli(),
    "ScaledGaussian": ScaledGaussian(),
    "thesis": THESIS_PIXELS,
}
N_SLICES = 1600, 400  # drawn for training and test where none are on disk: about the thesis's
N_FACES = 9000, 1000
N_PORTRAITS = 12_000, 1000


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network, its data by name, and how it is trained; `size` is the side of an image.

    The weight of the KL grows to beta_max as in the thesis, or is constant if `steady`.
    `extras` are further arguments of the VAE. `held_out` is a number of training images, the
    last ones, that are measured after each epoch instead of the test images, so that choices can
    be based on them. `normalized` slices have a gray scale of their own each, none is a near copy
    of a test image, and copies are held out together. With `channels` the network is
    convolutional, and `hidden` is empty.
    """

    data: Literal["handwritten", "brain", "celeba", "portraits"]
    size: schema.Size
    latent_dim: schema.Size
    lik: Likelihood
    beta_max: Annotated[float, Meta(ge=0, le=1e6)]
    settings: Settings
    hidden: schema.Sizes = ()
    channels: schema.Sizes = ()
    steady: bool = False
    held_out: Annotated[int, Meta(ge=0)] = 0
    extras: dict[str, int | bool] = {}
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


def _likelihood(kind: type, name: object) -> Likelihood:
    """The likelihood that is called `name` in presets.toml."""
    if name not in LIKELIHOODS:
        raise ValueError(f"{name!r} is not one of {', '.join(LIKELIHOODS)}")
    return LIKELIHOODS[name]


def read(path: Path) -> dict[tuple[str, str], Preset]:
    """The presets in a TOML file, by name and profile.

    Raises SchemaError, naming the table, where one is not a `Preset`.
    """
    tables = schema.decode(
        path.read_bytes(), dict[str, dict[str, dict]], path, decoder=msgspec.toml.decode
    )
    return {
        (name, profile): schema.convert(
            table, Preset, f"{path}, [{name}.{profile}]", dec_hook=_likelihood
        )
        for name, profiles in tables.items()
        for profile, table in profiles.items()
    }


PRESETS = read(Path(__file__).with_suffix(".toml"))
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
