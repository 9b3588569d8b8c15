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

import pytest
import torch
from pictures import damage, save

from vaelib import files
from vaelib.data import cache
from vaelib.data.cache import decode
from vaelib.data.common import DataError
from vaelib.data.copies import first_of_each
from vaelib.data.decode import Decoding, decode_file

HOW = Decoding(8, 8, channels=3)


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

    monkeypatch.setattr(cache, "decode_file", never)


def test_rows_are_the_decoded_files_in_their_order(folder):
    got = decode(folder, names(folder), HOW)
    assert got.names == tuple(names(folder))
    for row in (0, 77, 149):
        pixels, digest = decode_file(folder / got.names[row], HOW)
        assert got.pixels[row].numpy().tobytes() == pixels.tobytes()
        assert got.digests[row].tobytes() == digest


def test_a_second_load_reads_no_image(folder, monkeypatch):
    first = decode(folder, names(folder), HOW)
    refuse_to_decode(monkeypatch)
    second = decode(folder, names(folder), HOW)
    assert second.pixels.equal(first.pixels)
    assert (second.digests == first.digests).all()


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
    "digests changed": lambda folder: flip(folder / "sha256.u8"),
    "digests longer": lambda folder: (folder / "sha256.u8").write_bytes(bytes(33 * 150)),
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
        assert (again.digests == first.digests).all()
        assert again.names == first.names
    assert built(home) == [kept]
    assert not list(home.glob(".*"))


def test_bytes_are_verified_once_per_process(folder, monkeypatch):
    decode(folder, names(folder), HOW)
    monkeypatch.setattr(cache.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    decode(folder, names(folder), HOW)


STAMPS = {
    "empty": "",
    "this folder": ".",
    "the folder above": "..",
    "a neighbor": "../../precious",
    "an absolute path": "{precious}",
    "another stamp": "{stamp}",
    "not ASCII": "\xff" * 32,
    "a trailing newline": "{other}\n",
    "letters of the wrong case": "A" * 32,
}


@pytest.mark.parametrize("text", STAMPS.values(), ids=STAMPS)
def test_a_damaged_stamp_removes_and_reads_nothing_else(folder, home, tmp_path, text):
    """`rmtree(home / stamp)` removed the whole cache, or any folder that the stamp named."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("the only copy")
    other = decode(folder, names(folder)[:20], HOW)
    (kept,) = built(home)
    first = decode(folder, names(folder), HOW).pixels.clone()
    stamp = max(home.glob("*.key"), key=lambda path: path.stat().st_mtime_ns)
    assert kept.name not in stamp.read_text()
    stamp.write_text(text.format(precious=precious, stamp=stamp.name, other=kept.name), "latin-1")
    assert decode(folder, names(folder), HOW).pixels.equal(first)
    assert (precious / "thesis.txt").read_text() == "the only copy"
    assert sorted(p.name for p in kept.iterdir()) == ["index.json", "pixels.u8", "sha256.u8"]
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
    assert len(list((tmp_path / "elsewhere").iterdir())) == 3


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
        digest = decode_file(folder / got.names[row], HOW)[1]
        assert got.digests[row].tobytes() == digest


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


# --- copies ---------------------------------------------------------------------------------


def test_of_duplicates_one_is_kept(folder):
    shutil.copy(folder / "004.png", folder / "200.png")
    shutil.copy(folder / "004.png", folder / "100.png")
    got = decode(folder, names(folder), HOW)
    (rows,) = first_of_each(got)
    assert len(rows) == 149
    assert got.names.index("200.png") not in rows


def test_duplicates_across_parts_stay_in_the_earlier_part(folder, tmp_path):
    test = tmp_path / "test"
    test.mkdir()
    shutil.copy(folder / "004.png", test / "other name.png")
    save(test / "new.png", seed=500)
    parts = decode(test, names(test), HOW), decode(folder, names(folder), HOW)
    in_test, in_train = first_of_each(*parts)
    assert len(in_test) == 2
    assert 4 not in in_train
    assert len(in_train) == 149


# --- what can go wrong while it is built ----------------------------------------------------

BUILD = """
import sys, time
from pathlib import Path
from vaelib.data import cache
from vaelib.data.decode import Decoding
slow = float(sys.argv[2])
plain = cache.decode_file
def decode_slowly(*args):
    time.sleep(slow)
    return plain(*args)
cache.decode_file = decode_slowly
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
    plain = cache.decode_file

    def decode_late(*args):
        (new,) = home.glob(".*")
        ages.append(time.time() - new.stat().st_mtime)
        os.utime(new, (0, 0))
        time.sleep(0.001)
        return plain(*args)

    monkeypatch.setattr(cache, "decode_file", decode_late)
    monkeypatch.setattr(cache, "CHUNK", 10)
    monkeypatch.setattr(cache.runtime, "n_cores", lambda: 1)
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
    for name, digest in index["sha256"].items():
        assert hashlib.sha256((kept / name).read_bytes()).hexdigest() == digest
    assert got.pixels.dtype == torch.uint8
