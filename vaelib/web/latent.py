"""The latent explorer: move a point over the encoded images, see what the decoder makes of it.

The decoder travels inside the page as int8 weights. Rounding looks ahead: the error of one
weight is made good by those still to be rounded. The page's JavaScript and the live widget
compute from the same arrays.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vaelib.web import View, png

Layer = tuple[NDArray, NDArray]  # weight (out, in) and bias (out,)


def latent_explorer(
    layers: Sequence[Layer],
    z: NDArray,
    labels: NDArray,
    centers: NDArray,
    *,
    colors: Sequence[str],
    extent: float = 4.0,
    side: int = 28,
    name: str = "latent-explorer",
) -> View:
    """A view of a decoder whose latent space is a plane.

    layers   the decoder's linear layers; a ReLU between two of them, a sigmoid after the last
    z        codes of some images, (N, 2), and their classes: labels (N,), 0, 1, ...
    centers  where to name each class that occurs, (K, 2)
    colors   a color for each class 0, 1, ...
    extent   the plane reaches from -extent to extent on both axes
    side     the images have side x side pixels
    """
    decoder = pack(layers, extent)
    data = {
        "decoder": decoder,
        "z": np.asarray(z, np.float16),
        "labels": np.asarray(labels, np.uint8),
        "classes": np.unique(labels).astype(np.int32),
        "centers": np.asarray(centers, np.float32),
        "colors": list(colors),
        "extent": extent,
        "side": side,
    }
    label = "Latent explorer: a plane of encoded images and the image decoded at a point of it"
    return View(name, "latent", data, label=label, live=lambda: _sliders(decoder, extent, side))


def pack(layers: Sequence[Layer], extent: float) -> dict:
    """The decoder as small arrays: for each layer int8 weights, and a scale and a bias per row.

    Hidden units that are off, and pixels that stay below 1/512, all over the plane are left
    out; `pixels` says where the others belong and `n_pixels` how many an image has.
    """
    ticks = np.linspace(-extent, extent, 121)
    h = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    columns = np.arange(2)
    packed = []
    for i, (weight, bias) in enumerate(layers):
        weight, bias = np.asarray(weight, float)[:, columns], np.asarray(bias, float)
        threshold = 0.0 if i < len(layers) - 1 else np.log(1 / 511)
        columns = np.flatnonzero((h @ weight.T + bias).max(axis=0) > threshold)
        rows = weight[columns]
        scale = np.abs(rows).max(axis=1) / 127
        # Two columns hold too little to be worth rounding.
        whole = rows / scale[:, None] if i == 0 else _round(rows / scale[:, None], h)
        layer = {
            "weight": whole.astype(np.float32 if i == 0 else np.int8),
            "scale": scale.astype(np.float32),
            "bias": bias[columns].astype(np.float32),
        }
        packed.append(layer)
        h = np.maximum(_affine(layer, h), 0)
    return {"layers": packed, "pixels": columns.astype(np.int32), "n_pixels": len(layers[-1][1])}


def unpack_and_decode(decoder: dict, z: NDArray) -> NDArray:
    """Pixel probabilities (N, n_pixels) at z (N, 2), as the page computes them."""
    h = np.asarray(z, np.float32)
    for layer in decoder["layers"][:-1]:
        h = np.maximum(_affine(layer, h), 0)
    images = np.zeros((len(h), decoder["n_pixels"]), np.float32)
    out = _affine(decoder["layers"][-1], h)
    images[:, decoder["pixels"]] = np.exp(-np.logaddexp(0, -out))  # a sigmoid without overflow
    return images


def _affine(layer: dict, h: NDArray) -> NDArray:
    return (h @ layer["weight"].T.astype(h.dtype)) * layer["scale"] + layer["bias"]


def _round(weight: NDArray, h: NDArray) -> NDArray:
    """Whole numbers in [-127, 127] for weights (out, in), close on the inputs h (N, in).

    Column by column: what rounding does to the outputs is made good, in least squares over
    the rows of h, by the columns that are not rounded yet.
    """
    gram = h.T @ h / len(h)
    gram += 1e-5 * np.trace(gram) / len(gram) * np.eye(len(gram))
    order = np.argsort(-np.diag(gram))  # the strongest inputs first
    left = weight[:, order].copy()
    ahead = np.linalg.cholesky(np.linalg.inv(gram[np.ix_(order, order)])).T
    whole = np.empty_like(left)
    for j in range(left.shape[1]):
        whole[:, j] = np.rint(left[:, j]).clip(-127, 127)
        error = (left[:, j] - whole[:, j]) / ahead[j, j]
        left[:, j + 1 :] -= np.outer(error, ahead[j, j + 1 :])
    return whole[:, np.argsort(order)]


def _sliders(decoder: dict, extent: float, side: int):
    """The live face: a slider for each coordinate and the decoded image."""
    import ipywidgets as widgets

    sliders = [
        widgets.FloatSlider(min=-extent, max=extent, step=0.05, description=f"z{i}") for i in (1, 2)
    ]
    picture = widgets.HTML()

    def show(_=None):
        z = np.array([[slider.value for slider in sliders]])
        image = png(unpack_and_decode(decoder, z).reshape(side, side))
        picture.value = (
            f'<img alt="The image decoded at z = ({z[0, 0]:.2f}, {z[0, 1]:.2f})" width="224" '
            f'src="data:image/png;base64,{base64.b64encode(image).decode()}">'
        )

    for slider in sliders:
        slider.observe(show, names="value")
    show()
    return widgets.HBox([widgets.VBox(sliders), picture])
