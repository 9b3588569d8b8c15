"""The mending desk: spoil a digit with noise and gaps, see what small networks make of it.

Encoders and decoders travel inside the page as int8 weights, a scale for each row. The page's
JavaScript and `answers` here compute the same from the same arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vaelib.web import View, picture, tiles

Layer = tuple[NDArray, NDArray]  # weight (out, in) and bias (out,)
GAPS = ("none", "lower half", "right half", "every second pixel", "three quarters, at random")
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
STEPS, RATE = 60, 0.2  # of the search for the best z


def mending_desk(
    nets: Mapping[str, tuple[Sequence[Layer], Sequence[Layer]]],
    images: NDArray,
    mean_image: NDArray,
    *,
    asked: str,
    misfit: float,
    side: int = 28,
    name: str = "mending-desk",
) -> View:
    """A view of images that can be spoiled, and of what networks reconstruct from them.

    nets        name -> the layers of its encoder to the mean of the code, and of its decoder
    images      digits to choose from, (K, side^2) in [0, 1]
    mean_image  what stands in for a missing pixel, (side^2,)
    asked       the network whose decoder is asked for the z of the largest posterior density,
                with a standard normal prior
    misfit      its mean squared error on clean images: added to the variance of the noise
    """
    rng = np.random.default_rng(0)
    data = {
        "nets": [
            {"name": name, "encoder": pack(encoder), "decoder": pack(decoder)}
            for name, (encoder, decoder) in nets.items()
        ],
        "images": np.rint(255 * np.asarray(images)).astype(np.uint8),
        "mean": np.asarray(mean_image, np.float32),
        "eps": rng.standard_normal(side**2).astype(np.float16),
        "gaps": [{"name": name, "seen": _gap(name, side, rng)} for name in GAPS],
        "levels": list(LEVELS),
        "asked": list(nets).index(asked),
        "misfit": float(misfit),
        "search": {"steps": STEPS, "rate": RATE},
        "side": side,
    }
    label = "Mending desk: a digit, the digit spoiled, and what a filter and networks make of it"
    return View(name, "denoise", data, label=label, live=lambda: _controls(data))


def pack(layers: Sequence[Layer]) -> list[dict]:
    """For each layer int8 weights, and a scale and a bias for each row."""
    packed = []
    for weight, bias in layers:
        weight = np.asarray(weight, float)
        scale = np.maximum(np.abs(weight).max(1), 1e-12) / 127
        packed.append(
            {
                "weight": np.rint(weight / scale[:, None]).astype(np.int8),
                "scale": scale.astype(np.float32),
                "bias": np.asarray(bias, np.float32),
            }
        )
    return packed


def answers(data: dict, x: NDArray, seen: NDArray, noise_std: float) -> dict[str, NDArray]:
    """What each method makes of x, where it is seen: name -> (side^2,) in [0, 1].

    x holds noise already; what stands in missing pixels is not read.
    """
    x = np.where(seen, x, data["mean"])
    found = {"median": _median(x, data["side"])}
    for net in data["nets"]:
        code = _run(net["encoder"], x)[-1]
        found[net["name"]] = _sigmoid(_run(net["decoder"], code)[-1])
    asked = data["nets"][data["asked"]]
    z = best_z(asked, x, seen, noise_std**2 + data["misfit"])
    return found | {f"{asked['name']}, asked": _sigmoid(_run(asked["decoder"], z)[-1])}


def best_z(net: dict, x: NDArray, seen: NDArray, variance: float) -> NDArray:
    """The z of the largest p(z) prod N(x_d; p_d(z), variance) over seen pixels, by Adam.

    It starts at the encoder's mean for x: (M,).
    """
    z, stack = _run(net["encoder"], x)[-1], net["decoder"]
    first, second = np.zeros_like(z), np.zeros_like(z)
    for step in range(1, STEPS + 1):
        values = _run(stack, z)
        p = _sigmoid(values[-1])
        slope = np.where(seen, (p - x) / variance * p * (1 - p), 0.0)
        for depth in range(len(stack) - 1, -1, -1):
            slope = (slope * stack[depth]["scale"]) @ stack[depth]["weight"].astype(float)
            if depth:
                slope = slope * (values[depth - 1] > 0)
        slope = slope + z
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        rate = RATE * (1 + np.cos(np.pi * (step - 1) / STEPS)) / 2
        z = z - rate * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return z


def _run(layers: list[dict], h: NDArray) -> list[NDArray]:
    """The output of each layer before its ReLU."""
    values = []
    for layer in layers:
        h = layer["weight"].astype(float) @ (np.maximum(h, 0) if values else h)
        h = h * layer["scale"] + layer["bias"]
        values.append(h)
    return values


def _sigmoid(out: NDArray) -> NDArray:
    return np.exp(-np.logaddexp(0, -out))


def _median(x: NDArray, side: int) -> NDArray:
    """Of each pixel and its neighbors, the rim repeated; clipped to [0, 1]."""
    rim = np.pad(x.reshape(side, side), 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(rim, (3, 3))
    return np.clip(np.median(windows, axis=(2, 3)), 0, 1).ravel()


def _gap(name: str, side: int, rng: np.random.Generator) -> NDArray:
    rows, columns = np.indices((side, side))
    seen = {
        "none": rows >= 0,
        "lower half": rows < side // 2,
        "right half": columns < side // 2,
        "every second pixel": (rows + columns) % 2 == 0,
        "three quarters, at random": rng.random((side, side)) < 0.25,
    }
    return seen[name].ravel().astype(np.uint8)


def _controls(data: dict):
    """The live face: a digit, a level, a gap, and a row of pictures."""
    import ipywidgets as widgets

    digit = widgets.IntSlider(min=0, max=len(data["images"]) - 1, description="digit")
    level = widgets.SelectionSlider(options=LEVELS, value=0.3, description="noise")
    gap = widgets.Dropdown(options=GAPS, description="missing")

    def show(i: int, noise_std: float, name: str) -> str:
        truth = data["images"][i] / 255
        seen = next(g["seen"] for g in data["gaps"] if g["name"] == name).astype(bool)
        x = truth + noise_std * data["eps"].astype(float)
        shown = {"truth": truth, "spoiled": np.where(seen, np.clip(x, 0, 1), 0.35)}
        shown |= answers(data, x, seen, noise_std)
        shape = data["side"], data["side"]
        return tiles({name: image.reshape(shape) for name, image in shown.items()}, 3)

    return widgets.VBox([digit, level, gap, picture(show, digit, level, gap)])
