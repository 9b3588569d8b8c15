"""Trained weights in safetensors files, a card beside each; nothing is ever unpickled.

`shipped` loads the ones that come with the package.

    NAME.safetensors   the weights
    NAME.json          the card: what they are, how they were made, the SHA-256 of the weights

Whoever alters one of the two, or mixes up two pairs, is found out by the hash.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialize
from torch import Tensor

from vaelib import files
from vaelib.model import VAE, ConvVAE, Network

SHIPPED = Path(__file__).parent / "weights"
DTYPES = {"float32": torch.float32, "float16": torch.float16}
# What a card says of its network, under the names that the network has for it.
SIZES = (
    *("data_dim", "hidden", "latent_dim", "full_covariance", "decoder_hidden", "n_waves"),
    *("shape", "channels", "learn_sigma"),
)
WIDTHS = ("hidden", "decoder_hidden", "shape", "channels")
LONGEST_HEADER = 10_000_000  # bytes; thousands of tensors need less


class WeightsError(ValueError):
    """A file of tensors that is refused: which, what is wrong with it, what to do."""


@dataclass(frozen=True)
class Card:
    """What stands beside a file of weights. `metrics` are in nats per example unless they say.

    `stderr` and `n_images` belong to the metrics of the same names: the standard error of the
    mean over so many images. `dtype` is that of the file; `load` gives float32. A network with
    `channels` is a ConvVAE for images of `shape`, one without a VAE.
    """

    data: str
    command: str
    device: str
    seconds: float
    metrics: Mapping[str, float]
    likelihood: str
    data_dim: int = 0
    hidden: tuple[int, ...] = ()
    latent_dim: int = 0
    full_covariance: bool = False
    decoder_hidden: tuple[int, ...] = ()
    n_waves: int = 0
    shape: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    learn_sigma: bool = False
    stderr: Mapping[str, float] = field(default_factory=dict)
    n_images: Mapping[str, int] = field(default_factory=dict)
    date: str = ""
    dtype: str = "float32"
    sha256: str = ""

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
        **{name: getattr(model, name) for name in SIZES if hasattr(model, name)},
        sha256=hashlib.sha256(content).hexdigest(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, content)
    files.write_whole(card_path(path), json.dumps(asdict(card), indent=2).encode() + b"\n")
    return card


def load(path: Path) -> tuple[Network, Card]:
    """The network with its weights, float32 on the CPU and in eval mode, and its card.

    Raises WeightsError for a missing card, another hash, and whatever differs from the card:
    a name, a shape, a type, a value that is not finite.
    """
    card = read_card(card_path(path))
    tensors, _ = read_tensors(path, card.sha256)
    try:
        model = card.network()
    except ValueError as problem:
        raise WeightsError(f"{card_path(path)} describes no network: {problem}") from problem
    _compare(path, tensors, model.state_dict(), DTYPES[card.dtype])
    # copies of their own: a slice of the file may lie at any address
    floats = {name: value.float() for name, value in _apart(tensors).items()}
    model.load_state_dict(floats, assign=True)
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
    """The card in this file. Raises WeightsError when it is missing or incomplete."""
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or found.keys() != {f.name for f in fields(Card)}:
            raise ValueError("its entries are not those of a card")
        sizes = [found["data_dim"], found["latent_dim"], *found["hidden"]]
        sizes += [*found["decoder_hidden"], *found["shape"], *found["channels"]]
        if not all(type(n) is int and 0 < n < 2**24 for n in sizes):
            raise ValueError(f"sizes {sizes} of a network are no positive whole numbers")
        if not (type(found["n_waves"]) is int and 0 <= found["n_waves"] < 64):
            raise ValueError(f"{found['n_waves']} is no number of waves")
        if found["dtype"] not in DTYPES:
            raise ValueError(f"dtype {found['dtype']} is none of {', '.join(DTYPES)}")
        widths = {key: tuple(found[key]) for key in WIDTHS}
        return Card(**{**found, **widths})
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing: weights are not loaded without a card") from None
    except (OSError, ValueError, TypeError) as problem:
        raise WeightsError(f"{path} is no card of weights: {problem}") from problem


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: object) -> str:
    """One whole file of tensors with `facts` (whatever JSON can hold) in its header; its hash."""
    apart = _apart({name: value.detach().cpu() for name, value in tensors.items()})
    content = serialize(apart, {"facts": json.dumps(facts)})
    files.write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, sha256: str) -> tuple[dict[str, Tensor], object]:
    """The tensors and the facts of a safetensors file, None where it has no facts.

    Raises WeightsError for a missing file, another hash than `sha256`, a broken header.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise WeightsError(f"{path} cannot be read: {problem.strerror or problem}") from problem
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path} has SHA-256 {found[:12]}..., expected {str(sha256)[:12]}...: it is truncated, "
            "altered, or belongs to another card. Copy it anew."
        )
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, LONGEST_HEADER):
        raise WeightsError(
            f"{path} announces a header of {length:,} bytes and has {max(len(content) - 8, 0):,} "
            "in all: no safetensors file, or a truncated one"
        )
    try:
        facts = json.loads(content[8 : 8 + length]).get("__metadata__", {}).get("facts", "null")
        return parse(content), json.loads(facts)
    except (SafetensorError, ValueError, AttributeError, TypeError, KeyError) as problem:
        raise WeightsError(f"{path} is no safetensors file: {problem}") from problem


def _compare(
    path: Path,
    found: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    dtype: torch.dtype,
) -> None:
    for name in expected.keys() - found.keys():
        raise WeightsError(f"{path} has no tensor {name}, which the network on its card needs")
    for name in found.keys() - expected.keys():
        raise WeightsError(f"{path} has a tensor {name}, unknown to the network on its card")
    for name, tensor in found.items():
        wishes = {"shape": (tensor.shape, expected[name].shape), "dtype": (tensor.dtype, dtype)}
        for what, (got, wanted) in wishes.items():
            if got != wanted:
                raise WeightsError(f"{path}: {name} has {what} {got}, expected {wanted}")
        if not math.isfinite(tensor.sum().item()) and not tensor.isfinite().all():
            raise WeightsError(f"{path}: {name} holds values that are not finite")


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.contiguous().clone() for name, value in tensors.items()}
