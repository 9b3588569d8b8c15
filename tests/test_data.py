"""Data sets: what they promise, and one clear refusal for each way to be broken."""

import gzip
import hashlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch

from vaelib import data, runtime
from vaelib.data import DataError, Dataset, ImageSet, digits, handwritten, to_unit
from vaelib.data import __main__ as command
from vaelib.data.mnist import FILES, has_mnist, raw_dir

# The classes of the real MNIST, counted.
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# --- the container --------------------------------------------------------------------------


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


# --- the digits that are always there -------------------------------------------------------


@pytest.mark.parametrize("side", [28, 8])
def test_digits_have_the_promised_shape_and_range(side):
    images = digits(side)
    assert (len(images.train), len(images.test)) == (1437, 360)
    for part in (images.train, images.test):
        assert part.shape == (1, side, side)
        assert part.pixels.shape == (len(part), side * side)
        assert part.pixels.dtype == torch.uint8
        assert part.pixels.min() == 0
        assert part.pixels.max() == 255
        assert 0 <= part.x.min() <= part.x.max() <= 1


def test_classes_are_balanced_in_both_parts():
    images = digits()
    for part in (images.train, images.test):
        counts = part.labels.bincount(minlength=10)
        assert counts.min() > 0.9 * len(part) / 10
        assert counts.max() < 1.1 * len(part) / 10


def test_every_image_is_in_exactly_one_part():
    from sklearn.datasets import load_digits

    images = digits(side=8)
    both = torch.cat([images.train.pixels, images.test.pixels])
    original = torch.from_numpy(load_digits().images).div(16).mul(255).round().flatten(1)
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, original.int().tolist()))
    assert not set(map(tuple, images.train.pixels.tolist())) & set(
        map(tuple, images.test.pixels.tolist())
    )


def test_both_sizes_are_the_same_images_in_the_same_order():
    small, large = digits(8), digits(28)
    assert small.test.labels.equal(large.test.labels)
    inner = large.test.x.view(-1, 1, 28, 28)[..., 4:24, 4:24]
    shrunk = torch.nn.functional.interpolate(inner, size=(8, 8), mode="area").flatten(1)
    both = torch.stack([shrunk.flatten(), small.test.x.flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.95


def test_large_digits_are_centered_with_the_margin_of_mnist():
    x = digits().train.x.view(-1, 28, 28)
    frame = torch.ones(28, 28, dtype=torch.bool)
    frame[4:24, 4:24] = False
    assert x[:, frame].eq(0).all()
    assert x.mean(0)[4].max() > 0.05
    assert x.mean(0)[23].max() > 0.05


def test_the_split_never_changes():
    """Numbers in the book would change with it: a new split must be a decision."""
    content = hashlib.sha256(digits(8).test.pixels.numpy().tobytes()).hexdigest()
    assert content.startswith("ac6ada28192bd51a")


def test_no_other_size_is_made_up():
    with pytest.raises(DataError, match="side is 16, expected 8"):
        digits(side=16)


# --- MNIST: a small one with the real layout ------------------------------------------------


def idx(array):
    """The IDX format: two zero bytes, 8 for bytes, the number of axes, their sizes, the data."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def small_mnist():
    rng = np.random.default_rng(0)
    files = {}
    for part, n in (("train", 30), ("t10k", 20)):
        files[f"{part}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28)))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(n) % 10)
    return files


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def small(data_dir, monkeypatch):
    """A small MNIST on disk, in the place of the real one."""
    files = small_mnist()
    for name, content in files.items():
        monkeypatch.setitem(FILES, name, (hashlib.sha256(content).hexdigest(), len(content)))
    raw_dir().mkdir(parents=True)
    for name, content in files.items():
        (raw_dir() / name).write_bytes(content)
    return files


def test_mnist_is_read_as_it_was_written(small):
    images = data.mnist()
    assert images.name == "MNIST"
    for part, name in ((images.train, "train"), (images.test, "t10k")):
        assert part.pixels.numpy().tobytes() == small[f"{name}-images-idx3-ubyte"][16:]
        assert bytes(part.labels.tolist()) == small[f"{name}-labels-idx1-ubyte"][8:]
        assert part.labels.dtype == torch.int64


def test_handwritten_is_mnist_where_it_is(small):
    assert handwritten().name == "MNIST"


def test_a_named_folder_that_does_not_exist_is_never_passed_over(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VAELIB_DATA", "elsewhere/data")
    with pytest.raises(DataError, match="elsewhere/data") as refusal:
        handwritten()
    assert str(tmp_path) in str(refusal.value)  # where a relative path counts from
    assert "unset" in str(refusal.value)


@pytest.mark.parametrize("inside", [".", "raw"])
def test_pointing_into_the_folder_of_mnist_is_noticed(data_dir, inside):
    (data_dir / inside).mkdir(exist_ok=True)
    (data_dir / inside / "t10k-labels-idx1-ubyte").touch()
    with pytest.raises(DataError, match="the folder that holds MNIST/raw"):
        handwritten()


def test_handwritten_is_the_digits_where_it_is_not(data_dir):
    assert not has_mnist()
    assert handwritten().name == "digits"
    raw_dir().mkdir(parents=True)  # an empty folder is no data set either
    assert handwritten().name == "digits"


def broken(path, way):
    content = path.read_bytes()
    if way == "missing":
        path.unlink()
    elif way == "empty":
        path.write_bytes(b"")
    elif way == "truncated":
        path.write_bytes(content[:-1])
    elif way == "longer":
        path.write_bytes(content + b"\0")
    elif way == "altered":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif way == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("way", "expected", "got"),
    [
        ("missing", "is missing", ""),
        ("empty", "expected {size:,}", "has 0 bytes"),
        ("truncated", "expected {size:,}", "has {less:,} bytes"),
        ("longer", "expected {size:,}", "has {more:,} bytes"),
        ("altered", "expected {sha}", "was altered: SHA-256"),
        ("a folder", "cannot be read", ""),
    ],
)
def test_each_broken_file_is_named_with_expected_got_and_mend(small, name, way, expected, got):
    path = raw_dir() / name
    broken(path, way)
    sha, size = FILES[name]
    facts = {"size": size, "less": size - 1, "more": size + 1, "sha": sha[:16]}
    for load in (data.mnist, handwritten):  # a damaged MNIST is never replaced in silence
        with pytest.raises(DataError) as caught:
            load()
        message = str(caught.value)
        assert str(path) in message
        assert expected.format(**facts) in message
        assert got.format(**facts) in message
        assert "make data" in message
        assert "VAELIB_DATA" in message


def test_leftovers_of_a_download_are_not_taken_for_the_data(data_dir):
    raw_dir().mkdir(parents=True)
    (raw_dir() / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"half"))
    with pytest.raises(DataError, match="train-images-idx3-ubyte is missing"):
        handwritten()


@pytest.mark.skipif(not has_mnist(), reason="no MNIST under VAELIB_DATA: `make data` brings it")
def test_the_real_mnist():
    images = data.mnist()
    assert (len(images.train), len(images.test)) == (60_000, 10_000)
    assert images.train.labels.bincount().tolist() == MNIST_TRAIN
    assert images.test.labels.bincount().tolist() == MNIST_TEST
    assert images.train.x.mean().item() == pytest.approx(0.1307, abs=5e-5)


# --- the command -----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["fetch"], ["fetch", "nothing"], ["drop", "mnist"]])
def test_other_commands_are_refused_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m vaelib.data" in capsys.readouterr().err


def test_the_command_can_be_run():
    help_text = subprocess.run(
        [sys.executable, "-m", "vaelib.data", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "fetch" in help_text
    assert "mnist" in help_text


def test_the_data_folder_is_the_one_of_the_runtime(data_dir):
    assert raw_dir() == runtime.data_dir() / "MNIST" / "raw" == data_dir / "MNIST" / "raw"


# --- what has to be brought by hand ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder", "word"),
    [("brain", "brain-tumor-mri", "Kaggle"), ("celeba", "celeba", "list_attr_celeba.txt")],
)
def test_what_needs_an_account_is_told_in_steps(data_dir, capsys, name, folder, word):
    assert command.main(["fetch", name]) == 0
    out = capsys.readouterr().out
    assert str(data_dir / folder) in out
    assert word in out
    assert [line.split(".")[0].strip() for line in out.splitlines() if line[2:3].isdigit()] == list(
        "1234"
    )


def test_a_data_set_that_was_brought_is_read_whole(data_dir, tmp_path, monkeypatch, capsys):
    from pictures import damage, save

    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    for part in ("Training", "Testing"):
        for seed, kind in enumerate(("notumor", "glioma", "meningioma", "pituitary")):
            name = data_dir / "brain-tumor-mri" / part / kind / "a.png"
            save(name, 10 * seed + len(part))
    assert command.main(["fetch", "brain"]) == 0
    assert capsys.readouterr().out.startswith("brain: 4 + 4 images in ")
    damage(name, "truncated PNG")
    assert command.main(["fetch", "brain"]) == 1
    assert "pituitary/a.png is damaged" in capsys.readouterr().err


def test_all_goes_on_after_a_failure(data_dir, monkeypatch, capsys):
    def no_network():
        raise DataError("MNIST could not be downloaded")

    monkeypatch.setitem(command.FETCH, "celeba", no_network)  # the second of the three
    monkeypatch.setitem(command.FETCH, "mnist", lambda: "mnist: verified")
    assert command.main(["fetch", "all"]) == 1
    out, err = capsys.readouterr()
    assert "brain:" in out
    assert "mnist: verified" in out
    assert err == "MNIST could not be downloaded\n"
