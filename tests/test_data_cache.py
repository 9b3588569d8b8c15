"""The cache of decoded images: right, whole or absent, safe for two at once."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from pictures import damage, save

from vaelib import files
from vaelib.data import cache
from vaelib.data.cache import decode, first_of_each, in_share
from vaelib.data.common import DataError
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


def test_nobody_can_write_into_the_cache(folder):
    decode(folder, names(folder), HOW).pixels.zero_()
    assert decode(folder, names(folder), HOW).pixels.any()


@pytest.mark.parametrize("change", ["content", "settings", "names", "order"])
def test_other_content_or_settings_are_other_images(folder, change):
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


@pytest.mark.parametrize("harm", ["cut", "longer", "no index", "bad index", "gone"])
def test_a_harmed_cache_is_built_again(folder, home, harm):
    first = decode(folder, names(folder), HOW).pixels.clone()
    (kept,) = built(home)
    if harm == "cut":
        os.truncate(kept / "pixels.u8", 100)
    elif harm == "longer":
        with (kept / "sha256.u8").open("ab") as out:
            out.write(b"x")
    elif harm == "no index":
        (kept / "index.json").unlink()
    elif harm == "bad index":
        (kept / "index.json").write_text("{")
    else:
        shutil.rmtree(kept)
    assert decode(folder, names(folder), HOW).pixels.equal(first)


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


def test_nothing_but_bad_files_is_refused_even_then(tmp_path):
    (tmp_path / "images").mkdir()
    damage(tmp_path / "images" / "a.png", "empty")
    with pytest.raises(DataError, match="1 of 1 files"):
        decode(tmp_path / "images", ["a.png"], HOW, skip_bad=True)


def test_no_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no images"):
        decode(tmp_path, [], HOW)


# --- copies ---------------------------------------------------------------------------------


def test_copies_are_found_and_kept_once(folder):
    shutil.copy(folder / "004.png", folder / "200.png")
    shutil.copy(folder / "004.png", folder / "100.png")
    got = decode(folder, names(folder), HOW)
    (rows,) = first_of_each(got)
    assert len(rows) == 149
    assert got.names.index("200.png") not in rows


def test_an_earlier_part_takes_the_copies(folder, tmp_path):
    test = tmp_path / "test"
    test.mkdir()
    shutil.copy(folder / "004.png", test / "other name.png")
    save(test / "new.png", seed=500)
    parts = decode(test, names(test), HOW), decode(folder, names(folder), HOW)
    in_test, in_train = first_of_each(*parts)
    assert len(in_test) == 2
    assert 4 not in in_train
    assert len(in_train) == 149


def test_a_share_is_chosen_by_content_alone():
    digests = np.random.default_rng(0).integers(0, 256, (20_000, 32), dtype=np.uint8)
    chosen = in_share(digests, 0.1)
    # a binomial count: standard deviation sqrt(n p (1 - p)) = 42
    assert abs(chosen.sum() - 2000) < 6 * 42.5
    order = np.random.default_rng(1).permutation(20_000)
    assert (in_share(digests[order], 0.1) == chosen[order]).all()
    assert (in_share(digests, 0.5) | ~chosen).all()
    assert not in_share(digests, 0.0).any()
    assert in_share(digests, 1.0).all()


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


def test_a_killed_builder_leaves_nothing_half_valid(folder, home):
    worker = builder(folder, 0.02)
    assert worker.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 60
    while not list(home.glob(".building-*/pixels.u8")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not [p for p in built(home) if not p.name.startswith(".")]
    got = decode(folder, names(folder), HOW)
    assert got.pixels[5].numpy().tobytes() == decode_file(folder / "005.png", HOW)[0].tobytes()
    assert not list(home.glob(".*")), "what the dead one left was not taken away"


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


def test_a_write_that_the_system_refuses_leaves_nothing_and_can_be_made_up_for(folder, home):
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
    decode(folder, names(folder), HOW)
    index = json.loads((built(home)[0] / "index.json").read_text())
    assert index == {"shape": [3, 8, 8], "kept": list(range(150)), "left_out": []}
    assert torch.uint8 == decode(folder, names(folder), HOW).pixels.dtype
