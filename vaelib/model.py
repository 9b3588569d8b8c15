"""The networks: maps only, without loss or sampling (thesis 4.1, listing B.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn

from vaelib.gaussian import Diagonal, FullCovariance, chol_factor


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of the given sizes, ReLU between consecutive ones and none after the last."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Waves(nn.Module):
    """z (..., M) -> z with sin and cos of 2^k pi/2 z, k < n_waves: (..., M (1 + 2 n_waves)).

    Fourier features of wavelength 4, 2, 1, ...: a shallow ReLU network learns functions that
    vary quickly in z only slowly, and with these features it learns them faster (Tancik et al.,
    2020). No parameters.
    """

    def __init__(self, n_waves: int):
        super().__init__()
        self.n_waves = n_waves

    def forward(self, z: Tensor) -> Tensor:
        """(..., M) -> (..., M (1 + 2 n_waves))."""
        angles = [math.pi / 2 * 2**k * z for k in range(self.n_waves)]
        waves = [f(angle) for angle in angles for f in (torch.sin, torch.cos)]
        return torch.cat([z, *waves], dim=-1)


class VAE(nn.Module):
    """Encoder x -> q(z|x), decoder z -> parameters of p(x|z).

    hidden           widths of the encoder's hidden layers; the decoder mirrors them. The thesis's
                     MNIST model is VAE(784, (512, 256), 2), with 1.07 million parameters
    generator        on the CPU, draws the initial weights; torch's global one if None
    full_covariance  q(z|x) is `FullCovariance` instead of `Diagonal`: the encoder has
                     M (M - 1) / 2 more outputs, the entries below the diagonal (thesis 4.2)
    decoder_hidden   widths of the decoder's hidden layers where they differ (not in the thesis)
    n_waves          number of octaves of `Waves` that the decoder's input gets (not in the thesis)
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
        _check_width(x, self.data_dim)
        out = self.encoder(x)
        mu, logvar, below = out.tensor_split((self.latent_dim, 2 * self.latent_dim), dim=-1)
        if self.full_covariance:
            return FullCovariance(mu, chol_factor(logvar, below))
        return Diagonal(mu, logvar)

    def decode(self, z: Tensor) -> Tensor:
        """(..., M) -> the raw output (..., D): logits or means, depending on the likelihood."""
        return self.decoder(z)


class ConvVAE(nn.Module):
    """A convolutional VAE for images of `shape` (C, H, W), passed flat as (B, C H W).

    The encoder halves height and width once per entry of `channels`, the decoder doubles them
    again; linear layers connect the smallest feature maps and the latent space. With
    learn_sigma the decoder appends log sigma_x, one number for all pixels, to the D values of
    the mean image, as `likelihood.ScaledGaussian` expects.

    Raises ValueError if height or width is not divisible by 2 per entry of `channels`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        channels: Sequence[int],
        latent_dim: int,
        generator: torch.Generator | None = None,
        *,
        learn_sigma: bool = True,
    ):
        super().__init__()
        n_color, height, width = shape
        factor = 2 ** len(channels)
        if not channels or height % factor or width % factor:
            raise ValueError(
                f"images of {height} x {width} cannot be halved once per entry of channels "
                f"({len(channels)}): expected one or more entries, and sides that are multiples "
                f"of {factor}"
            )
        self.shape, self.channels, self.latent_dim = tuple(shape), tuple(channels), latent_dim
        self.data_dim, self.learn_sigma = math.prod(shape), learn_sigma
        inner = channels[-1], height // factor, width // factor
        outward = [*reversed(channels), channels[0]]
        with _drawing_from(generator):
            halving = [
                layer
                for n_in, n_out in pairwise([n_color, *channels])
                for layer in (nn.Conv2d(n_in, n_out, 4, 2, 1), nn.SiLU())
            ]
            doubling = [
                layer
                for n_in, n_out in pairwise(outward)
                for layer in (nn.ConvTranspose2d(n_in, n_out, 4, 2, 1), nn.SiLU())
            ]
            self.encoder = nn.Sequential(
                *halving, nn.Flatten(), nn.Linear(math.prod(inner), 2 * latent_dim)
            )
            self.unfold = nn.Sequential(
                nn.Linear(latent_dim, math.prod(inner)), nn.SiLU(), nn.Unflatten(1, inner)
            )
            self.decoder = nn.Sequential(*doubling, nn.Conv2d(channels[0], n_color, 3, 1, 1))
        self.log_sigma = nn.Parameter(torch.tensor(math.log(0.1))) if learn_sigma else None

    def encode(self, x: Tensor) -> Diagonal:
        """q(z|x) for x (B, D). Raises ValueError when x is not (B, D)."""
        _check_width(x, self.data_dim)
        images = x.reshape(-1, *self.shape).contiguous(memory_format=torch.channels_last)
        return Diagonal(*self.encoder(images).chunk(2, dim=-1))

    def decode(self, z: Tensor) -> Tensor:
        """(..., M) -> the mean image (..., D), or (..., D + 1) with log sigma_x at the end."""
        inner = self.unfold(z.reshape(-1, self.latent_dim))
        out = self.decoder(inner.contiguous(memory_format=torch.channels_last)).flatten(1)
        out = out.reshape(*z.shape[:-1], self.data_dim)
        if self.log_sigma is None:
            return out
        return torch.cat([out, self.log_sigma.expand(*out.shape[:-1], 1)], dim=-1)


Network = VAE | ConvVAE  # accepted by objectives, training and measures


def _check_width(x: Tensor, data_dim: int) -> None:
    if x.shape[-1] != data_dim:
        raise ValueError(
            f"the encoder got x of shape {tuple(x.shape)}, expected (..., {data_dim}): "
            "flatten the images first"
        )


@contextmanager
def _drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """Seed torch's global generator, from which layers draw their weights, for this block only."""
    if generator is None:
        yield
        return
    seed = torch.randint(2**62, (), generator=generator).item()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
