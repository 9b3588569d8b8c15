"""Where and how the book runs: profile, device, folders, seeds.

The only module that reads the environment:

    VAELIB_PROFILE  quick | thesis   amount of computation (default: thesis with CUDA, else quick)
    VAELIB_DATA     a folder         the data sets (default: the user cache)
    VAELIB_CACHE    a folder         files that can be rebuilt (default: the user cache)
    VAELIB_PAGES    1                chapters are run for pages: figures in all renderings
    TQDM_DISABLE    1                no progress bars, in notebooks neither
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
    """Whether torch finds a CUDA device. The first call imports torch."""
    import torch

    return torch.cuda.is_available()


def profile() -> str:
    """Scale of this run: `quick` (two cores, seconds) or `thesis` (the thesis's own settings).

    Raises ValueError if VAELIB_PROFILE is anything else.
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
    """The value for the profile of this run."""
    return {"quick": quick, "thesis": thesis}[profile()]


def device() -> torch.device:
    """The CUDA device if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if has_cuda() else "cpu")


def device_name() -> str:
    """Name of the GPU, or `CPU (2 cores)`, for the line that a chapter prints about its run."""
    if not has_cuda():
        return f"CPU ({n_cores()} cores)"
    import torch

    return torch.cuda.get_device_name()


def data_dir_is_named() -> bool:
    """Whether VAELIB_DATA is set."""
    return bool(os.environ.get("VAELIB_DATA", "").strip())


def data_dir() -> Path:
    """Folder of the data sets: VAELIB_DATA, else `vaelib/data` in the user cache."""
    named = os.environ.get("VAELIB_DATA", "").strip()
    return Path(named).expanduser() if named else _user_cache() / "data"


def cache_dir() -> Path:
    """Folder for files that can be rebuilt: VAELIB_CACHE, else `vaelib` in the user cache."""
    named = os.environ.get("VAELIB_CACHE", "").strip()
    return Path(named).expanduser() if named else _user_cache()


def for_pages() -> bool:
    """Whether a chapter is run for the pages of the book, which show a figure in two themes."""
    return bool(os.environ.get("VAELIB_PAGES", "").strip())


def _user_cache() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "vaelib"


def n_cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def n_restarts() -> int:
    """Number of times that torchrun has restarted this process after a rank failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def progress(total: int, what: str) -> tqdm:
    """A progress bar in a notebook or a terminal, none where the output goes to a file.

    Use it in a `with` statement and call its `update(n)`. A non-empty TQDM_DISABLE turns it off,
    as the runs of the book's chapters do.
    """
    from tqdm.auto import tqdm

    disable = True if os.environ.get("TQDM_DISABLE", "").strip() else None
    return tqdm(total=total, desc=what, unit_scale=True, disable=disable, leave=False)


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded with `seed`, to be passed wherever random numbers are drawn."""
    import torch

    return torch.Generator(device=device).manual_seed(seed)


def describe(**facts: object) -> str:
    """One line about this run, e.g. `profile quick · CPU (2 cores) · data digits`."""
    parts = [f"profile {profile()}", device_name()]
    return " · ".join(parts + [f"{name} {value}" for name, value in facts.items()])
