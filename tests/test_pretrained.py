"""Shipped weights: they come back to the bit, and hostile files do not come in."""

import ast
import hashlib
import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as serialize

import vaelib
from vaelib import pretrained
from vaelib.model import VAE
from vaelib.pretrained import Card, WeightsError, load, save

CARD = Card(
    data="noise (3 + 2 images)",
    command="python -m vaelib.train noise",
    device="CPU (2 cores)",
    seconds=1.5,
    metrics={"ELBO of the test images, nats per example": -12.5},
    likelihood="Bernoulli()",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "noise.safetensors"


@pytest.fixture
def model(path):
    model = VAE(9, (4,), 2, generator=torch.Generator().manual_seed(0))
    save(path, model, CARD)
    return model


@pytest.mark.parametrize("full_covariance", [False, True])
def test_weights_come_back_to_the_bit(path, full_covariance):
    model = VAE(9, (7, 4), 3, full_covariance=full_covariance)
    card = save(path, model, CARD)
    again, read = load(path)
    assert read == card
    assert card.hidden == (7, 4)
    assert card.metrics == CARD.metrics
    assert not again.training
    for (name, p), (other, q) in zip(
        model.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert name == other
        assert p.equal(q)
    x = torch.rand(5, 9)
    assert again.encode(x).mu.equal(model.encode(x).mu)


def test_loaded_weights_can_be_trained_further(path, model):
    again, _ = load(path)
    again.encode(torch.rand(5, 9)).kl_to_standard().sum().backward()
    assert all(p.grad is not None for p in again.encoder.parameters())


def test_loading_leaves_torchs_generator_alone(path, model):
    state = torch.random.get_rng_state()
    load(path)
    assert torch.random.get_rng_state().equal(state)


def test_the_card_is_json_that_people_can_read(path, model):
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["hidden"] == [4]
    assert {"data", "command", "device", "seconds", "metrics"} <= card.keys()


def test_weights_that_are_not_finite_are_not_written(path, model):
    before = path.read_bytes()
    with torch.no_grad():
        model.decoder[0].bias[0] = torch.nan
    with pytest.raises(WeightsError, match=r"was not written: decoder\.0\.bias"):
        save(path, model, CARD)
    assert path.read_bytes() == before


# --- hostile files: each with a card that vouches for it, unless the card is the trick ------


class Bomb:
    """What a pickle can do: run something when it is read."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


def vouch(path, content):
    """Put these bytes in the place of the weights, and their hash on the card."""
    path.write_bytes(content)
    card = json.loads(pretrained.card_path(path).read_text())
    card["sha256"] = hashlib.sha256(content).hexdigest()
    pretrained.card_path(path).write_text(json.dumps(card))


def altered(path, change):
    """The same tensors after `change`, vouched for."""
    tensors = {k: v.clone() for k, v in load(path)[0].state_dict().items()}
    change(tensors)
    vouch(path, serialize(tensors))


def truncated_header(path):
    vouch(path, path.read_bytes()[:40])


def no_header_at_all(path):
    vouch(path, b"\x08")


def huge_header(path):
    vouch(path, struct.pack("<Q", 2**63) + path.read_bytes()[8:])


def header_that_is_no_table(path):
    vouch(path, struct.pack("<Q", 2) + b"[]")


def pickle_renamed(path):
    vouch(path, pickle.dumps(Bomb()))


def tensor_past_the_end(path):
    content = path.read_bytes()
    vouch(path, content[:-8])


def wrong_shape(path):
    altered(path, lambda t: t.update({"encoder.0.bias": torch.zeros(5)}))


def wrong_type(path):
    altered(path, lambda t: t.update({"encoder.0.bias": torch.zeros(4, dtype=torch.float64)}))


def missing_tensor(path):
    altered(path, lambda t: t.pop("decoder.2.weight"))


def extra_tensor(path):
    altered(path, lambda t: t.update({"decoder.9.weight": torch.zeros(3)}))


def not_a_number(path):
    altered(path, lambda t: t["decoder.2.weight"].view(-1)[3].fill_(torch.nan))


def infinite(path):
    altered(path, lambda t: t["decoder.2.weight"].view(-1)[3].fill_(torch.inf))


def other_hash(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def no_card(path):
    pretrained.card_path(path).unlink()


def card_of_a_giant(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "hidden": [10**12]}))


def card_with_more(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "code": "import os"}))


def no_weights(path):
    path.unlink()


HOSTILE = {
    truncated_header: "announces a header",
    no_header_at_all: "announces a header",
    huge_header: "announces a header",
    header_that_is_no_table: "no safetensors file",
    pickle_renamed: "announces a header",
    tensor_past_the_end: "no safetensors file",
    wrong_shape: r"encoder\.0\.bias has shape .*5.*, expected .*4",
    wrong_type: r"encoder\.0\.bias has dtype torch\.float64, expected torch\.float32",
    missing_tensor: r"has no tensor decoder\.2\.weight",
    extra_tensor: r"has a tensor decoder\.9\.weight",
    not_a_number: r"decoder\.2\.weight holds values that are not finite",
    infinite: r"decoder\.2\.weight holds values that are not finite",
    other_hash: "SHA-256 .*, expected",
    no_card: r"noise\.json is missing",
    card_of_a_giant: "no positive whole numbers",
    card_with_more: "not those of a card",
    no_weights: "cannot be read",
}


@pytest.mark.parametrize("trick", HOSTILE, ids=lambda f: f.__name__)
def test_hostile_files_are_refused_by_name(path, model, trick, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trick(path)
    with pytest.raises(WeightsError, match=HOSTILE[trick]) as refusal:
        load(path)
    assert "noise." in str(refusal.value)
    assert not Path("exploded").exists()


def test_nothing_in_the_package_unpickles():
    for source in Path(vaelib.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "torch":
                names = {f"torch.{node.attr}"}
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                names = {"allow_pickle"}
            else:
                continue
            bad = {"pickle", "cPickle", "dill", "joblib", "shelve", "torch.load", "allow_pickle"}
            assert not names & bad, f"{source.name}:{node.lineno}"
