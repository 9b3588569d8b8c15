"""`python -m vaelib.train`: the thesis's presets, weights with a card, an end that can go on."""

import errno
import json
import os
import signal

import pytest
import torch
from msgspec.structs import replace

from vaelib import pretrained
from vaelib.data import handwritten, to_unit
from vaelib.evaluate import elbo_terms
from vaelib.likelihood import Bernoulli
from vaelib.train import Checkpoints, Settings, presets
from vaelib.train.__main__ import main

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch):
    """A preset that takes a second, the bundled digits, and the folder of its run."""
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    preset = presets.Preset(
        data="handwritten",
        size=28,
        hidden=(8,),
        latent_dim=2,
        lik=Bernoulli(),
        beta_max=2.0,
        settings=Settings(epochs=2, lr=1e-2),
    )
    monkeypatch.setitem(presets.PRESETS, ("mnist", "quick"), preset)
    return tmp_path / "cache" / "runs" / "mnist-quick"


def test_the_presets_are_those_of_the_thesis():
    """Listing B.3 and appendix C."""
    expected = {
        "mnist": (784, (512, 256), 2, 50, 4.0),
        "brain": (65536, (1024, 512, 256), 64, 50, 1.5),
        "celeba": (49152, (2048, 1024, 512), 256, 100, 2.0),
    }
    assert presets.NAMES[:3] == tuple(expected)
    for name, (dim, hidden, latent_dim, epochs, beta_max) in expected.items():
        preset = presets.PRESETS[name, "thesis"]
        channels = 3 if name == "celeba" else 1
        assert preset.size**2 * channels == dim
        assert (preset.hidden, preset.latent_dim, preset.beta_max) == (hidden, latent_dim, beta_max)
        assert (preset.settings.epochs, preset.settings.batch_size) == (epochs, 128)
        assert preset.settings.lr == 3e-4


def test_gaussian_pixels_are_the_squared_error_of_the_thesis():
    """Differences of log p on [0, 1] are those of the squared error on [-1, 1]."""
    x, one, two = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    lik = presets.THESIS_PIXELS
    error = [((2 * out - 1) - (2 * x - 1)).square().sum() for out in (one, two)]
    torch.testing.assert_close(lik.log_prob(one, x) - lik.log_prob(two, x), -(error[0] - error[1]))


def test_a_run_leaves_weights_and_a_card(tiny, capsys):
    assert main(["mnist", "--profile", "quick"]) == 0
    said = capsys.readouterr().out
    assert "mnist · profile quick" in said
    assert "digits (1,437 + 360 images)" in said
    model, card = pretrained.load(tiny / "mnist-quick.safetensors")
    assert card.command == "python -m vaelib.train mnist --profile quick --seed 0"
    assert card.seconds > 0
    score = elbo_terms(
        model, Bernoulli(), handwritten().test.pixels, torch.Generator().manual_seed(0), 20
    ).value()
    assert card.metrics["ELBO, test images"] == pytest.approx(score.mean().item(), rel=0.01)


def test_a_second_run_is_refused_and_a_finished_one_resumed(tiny, capsys):
    assert main(["mnist", "--profile", "quick"]) == 0
    first = {p.name: p.read_bytes() for p in tiny.iterdir()}
    assert main(["mnist", "--profile", "quick"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main(["mnist", "--profile", "quick", "--resume"]) == 0
    assert {p.name: p.read_bytes() for p in tiny.iterdir()} == first
    assert main(["mnist", "--profile", "quick", "--resume", "--seed", "1"]) == 1
    assert "generator" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on_and_the_end_is_the_same(tiny, tmp_path, monkeypatch, capsys):
    assert main(["mnist", "--profile", "quick", "--out", str(tmp_path / "whole")]) == 0

    def interrupt(self, step):
        if step == 15:
            os.kill(os.getpid(), signal.SIGINT)
        return False

    monkeypatch.setattr(Checkpoints, "is_due", interrupt)
    with pytest.raises(SystemExit) as end:
        main(["mnist", "--profile", "quick"])
    assert end.value.code == 130
    assert "continue with --resume" in capsys.readouterr().err
    assert main(["mnist", "--profile", "quick", "--resume"]) == 0
    name = "mnist-quick.safetensors"
    assert (tiny / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_step_to_resume_from_may_be_named(tiny, capsys):
    assert main(["mnist", "--profile", "quick", "--every", "0"]) == 0
    kept = Checkpoints(tiny).kept()
    assert main(["mnist", "--profile", "quick", "--resume", str(kept[0])]) == 0
    assert main(["mnist", "--profile", "quick", "--resume", "7"]) == 1
    assert "no checkpoint of step 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "word"), [("brain", "phantoms, no brain-tumor-mri"), ("celeba", "faces, no celeba")]
)
def test_a_preset_whose_data_is_not_there_learns_from_drawn_images(
    name, word, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(presets, "N_SLICES", (300, 60))
    monkeypatch.setattr(presets, "N_FACES", (300, 60))
    preset = presets.PRESETS[name, "quick"]
    short = replace(preset, size=32, settings=replace(preset.settings, epochs=30, batch_size=20))
    monkeypatch.setitem(presets.PRESETS, (name, "quick"), short)
    assert main([name, "--profile", "quick"]) == 0
    assert f"{word} in {tmp_path} (300 + 60 images)" in capsys.readouterr().out
    model, card = pretrained.load(
        tmp_path / "cache" / "runs" / f"{name}-quick" / f"{name}-quick.safetensors"
    )
    assert f"{word} in {tmp_path} (300 + 60 images)" in card.data
    images = presets.load(short)
    assert not set(map(bytes, images.train.numpy())) & set(map(bytes, images.validation.numpy()))
    x, mean = to_unit(images.validation), to_unit(images.train).mean(0)
    with torch.no_grad():
        x_hat = preset.lik.mean(model.decode(model.encode(x)[0]))
    assert (x_hat - x).square().mean() < (mean - x).square().mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["brain-ours", "celeba-ours"])
def test_our_networks_learn_from_drawn_images_and_keep_some_to_judge_by(
    name, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(presets, "N_SLICES", (300, 60))
    monkeypatch.setattr(presets, "N_FACES", (300, 60))
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    preset = presets.PRESETS[name, "quick"]
    settings = replace(preset.settings, epochs=60, anneal=60, batch_size=20)
    short = replace(preset, size=32, held_out=50, settings=settings)
    monkeypatch.setitem(presets.PRESETS, (name, "quick"), short)
    assert main([name, "--profile", "quick"]) == 0
    assert f"in {tmp_path} (250 + 50 of the training images)" in capsys.readouterr().out
    model, card = pretrained.load(
        tmp_path / "cache" / "runs" / f"{name}-quick" / f"{name}-quick.safetensors"
    )
    assert (card.channels, card.shape[1:]) == (preset.channels, (32, 32))
    assert "ELBO, held-out images" in card.metrics
    images = presets.load(short)
    assert (len(images.train), len(images.validation)) == (250, 50)
    assert not set(map(bytes, images.train.numpy())) & set(map(bytes, images.validation.numpy()))
    x, mean = to_unit(images.validation), to_unit(images.train).mean(0)
    with torch.no_grad():
        x_hat = preset.lik.mean(model.decode(model.encode(x)[0]))
    assert (x_hat - x).square().mean() < (mean - x).square().mean()


@pytest.mark.parametrize("name", ["brain", "celeba"])
def test_incomplete_data_is_one_message_and_nothing_is_drawn(name, tmp_path, capsys):
    (tmp_path / "celeba").mkdir()
    (tmp_path / "brain-tumor-mri").mkdir()
    assert main([name, "--profile", "quick"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no folder" in err


@pytest.mark.parametrize("name", sorted({*presets.NAMES} - {"portraits-ours"}))  # it reads none
def test_a_folder_that_does_not_exist_is_no_reason_to_draw(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "mistyped"))
    assert main([name, "--profile", "quick"]) == 1
    assert "VAELIB_DATA names" in capsys.readouterr().err


def test_so_is_a_disk_that_is_full_when_the_weights_come(tiny, monkeypatch, capsys):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(pretrained.files, "write_whole", full)
    monkeypatch.setattr(Checkpoints, "save", lambda *_: None)
    assert main(["mnist", "--profile", "quick"]) == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "mnist-quick.safetensors" in said


def test_the_card_is_json(tiny):
    main(["mnist", "--profile", "quick"])
    assert json.loads((tiny / "mnist-quick.json").read_text())["latent_dim"] == 2
