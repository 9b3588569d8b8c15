"""`python -m vaelib.data fetch NAME`: download what can be, verify it, explain how to get the rest.

mnist    downloaded by torchvision, verified by SHA-256
brain    needs an account of Kaggle: the steps, or a check of what is there
celeba   its owners' terms must be accepted: the steps, or a check of what is there
all      all three
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from vaelib.data.brain import brain
from vaelib.data.brain import folder as brain_folder
from vaelib.data.celeba import celeba, data_folder
from vaelib.data.common import DataError, Dataset
from vaelib.data.mnist import fetch as fetch_mnist

SIZE = 64  # side of the images that a check decodes

BRAIN_STEPS = """\
brain: download the slices by hand, Kaggle requires an account.
  1. Sign in at https://www.kaggle.com and open masoudnickparvar/brain-tumor-mri-dataset.
  2. Download it (about 150 MB) and unpack it.
  3. Move the folders Training and Testing to {folder}
  4. Run this command again: it reads every file."""

CELEBA_STEPS = """\
celeba: download the faces by hand, for non-commercial research only.
  1. Open https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and agree to the terms.
  2. Download img_align_celeba.zip (1.4 GB) and list_attr_celeba.txt, and unpack the images.
  3. Move img_align_celeba and list_attr_celeba.txt to {folder}
     (Kaggle's copy, with list_attr_celeba.csv, works as well.)
  4. Run this command again: it reads every file."""


def by_hand(name: str, load: Callable[[int], Dataset], folder: Path, steps: str) -> str:
    """The steps to get a data set, or a status line after reading all of it."""
    if not folder.is_dir():
        return steps.format(folder=folder)
    images = load(SIZE)
    notes = "".join(f"\n  {note}" for note in images.notes)
    return f"{name}: {len(images.train):,} + {len(images.test):,} images in {folder}{notes}"


FETCH: dict[str, Callable[[], str]] = {
    "brain": lambda: by_hand("brain", brain, brain_folder(), BRAIN_STEPS),
    "celeba": lambda: by_hand("celeba", celeba, data_folder(), CELEBA_STEPS),
    "mnist": lambda: f"mnist: verified in {fetch_mnist()}",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 after one message when a download or a check failed, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m vaelib.data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["fetch"])
    parser.add_argument("name", choices=[*sorted(FETCH), "all"])
    name = parser.parse_args(arguments).name
    failed = False
    for each in sorted(FETCH) if name == "all" else [name]:
        try:
            print(FETCH[each]())
        except DataError as problem:
            print(problem, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
