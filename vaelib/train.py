"""Training: maximize the beta-weighted ELBO by Adam (thesis algorithm 2, listings B.2 and C.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaelib.data.common import DataError, to_floats, to_unit
from vaelib.likelihood import Likelihood
from vaelib.model import VAE
from vaelib.objective import constant, elbo


@dataclass(frozen=True)
class History:
    """One entry an epoch, (E,) each: the mean over every example seen, in nats per example.

    beta is kept apart, so `log_lik - kl` is the true ELBO (of the training images, while
    the weights moved), whatever weight the training put on the KL.
    """

    beta: Tensor
    log_lik: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        return self.log_lik - self.kl


def fit(
    model: VAE,
    lik: Likelihood,
    pixels: Tensor,
    *,
    epochs: int,
    generator: torch.Generator,
    beta: Callable[[int, int], float] | None = None,
    batch_size: int = 128,
    lr: float = 3e-4,
    n_samples: int = 1,
) -> History:
    """Train `model` in place on pixels (N, D), uint8 or float, on the model's device.

    Each epoch is a fresh permutation; the last incomplete batch is dropped, as in the thesis.
    The data stays on the device and batches are taken by index. `beta(epoch, epochs)` is the
    weight of the KL, constant 1 when left out. `generator` (a CPU one) drives order and noise.

    Raises DataError for fewer images than a batch or values that the likelihood has no meaning
    for (outside [0, 1] if it is Bernoulli, not finite if it is Gaussian), FloatingPointError at
    the first epoch whose ELBO is not finite.
    """
    if len(pixels) < batch_size:
        raise DataError(f"{len(pixels)} images are fewer than one batch of {batch_size}")
    beta = constant(1.0) if beta is None else beta
    device = next(model.parameters()).device
    is_bytes = pixels.dtype == torch.uint8  # they stay bytes and are brought to [0, 1] by the batch
    pixels = (pixels if is_bytes else to_floats(pixels, unit_range=lik.unit_range)).to(device)
    noise = torch.Generator(device).manual_seed(
        torch.randint(2**62, (), generator=generator).item()
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    history = torch.zeros(epochs, 3)
    model.train()
    for epoch in range(epochs):
        weight = beta(epoch, epochs)
        sums = torch.zeros(2, device=device)
        order = torch.randperm(len(pixels), generator=generator).to(device)
        batches = order[: len(order) // batch_size * batch_size].view(-1, batch_size)
        for batch in batches:
            x = to_unit(pixels[batch]) if is_bytes else pixels[batch]
            eps = torch.randn(
                n_samples, batch_size, model.latent_dim, generator=noise, device=device
            )
            terms = elbo(model, lik, x, eps)
            loss = -terms.value(weight).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            sums += torch.stack([terms.log_lik.detach().sum(), terms.kl.detach().sum()])
        log_lik, kl = (sums / batches.numel()).tolist()
        if not torch.isfinite(sums).all():
            raise FloatingPointError(
                f"epoch {epoch}: E log p(x|z) = {log_lik:.4g}, KL = {kl:.4g} nats per example. "
                f"Try a smaller learning rate than {lr:g}."
            )
        history[epoch] = torch.tensor([weight, log_lik, kl])
    model.eval()
    return History(*history.T)
