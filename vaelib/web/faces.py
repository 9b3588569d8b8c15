"""The portrait desk: six sliders, a decoder that runs in the page, and the judge beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vaelib.web import View, picture, tiles

if TYPE_CHECKING:
    from torch import Tensor, nn

STRENGTHS = tuple(np.arange(-14, 15) / 4)  # -3.5 .. 3.5, the thesis's largest
GROUPS = 8  # of the judge's normalizations


def portrait_desk(
    decoder: nn.Module,
    judge: nn.Module,
    codes: Mapping[str, Tensor],
    directions: Mapping[str, Mapping[str, Tensor]],
    answers: Sequence[tuple[int, float]],
    edits: Mapping[str, Mapping[str, float]],
    *,
    name: str = "portrait-desk",
) -> View:
    """A view that decodes and judges edits of K faces in the browser.

    decoder: a `model.ConvVAE`, of which the page gets all but the first layer, as bytes: that
    layer is linear, so its outputs for the codes and the directions are enough. judge: a
    `faces.Judge`. codes: name -> (M,). directions: way -> slider -> (M,), the same sliders in
    each. answers: for each slider the place of its logit among the judge's, and its factor.
    edits: name of a button -> slider -> strength. Raises ValueError where sliders differ.
    """
    sliders = list(next(iter(directions.values())))
    if any(list(found) != sliders for found in directions.values()) or len(answers) != len(sliders):
        raise ValueError(f"every way needs the sliders {sliders}, and each slider an answer")
    unfold, shape = decoder.unfold[0], decoder.unfold[2].unflattened_size
    moves = [
        [_last(unfold.weight @ found[s], shape) for s in sliders] for found in directions.values()
    ]
    data = {
        "side": decoder.shape[1],
        "inner": [shape[1], shape[2], shape[0]],
        "sliders": sliders,
        "strengths": [float(s) for s in STRENGTHS],
        "faces": list(codes),
        "ways": list(directions),
        "edits": {button: dict(edit) for button, edit in edits.items()},
        "starts": np.stack([_last(unfold(z), shape) for z in codes.values()]).astype(np.float16),
        "moves": [[_bytes(v[:, None]) for v in way] for way in moves],
        "decoder": [_layer(m) for m in decoder.decoder if hasattr(m, "weight")],
        "judge": _judge(judge, answers),
    }
    label = "Portrait desk: a face, six sliders that edit its code, and what a judge sees change"
    return View(name, "faces", data, label=label, live=lambda: _controls(data))


def render(
    data: dict, face: int, way: int, strengths: Mapping[str, float]
) -> tuple[NDArray, NDArray]:
    """The picture (S, S, 3) in [0, 1] and the judge's scores (6,), computed as the page does."""
    import torch
    from torch.nn import functional as F

    def floats(layer: dict) -> Tensor:
        return torch.from_numpy(layer["bytes"] * layer["scale"])

    inner = torch.from_numpy(data["starts"][face].astype(np.float32))
    for slider, move in zip(data["sliders"], data["moves"][way], strict=True):
        inner = inner + strengths.get(slider, 0.0) * floats(move)[:, 0]
    x = F.silu(inner).view(1, *data["inner"]).permute(0, 3, 1, 2)
    *doubling, last = data["decoder"]
    for layer in doubling:
        weight = floats(layer).view(4, 4, *layer["widths"]).permute(2, 3, 0, 1)
        x = F.silu(F.conv_transpose2d(x, weight, torch.from_numpy(layer["bias"]), 2, 1))
    x = F.conv2d(x, _square(floats(last), last), torch.from_numpy(last["bias"]), 1, 1).clamp(0, 1)
    image = x[0].permute(1, 2, 0).numpy()

    judge, x = data["judge"], (x - 0.5) * 4
    for layer in judge["halving"]:
        x = F.conv2d(x, _square(floats(layer), layer), torch.from_numpy(layer["bias"]), 2, 1)
        gain, offset = map(torch.from_numpy, (layer["gain"], layer["offset"]))
        x = F.silu(F.group_norm(x, GROUPS, gain, offset))
    x = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])  # a row for each place
    first, *rest = judge["dense"]
    x = F.silu(x @ floats(first) + torch.from_numpy(first["bias"])).flatten()
    for i, layer in enumerate(rest):
        x = x @ floats(layer) + torch.from_numpy(layer["bias"])
        x = F.silu(x) if i < len(rest) - 1 else x
    return image, x.numpy()


def _judge(judge: nn.Module, answers: Sequence[tuple[int, float]]) -> dict:
    """The judge with the asked answers only, channels last."""
    import torch

    layers = [m for m in judge.look if hasattr(m, "weight")]
    *pairs, mix, dense = layers
    halving = [
        _layer(conv) | {"gain": norm.weight.detach().numpy(), "offset": norm.bias.detach().numpy()}
        for conv, norm in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    places = dense.in_features // mix.out_channels
    weight = dense.weight.view(-1, mix.out_channels, places).transpose(1, 2).flatten(1)
    factor = torch.tensor([f for _, f in answers])
    rows = [place for place, _ in answers]
    last = judge.answer[1]
    return {
        "halving": halving,
        "dense": [
            _dense(mix.weight[:, :, 0, 0], mix.bias),
            _dense(weight, dense.bias),
            _dense(last.weight[rows] * factor[:, None], last.bias[rows] * factor),
        ],
    }


def _last(flat: Tensor, shape: Sequence[int]) -> NDArray:
    """(C H W,) with channels first to (H W C,), channels last, as the page wants it."""
    return flat.detach().view(*shape).permute(1, 2, 0).flatten().numpy()


def _layer(module: nn.Module) -> dict:
    """A convolution as bytes: rows (kernel place, channel in), columns channels out."""
    import torch

    weight = module.weight.detach()
    transposed = isinstance(module, torch.nn.ConvTranspose2d)
    weight = weight.permute(2, 3, 0, 1) if transposed else weight.permute(2, 3, 1, 0)
    widths = list(weight.shape[2:])
    return {**_dense(weight.reshape(-1, widths[1]).T, module.bias), "widths": widths}


def _dense(weight: Tensor, bias: Tensor) -> dict:
    """weight (out, in) and bias (out,) as bytes with one scale for each output."""
    return {**_bytes(weight.detach().numpy().T), "bias": bias.detach().numpy().astype(np.float32)}


def _bytes(columns: NDArray) -> dict:
    """Columns (n, out) as int8 and the scale (out,) that brings each back."""
    scale = np.maximum(np.abs(columns).max(0), 1e-12) / 127
    return {
        "bytes": np.rint(columns / scale).astype(np.int8),
        "scale": scale.astype(np.float32),
    }


def _square(columns: Tensor, layer: dict) -> Tensor:
    """Rows (3 x 3 places, channel in) back to torch's (out, in, 3, 3)."""
    return columns.view(3, 3, *layer["widths"]).permute(3, 2, 0, 1)


def _controls(data: dict):
    """The live face: a face, a way, six named sliders, and the two pictures."""
    import ipywidgets as widgets

    face = widgets.Dropdown(
        options=[(n, i) for i, n in enumerate(data["faces"])], description="face"
    )
    way = widgets.Dropdown(options=[(n, i) for i, n in enumerate(data["ways"])], description="way")
    sliders = [
        widgets.FloatSlider(0.0, min=data["strengths"][0], max=data["strengths"][-1], step=0.25,
                            description=slider)
        for slider in data["sliders"]
    ]  # fmt: skip

    def show(face: int, way: int, *strengths: float) -> str:
        start, before = render(data, face, way, {})
        made, after = render(data, face, way, dict(zip(data["sliders"], strengths, strict=True)))
        changes = ", ".join(
            f"{slider} {change:+.1f}"
            for slider, change in zip(data["sliders"], after - before, strict=True)
        )
        return tiles({"as it is": start, "edited": made}, 3) + f"<p>The judge: {changes}</p>"

    return widgets.VBox([face, way, *sliders, picture(show, face, way, *sliders)])
