"""From decoder output to log p(x|z): how the output of the last layer is interpreted.

A likelihood maps the raw decoder output `out`, (..., B, D), and the data x, (B, D), to the log
probability of x summed over the D pixels: (..., B), in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.gaussian import LOG_2PI


@runtime_checkable  # presets are decoded to it, and checked
class Likelihood(Protocol):
    """What every likelihood provides; unit_range says whether x must lie in [0, 1]."""

    unit_range: ClassVar[bool]

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of images x (B, D): (..., B) nats."""
        ...

    def mean(self, out: Tensor) -> Tensor:
        """Mean image of p(x|z): (..., B, D)."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """p(x|z) = prod_d p_d^x_d (1 - p_d)^(1 - x_d), with `out` the logits of p.

    For gray values 0 < x < 1 this is the thesis's cross-entropy (listing B.2), which is not a
    normalized density: it stays below 0 even for a perfect reconstruction. Binarize x, or report
    the number as a cross-entropy.
    """

    unit_range: ClassVar[bool] = True

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D), (B, D) -> (..., B); finite also where sigmoid(out) rounds to 0 or 1."""
        out, x = torch.broadcast_tensors(out, x)
        return -F.binary_cross_entropy_with_logits(out, x, reduction="none").sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        """The probabilities p: (..., D) -> (..., D)."""
        return out.sigmoid()


@dataclass(frozen=True)
class Gaussian:
    """p(x|z) = N(x; out, sigma_x^2 I), a normalized density; it exceeds 1 if sigma_x < 0.399."""

    unit_range: ClassVar[bool] = False
    sigma_x: float = 1.0

    def __post_init__(self):
        if not self.sigma_x > 0:
            raise ValueError(f"sigma_x is {self.sigma_x}, expected a positive standard deviation")

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D), (B, D) -> (..., B)."""
        scaled = ((x - out) / self.sigma_x) ** 2
        return -0.5 * (LOG_2PI + 2 * math.log(self.sigma_x) + scaled).sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        """The output itself, (..., D)."""
        return out


@dataclass(frozen=True)
class ScaledGaussian:
    """A Gaussian with learned noise: the last entry of `out` (..., B, D + 1) is log sigma_x.

    The optimal sigma_x is the root mean squared error, so that the weight between log p(x|z) and
    KL is not set by hand: the sigma-VAE of Rybkin et al. (2021).
    """

    unit_range: ClassVar[bool] = False

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D + 1), (B, D) -> (..., B)."""
        mean, log_sigma = out[..., :-1], out[..., -1]
        squares = ((x - mean) ** 2).sum(-1) * torch.exp(-2 * log_sigma)
        return -0.5 * (mean.shape[-1] * (LOG_2PI + 2 * log_sigma) + squares)

    def mean(self, out: Tensor) -> Tensor:
        """The output without log sigma_x: (..., D + 1) -> (..., D)."""
        return out[..., :-1]


def binarize(x: Tensor, generator: torch.Generator) -> Tensor:
    """Sample each pixel as Bernoulli, with its gray value as the probability of 1."""
    noise = torch.rand(x.shape, generator=generator, device=generator.device)
    return (noise.to(x.device) < x).to(x.dtype)
