"""The networks: maps only, no loss, no sampling (thesis 4.1, listing B.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from vaelib.gaussian import Diagonal, FullCovariance, chol_factor


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes with a ReLU between two of them, none after the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Waves(nn.Module):
    """z (..., M) -> z and the sines and cosines of 2^k pi/2 z, k < n_waves: (..., M (1 + 2 n)).

    A network of few layers bends a plane slowly; with waves of 4, 2, 1, ... units to look at
    it can change within a short way. No parameters.
    """

    def __init__(self, n_waves: int):
        super().__init__()
        self.n_waves = n_waves

    def forward(self, z: Tensor) -> Tensor:
        angles = [math.pi / 2 * 2**k * z for k in range(self.n_waves)]
        waves = [f(angle) for angle in angles for f in (torch.sin, torch.cos)]
        return torch.cat([z, *waves], dim=-1)


class VAE(nn.Module):
    """Encoder x -> q(z|x), decoder z -> parameters of p(x|z).

    `hidden` lists the encoder's hidden widths; the decoder mirrors them. The thesis's MNIST
    model is VAE(784, (512, 256), 2): 1.07 million parameters. q(z|x) is `Diagonal`, or
    `FullCovariance` on request: M (M - 1) / 2 more outputs, the entries below the diagonal
    of its triangular factor (thesis 4.2). The first weights are drawn with `generator`, a
    CPU one; with torch's global one when it is left out.

    Beyond the thesis: a decoder with widths of its own, from latent to data, and one that sees
    z through `n_waves` octaves of `Waves`.
    """

    def __init__(
        self,
        data_dim: int,
        hidden: Sequence[int],
        latent_dim: int,
        generator: torch.Generator | None = None,
        *,
        full_covariance: bool = False,
        decoder_hidden: Sequence[int] | None = None,
        n_waves: int = 0,
    ):
        super().__init__()
        self.data_dim, self.hidden, self.latent_dim = data_dim, tuple(hidden), latent_dim
        self.full_covariance = full_covariance
        mirrored = decoder_hidden is None
        self.decoder_hidden = tuple(reversed(hidden) if mirrored else decoder_hidden)
        self.n_waves = n_waves
        n_below = latent_dim * (latent_dim - 1) // 2 if full_covariance else 0
        with _drawing_from(generator):
            self.encoder = mlp([data_dim, *hidden, 2 * latent_dim + n_below])
            seen = latent_dim * (1 + 2 * n_waves)
            self.decoder = mlp([seen, *self.decoder_hidden, data_dim])
        if n_waves:
            self.decoder.insert(0, Waves(n_waves))

    def encode(self, x: Tensor) -> Diagonal | FullCovariance:
        """q(z|x) for x (B, D). Raises ValueError when x is not (B, D).

        A `Diagonal` is the pair mu, logvar, a `FullCovariance` the pair mu, chol.
        """
        if x.shape[-1] != self.data_dim:
            raise ValueError(
                f"the encoder got x of shape {tuple(x.shape)}, expected (..., {self.data_dim}): "
                "flatten the images first."
            )
        out = self.encoder(x)
        mu, logvar, below = out.tensor_split((self.latent_dim, 2 * self.latent_dim), dim=-1)
        if self.full_covariance:
            return FullCovariance(mu, chol_factor(logvar, below))
        return Diagonal(mu, logvar)

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
