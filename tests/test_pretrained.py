"""Shipped weights: they come back to the bit, and hostile files do not come in."""

import ast
import hashlib
import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save as serialize

import vaelib
from vaelib import data, drawn, pretrained
from vaelib.data import copies
from vaelib.estimate import Estimate
from vaelib.evaluate import elbo_terms
from vaelib.likelihood import Bernoulli, ScaledGaussian, binarize
from vaelib.model import VAE, ConvVAE
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


def test_a_network_with_a_shape_of_its_own_comes_back(path):
    model = VAE(9, (7, 4), 3, decoder_hidden=(5,), n_waves=2)
    card = save(path, model, CARD)
    assert (card.decoder_hidden, card.n_waves) == ((5,), 2)
    z = torch.randn(5, 3)
    assert load(path)[0].decode(z).equal(model.decode(z))


@pytest.mark.parametrize("learn_sigma", [False, True])
def test_a_convolutional_network_comes_back(path, learn_sigma):
    model = ConvVAE((3, 16, 8), (4, 6), 5, learn_sigma=learn_sigma)
    card = save(path, model, CARD)
    assert (card.shape, card.channels, card.hidden) == ((3, 16, 8), (4, 6), ())
    again, read = load(path)
    assert read == card
    assert isinstance(again, ConvVAE)
    assert again.learn_sigma == learn_sigma
    z = torch.randn(5, 5)
    assert again.decode(z).equal(model.decode(z))


@pytest.mark.parametrize("wrong", [{"channels": [4, 0]}, {"shape": [3, 16]}, {"shape": [3, 15, 8]}])
def test_a_card_of_an_impossible_convolution_is_refused(path, wrong):
    save(path, ConvVAE((3, 16, 8), (4, 6), 5), CARD)
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, **wrong}))
    with pytest.raises(WeightsError, match=r"noise\.json"):
        load(path)


def test_half_precision_is_half_the_file_and_loads_as_float32(path, model):
    whole = path.stat().st_size
    save(path, model, replace(CARD, dtype="float16"))
    again, card = load(path)
    assert card.dtype == "float16"
    assert path.stat().st_size < 0.8 * whole  # the header stays as it is
    for p, q in zip(model.parameters(), again.parameters(), strict=True):
        assert q.dtype == torch.float32
        assert q.equal(p.half().float())
    with torch.no_grad():
        model.decoder[0].bias[0] = 1e6  # beyond the largest float16
    with pytest.raises(WeightsError, match="not finite"):
        save(path, model, replace(CARD, dtype="float16"))


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


def card_of_another_dtype(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "dtype": "float16"}))


def card_of_an_unknown_dtype(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "dtype": "object"}))


def card_of_countless_waves(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "n_waves": 10**9}))


def card_with_more(path):
    card = json.loads(pretrained.card_path(path).read_text())
    pretrained.card_path(path).write_text(json.dumps({**card, "code": "import os"}))


def no_weights(path):
    path.unlink()


HOSTILE = {
    truncated_header: "header too large|invalid header length",
    no_header_at_all: "header too small",
    huge_header: "header too large",
    header_that_is_no_table: "invalid JSON in header",
    pickle_renamed: "header too large",
    tensor_past_the_end: "not fully covered",
    wrong_shape: r"encoder\.0\.bias: .*\[5\].* current model is .*\[4\]",
    wrong_type: r"encoder\.0\.bias is torch\.float64, expected float32",
    missing_tensor: r"Missing key.*decoder\.2\.weight",
    extra_tensor: r"Unexpected key.*decoder\.9\.weight",
    not_a_number: r"decoder\.2\.weight holds values that are not finite",
    infinite: r"decoder\.2\.weight holds values that are not finite",
    other_hash: "SHA-256 .*, expected",
    no_card: r"noise\.json is missing",
    card_of_a_giant: r"Expected `int` <= 16777215 - at `\$\.hidden\[0\]`",
    card_of_another_dtype: r"is torch\.float32, expected float16",
    card_of_an_unknown_dtype: "Invalid enum value 'object'",
    card_of_countless_waves: r"Expected `int` <= 63 - at `\$\.n_waves`",
    card_with_more: "unknown field `code`",
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


# --- the weights that come with the package -------------------------------------------------

SHIPPED = (
    "brain-ours",
    "celeba-ours",
    "latent-binarized",
    "latent-ours",
    "latent-thesis",
    "portraits-ours",
)
DATA_DIM = {"latent": 28**2, "brain": 128**2, "celeba": 3 * 64**2, "portraits": 3 * 48**2}
each_shipped = pytest.mark.parametrize("name", SHIPPED)


def test_those_are_all_and_an_unknown_name_is_told_them():
    files = sorted(p.name for p in pretrained.SHIPPED.iterdir())
    assert files == sorted(f"{name}.{end}" for name in SHIPPED for end in ("json", "safetensors"))
    with pytest.raises(
        WeightsError, match=f"no weights named latent are shipped; there are {', '.join(SHIPPED)}"
    ):
        pretrained.shipped("latent")


@each_shipped
def test_shipped_weights_are_those_of_their_card(name):
    model, card = pretrained.shipped(name)
    assert card.dtype == "float16"
    assert card.likelihood == repr(likelihood(name))
    assert model.data_dim == DATA_DIM[kind(name)]
    assert card.metrics.keys() == card.stderr.keys() == card.n_images.keys()
    assert "-ELBO" in card.metrics
    assert card.command.startswith("python -m vaelib.train ")
    assert card.seconds > 60
    assert len(card.date) == len("2026-01-01")
    assert sum(p.numel() for p in model.parameters()) <= 6_000_000


def test_shipped_weights_stay_small():
    sizes = [p.stat().st_size for p in pretrained.SHIPPED.iterdir()]
    assert sum(sizes) < 16_000_000
    assert max(sizes) < 10_000_000


def kind(name):
    return name.split("-")[0]


def likelihood(name):
    return Bernoulli() if kind(name) == "latent" else ScaledGaussian()


def images(name, gen):
    """Test images of the data that a model was made for; skips where they are not on disk."""
    if kind(name) == "portraits":
        return drawn.faces(300, seed=1, size=48).images.pixels
    there = {"latent": data.has_mnist, "brain": data.has_brain, "celeba": data.has_celeba}
    if not there[kind(name)]():
        pytest.skip(f"the data of {name} is not on disk")
    if kind(name) == "brain":
        test = copies.without_copies(data.brain(128)).test
        return data.normalized(test[test.labels == 0]).pixels
    if kind(name) == "celeba":
        return data.celeba(64).test.images.pixels[::4]
    x = data.mnist().test.x[::4]
    return binarize(x, gen) if "binarized" in name else x


@each_shipped
def test_the_elbo_on_the_card_is_measured_again(name):
    """At six standard errors of the difference; a network of other weights is far off."""
    gen = torch.Generator().manual_seed(7)
    x, lik = images(name, gen), likelihood(name)
    model, card = pretrained.shipped(name)
    on_card = Estimate(card.metrics["-ELBO"], card.stderr["-ELBO"], card.n_images["-ELBO"])
    again = Estimate.of(-elbo_terms(model, lik, x, gen, batch_size=100).value())
    assert (again - on_card).off(0) < 6
    with torch.no_grad():
        model.decoder[-1].weight.mul_(0.3)
    other = Estimate.of(-elbo_terms(model, lik, x, gen, batch_size=100).value())
    assert other.value > on_card.value, "the test has no power"
    assert (other - on_card).off(0) > 6, "the test has no power"


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
