"""Brain slices as Kaggle lays them out: read, deduplicated, refused with a reason."""

import shutil

import numpy as np
import pytest
import torch
from pictures import damage, save
from PIL import Image

from vaelib import data
from vaelib.data import DataError, ImageSet
from vaelib.data.brain import KINDS, brain, has_brain


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Four slices of each kind for training, two for the test; all different."""
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "brain-tumor-mri"
    for part, short, n in (("Training", "Tr", 4), ("Testing", "Te", 2)):
        for label, kind in enumerate(KINDS):
            for i in range(n):
                seed = 100 * label + 10 * n + i
                mode = "L" if i % 2 else "RGB"
                save(root / part / kind / f"{short}-{kind}_{i}.jpg", seed, mode=mode, size=(30, 40))
    return root


def test_slices_are_gray_and_labeled_by_their_folder(root):
    images = brain(16)
    assert (len(images.train), len(images.test)) == (16, 8)
    assert images.train.shape == (1, 16, 16)
    assert images.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert images.test.files[:3] == (
        "notumor/Te-notumor_0.jpg", "notumor/Te-notumor_1.jpg", "glioma/Te-glioma_0.jpg",
    )  # fmt: skip
    assert images.notes == ()
    with Image.open(root / "Testing/glioma/Te-glioma_0.jpg") as image:
        expected = np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BILINEAR))
    got = images.test.pixels[images.test.files.index("glioma/Te-glioma_0.jpg")].view(16, 16)
    assert np.abs(got.numpy().astype(int) - expected).mean() < 3


def test_no_image_is_in_both_parts_or_twice_in_one(root):
    shutil.copy(root / "Testing/glioma/Te-glioma_0.jpg", root / "Training/notumor/Tr-copy.jpg")
    shutil.copy(root / "Training/pituitary/Tr-pituitary_1.jpg", root / "Training/pituitary/z.jpg")
    images = brain(16)
    assert "glioma/Te-glioma_0.jpg" in images.test.files
    assert len(images.train) == 16
    assert not {"notumor/Tr-copy.jpg", "pituitary/z.jpg"} & set(images.train.files)
    assert images.notes == ("left out 2 + 0 copies of images that are kept",)


def test_damaged_slices_are_named_or_left_out(root):
    damage(root / "Training/glioma/Tr-glioma_2.jpg", "truncated JPEG")
    with pytest.raises(DataError, match=r"Tr-glioma_2\.jpg is damaged"):
        brain(16)
    images = brain(16, skip_bad=True)
    assert len(images.train) == 15
    assert "Tr-glioma_2.jpg is damaged" in images.notes[0]


def test_other_files_in_the_folders_are_ignored(root):
    (root / "Training/glioma/.DS_Store").write_bytes(b"x")
    (root / "Training/glioma/notes.txt").write_text("x")
    (root / "Training/glioma/._Tr-glioma_0.jpg").write_bytes(b"written by macOS")
    assert len(brain(16).train) == 16


def test_a_missing_folder_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    assert not has_brain()
    with pytest.raises(DataError, match=r"no folder .*Training.*fetch brain"):
        brain(16)


def test_a_similar_folder_name_is_suggested(root):
    (root / "Training/meningioma").rename(root / "Training/meningioma_tumor")
    with pytest.raises(DataError, match="did you mean meningioma_tumor"):
        brain(16)


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("brain-tumor-mri/archive", "."),  # an archive that was unpacked one level deeper
        (".", "."),  # unpacked without its folder
        ("brain-tumor-mri", "brain-tumor-mri"),  # VAELIB_DATA one level too deep
        ("brain-tumor-mri-dataset", "."),  # under another name
    ],
)
def test_slices_at_a_wrong_level_are_found(root, tmp_path, monkeypatch, place, named):
    root.rename(tmp_path / "aside")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).mkdir(exist_ok=True)
    for part in ("Training", "Testing"):
        (tmp_path / "aside" / part).rename(tmp_path / place / part)
    (tmp_path / "aside").rmdir()
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / named))
    with pytest.raises(DataError) as refusal:
        brain(16)
    assert f"; there is {tmp_path / place / 'Training'}. To fix it" in str(refusal.value)


def test_an_empty_folder_is_named(root):
    for path in (root / "Testing/pituitary").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="pituitary has no images"):
        brain(16)


@pytest.mark.skipif(not has_brain(), reason="no brain MRI under VAELIB_DATA")
def test_the_real_slices(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path))
    images = brain(32)
    assert (images.train.labels.bincount(minlength=4) > 1000).all()
    shown = ("meningioma/Te-meTr_0003.jpg", "glioma/Te-gl_0026.jpg",
             "pituitary/Te-pi_0036.jpg", "notumor/Te-no_0043.jpg")  # fmt: skip
    for file in shown:  # the four of the thesis's figure 5.4
        assert images.test.pixels[images.test.files.index(file)].max() > 100


def test_each_slice_is_scaled_by_its_own_quantile():
    """A slice and the same with less contrast become one; a black one stays black."""
    ramp = torch.arange(200, dtype=torch.uint8)
    pixels = torch.stack([ramp, ramp // 2, torch.zeros(200, dtype=torch.uint8)])
    images = ImageSet(pixels, torch.tensor([0, 1, 2]), (1, 10, 20), ("a", "b", "c"))
    found = data.normalized(images, share=0.9)
    assert (found.pixels[0].int() - found.pixels[1].int()).abs().max() <= 2
    assert found.pixels[0].eq(255).float().mean() == pytest.approx(0.1, abs=0.01)
    assert found.pixels[2].eq(0).all()
    assert found.labels.equal(images.labels)
    assert found.files == images.files
    faint = ImageSet(torch.full((1, 4), 6, dtype=torch.uint8), torch.tensor([0]), (1, 2, 2))
    assert data.normalized(faint).pixels.max() <= 6 / (0.05 * 255) * 255, "not blown up to white"
