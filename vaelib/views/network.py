"""Networks inside a page: int8 weights with one scale per output, float32 biases.

The script network.js computes with these layers what torch computes, up to the rounding.
Weights have a row for each input and a column for each output; a convolution has a row for
each place of its kernel and each input channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn


def pack_network(network: Iterable[nn.Module]) -> list[dict]:
    """The layers of a Sequential, for `forward` of network.js: a dict for each.

    Linear, Conv2d and ConvTranspose2d (square kernels, one stride and padding), GroupNorm, ReLU,
    SiLU, Flatten and Unflatten; Dropout is left out. Raises TypeError for another module.
    """
    from torch import nn

    packed: list[dict] = []
    for module in network:
        match module:
            case nn.Linear():
                packed.append({"kind": "linear", **_affine(module.weight.T, module.bias)})
            case nn.Conv2d() | nn.ConvTranspose2d():
                weight = module.weight.permute(2, 3, 0, 1)
                if not module.transposed:
                    weight = weight.transpose(2, 3)
                layer = _affine(weight.reshape(-1, module.out_channels), module.bias)
                size, stride, padding = module.kernel_size[0], module.stride[0], module.padding[0]
                kind = "transposed" if module.transposed else "convolution"
                packed.append(
                    {"kind": kind, "size": size, "stride": stride, "padding": padding, **layer}
                )
            case nn.GroupNorm():
                gain, offset = _floats(module.weight), _floats(module.bias)
                norm = {"kind": "norm", "groups": module.num_groups, "epsilon": module.eps}
                packed.append({**norm, "gain": gain, "offset": offset})
            case nn.Unflatten():
                packed.append({"kind": "unflatten", "channels": module.unflattened_size[0]})
            case nn.ReLU() | nn.SiLU() | nn.Flatten():
                packed.append({"kind": type(module).__name__.lower()})
            case nn.Dropout():
                pass  # the identity, once a network is trained
            case _:
                raise TypeError(f"a page cannot run {type(module).__name__}")
    return packed


def pack_pruned(
    network: Iterable[nn.Module], inputs: NDArray, floor: float
) -> tuple[list[dict], NDArray]:
    """A network of Linear layers and ReLUs for inputs like these (N, n_in) only, in fewer bytes.

    Hidden units that are 0 for all of them, and outputs that never exceed `floor`, are left out;
    the second value says which outputs are left. Rounding looks ahead: the error of one weight is
    compensated by those that are rounded after it. The first layer stays in float32: with two
    inputs there is next to nothing to compensate with.
    """
    layers = [module for module in network if hasattr(module, "weight")]
    kept, h = np.arange(inputs.shape[1]), np.asarray(inputs, float)
    packed: list[dict] = []
    for module in layers:
        last = module is layers[-1]
        weight, bias = _floats(module.weight).T.astype(float)[kept], _floats(module.bias)
        kept = np.flatnonzero((h @ weight + bias).max(axis=0) > (floor if last else 0.0))
        weight, bias = weight[:, kept], bias[kept]
        if packed:
            layer = quantize(weight, h)
            packed.append({"kind": "relu"})
        else:
            layer = {"weight": np.float32(weight), "scale": np.ones(len(kept), np.float32)}
        packed.append({"kind": "linear", **layer, "bias": bias})
        h = np.maximum(h @ (layer["weight"].astype(float) * layer["scale"]) + bias, 0)
    return packed, kept


def quantize(weight: ArrayLike, inputs: NDArray | None = None) -> dict[str, NDArray]:
    """weight (n_in, n_out) as int8 and the scale (n_out,) that brings each column back.

    Rounded each alone, or so that the products with `inputs` (N, n_in) stay close.
    """
    weight = np.asarray(weight, float)
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-12) / 127
    whole = np.rint(weight / scale) if inputs is None else _round_ahead(weight / scale, inputs)
    return {"weight": whole.astype(np.int8), "scale": scale.astype(np.float32)}


def select_outputs(layer: dict, which: Sequence[int], factors: ArrayLike = 1.0) -> dict:
    """A packed linear layer with these of its outputs only, in this order, times their factors."""
    which, factors = list(which), np.float32(factors)
    weight, scale, bias = layer["weight"][:, which], layer["scale"][which], layer["bias"][which]
    return layer | {"weight": weight, "scale": scale * factors, "bias": bias * factors}


def _affine(weight: Tensor, bias: Tensor) -> dict[str, NDArray]:
    return {**quantize(_floats(weight)), "bias": _floats(bias)}


def _floats(values: Tensor) -> NDArray:
    return values.detach().cpu().float().numpy()


def _round_ahead(weight: NDArray, inputs: NDArray) -> NDArray:
    """Whole numbers in [-127, 127] for weight (n_in, n_out), close on inputs (N, n_in).

    Row by row: what rounding does to the outputs is compensated, in least squares over the
    inputs, by the rows that are not rounded yet (Frantar et al., GPTQ, 2023).
    """
    gram = inputs.T @ inputs / len(inputs)
    gram += 1e-5 * np.trace(gram) / len(gram) * np.eye(len(gram))
    order = np.argsort(-np.diag(gram))  # the strongest inputs first
    left = weight[order]
    ahead = np.linalg.cholesky(np.linalg.inv(gram[np.ix_(order, order)])).T
    whole = np.empty_like(left)
    for j in range(len(left)):
        whole[j] = np.rint(left[j]).clip(-127, 127)
        error = (left[j] - whole[j]) / ahead[j, j]
        left[j + 1 :] -= np.outer(ahead[j, j + 1 :], error)
    return whole[np.argsort(order)]
