"""What a run was told (`Settings`) and what it saw (`History`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """How to train: everything but the network, the data and the schedule of beta.

    beta_per_step: ask the schedule for (step, steps) of the whole run, not (epoch, epochs).
    clip_norm: the longest gradient, in the Euclidean norm over all weights. patience: end when
    the validation ELBO was not better for so many epochs, and keep the best weights. tf32: on
    CUDA, multiply with 10 bits of mantissa; the ELBO has to stay within 0.5%, which a test and
    `make bench-gpu` check where there is such a device. binarize: at every visit of an image
    draw its pixels black or white, with their gray values as the probabilities of white.
    anneal: so many epochs after the start the learning rate would be 0; it rises to `lr` in a
    twentieth of them and falls along half a cosine in the others. coarse_noise: the encoder sees
    images spoiled by `corruptions.coarse_noise` of this strength, the likelihood the clean ones;
    for networks that know the shape of their images, on their validation images never.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 3e-4
    n_samples: int = 1
    beta_per_step: bool = False
    clip_norm: float | None = None
    patience: int | None = None
    tf32: bool = False
    binarize: bool = False
    anneal: int = 0
    coarse_noise: float = 0.0


@dataclass(frozen=True)
class History:
    """One entry an epoch, (E,) each: the mean over every example seen, in nats per example.

    beta is kept apart (its mean over the epoch), so `log_lik - kl` is the true ELBO (of the
    training images, while the weights moved), whatever weight the training put on the KL.
    `val_log_lik` and `val_kl` are those of the validation images after each epoch, with the
    same noise every time; None without such images. A run that ended early has fewer entries.
    `seconds` are those of all its parts, where it was interrupted and resumed.
    """

    beta: Tensor
    log_lik: Tensor
    kl: Tensor
    val_log_lik: Tensor | None = None
    val_kl: Tensor | None = None
    seconds: float = 0.0

    @classmethod
    def of(cls, rows: list[list[float]], seconds: float) -> History:
        """From one row of 3 or 5 numbers an epoch."""
        columns = torch.tensor(rows, dtype=torch.float32).T if rows else torch.zeros(3, 0)
        return cls(*columns, seconds=seconds)

    @property
    def elbo(self) -> Tensor:
        """The ELBO of the training images, (E,) nats per example."""
        return self.log_lik - self.kl

    @property
    def val_elbo(self) -> Tensor | None:
        """The ELBO of the validation images, (E,) nats per example."""
        if self.val_log_lik is None or self.val_kl is None:
            return None
        return self.val_log_lik - self.val_kl
