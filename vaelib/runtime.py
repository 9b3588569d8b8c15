"""Where and how the book runs: profile, device, folders, seeds.

The only room that reads the environment:

    VAELIB_PROFILE  quick | thesis   how much to compute (default: thesis with CUDA, else quick)
    VAELIB_DATA     a folder         where the data sets are (default: the user cache)
    VAELIB_CACHE    a folder         for what can be made again (default: the user cache)
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from tqdm import tqdm

T = TypeVar("T")
PROFILES = ("quick", "thesis")


@cache
def has_cuda() -> bool:
    """True when torch sees a CUDA device. The first call imports torch."""
    import torch

    return torch.cuda.is_available()


def profile() -> str:
    """The scale of this run: `quick` (two cores, seconds) or `thesis` (the thesis's own settings).

    Raises ValueError when VAELIB_PROFILE names neither.
    """
    name = os.environ.get("VAELIB_PROFILE", "").strip().lower()
    if not name:
        return "thesis" if has_cuda() else "quick"
    if name not in PROFILES:
        raise ValueError(
            f"VAELIB_PROFILE is {name!r}, expected one of {', '.join(PROFILES)}; "
            "unset it to let the machine decide."
        )
    return name


def pick(*, quick: T, thesis: T) -> T:
    """The value that belongs to the profile of this run."""
    return {"quick": quick, "thesis": thesis}[profile()]


def device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    import torch

    return torch.device("cuda" if has_cuda() else "cpu")


def device_name() -> str:
    """The device in words, for the line that a chapter prints about itself."""
    if not has_cuda():
        return f"CPU ({os.cpu_count()} cores)"
    import torch

    return torch.cuda.get_device_name()


def data_dir_is_named() -> bool:
    """True when the environment names the folder of the data sets."""
    return bool(os.environ.get("VAELIB_DATA", "").strip())


def data_dir() -> Path:
    """The folder of the data sets: VAELIB_DATA, else `vaelib/data` in the user cache."""
    named = os.environ.get("VAELIB_DATA", "").strip()
    return Path(named).expanduser() if named else _user_cache() / "data"


def cache_dir() -> Path:
    """The folder for decoded images: VAELIB_CACHE, else `vaelib` in the user cache."""
    named = os.environ.get("VAELIB_CACHE", "").strip()
    return Path(named).expanduser() if named else _user_cache()


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "vaelib"


def n_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def n_restarts() -> int:
    """How often torchrun has started this process again after a rank had failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def progress(total: int, what: str) -> tqdm:
    """A progress bar on a terminal, nothing elsewhere; `with` it, and `update(n)` it."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit_scale=True, disable=None, leave=False)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator that starts from `seed`: randomness enters as an argument."""
    import torch

    return torch.Generator(device=device).manual_seed(seed)


def describe(**facts: object) -> str:
    """How this run was made, e.g. `profile quick · CPU (2 cores) · data digits`, on one line."""
    parts = [f"profile {profile()}", device_name()]
    return " · ".join(parts + [f"{name} {value}" for name, value in facts.items()])
