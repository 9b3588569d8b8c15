"""The networks: maps only, no loss, no sampling (thesis 4.1, listing B.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes with a ReLU between two of them, none after the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VAE(nn.Module):
    """Encoder x -> (mu, logvar) of q(z|x), decoder z -> parameters of p(x|z).

    `hidden` lists the encoder's hidden widths; the decoder mirrors them. The thesis's MNIST
    model is VAE(784, (512, 256), 2): 1.07 million parameters. The first weights are drawn
    with `generator`, a CPU one; with torch's global one when it is left out.
    """

    def __init__(
        self,
        data_dim: int,
        hidden: Sequence[int],
        latent_dim: int,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.data_dim, self.hidden, self.latent_dim = data_dim, tuple(hidden), latent_dim
        with _drawing_from(generator):
            self.encoder = mlp([data_dim, *hidden, 2 * latent_dim])
            self.decoder = mlp([latent_dim, *reversed(hidden), data_dim])

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) -> mu (B, M), logvar (B, M). Raises ValueError when x is not (B, D)."""
        if x.shape[-1] != self.data_dim:
            raise ValueError(
                f"the encoder got x of shape {tuple(x.shape)}, expected (..., {self.data_dim}): "
                "flatten the images first."
            )
        mu, logvar = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """(..., M) -> the raw output (..., D): logits or means, as the likelihood reads them."""
        return self.decoder(z)


@contextmanager
def _drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """torch's layers draw their weights from the global generator: lend it another seed."""
    if generator is None:
        yield
        return
    seed = torch.randint(2**62, (), generator=generator).item()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
