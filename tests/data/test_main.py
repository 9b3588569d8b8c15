"""The command `python -m vaelib.data`."""

import subprocess
import sys

import pytest
from pictures import damage, save

from vaelib.data import DataError
from vaelib.data import __main__ as command


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    return tmp_path


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


@pytest.mark.parametrize(
    ("name", "folder", "word"),
    [("brain", "brain-tumor-mri", "Kaggle"), ("celeba", "celeba", "list_attr_celeba.txt")],
)
def test_manual_downloads_are_explained_in_steps(data_dir, capsys, name, folder, word):
    assert command.main(["fetch", name]) == 0
    out = capsys.readouterr().out
    assert str(data_dir / folder) in out
    assert word in out
    assert [line.split(".")[0].strip() for line in out.splitlines() if line[2:3].isdigit()] == list(
        "1234"
    )


def test_a_data_set_that_is_there_is_read_completely(data_dir, tmp_path, monkeypatch, capsys):
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
