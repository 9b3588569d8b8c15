"""Small files: one clear message for whatever is wrong, for every kind of file there is."""

import hashlib
import json
import os
import time
from pathlib import Path

import chapters
import msgspec
import nbformat
import pytest
import torch
from corruption import corrupted_bytes, corruptions
from safetensors.torch import load_file, save_file

from vaelib import faces, pretrained, records, schema
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE, ConvVAE
from vaelib.pretrained import Card, WeightsError
from vaelib.train import CheckpointError, Checkpoints, Settings, fit, presets

torch.set_num_threads(1)
N = 50  # corruptions of each kind of file


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    x: int
    sizes: schema.Sizes = ()
    weights: dict[str, float] = {}
    anything: object = None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `x`"),
        (b'{"x": "1"}', r"Expected `int`, got `str` - at `\$\.x`"),
        (b'{"x": 1, "y": 2}', "unknown field `y`"),
        (b'{"x": 1, "sizes": [3, 0]}', r"Expected `int` >= 1 - at `\$\.sizes\[1\]`"),
        (b'{"x": 1, "sizes": [%s1]}' % (b"1," * 50_000), "length <= 64"),
        (b'{"x": %s}' % (b"9" * 5000), "out of range"),
        (b'{"x": 1, "weights": {"a": NaN}}', "malformed"),
        (b'{"x": 1, "weights": {"a": 1e999}}', "out of range"),
        (b'{"x": 1, "anything": %s}' % (b"[" * 100_000 + b"]" * 100_000), "nested too deeply"),
        (b'{"x": 1, "anything": "\xff"}', "UTF-8"),
        (b" " * (schema.LARGEST + 1), "at most 16,777,216 bytes"),
    ],
)
def test_each_defect_is_one_message_that_names_the_file(tmp_path, content, says):
    path = tmp_path / "point.json"
    path.write_bytes(content)
    with pytest.raises(schema.SchemaError, match=rf"point\.json is not valid: .*{says}") as refusal:
        schema.read(path, Point, "Copy it again.")
    assert str(refusal.value).endswith("Copy it again.")
    assert len(str(refusal.value).splitlines()) == 1


def test_a_file_that_is_missing_or_no_regular_file_is_named(tmp_path):
    with pytest.raises(schema.SchemaError, match=r"point\.json cannot be read: No such file"):
        schema.read(tmp_path / "point.json", Point)
    with pytest.raises(schema.SchemaError, match="not a regular file"):
        schema.read(tmp_path, Point)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(schema.SchemaError, match="not a regular file"):
            schema.read(tmp_path / "pipe", Point)


def test_what_is_encoded_is_decoded_again():
    point = Point(3, (4, 5), {"a": 0.1}, [None, "text"])
    assert schema.decode(schema.encode(point), Point, "here") == point


# --- every kind of file: it is loaded, or refused by name, soon -----------------------------


def loads_or_is_refused(write, load, content, error, name, how=corruptions):
    """Each corruption of `content` is loaded or is one `error` that names the file; most are."""
    refusals = []
    for corrupted in how(content, N):
        write(corrupted)
        begin = time.process_time()
        try:
            load()
        except error as problem:
            refusals.append(str(problem))
        assert time.process_time() - begin < 2
    assert len(refusals) > N / 2
    assert all(name in message and len(message) < 1500 for message in refusals)


def model_of(kind):
    return VAE(9, (4,), 2) if kind == "dense" else ConvVAE((3, 16, 8), (4, 6), 5)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_corrupted_cards_are_refused(tmp_path, kind):
    path = tmp_path / "noise.safetensors"
    card = Card("noise", "python", "CPU", 1.5, {"ELBO": -12.5}, "Bernoulli()")
    pretrained.save(path, model_of(kind), card)
    beside = pretrained.card_path(path)
    loads_or_is_refused(
        beside.write_bytes, lambda: pretrained.load(path), beside.read_bytes(), WeightsError,
        "noise.",
    )  # fmt: skip


def with_facts(path, text):
    """Put other facts into the header of a file of tensors, and its hash beside it."""
    save_file(load_file(path), path, {"facts": text.decode(errors="replace")})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest}))


def facts_of(path):
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header["__metadata__"]["facts"].encode()


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    path = tmp_path_factory.mktemp("kit") / "kit.safetensors"
    faces.save(path, faces.shipped())
    return path


def test_corrupted_facts_of_a_kit_are_refused(kit):
    loads_or_is_refused(
        lambda text: with_facts(kit, text), lambda: faces.load(kit), facts_of(kit), WeightsError,
        "kit.safetensors",
    )  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    gen = torch.Generator().manual_seed(0)
    settings = Settings(epochs=2, batch_size=8, patience=1)
    resumed = {"checkpoints": Checkpoints(tmp_path), "resume": True}

    def run():
        x = torch.rand(16, 9, generator=torch.Generator().manual_seed(1))
        model = VAE(9, (4,), 2, gen.manual_seed(0))
        return fit(model, Bernoulli(), x, settings, generator=gen, validation=x, **resumed)

    run()
    return tmp_path / "00000004.safetensors", run


def test_corrupted_facts_of_a_checkpoint_are_refused(checkpoint):
    path, run = checkpoint
    tensors, facts = path.read_bytes(), facts_of(path)

    def write(text):
        path.write_bytes(tensors)
        with_facts(path, text)

    loads_or_is_refused(write, run, facts, CheckpointError, str(path.parent))


def test_a_corrupted_hash_beside_tensors_is_refused(checkpoint):
    path, run = checkpoint
    beside = path.with_suffix(".json")
    loads_or_is_refused(
        beside.write_bytes, run, beside.read_bytes(), CheckpointError, str(path.parent)
    )


def test_corrupted_records_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "anomaly-lead.json"
    content = (records.FOLDER / path.name).read_bytes()
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    loads_or_is_refused(
        path.write_bytes, lambda: records.recorded(path.stem), content, records.RecordError,
        path.name,
    )  # fmt: skip


def test_corrupted_presets_are_refused(tmp_path):
    path = tmp_path / "presets.toml"
    text = Path(presets.__file__).with_suffix(".toml").read_bytes()
    begin = text.index(b"[brain-ours.thesis]")
    loads_or_is_refused(
        path.write_bytes,
        lambda: presets.read(path),
        text[begin : text.index(b"[", begin + 100)],
        schema.SchemaError,
        "presets.toml",
        how=corrupted_bytes,
    )


RUN = {
    "code": "ab" * 32,
    "environment": {"profile": "quick", "device": "CPU", "data": "none", "python": "3.11"},
    "wall_seconds": 10.5,
    "cpu_seconds": 9,
    "finished": "2026-01-01T00:00:00+00:00",
}


def test_corrupted_facts_of_a_run_are_no_run(tmp_path, monkeypatch):
    """A run whose facts cannot be read is made again."""
    monkeypatch.setattr(chapters, "EXECUTED", tmp_path)
    chapters.save_run("01_one", nbformat.v4.new_notebook(), schema.convert(RUN, chapters.Run, ""))
    path = tmp_path / "01_one.ipynb"
    whole = chapters.facts(chapters.load_run("01_one"))
    content, runs = path.read_bytes(), []
    for corrupted in corruptions(content, N):
        path.write_bytes(corrupted)
        runs.append(chapters.load_run("01_one"))
    assert runs.count(None) > N / 2
    assert all(type(chapters.facts(run)) is type(whole) for run in runs if run is not None)
