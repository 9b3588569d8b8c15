"""A file from the network: what arrives, what is refused, what goes on after a break."""

import gzip
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from vaelib.data import DataError, handwritten
from vaelib.data import __main__ as command
from vaelib.data.download import ATTEMPTS, download
from vaelib.data.mnist import FILES, PACKED, fetch, raw_dir

CONTENT = np.random.default_rng(0).bytes(300_000)
FACTS = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "local": True}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; the first part of the path says how badly."""

    def do_GET(self):
        _, way, name = self.path.split("/")
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        self.server.asked.append((way, start))
        if way == "away":
            self.send_response(302)
            self.send_header("Location", self.server.target)
            self.end_headers()
            return
        if name not in self.server.files or way == "nothing":
            self.send_error(404)
            return
        content = self.server.files[name]
        if way == "wrong":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if way == "long":
            content += b"x" * 100_000
        if way == "deaf":  # to the wish for a rest
            start = 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if way != "long":  # its length is not announced either
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        # `cut` breaks after 100,000 bytes each time, `once` the first time only.
        cut = way == "cut" or (way in ("once", "deaf") and len(self.server.asked) == 1)
        self.wfile.write(content[start : start + 100_000] if cut else content[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server on this machine: `url(way)`, and the (way, first byte) it was `asked` for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked = {"a.gz": CONTENT}, []
    server.url = lambda way: f"http://127.0.0.1:{server.server_port}/{way}/a.gz"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server, tmp_path):
    download([server.url("good")], tmp_path / "in" / "a.gz", **FACTS)
    assert (tmp_path / "in" / "a.gz").read_bytes() == CONTENT
    assert names(tmp_path / "in") == ["a.gz"]


def test_a_broken_connection_goes_on_where_it_broke(server, tmp_path):
    download([server.url("cut")], tmp_path / "a.gz", **FACTS)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert server.asked == [("cut", 0), ("cut", 100_000), ("cut", 200_000)]


def test_a_server_that_cannot_send_a_rest_sends_all_of_it(server, tmp_path):
    download([server.url("deaf")], tmp_path / "a.gz", **FACTS)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert server.asked == [("deaf", 0), ("deaf", 100_000)]


def test_a_connection_that_always_breaks_is_not_asked_for_ever(server, tmp_path):
    server.files["a.gz"] = CONTENT * 4
    facts = {"size": 4 * len(CONTENT), "sha256": "0" * 64, "local": True}
    with pytest.raises(DataError, match=r"500,000 of 1,200,000 bytes are kept, and the next call"):
        download([server.url("cut")], tmp_path / "a.gz", **facts)
    assert len(server.asked) == ATTEMPTS


def test_the_next_call_goes_on_with_what_a_dead_process_left(server, tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    (tmp_path / f".a.gz.part-{dead.stdout.strip()}").write_bytes(CONTENT[:123_456])
    download([server.url("good")], tmp_path / "a.gz", **FACTS)
    assert server.asked == [("good", 123_456)]
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert names(tmp_path) == ["a.gz"]


def test_what_a_living_process_collects_is_left_alone(server, tmp_path):
    theirs = tmp_path / f".a.gz.part-{os.getppid()}"
    theirs.write_bytes(CONTENT[:5])
    download([server.url("good")], tmp_path / "a.gz", **FACTS)
    assert server.asked == [("good", 0)]
    assert theirs.read_bytes() == CONTENT[:5]


def test_a_rest_that_does_not_fit_is_brought_anew(server, tmp_path):
    (tmp_path / f".a.gz.part-{os.getpid()}").write_bytes(b"other" * 10_000)
    download([server.url("good")], tmp_path / "a.gz", **FACTS)
    assert server.asked == [("good", 50_000), ("good", 0)]
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_more_than_the_whole_is_no_beginning(server, tmp_path):
    (tmp_path / f".a.gz.part-{os.getpid()}").write_bytes(bytes(len(CONTENT) + 1))
    download([server.url("good")], tmp_path / "a.gz", **FACTS)
    assert server.asked == [("good", 0)]
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_the_next_address_is_asked_where_one_has_another_file(server, tmp_path):
    download([server.url("nothing"), server.url("wrong"), server.url("good")],
             tmp_path / "a.gz", **FACTS)  # fmt: skip
    assert server.asked == [("nothing", 0), ("wrong", 0), ("good", 0)]
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("nothing", "404"),
        ("wrong", f"SHA-256 .*expected {FACTS['sha256'][:16]}"),
        ("long", "more than 300,000 bytes came"),
    ],
)
def test_another_file_is_refused_and_nothing_stays(server, tmp_path, way, words):
    with pytest.raises(DataError, match=words) as refusal:
        download([server.url(way)], tmp_path / "a.gz", **FACTS)
    assert server.url(way) in str(refusal.value)
    assert "are kept" not in str(refusal.value)
    assert not list(tmp_path.iterdir())
    assert server.asked == [(way, 0)]


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/a", "file:///etc/passwd", "http://localhost/a"]
)
def test_no_server_leads_off_https(server, tmp_path, target):
    server.target = target
    with pytest.raises(DataError, match=f"{target}.*(expected https|not allowed)"):
        download([server.url("away")], tmp_path / "a.gz", **FACTS)


def test_a_redirect_that_is_allowed_is_followed(server, tmp_path):
    server.target = server.url("good")
    download([server.url("away")], tmp_path / "a.gz", **FACTS)
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


def test_http_is_refused_unless_it_is_asked_for_and_local(server, tmp_path):
    with pytest.raises(DataError, match="expected https"):
        download([server.url("good")], tmp_path / "a.gz", **{**FACTS, "local": False})
    with pytest.raises(DataError, match="expected https"):
        download(["http://example.org/a.gz"], tmp_path / "a.gz", **FACTS)
    assert server.asked == []


def test_a_server_that_does_not_answer_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/a.gz"
        with pytest.raises(DataError, match=r"a\.gz did not arrive .*Connection refused"):
            download([url], tmp_path / "a.gz", **FACTS)


def test_a_server_that_falls_silent_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("vaelib.data.download.SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.gz"
        with pytest.raises(DataError, match="timed out"):
            download([url], tmp_path / "a.gz", **FACTS)


# --- MNIST from such a server ---------------------------------------------------------------


@pytest.fixture
def offered(server, tmp_path, monkeypatch):
    """Four small files, packed, in the place of the real ones; the data folder is empty."""
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    for seed, name in enumerate(FILES):
        content = np.random.default_rng(seed).bytes(150_000)
        packed = gzip.compress(content)
        server.files[f"{name}.gz"] = packed
        monkeypatch.setitem(FILES, name, (hashlib.sha256(content).hexdigest(), len(content)))
        monkeypatch.setitem(PACKED, name, (hashlib.sha256(packed).hexdigest(), len(packed)))
    server.mirror = lambda way: f"http://127.0.0.1:{server.server_port}/{way}"
    return server


def arrived():
    return {name: hashlib.sha256((raw_dir() / name).read_bytes()).hexdigest() for name in FILES}


def test_mnist_is_brought_unpacked_and_verified(offered, tmp_path):
    assert fetch([offered.mirror("cut")], local=True) == raw_dir()
    assert arrived() == {name: sha256 for name, (sha256, _) in FILES.items()}
    assert names(tmp_path) == ["MNIST"], "the packed files are no longer needed"
    asked = len(offered.asked)
    fetch([offered.mirror("cut")], local=True)
    assert len(offered.asked) == asked, "what is there and intact is not brought again"


def test_an_interrupted_fetch_is_no_data_set_and_goes_on(offered):
    third = f"{list(FILES)[2]}.gz"
    lost = offered.files.pop(third)
    with pytest.raises(DataError, match=rf"{third} did not arrive .*404.*Check the network"):
        fetch([offered.mirror("good")], local=True)
    assert handwritten().name == "digits"
    offered.files[third] = lost
    offered.asked.clear()
    fetch([offered.mirror("good")], local=True)
    assert len(offered.asked) == 2, "the first two were there already"
    assert arrived() == {name: sha256 for name, (sha256, _) in FILES.items()}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        # unpacks to far more than it should: no more than one byte too many is unpacked
        (lambda packed: gzip.compress(bytes(10_000_000)), "has 150,001 bytes, expected 150,000"),
        (lambda packed: packed[:-1000], "is damaged"),
        (lambda packed: packed[:5000] + b"\xff" * 500 + packed[5500:], "is damaged|was altered"),
        (lambda packed: b"no gzip", "is damaged"),
    ],
)
def test_a_packed_file_that_was_spoiled_is_brought_again(offered, tmp_path, spoil, words):
    name = f"{next(iter(FILES))}.gz"
    (tmp_path / ".mnist").mkdir()
    (tmp_path / ".mnist" / name).write_bytes(spoil(offered.files[name]))
    with pytest.raises(DataError, match=words):
        fetch([offered.mirror("good")], local=True)
    fetch([offered.mirror("good")], local=True)
    assert arrived() == {name: sha256 for name, (sha256, _) in FILES.items()}


def test_a_damaged_file_is_replaced_and_a_bad_download_changes_nothing(offered):
    fetch([offered.mirror("good")], local=True)
    damaged = raw_dir() / next(iter(FILES))
    damaged.write_bytes(b"damaged")
    before = {path: path.read_bytes() for path in raw_dir().iterdir()}
    with pytest.raises(DataError, match="expected"):
        fetch([offered.mirror("wrong")], local=True)
    assert {path: path.read_bytes() for path in raw_dir().iterdir()} == before
    fetch([offered.mirror("good")], local=True)
    assert arrived() == {name: sha256 for name, (sha256, _) in FILES.items()}


def test_a_place_that_cannot_be_written_is_one_message(offered, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "file"))
    assert command.main(["fetch", "mnist"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert offered.asked == []


def test_without_a_network_the_command_says_so_once(offered, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(socket, "getaddrinfo", no_names)
    monkeypatch.setenv("no_proxy", "*")
    assert command.main(["fetch", "mnist"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert str(raw_dir()) in err
    assert "Name or service not known" in err
    assert "Check the network" in err
    assert not raw_dir().exists()


def no_names(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
