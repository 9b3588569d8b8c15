"""Brain MRI slices in the layout of the Brain Tumor MRI Dataset: a folder for each kind.

    VAELIB_DATA/brain-tumor-mri/{Training,Testing}/{notumor,glioma,meningioma,pituitary}/*.jpg

Images of any size, gray or color. For research on methods only: nothing here is a diagnosis.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vaelib import runtime
from vaelib.data.cache import decode
from vaelib.data.common import DataError, Dataset, ImageSet, elsewhere
from vaelib.data.decode import Decoding

KINDS = ("notumor", "glioma", "meningioma", "pituitary")  # the labels 0 to 3; 0 is healthy
HOW_TO_FIX = (
    "run `python -m vaelib.data fetch brain` for the steps, or point VAELIB_DATA at the folder "
    "that holds brain-tumor-mri"
)


def folder() -> Path:
    """The folder that should hold the slices."""
    return runtime.data_dir() / "brain-tumor-mri"


def has_brain() -> bool:
    """True when the folder exists, whatever is in it."""
    return folder().is_dir()


def brain(size: int = 256, *, skip_bad: bool = False) -> Dataset:
    """Gray slices of size x size, stretched to it as in the thesis (listing C.2).

    Labels are positions in KINDS; `files` look like `glioma/Te-gl_0026.jpg`. Of identical files
    one is kept, in the test set if it is there: no image is in both parts. The first load
    decodes, later ones map the result from disk.

    Raises DataError that names what is missing or damaged; skip_bad=True leaves damaged files
    out and says so in the notes.
    """
    how = Decoding(size, size)
    train, test = _names("Training"), _names("Testing")
    # Of identical files the first is kept.
    decoded = decode(folder(), test + train, how, test="Testing/", skip_bad=skip_bad)
    notes = []
    if bad := decoded.left_out:
        notes.append(f"left out {len(bad)} damaged images: {bad[0]}")
    if copies := decoded.copies:
        in_test = sum(name.startswith("Testing/") for name in copies)
        both = f"{len(copies) - in_test} + {in_test}"
        notes.append(f"left out {both} copies of images that are kept")
    files = tuple(name.split("/", 1)[1] for name in decoded.names)
    labels = torch.tensor([KINDS.index(file.split("/")[0]) for file in files])
    images, n = ImageSet(decoded.pixels, labels, how.shape, files), decoded.n_train
    return Dataset("brain MRI", images[:n], images[n:], tuple(notes))


def normalized(images: ImageSet, share: float = 0.995) -> ImageSet:
    """Each slice divided by the `share` quantile of its own gray values, clipped to white.

    Scanners and files scale the same tissue differently; what is left is shape and contrast.
    A quantile below 5 % of the scale counts as 5 %, so that a dark slice stays dark.
    """
    x = images.x
    top = torch.quantile(x, share, dim=1, keepdim=True).clamp_min(0.05)
    return replace(images, pixels=(255 * (x / top).clamp(0, 1)).round().byte())


def _names(part: str) -> list[str]:
    """`part/kind/file` of every image, sorted. Raises DataError for a missing or empty folder."""
    from torchvision.datasets.folder import is_image_file

    names = []
    for kind in KINDS:
        place = folder() / part / kind
        if not place.is_dir():
            lost = place if place.parent.is_dir() else place.parent
            hint = elsewhere(lost, runtime.data_dir())
            raise DataError(f"brain MRI: no folder {lost}{hint} To fix it, {HOW_TO_FIX}.")
        # macOS keeps notes in hidden files such as ._image.jpg
        files = [path.name for path in place.iterdir()]
        images = [file for file in files if is_image_file(file) and file[0] != "."]
        if not images:
            raise DataError(f"brain MRI: {place} has no images. To fix it, {HOW_TO_FIX}.")
        names += sorted(f"{part}/{kind}/{image}" for image in images)
    return names
