"""The cache of decoded images: right, whole or absent, safe for two at once."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
import torch
from pictures import damage, save

from vaelib import files
from vaelib.data import cache
from vaelib.data import decode as one
from vaelib.data.cache import decode
from vaelib.data.common import DataError
from vaelib.data.decode import Decoding, decode_file

HOW = Decoding(8, 8, channels=3)
MAPS = Path("/proc/self/maps")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def folder(tmp_path):
    for i in range(150):
        save(tmp_path / "images" / f"{i:03}.png", seed=i)
    return tmp_path / "images"


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def built(home):
    return [p for p in home.iterdir() if p.is_dir()]


def refuse_to_decode(monkeypatch):
    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(one, "decode_file", never)


def test_rows_are_the_decoded_files_in_their_order(folder):
    got = decode(folder, names(folder), HOW)
    assert got.names == tuple(names(folder))
    for row in (0, 77, 149):
        pixels, _ = decode_file(folder / got.names[row], HOW)
        assert got.pixels[row].numpy().tobytes() == pixels.tobytes()


def test_a_second_load_reads_no_image(folder, monkeypatch):
    first = decode(folder, names(folder), HOW)
    refuse_to_decode(monkeypatch)
    second = decode(folder, names(folder), HOW)
    assert second.pixels.equal(first.pixels)


def test_writing_to_the_pixels_does_not_change_the_cache(folder):
    decode(folder, names(folder), HOW).pixels.zero_()
    assert decode(folder, names(folder), HOW).pixels.any()


@pytest.mark.parametrize("change", ["content", "settings", "names", "order"])
def test_other_content_or_settings_are_decoded_again(folder, change):
    first = decode(folder, names(folder), HOW)
    how, wanted = HOW, names(folder)
    if change == "content":
        save(folder / "003.png", seed=999)
    elif change == "settings":
        how = Decoding(8, 8, channels=3, fit="crop")
    elif change == "names":
        wanted = wanted[1:]
    else:
        wanted = wanted[::-1]
    got = decode(folder, wanted, how)
    for row in (0, 3, 100):
        assert (
            got.pixels[row].numpy().tobytes() == decode_file(folder / wanted[row], how)[0].tobytes()
        )
    assert got.pixels.shape != first.pixels.shape or not got.pixels.equal(first.pixels)


def test_a_cache_of_another_version_is_left_and_not_read(folder, home, monkeypatch):
    first = decode(folder, names(folder), HOW).pixels
    old = set(home.iterdir())
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert decode(folder, names(folder), HOW).pixels.equal(first)
    assert set(home.iterdir()) > old
    assert len(built(home)) == 2


def test_a_copy_of_the_folder_shares_the_cache(folder, tmp_path, home):
    decode(folder, names(folder), HOW)
    shutil.copytree(folder, tmp_path / "images2")
    decode(tmp_path / "images2", names(folder), HOW)
    assert len(built(home)) == 1


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


HARM = {
    "pixels cut": lambda folder: os.truncate(folder / "pixels.u8", 100),
    "pixels changed": lambda folder: flip(folder / "pixels.u8"),
    "name changed": lambda folder: flip(folder / "index.json", 0.4),
    "no index": lambda folder: (folder / "index.json").unlink(),
    "index cut": lambda folder: (folder / "index.json").write_text("{"),
    "nested index": lambda folder: (folder / "index.json").write_text("[" * 100_000),
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "removed": shutil.rmtree,
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_damaged_cache_is_built_again(folder, home, harm):
    first = decode(folder, names(folder), HOW)
    expected = first.pixels.clone()
    (kept,) = built(home)
    harm(kept)
    for _ in range(2):
        again = decode(folder, names(folder), HOW)
        assert again.pixels.equal(expected)
        assert again.names == first.names
    assert built(home) == [kept]
    assert not list(home.glob(".*"))


def test_pixels_are_read_and_verified_again_only_after_a_change_of_their_file(
    folder, home, monkeypatch
):
    decode(folder, names(folder), HOW)
    (kept,) = built(home)
    read = []
    plain = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda *args: read.append(1) or plain(*args))
    decode(folder, names(folder), HOW)
    assert not read
    os.utime(kept / "pixels.u8")
    refuse_to_decode(monkeypatch)
    for _ in range(2):
        decode(folder, names(folder), HOW)
        assert len(read) == 1


STAMPS = {
    "empty": "",
    "this folder": ".",
    "the folder above": "..",
    "a neighbor": "../../precious",
    "an absolute path": "{precious}",
    "another stamp": "{stamp}",
    "not ASCII": "\xff" * 32,
    "a trailing newline": "{other} 3840 1\n",
    "of another cache": "{theirs}",
    "letters of the wrong case": "A" * 32 + " 1 1",
}


@pytest.mark.parametrize("text", STAMPS.values(), ids=STAMPS)
def test_a_damaged_stamp_removes_and_reads_nothing_else(folder, home, tmp_path, text):
    """`rmtree(home / stamp)` removed the whole cache, or any folder that the stamp named."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("the only copy")
    other = decode(folder, names(folder)[:20], HOW)
    (kept,), (theirs,) = built(home), home.glob("*.key")
    first = decode(folder, names(folder), HOW).pixels.clone()
    stamp = max(home.glob("*.key"), key=lambda path: path.stat().st_mtime_ns)
    assert kept.name not in stamp.read_text()
    facts = {"precious": precious, "stamp": stamp.name, "other": kept.name}
    stamp.write_text(text.format(**facts, theirs=theirs.read_text()), "latin-1")
    assert decode(folder, names(folder), HOW).pixels.equal(first)
    assert (precious / "thesis.txt").read_text() == "the only copy"
    assert sorted(p.name for p in kept.iterdir()) == ["index.json", "pixels.u8"]
    assert decode(folder, names(folder)[:20], HOW).pixels.equal(other.pixels)


@pytest.mark.parametrize("change", ["names", "settings"])
def test_a_stamp_of_other_images_is_not_believed(folder, home, change):
    how = Decoding(8, 8) if change == "settings" else HOW
    wanted = names(folder)[:20] if change == "names" else names(folder)
    decode(folder, wanted, how)
    (stamp,) = home.glob("*.key")
    other = stamp.read_text()
    first = decode(folder, names(folder), HOW).pixels.clone()
    (stamp,) = set(home.glob("*.key")) - {stamp}
    stamp.write_text(other)
    assert decode(folder, names(folder), HOW).pixels.equal(first)


def test_a_link_in_place_of_the_cache_is_not_followed(folder, home, tmp_path):
    decode(folder, names(folder), HOW)
    (kept,) = built(home)
    kept.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "index.json").write_text("{")
    kept.symlink_to(tmp_path / "elsewhere")
    assert len(decode(folder, names(folder), HOW).names) == 150
    assert len(list((tmp_path / "elsewhere").iterdir())) == 2


def test_all_bad_files_are_named_and_nothing_is_kept(folder, home):
    kinds = ("empty", "truncated PNG", "text renamed")
    for row, kind in enumerate(kinds):
        damage(folder / f"{row:03}.png", kind)
    with pytest.raises(DataError, match="3 of 150 files") as refusal:
        decode(folder, names(folder), HOW)
    for row in range(3):
        assert f"{row:03}.png" in str(refusal.value)
    assert "skip_bad=True" in str(refusal.value)
    assert not list(home.iterdir())


def test_many_bad_files_are_counted(folder):
    for row in range(14):
        damage(folder / f"{row:03}.png", "empty")
    with pytest.raises(DataError, match="and 4 more") as refusal:
        decode(folder, names(folder), HOW)
    assert str(refusal.value).count("is empty") == 10


def test_bad_files_are_left_out_on_request_and_reported(folder, monkeypatch):
    damage(folder / "001.png", "empty")
    damage(folder / "140.png", "truncated PNG")
    got = decode(folder, names(folder), HOW, skip_bad=True)
    good = [name for name in names(folder) if name not in ("001.png", "140.png")]
    assert got.names == tuple(good)
    assert [m.split("/")[-1].split()[0] for m in got.left_out] == ["001.png", "140.png"]
    row = good.index("149.png")
    assert got.pixels[row].numpy().tobytes() == decode_file(folder / "149.png", HOW)[0].tobytes()
    refuse_to_decode(monkeypatch)
    again = decode(folder, names(folder), HOW, skip_bad=True)
    assert again.left_out == got.left_out
    with pytest.raises(AssertionError, match="decoded again"):
        decode(folder, names(folder), HOW)


def test_removing_what_was_left_out_keeps_names_and_pixels_together(folder):
    """The index held positions in the list of files, and that list had become shorter."""
    damage(folder / "001.png", "empty")
    decode(folder, names(folder), HOW, skip_bad=True)
    (folder / "001.png").unlink()
    got = decode(folder, names(folder), HOW, skip_bad=True)
    assert got.names == tuple(names(folder))
    assert not got.left_out
    for row in (0, 1, 148):
        pixels = decode_file(folder / got.names[row], HOW)[0]
        assert got.pixels[row].numpy().tobytes() == pixels.tobytes()


def test_a_folder_of_bad_files_only_is_refused_even_with_skip_bad(tmp_path):
    (tmp_path / "images").mkdir()
    damage(tmp_path / "images" / "a.png", "empty")
    with pytest.raises(DataError, match="1 of 1 files"):
        decode(tmp_path / "images", ["a.png"], HOW, skip_bad=True)


def test_a_file_name_that_is_not_utf_8_is_a_name(tmp_path):
    strange = os.fsdecode(b"caf\xe9.png")
    save(tmp_path / "images" / "plain.png", seed=1).rename(tmp_path / "images" / strange)
    for _ in range(2):
        assert decode(tmp_path / "images", [strange], HOW).names == (strange,)


def test_no_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no images"):
        decode(tmp_path, [], HOW)


# --- training set, test set, copies ---------------------------------------------------------


def test_of_identical_files_the_first_is_kept(folder):
    shutil.copy(folder / "004.png", folder / "200.png")
    shutil.copy(folder / "004.png", folder / "100.png")
    for _ in range(2):
        got = decode(folder, names(folder), HOW)
        assert got.copies == ("100.png", "200.png")
        assert got.names == tuple(f"{i:03}.png" for i in range(150) if i != 100)
        assert len(got.pixels) == got.n_train == 149


def test_the_test_set_is_named_or_chosen_by_content_and_stored_last(folder):
    got = decode(folder, names(folder), HOW, test="00")
    assert got.names[:2] + got.names[140:142] == ("010.png", "011.png", "000.png", "001.png")
    assert got.n_train == 140
    shared = decode(folder, names(folder), HOW, test=0.3)
    train, test = shared.names[: shared.n_train], shared.names[shared.n_train :]
    assert sorted(train) == list(train)
    for name in train:
        assert hashlib.sha256((folder / name).read_bytes()).digest()[0] >= 0x4C  # 0.3 * 256
    for name, pixels in zip(test, shared.pixels[shared.n_train :], strict=True):
        assert pixels.numpy().tobytes() == decode_file(folder / name, HOW)[0].tobytes()
    # a binomial count: standard deviation sqrt(150 * 0.3 * 0.7) = 5.6
    assert abs(len(test) - 45) < 6 * 5.6
    fewer = decode(folder, names(folder)[:80], HOW, test=0.3)
    assert set(fewer.names[fewer.n_train :]) <= set(test)
    assert set(fewer.names[: fewer.n_train]) <= set(train)


@pytest.mark.skipif(not MAPS.exists(), reason="Linux tells what is mapped")
def test_the_pixels_are_the_file_itself(folder, home):
    """They were copied into memory at each load: 9 GiB for all of CelebA."""
    pixels = decode(folder, names(folder), HOW, test=0.3).pixels
    (kept,) = built(home)
    (line,) = [x for x in MAPS.read_text().splitlines() if str(kept / "pixels.u8") in x]
    start, end = (int(place, 16) for place in line.split()[0].split("-"))
    assert start <= pixels.data_ptr() < end


# --- what can go wrong while it is built ----------------------------------------------------

BUILD = """
import sys, time
from pathlib import Path
from vaelib.data import cache
from vaelib.data import decode as one
from vaelib.data.decode import Decoding
slow = float(sys.argv[2])
plain = one.decode_file
def decode_slowly(*args):
    time.sleep(slow)
    return plain(*args)
one.decode_file = decode_slowly
folder = Path(sys.argv[1])
print("ready", flush=True)
got = cache.decode(folder, sorted(p.name for p in folder.iterdir()), Decoding(8, 8, channels=3))
print(got.pixels.long().sum().item())
"""


def builder(folder, slow=0.0):
    run = [sys.executable, "-c", BUILD, str(folder), str(slow)]
    return subprocess.Popen(run, stdout=subprocess.PIPE, text=True)


def test_two_at_once_get_the_same(folder, home):
    workers = [builder(folder, 0.002) for _ in range(2)]
    sums = {worker.communicate(timeout=120)[0].split()[-1] for worker in workers}
    assert sums == {str(decode(folder, names(folder), HOW).pixels.long().sum().item())}
    assert len(built(home)) == 1
    assert not list(home.glob(".*"))


def test_a_killed_build_leaves_nothing_that_counts_as_a_cache(folder, home):
    worker = builder(folder, 0.02)
    assert worker.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while not list(home.glob(".*/pixels.u8")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not [p for p in built(home) if not p.name.startswith(".")]
    got = decode(folder, names(folder), HOW)
    assert got.pixels[5].numpy().tobytes() == decode_file(folder / "005.png", HOW)[0].tobytes()
    assert not list(home.glob(".*")), "what the dead one left was not taken away"


ELSEWHERE = """
import os, socket
os.getpid = lambda: 4_194_303  # of a machine that this one cannot ask about its processes
socket.gethostname = lambda: "elsewhere"
"""


def test_the_build_of_another_host_is_left_alone(folder, home):
    """Its process id says nothing here: the first build was removed as that of a dead process."""
    run = [sys.executable, "-c", ELSEWHERE + BUILD, str(folder), "0.02"]
    theirs = subprocess.Popen(run, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(home.glob(".*/pixels.u8")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    decode(folder, names(folder), HOW)
    assert theirs.poll() is None, "the other build ended too early to show anything"
    assert theirs.communicate(timeout=120)[0].split()[-1].isdecimal()
    assert theirs.returncode == 0
    assert len(built(home)) == 1


def test_a_build_renews_its_lease(folder, home, monkeypatch):
    ages = []
    plain = one.decode_file

    def decode_late(*args):
        (new,) = home.glob(".*")
        ages.append(time.time() - new.stat().st_mtime)
        os.utime(new, (0, 0))
        time.sleep(0.001)
        return plain(*args)

    monkeypatch.setattr(one, "decode_file", decode_late)
    monkeypatch.setattr(cache, "CHUNK", 10)
    monkeypatch.setattr(one, "CHUNK", 10)
    monkeypatch.setattr(one.runtime, "n_cores", lambda: 1)
    decode(folder, names(folder), HOW)
    assert sum(age < 60 for age in ages[1:]) >= 3


def test_a_full_disk_is_one_clear_message(folder, home, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "flush", full)
    with pytest.raises(DataError, match=r"No space left on device\. Free some space.*VAELIB_CACHE"):
        decode(folder, names(folder), HOW)
    assert not list(home.iterdir())


LIMITED = """
import resource, sys
from pathlib import Path
from vaelib.data.cache import decode
from vaelib.data.common import DataError
from vaelib.data.decode import Decoding
folder = Path(sys.argv[1])
names = sorted(p.name for p in folder.iterdir())
for limit in (10_000, 10_000_000):  # bytes of a file that the system lets this process write
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        print(len(decode(folder, names, Decoding(8, 8, channels=3)).names))
    except DataError as problem:
        print(problem)
"""


def test_a_failed_write_leaves_nothing_and_the_next_load_succeeds(folder, home):
    """150 rows of 192 bytes: the first limit cuts the file of pixels, the second does not."""
    pytest.importorskip("resource")
    run = [sys.executable, "-c", LIMITED, str(folder)]
    refused, kept = subprocess.check_output(run, text=True, timeout=120).splitlines()
    assert refused.startswith(f"decoded images cannot be kept in {home}: File too large. Free")
    assert kept == "150"
    assert len(list(home.iterdir())) == 2, "one cache, one key, and nothing of the first attempt"


def test_a_cache_that_cannot_be_made_is_one_clear_message(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept in .*Not a directory"):
        decode(folder, names(folder), HOW)


def test_the_index_says_what_is_there(folder, home):
    got = decode(folder, names(folder), HOW)
    (kept,) = built(home)
    index = json.loads((kept / "index.json").read_text())
    assert index["names"] == names(folder)
    assert index["left_out"] == []
    assert zlib.crc32((kept / "pixels.u8").read_bytes()) == index["crc32"]
    digests = b"".join(decode_file(folder / name, HOW)[1] for name in names(folder))
    assert hashlib.sha256(digests).hexdigest() == index["sources"]
    assert got.pixels.dtype == torch.uint8
