"""The view of chapter 11: corrupt a digit with noise and gaps, see what networks make of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from vaelib.views import Place, View, bundle
from vaelib.views.network import pack_network, select_outputs

if TYPE_CHECKING:
    from vaelib.model import VAE

GAPS = ("none", "lower half", "right half", "every second pixel", "three quarters, at random")
NOISIEST = 0.8


class DenoisingExplorer(View):
    """A corrupted digit, and what a median filter and autoencoders reconstruct from it.

    nets        name -> a network of linear layers and ReLUs; its code is the encoder's mean
    images      digits to choose from, (K, D) in [0, 1], of side x side pixels
    mean_image  stands in for missing pixels, (D,)
    map_net     the network that answers a second time, as "<name>, MAP": decoded at the z of the
                largest posterior density given the seen pixels, with the noise known
    misfit      its mean squared error on clean images, added to the variance of the noise

    digit   which of the images
    noise   standard deviation of the Gaussian noise, 0 to NOISIEST
    gap     which pixels are missing, one of GAPS, and `erased`: numbers of pixels missing besides
    psnr    of each method, in decibels, as the pictures have it; empty until it is displayed

    Raises traitlets.TraitError for a digit, gap or pixel that there is not.
    """

    _esm = bundle("denoise")
    digit = Place("images")
    noise = traitlets.Float(0.3, min=0.0, max=NOISIEST).tag(sync=True)
    gap = traitlets.Enum(GAPS, GAPS[0]).tag(sync=True)
    erased = traitlets.List(traitlets.Int()).tag(sync=True)
    psnr = traitlets.Dict().tag(sync=True)

    def __init__(
        self, nets: Mapping[str, VAE], images: ArrayLike, mean_image: ArrayLike,
        *, map_net: str, misfit: float, **traits: object,
    ):  # fmt: skip
        rng = np.random.default_rng(0)
        n_pixels = len(mean_image)
        side = round(n_pixels**0.5)
        data = {
            "nets": [_pack(name, net) for name, net in nets.items()],
            "images": np.rint(255 * np.asarray(images)).astype(np.uint8),
            "mean": np.asarray(mean_image, np.float32),
            "eps": rng.standard_normal(n_pixels).astype(np.float16),
            "gaps": [{"name": name, "seen": _seen(name, side, rng)} for name in GAPS],
            "noisiest": NOISIEST,
            "mapNet": list(nets).index(map_net),
            "misfit": float(misfit),
            "side": side,
        }
        label = "Denoising explorer: a digit, the digit corrupted, and its reconstructions"
        super().__init__(data, label, **traits)

    @traitlets.validate("erased")
    def _in_the_image(self, proposal: dict) -> list[int]:
        n_pixels = len(self.data["mean"])
        wrong = [pixel for pixel in proposal["value"] if not 0 <= pixel < n_pixels]
        if wrong:
            raise traitlets.TraitError(f"erased: the image has no pixel {wrong[0]}")
        return proposal["value"]


def _pack(name: str, net: VAE) -> dict:
    """Encoder to the mean of the code, and decoder."""
    *lower, last = pack_network(net.encoder)
    encoder = [*lower, select_outputs(last, range(net.latent_dim))]
    return {"name": name, "encoder": encoder, "decoder": pack_network(net.decoder)}


def _seen(gap: str, side: int, rng: np.random.Generator) -> NDArray:
    """1 where a pixel is seen: (side^2,)."""
    rows, columns = np.indices((side, side))
    seen = {
        "none": rows >= 0,
        "lower half": rows < side // 2,
        "right half": columns < side // 2,
        "every second pixel": (rows + columns) % 2 == 0,
        "three quarters, at random": rng.random((side, side)) < 0.25,
    }
    return seen[gap].ravel().astype(np.uint8)
