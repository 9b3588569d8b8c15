"""Steps of training on a CUDA device that is not there: tensors of shapes without values.

    python tests/fake_cuda.py PRESET ...

An operation on tensors of two devices raises here, and so does a value that is read. Gradients
are put in by hand, since autograd asks the driver about the device. A process of its own, because
the stand-in device (`standin`) and this one exclude each other.
"""

import sys

import pytest
import torch
from msgspec.structs import replace
from torch._subclasses.fake_tensor import FakeTensorMode

from vaelib.train import graph
from vaelib.train.loop import Training
from vaelib.train.presets import PRESETS, Preset


class OnCuda(torch.Generator):
    """Draws on the CPU what a generator on CUDA would."""

    device = torch.device("cuda")

    def __new__(cls, device=None):
        return super().__new__(cls)


def with_number(fused_adam):
    """There is no fake kernel for a learning rate that is a tensor; it must be on the device."""

    def call(*tensors, lr, **options):
        if isinstance(lr, torch.Tensor):
            assert lr.device.type == "cuda"
            lr = 0.0
        return fused_adam(*tensors, lr=lr, **options)

    return call


def recorded(step):
    """In place of `graph.record`: the replay calls the step, and writes where the result was."""
    result = step()
    return lambda: result.copy_(step()), result


def three_steps(preset: Preset, replayed: bool) -> None:
    """Three of the four steps of an epoch; raises where the host would wait, as it does after."""
    dim = preset.size**2 * (3 if preset.data in ("celeba", "portraits") else 1)
    pixels = torch.zeros(4 * preset.settings.batch_size, dim, dtype=torch.uint8)
    with torch.device("cuda"):
        model = preset.network(dim, None)
    gen = torch.Generator()
    settings = replace(preset.settings, cuda_graph=replayed)
    run = Training(model, preset.lik, pixels, settings, gen, preset.beta)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    steps = run.steps()
    for _ in range(3):
        next(steps)
    assert run.taken == 3
    assert (run.replay.replay is not None) == replayed, run.replay.eager
    assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}
    with pytest.raises(Exception, match="_local_scalar_dense"):
        run.state_dict()  # reads values


def main() -> None:
    """All presets that are named."""
    seed = torch.tensor(5)
    torch.randint = lambda *args, **options: seed
    torch.Generator = OnCuda
    torch.Tensor.backward = lambda loss: None
    torch.optim.Adam.zero_grad = lambda self, **options: None
    graph.record = recorded
    graph.agree = lambda *tensors: True  # reads values, once in a run
    torch._fused_adam_ = with_number(torch._fused_adam_)
    for name in sys.argv[1:]:
        for replayed in (False, True):
            with FakeTensorMode(allow_non_fake_inputs=True):
                three_steps(PRESETS[name, "quick"], replayed)


if __name__ == "__main__":
    main()
