"""A device for tests of what a GPU refuses: `torch.device("standin")`, computed on the CPU.

Its tensors hold real values, so a function can be run on it and on the CPU, and the results
compared. As on a CUDA device, an operation on tensors of both kinds is an error, and so is a draw
from a generator of the CPU. `count_waits` counts what makes the host wait for the device: copies
to it, numbers read from it, and shapes that depend on values.

Built on torch's backends in Python, which are experimental: `needs_standin` marks its tests.
"""

from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import pytest
import torch
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map_only

from vaelib import runtime

NAME = "standin"
THERE = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
needs_standin = pytest.mark.skipif(not THERE, reason="this torch has no backends in Python")

COPIES = {"aten::copy_", "aten::_to_copy"}
INDEXED = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_unsafe_index"}
SHAPED_BY_VALUES = {"aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::equal"}
CPU_GENERATOR = torch.Generator
waits: Counter[str] = Counter()


class OnDevice(torch.Tensor):
    """A tensor of the stand-in device; `on_cpu` holds its values."""

    @staticmethod
    def __new__(cls, on_cpu):
        return torch.Tensor._make_wrapper_subclass(
            cls, on_cpu.size(), strides=on_cpu.stride(), storage_offset=on_cpu.storage_offset(),
            dtype=on_cpu.dtype, device=f"{NAME}:0",
        )  # fmt: skip

    def __init__(self, on_cpu):
        self.on_cpu = on_cpu

    def __repr__(self):
        return f"OnDevice({self.on_cpu})"

    def tolist(self):
        return self.cpu().tolist()

    def __format__(self, spec):
        return format(self.cpu(), spec)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, *args, **(kwargs or {}))


def run(func, *args, **kwargs):
    """One operation on the values; what comes out is on the device, but for copies to the CPU."""
    name, leaves = func.name().split(".")[0], tree_leaves((args, kwargs))
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func.decompose(*args, **kwargs)  # in inference mode these arrive in one piece
    check_devices(name, leaves, kwargs.get("device"))
    wanted = kwargs.get("device")
    to_cpu = (wanted is not None and torch.device(wanted).type == "cpu") or (
        name == "aten::copy_" and not isinstance(args[0], OnDevice)
    )
    masks = name in INDEXED and any(getattr(t, "dtype", None) == torch.bool for t in leaves[1:])
    if to_cpu or masks or name in SHAPED_BY_VALUES or name == "aten::_local_scalar_dense":
        waits[name] += 1
    if wanted is not None:
        kwargs["device"] = "cpu"
    plain, named = tree_map_only(OnDevice, lambda t: t.on_cpu, (args, kwargs))
    with torch.inference_mode(False):  # views of these wrappers need counters of versions
        out = func(*plain, **named)
        if not to_cpu:
            out = tree_map_only(torch.Tensor, OnDevice, out)
    if out is None:  # in place, on lists
        return None
    if name.endswith("_") or named.get("out") is not None:  # in place: the values have changed
        return args[0] if name.endswith("_") else kwargs["out"]
    return out


def check_devices(name, leaves, wanted):
    """Raise what CUDA raises for tensors of two devices, or a generator of another one."""
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    here = [t for t in tensors if isinstance(t, OnDevice)]
    strange = [t for t in tensors if not isinstance(t, OnDevice) and t.dim()]
    if name in INDEXED:  # indices may lie on the CPU
        strange = [t for t in strange if t is tensors[0]]
    if here and strange and name not in COPIES:
        shapes = [tuple(t.shape) for t in strange]
        raise RuntimeError(f"{name}: expected all tensors on the same device, on the CPU: {shapes}")
    generators = [leaf for leaf in leaves if isinstance(leaf, CPU_GENERATOR)]
    if not all(generator._cdata in Generator.made for generator in generators):
        raise RuntimeError(f"{name}: expected a generator of {wanted or NAME}, found the CPU's")


class Generator(CPU_GENERATOR):
    """A generator of the stand-in device, which draws what one of the CPU with its seed draws."""

    made: ClassVar[dict] = {}  # kept: an operation sees the same C++ object in another wrapper

    def __new__(cls, device="cpu"):
        if torch.device(device).type != NAME:
            return CPU_GENERATOR(device)
        made = super().__new__(cls)
        return cls.made.setdefault(made._cdata, made)

    device = property(lambda self: torch.device(NAME, 0))


def use_it(monkeypatch):
    """Make it the device that the package and the chapters find."""
    monkeypatch.setattr(runtime, "device", lambda: torch.device(NAME))
    monkeypatch.setattr(torch, "Generator", Generator)
    made = torch.tensor  # which cannot make one on a backend in Python

    def tensor(data, *, device=None, **kwargs):
        return made(data, **kwargs) if device is None else made(data, **kwargs).to(device)

    monkeypatch.setattr(torch, "tensor", tensor)


@contextmanager
def count_waits():
    """The number of times that the host waits for the device, by operation."""
    waits.clear()
    yield waits


if THERE:
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library("_", "IMPL")
    library.fallback(run, "PrivateUse1")
    # torch would make it empty and let it grow, which a wrapper cannot
    ranges = torch.library.Library("aten", "IMPL")
    ranges.impl("arange.start_step", partial(run, torch.ops.aten.arange.start_step), "PrivateUse1")
