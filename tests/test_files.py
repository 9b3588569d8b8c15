"""Files that are whole or absent, and what is removed of those that were not finished."""

import os
import subprocess
import sys
import time

import pytest

from vaelib import files

HERE = f"{files.host()}-{os.getpid()}"


def test_a_file_is_written_whole(tmp_path):
    files.write_whole(tmp_path / "a", b"first")
    files.write_whole(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_an_error_while_writing_leaves_the_file_as_it_was(tmp_path):
    files.write_whole(tmp_path / "a", b"first")
    with pytest.raises(TypeError), files.replacing(tmp_path / "a") as out:
        out.writelines([b"sec", None])
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def left(folder, name, hours=0.0):
    """Something unfinished in `folder`, last written so many hours ago."""
    path = folder / name
    path.write_bytes(b"half")
    os.utime(path, (time.time() - 3600 * hours,) * 2)
    return path


def test_what_a_dead_process_of_this_host_left_is_removed(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left(tmp_path, f".a.part-{files.host()}-{dead.pid}-0123abcd")
    left(tmp_path, f".a.part-{HERE}-0123abcd")  # of a process that had our id before us
    left(tmp_path, f".a.part-{files.host()}-{10**30}-0123abcd")
    assert files.sweep(tmp_path) == 3
    assert not list(tmp_path.iterdir())


def test_a_living_process_keeps_what_it_writes_however_old(tmp_path):
    left(tmp_path, f".a.part-{files.host()}-{os.getppid()}-0123abcd", hours=100)
    with files.replacing(tmp_path / "b") as out:
        out.write(b"half")
        assert files.sweep(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_another_host_keeps_its_files_until_their_lease_ends(tmp_path):
    young = left(tmp_path, ".a.part-elsewhere_00000000-4194303-0123abcd", hours=0.9)
    left(tmp_path, ".b.part-elsewhere_00000000-4194303-0123abcd", hours=1.1)
    assert files.sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == [young]


def test_folders_are_removed_and_links_are_not_followed(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").touch()
    folder = tmp_path / "folder"
    (folder / f".a.part-{HERE}-0123abcd" / "inner").mkdir(parents=True)
    (folder / f".b.part-{HERE}-0123abcd").symlink_to(precious)
    assert files.sweep(folder) == 2
    assert not list(folder.iterdir())
    assert (precious / "thesis.txt").exists()


@pytest.mark.parametrize(
    "name",
    ["a", ".a", "a.part-{here}-0123abcd", ".a.part-{here}-0123", ".a.{here}-0123abcd", ".part"],
)
def test_nothing_with_another_name_is_removed(tmp_path, name):
    # Filled in here: the ids of tests may not hold a process id, workers must agree on them.
    name = name.format(here=HERE)
    left(tmp_path, name, hours=100)
    assert files.sweep(tmp_path) == 0
    assert (tmp_path / name).exists()


def test_the_host_is_part_of_a_temporary_name(tmp_path, monkeypatch):
    monkeypatch.setattr(files.socket, "gethostname", lambda: "Node-7.Cluster.example" + "x" * 200)
    files.host.cache_clear()
    try:
        with files.temporary(tmp_path / "a") as new:
            assert new.name.startswith(".a.part-node_7_cluster_example")
            assert files.TEMPORARY.fullmatch(new.name)
            assert len(new.name) < 100
    finally:
        files.host.cache_clear()
