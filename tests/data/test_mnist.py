"""MNIST: read as it was written, refused when damaged, downloaded from a server on this machine."""

import gzip
import hashlib
import http.server
import os
import socket
import struct
import sys
import threading

import numpy as np
import pytest
import torch

from vaelib import data
from vaelib.data import DataError, handwritten, has_mnist, mnist
from vaelib.data import __main__ as command
from vaelib.data.mnist import KINDS, PARTS, fetch, mnist_files

# The classes of the real MNIST, counted.
TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
FILES = [f"{part}-{kind}" for part in PARTS for kind in KINDS]


def idx(array):
    """The IDX format: two zero bytes, 8 for bytes, the number of axes, their sizes, the data."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def offered(data_dir, monkeypatch):
    """The content of a small MNIST, whose hashes replace those of the real one."""
    rng = np.random.default_rng(0)
    contents = {}
    for part, n in (("train", 30), ("t10k", 20)):
        arrays = rng.integers(0, 256, (n, 28, 28)), np.arange(n) % 10
        for kind, array in zip(KINDS, arrays, strict=True):
            contents[f"{part}-{kind}"] = idx(array)
        hashes = (hashlib.sha256(a.astype(np.uint8).tobytes()).hexdigest() for a in arrays)
        monkeypatch.setitem(PARTS, part, (n, *hashes))
    return contents


@pytest.fixture
def raw(data_dir, offered):
    """The small MNIST on disk."""
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in offered.items():
        (raw / name).write_bytes(content)
    return raw


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_mnist_is_read_as_it_was_written(raw, offered, no_network):
    images = mnist()
    assert images.name == "MNIST"
    for part, name in ((images.train, "train"), (images.test, "t10k")):
        assert part.pixels.numpy().tobytes() == offered[f"{name}-{KINDS[0]}"][16:]
        assert bytes(part.labels.tolist()) == offered[f"{name}-{KINDS[1]}"][8:]
        assert part.labels.dtype == torch.int64
        assert part.shape == (1, 28, 28)


def test_the_older_layout_of_torchvision_is_read_and_verified(raw, data_dir):
    images = mnist()
    processed = data_dir / "MNIST" / "processed"
    processed.mkdir()
    for part, name in ((images.train, "training.pt"), (images.test, "test.pt")):
        torch.save((part.pixels.view(-1, 28, 28), part.labels), processed / name)
    raw.rename(data_dir / "aside")
    assert has_mnist()
    assert mnist().test.pixels.equal(images.test.pixels)
    torch.save((images.test.pixels.view(-1, 28, 28) ^ 1, images.test.labels), processed / "test.pt")
    with pytest.raises(DataError, match="was altered"):
        mnist()


def test_handwritten_is_mnist_where_it_is(raw):
    assert handwritten().name == "MNIST"


def break_file(path, how):
    content = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "a pipe":
        os.mkfifo(path)
    elif how != "missing":
        path.write_bytes(
            {
                "empty": b"",
                "truncated": content[:-1],
                "longer": content + b"\0",
                "altered": content[:-1] + bytes([content[-1] ^ 1]),
                "another header": bytes(8) + content[8:],
            }[how]
        )


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("missing", "is missing"),
        ("empty", "has 0 bytes, expected {size:,}"),
        ("truncated", "has {less:,} bytes, expected {size:,}"),
        ("longer", "has {more:,} bytes, expected {size:,}"),
        ("altered", "was altered: SHA-256"),
        ("another header", "cannot be read"),
        ("a folder", "cannot be read"),
        ("a pipe", "cannot be read"),
    ],
)
def test_each_broken_file_is_one_message_with_the_fix(raw, name, how, expected, no_network):
    size = (raw / name).stat().st_size
    break_file(raw / name, how)
    for load in (mnist, handwritten):  # a damaged MNIST is never replaced silently
        with pytest.raises(DataError) as caught:
            load()
        message = str(caught.value)
        assert expected.format(size=size, less=size - 1, more=size + 1) in message
        assert str(raw if how != "another header" else raw.parent) in message
        assert name in message or how == "another header"
        assert "make data" in message
        assert "VAELIB_DATA" in message


@pytest.mark.parametrize(
    "place",
    [
        "t10k-images-idx3-ubyte",
        "raw/train-images-idx3-ubyte",
        "mnist/train-images-idx3-ubyte",
        "mnist/raw/train-images-idx3-ubyte",
        "mnist/MNIST/raw/train-images-idx3-ubyte",
        "mnist/train-images.idx3-ubyte",
        "train-images-idx3-ubyte.gz",
    ],
)
def test_mnist_in_another_layout_is_noticed(data_dir, place):
    path = data_dir / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    for load in (mnist, handwritten):
        with pytest.raises(DataError, match=f"there is {path}"):
            load()


def test_packed_files_alone_are_not_the_data(data_dir, no_network):
    raw = data_dir / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"half"))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is missing \(there is .*\.gz"):
        handwritten()


def test_the_files_are_those_that_exist(raw, data_dir):
    assert [path.name for path in mnist_files()] == FILES
    (raw / FILES[0]).unlink()
    assert [path.name for path in mnist_files()] == FILES[1:]


# --- the download ---------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`, packed; a name in `server.missing` is not found."""

    def do_GET(self):
        name = self.path.split("/")[-1].removesuffix(".gz")
        self.server.requests.append(name)
        if name in self.server.missing:
            self.send_error(404)
            return
        content = gzip.compress(self.server.files[name], mtime=0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2 if name in self.server.cut else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(offered, monkeypatch):
    """A server on this machine in place of torchvision's mirrors."""
    from torchvision.datasets import MNIST

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests, server.missing, server.cut = offered, [], set(), set()
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in offered.items()}
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", sums)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def arrived(data_dir):
    return {path.name: path.read_bytes() for path in (data_dir / "MNIST" / "raw").iterdir()}


def test_mnist_is_downloaded_verified_and_not_downloaded_twice(server, data_dir, offered):
    assert fetch() == data_dir / "MNIST" / "raw"
    assert arrived(data_dir) == offered
    assert [path.name for path in data_dir.iterdir()] == ["MNIST"]
    assert handwritten().name == "MNIST"
    server.requests.clear()
    assert command.main(["fetch", "mnist"]) == 0
    assert server.requests == []
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_an_interrupted_download_leaves_no_data_set(server, data_dir, offered, how):
    getattr(server, how).add(FILES[2])
    with pytest.raises(DataError, match=r"could not be downloaded into .*Check the network"):
        fetch()
    assert not has_mnist()
    assert not list(data_dir.glob(".*"))
    getattr(server, how).clear()
    fetch()
    assert arrived(data_dir) == offered


def test_another_file_of_the_right_md5_is_refused(server, data_dir, monkeypatch):
    """The MD5 that torchvision knows is no proof; the SHA-256 is."""
    n, pixels, _ = PARTS["t10k"]
    monkeypatch.setitem(PARTS, "t10k", (n, pixels, "0" * 64))
    with pytest.raises(
        DataError, match=r"t10k-labels-idx1-ubyte was altered: SHA-256 .*expected 0"
    ):
        fetch()
    assert not has_mnist()


def test_a_damaged_file_is_replaced_and_a_failed_download_changes_nothing(
    server, raw, data_dir, offered
):
    (raw / FILES[0]).write_bytes(b"damaged")
    before = arrived(data_dir)
    server.missing.add(FILES[3])
    with pytest.raises(DataError, match="could not be downloaded"):
        fetch()
    assert arrived(data_dir) == before
    server.missing.clear()
    fetch()
    assert arrived(data_dir) == offered


def test_a_folder_that_cannot_be_made_is_one_message(server, data_dir, monkeypatch, capsys):
    (data_dir / "file").write_text("in the way")
    monkeypatch.setenv("VAELIB_DATA", str(data_dir / "file"))
    assert command.main(["fetch", "mnist"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert server.requests == []


def test_a_server_that_falls_silent_is_given_up(data_dir, offered, monkeypatch):
    from torchvision.datasets import MNIST

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(sys.modules["vaelib.data.mnist"], "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        with pytest.raises(DataError, match="timed out"):
            fetch()
    assert socket.getdefaulttimeout() is None


def test_without_a_network_the_command_says_so_once(data_dir, offered, monkeypatch, capsys):
    def no_names(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setenv("no_proxy", "*")
    assert command.main(["fetch", "mnist"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Name or service not known" in err
    assert "Check the network" in err
    assert not has_mnist()


@pytest.mark.skipif(not has_mnist(), reason="no MNIST under VAELIB_DATA: `make data` downloads it")
def test_the_real_mnist():
    images = data.mnist()
    assert images.train.labels.bincount().tolist() == TRAIN
    assert images.test.labels.bincount().tolist() == TEST
    assert images.train.x.mean().item() == pytest.approx(0.1307, abs=5e-5)
