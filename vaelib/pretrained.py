"""Trained weights in safetensors files, a card beside each; nothing is ever unpickled.

`shipped` loads the ones that come with the package.

    NAME.safetensors   the weights
    NAME.json          the card: what they are, how they were made, the SHA-256 of the weights

Whoever alters one of the two, or mixes up two pairs, is found out by the hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import torch
from msgspec import Meta
from msgspec.structs import replace
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from vaelib import files, schema
from vaelib.model import VAE, ConvVAE, Network

T = TypeVar("T")
SHIPPED = Path(__file__).parent / "weights"
DTYPES = {"float32": torch.float32, "float16": torch.float16}
COPY_AGAIN = "Copy it again."


class WeightsError(ValueError):
    """A file of tensors, or what belongs to it, that is refused: which, why, what to do."""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of weights holds and how it was made.

    `metrics` are in nats per example unless their names say otherwise. `stderr` and `n_images`
    belong to the metrics of the same names: the standard error of the mean over this number of
    images. `dtype` is that of the file; `load` gives float32. A network with `channels` is a
    ConvVAE for images of `shape`, one without a VAE. The sizes of the network have the names that
    they have there.
    """

    data: str
    command: str
    device: str
    seconds: float
    metrics: dict[str, float]
    likelihood: str
    data_dim: schema.Size = 0
    hidden: schema.Sizes = ()
    latent_dim: schema.Size = 0
    full_covariance: bool = False
    decoder_hidden: schema.Sizes = ()
    n_waves: Annotated[int, Meta(ge=0, lt=64)] = 0
    shape: schema.Sizes = ()
    channels: schema.Sizes = ()
    learn_sigma: bool = False
    stderr: dict[str, float] = {}
    n_images: dict[str, int] = {}
    date: str = ""
    dtype: Literal["float32", "float16"] = "float32"
    sha256: schema.Sha256 = ""

    def network(self) -> Network:
        """The network that the card describes, without memory for its weights."""
        with torch.device("meta"):
            if self.channels:
                return ConvVAE(
                    self.shape, self.channels, self.latent_dim, learn_sigma=self.learn_sigma
                )
            return VAE(
                self.data_dim,
                self.hidden,
                self.latent_dim,
                full_covariance=self.full_covariance,
                decoder_hidden=self.decoder_hidden,
                n_waves=self.n_waves,
            )


def save(path: Path, model: Network, card: Card) -> Card:
    """Write the weights of `model` and their card; returns the card, completed.

    The sizes of the network and the hash are filled in here; the weights are rounded to the
    card's dtype. Raises WeightsError for weights that are not finite (any more), OSError where
    the disk is full; then both files are as they were, or their hashes say that they don't
    belong together.
    """
    dtype = DTYPES[card.dtype]
    tensors = {name: value.detach().cpu().to(dtype) for name, value in model.state_dict().items()}
    bad = [name for name, value in tensors.items() if not value.isfinite().all()]
    if bad:
        raise WeightsError(f"{path} was not written: {bad[0]} holds values that are not finite")
    content = serialize(_apart(tensors))
    card = replace(
        card,
        **{name: getattr(model, name) for name in Card.__struct_fields__ if hasattr(model, name)},
        sha256=hashlib.sha256(content).hexdigest(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, content)
    files.write_whole(card_path(path), schema.encode(card))
    return card


def load(path: Path) -> tuple[Network, Card]:
    """The network with its weights, float32 on the CPU and in eval mode, and its card.

    Raises WeightsError for a missing or invalid card, another hash, and whatever differs from
    the card: a name, a shape, a type, a value that is not finite.
    """
    card = read_card(card_path(path))
    tensors, _ = _open(path, card.sha256)
    try:
        model = card.network()
    except (ValueError, RuntimeError) as problem:  # RuntimeError: sizes that overflow
        raise WeightsError(f"{card_path(path)} describes no network: {problem}") from problem
    for name, tensor in tensors.items():
        if tensor.dtype != DTYPES[card.dtype]:
            raise WeightsError(f"{path}: {name} is {tensor.dtype}, expected {card.dtype}")
        if not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name} holds values that are not finite")
    # copies of their own: a slice of the file may lie at any address
    floats = {name: value.float() for name, value in _apart(tensors).items()}
    try:
        model.load_state_dict(floats, assign=True)
    except RuntimeError as problem:
        raise WeightsError(f"{path} is not of the network on its card: {problem}") from problem
    return model.eval(), card


def shipped(name: str) -> tuple[Network, Card]:
    """The weights that come with the package under this name, and their card.

    Raises WeightsError, with the names there are, when there is none of this name.
    """
    names = sorted(path.stem for path in SHIPPED.glob("*.safetensors"))
    if name not in names:
        raise WeightsError(f"no weights named {name} are shipped; there are {', '.join(names)}")
    return load(SHIPPED / f"{name}.safetensors")


def card_path(path: Path) -> Path:
    """Where the card of these weights lies: the same name, .json."""
    return path.with_suffix(".json")


def read_card(path: Path) -> Card:
    """The card in this file. Raises WeightsError when it is missing or not valid."""
    if not path.exists():
        raise WeightsError(f"{path} is missing: weights are not loaded without a card")
    card = schema.read(path, Card, COPY_AGAIN, WeightsError)
    for name in ("data_dim", "latent_dim", "sha256"):  # `save` fills them in
        if not getattr(card, name):
            raise WeightsError(f"{path} is not valid: missing field `{name}`. {COPY_AGAIN}")
    return card


class Digest(msgspec.Struct, frozen=True):
    """What lies beside a file of tensors that has no card: its SHA-256."""

    sha256: schema.Sha256


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: object) -> None:
    """A file of tensors with `facts` (a Struct) in its header, then, beside it, its hash."""
    apart = _apart({name: value.detach().cpu() for name, value in tensors.items()})
    content = serialize(apart, {"facts": json.dumps(msgspec.to_builtins(facts))})
    files.write_whole(path, content)
    digest = Digest(hashlib.sha256(content).hexdigest())
    files.write_whole(path.with_suffix(".json"), schema.encode(digest))


def read_tensors(path: Path, kind: type[T]) -> tuple[dict[str, Tensor], T]:
    """The tensors and the facts, a `kind`, of a file that `write_tensors` wrote.

    Raises WeightsError for a missing file, another hash than the one beside it, a damaged
    header, facts that are not a `kind`.
    """
    digest = schema.read(path.with_suffix(".json"), Digest, error=WeightsError)
    tensors, facts = _open(path, digest.sha256)
    return tensors, schema.decode(facts.encode(), kind, f"the header of {path}", error=WeightsError)


def _open(path: Path, sha256: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of a safetensors file with this hash, and the facts in its header as JSON."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    if found != sha256:
        raise WeightsError(
            f"{path} has SHA-256 {found[:12]}..., expected {sha256[:12] or 'one'}...: it is "
            f"truncated, altered, or belongs to another card. {COPY_AGAIN}"
        )
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, (file.metadata() or {}).get("facts", "null")
    except (SafetensorError, ValueError, TypeError, KeyError) as problem:
        raise WeightsError(f"{path} is not a valid safetensors file: {problem}") from problem


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.contiguous().clone() for name, value in tensors.items()}
