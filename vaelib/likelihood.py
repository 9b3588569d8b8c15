"""From decoder output to log p(x|z): what the last layer of a decoder means.

A likelihood turns the raw output `out` of the decoder, (..., B, D), into the log
probability of the data x, (B, D), summed over the D pixels: (..., B), in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from vaelib.gaussian import LOG_2PI


@runtime_checkable
class Likelihood(Protocol):
    unit_range: ClassVar[bool]  # whether x has to lie in [0, 1]

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor: ...

    def mean(self, out: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Bernoulli:
    """p(x|z) = prod_d p_d^x_d (1 - p_d)^(1 - x_d), with `out` the logits of p.

    For gray values 0 < x < 1 this is the thesis's cross-entropy (listing B.2). It is then
    a score and not a normalized density: it cannot reach 0 even for a perfect
    reconstruction. Binarize x, or name the number for what it is.
    """

    unit_range: ClassVar[bool] = True

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D), (B, D) -> (..., B). From logits: finite where a sigmoid rounds to 0 or 1."""
        out, x = torch.broadcast_tensors(out, x)
        return -F.binary_cross_entropy_with_logits(out, x, reduction="none").sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        return out.sigmoid()


@dataclass(frozen=True)
class Gaussian:
    """p(x|z) = N(x; out, sigma_x^2 I): a normalized density, above 1 where sigma_x < 0.399."""

    unit_range: ClassVar[bool] = False
    sigma_x: float = 1.0

    def __post_init__(self):
        if not self.sigma_x > 0:
            raise ValueError(f"sigma_x is {self.sigma_x}, expected a positive standard deviation")

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        scaled = ((x - out) / self.sigma_x) ** 2
        return -0.5 * (LOG_2PI + 2 * math.log(self.sigma_x) + scaled).sum(-1)

    def mean(self, out: Tensor) -> Tensor:
        return out


@dataclass(frozen=True)
class ScaledGaussian:
    """A Gaussian whose decoder also says the noise: `out` (..., B, D + 1) ends in log sigma_x.

    With sigma_x learned, its best value is the root of the mean squared error, and the weight
    between log p(x|z) and KL is no longer set by hand: the sigma-VAE of Rybkin et al. (2021).
    """

    unit_range: ClassVar[bool] = False

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """(..., B, D + 1), (B, D) -> (..., B)."""
        mean, log_sigma = out[..., :-1], out[..., -1]
        squares = ((x - mean) ** 2).sum(-1) * torch.exp(-2 * log_sigma)
        return -0.5 * (mean.shape[-1] * (LOG_2PI + 2 * log_sigma) + squares)

    def mean(self, out: Tensor) -> Tensor:
        return out[..., :-1]


def binarize(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel 1 with probability its gray value: data that a Bernoulli does describe."""
    noise = torch.rand(x.shape, generator=generator, device=generator.device)
    return (noise.to(x.device) < x).to(x.dtype)
