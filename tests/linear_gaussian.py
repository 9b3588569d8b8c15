"""A VAE whose evidence and posterior are known: linear decoder, Gaussian pixels."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib.likelihood import Gaussian
from vaelib.model import VAE


@dataclass
class LinearGaussian:
    """z ~ N(0, I_2), x | z ~ N(w z + b, sigma_x^2 I); the columns of w are orthogonal.

    Then p(z | x) has a diagonal covariance, and a linear encoder can be the exact posterior.
    """

    model: VAE
    lik: Gaussian
    w: Tensor
    b: Tensor

    @classmethod
    def make(cls, sigma_x: float = 0.7, data_dim: int = 5) -> "LinearGaussian":
        g = torch.Generator().manual_seed(0)
        basis, _ = torch.linalg.qr(torch.randn(data_dim, 2, generator=g, dtype=torch.float64))
        w = basis * torch.tensor([1.5, 0.4], dtype=torch.float64)
        b = torch.randn(data_dim, generator=g, dtype=torch.float64)
        model = VAE(data_dim, (), 2).double()
        variance = 1 / (1 + (w**2).sum(0) / sigma_x**2)
        to_mu = variance[:, None] * w.T / sigma_x**2
        with torch.no_grad():
            model.encoder[0].weight.copy_(torch.cat([to_mu, torch.zeros_like(to_mu)]))
            model.encoder[0].bias.copy_(torch.cat([-to_mu @ b, variance.log()]))
            model.decoder[0].weight.copy_(w)
            model.decoder[0].bias.copy_(b)
        return cls(model, Gaussian(sigma_x), w, b)

    def shift_encoder(self, mu: float = 0.0, logvar: float = 0.0) -> None:
        """Move q away from the posterior: KL(q || posterior) is then `kl_of_shift`."""
        with torch.no_grad():
            self.model.encoder[0].bias[:2] += mu
            self.model.encoder[0].bias[2:] += logvar

    def kl_of_shift(self, mu: float = 0.0, logvar: float = 0.0) -> float:
        variance = 1 / (1 + (self.w**2).sum(0) / self.lik.sigma_x**2)
        per_unit = 0.5 * (mu**2 / variance + math.exp(logvar) - 1 - logvar)
        return per_unit.sum().item()

    def log_evidence(self, x: Tensor) -> Tensor:
        covariance = self.w @ self.w.T + self.lik.sigma_x**2 * torch.eye(len(self.b))
        return torch.distributions.MultivariateNormal(self.b, covariance).log_prob(x)

    def draw(self, n: int, seed: int = 1) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        z = torch.randn(n, 2, generator=g, dtype=torch.float64)
        noise = torch.randn(n, len(self.b), generator=g, dtype=torch.float64)
        return z @ self.w.T + self.b + self.lik.sigma_x * noise
