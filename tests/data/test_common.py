"""The containers of images, unit values, and hints in error messages."""

import pytest
import torch

from vaelib.data import DataError, Dataset, ImageSet, to_unit
from vaelib.data.common import elsewhere, near, to_floats


def some_images(n=4):
    pixels = torch.arange(n * 6).view(n, 6).to(torch.uint8)
    return ImageSet(pixels, torch.arange(n), (1, 2, 3))


def test_an_image_set_knows_its_images_as_unit_values():
    images = some_images()
    assert len(images) == 4
    assert images.x.dtype == torch.float32
    torch.testing.assert_close(images.x, images.pixels / 255)


@pytest.mark.parametrize(
    "index", [slice(1, 3), torch.tensor([1, 2]), torch.tensor([False, True, True, False])]
)
def test_subsets_keep_pixels_and_labels_together(index):
    part = some_images()[index]
    assert part.labels.tolist() == [1, 2]
    assert part.pixels.equal(some_images().pixels[1:3])


def test_a_slice_is_a_view_of_the_same_pixels():
    images = some_images()
    part = images[1:3]
    assert part.pixels.data_ptr() == images.pixels[1:].data_ptr()
    assert images[torch.tensor([-1, 0])].labels.tolist() == [3, 0]


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(4, 6), torch.zeros(4)),
        (torch.zeros(4, 5, dtype=torch.uint8), torch.zeros(4)),
        (torch.zeros(4, 6, dtype=torch.uint8), torch.zeros(3)),
    ],
)
def test_pixels_of_the_wrong_kind_or_size_are_refused(pixels, labels):
    with pytest.raises(DataError, match=r"expected torch\.uint8 of shape"):
        ImageSet(pixels, labels, (1, 2, 3))


def test_a_data_set_says_what_it_is():
    assert str(Dataset("toy", some_images(4), some_images(2))) == "toy (4 + 2 images)"


def test_unit_values():
    assert to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx(
        [0, 0.2, 1]
    )
    x = torch.tensor([0.0, 0.5, 1.0])
    assert to_unit(x) is x


def test_bytes_are_not_changed_in_place():
    pixels = torch.tensor([255], dtype=torch.uint8)
    to_unit(pixels)
    assert pixels.item() == 255


def test_a_subset_keeps_its_file_names():
    images = ImageSet(
        torch.zeros(3, 6, dtype=torch.uint8), torch.arange(3), (1, 2, 3), ("a", "b", "c")
    )
    assert images[torch.tensor([2, 0])].files == ("c", "a")
    assert images[1:].files == ("b", "c")
    with pytest.raises(DataError, match="2 file names for 3 images"):
        ImageSet(images.pixels, images.labels, images.shape, ("a", "b"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.tensor([0, 1]), "expected uint8 or floating point"),
        (torch.tensor([0.0, 1.5]), r"lie in \[0, 1\.5\], expected \[0, 1\]"),
        (torch.tensor([-0.1, 1.0]), r"expected \[0, 1\]"),
        (torch.tensor([0.0, float("nan")]), r"expected \[0, 1\]"),
    ],
)
def test_values_outside_the_unit_range_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        to_unit(values)


def test_values_that_are_not_finite_are_refused_even_without_a_range():
    assert to_floats(torch.tensor([-3.0, 5.0]), unit_range=False).tolist() == [-3, 5]
    with pytest.raises(DataError, match="expected finite"):
        to_floats(torch.tensor([0.0, float("inf")]), unit_range=False)


def test_an_unknown_name_gets_close_matches_or_a_count():
    assert near("smilling", ["Smiling", "Young"]) == ": did you mean Smiling?"
    assert near("x", ["Smiling", "Young"]) == "; there are 2, for instance Smiling."
    assert near("x", []) == "; there are 0."


def test_a_missing_folder_is_looked_for_beside_and_below(tmp_path):
    (tmp_path / "data" / "deep" / "Training").mkdir(parents=True)
    assert elsewhere(tmp_path / "data" / "Trainng", tmp_path) == "."
    assert "did you mean deep" in elsewhere(tmp_path / "data" / "deeper", tmp_path)
    found = elsewhere(tmp_path / "Training", tmp_path)
    assert found == f"; there is {tmp_path / 'data' / 'deep' / 'Training'}."
