"""Which data set is taken: what is on disk, else what is bundled, and never silently."""

import pytest

from vaelib import data
from vaelib.data import DataError, handwritten, has_mnist


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    return tmp_path


def test_handwritten_is_the_digits_without_mnist(data_dir):
    assert not has_mnist()
    assert handwritten().name == "digits"
    (data_dir / "MNIST" / "raw").mkdir(parents=True)  # an empty folder is no data set either
    assert handwritten().name == "digits"


def test_a_named_folder_that_does_not_exist_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAELIB_DATA", "elsewhere/data")
    with pytest.raises(DataError, match="elsewhere/data") as refusal:
        handwritten()
    assert str(tmp_path) in str(refusal.value)  # where a relative path starts
    assert "unset" in str(refusal.value)


@pytest.mark.parametrize("added", ["brain-tumor-mri/Training", "celeba", "MNIST/raw"])
def test_an_added_data_set_is_among_the_files(data_dir, added):
    """Runs are told apart by these: one made before brain MRI was added counted as current."""
    assert data.files() == []
    (data_dir / added).mkdir(parents=True)
    (data_dir / added / "train-images-idx3-ubyte").touch()
    assert len(data.files()) == 1
