"""What a run is told (`Settings`), how far it is (`Progress`), what it measures (`History`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

Count = Annotated[int, Meta(ge=0, lt=2**31)]
Amount = Annotated[float, Meta(ge=0, le=1e6)]
WARM_UP = 0.05  # share of the annealed epochs during which the learning rate rises


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train: everything but the network, the data and the schedule of beta.

    beta_per_step: call the schedule with (step, steps) of the whole run, not (epoch, epochs).
    clip_norm: the largest Euclidean norm of the gradient of all weights. patience: stop when
    the validation ELBO has not improved for this many epochs, and keep the best weights. tf32:
    on CUDA, multiply with 10 bits of mantissa; the ELBO has to stay within 0.5 %, which a test
    and `make bench-gpu` check where there is such a device. medium: on the CPU, multiply with
    torch's precision "medium"; None if `products` may decide at the start of the run, which a
    resumed run repeats. binarize: at every visit of an image
    draw its pixels black or white, with their gray values as the probabilities of white.
    anneal: the number of epochs after which the learning rate reaches 0; it rises to `lr` during
    the first twentieth of them and then falls along half a cosine. coarse_noise: the encoder is
    given images with `corruptions.coarse_noise` of this strength, the likelihood the clean ones;
    for networks that know the shape of their images; validation images get no such noise.
    cuda_graph: on one CUDA device, replay a recorded step where it agrees with an eager one; it
    was never run on a device by us, and elsewhere it changes nothing.
    """

    epochs: Count
    batch_size: Count = 128
    lr: Amount = 3e-4
    n_samples: Count = 1
    beta_per_step: bool = False
    clip_norm: Amount | None = None
    patience: Count | None = None
    tf32: bool = False
    medium: bool | None = None
    binarize: bool = False
    anneal: Count = 0
    coarse_noise: Amount = 0.0
    cuda_graph: bool = False

    def rate(self, taken: int, per_epoch: int) -> float:
        """The annealed learning rate of the step after `taken`: a function, so it has no state."""
        done = min(1.0, (taken + 1) / (self.anneal * per_epoch + 1))
        if done < WARM_UP:
            return self.lr * done / WARM_UP
        return self.lr * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


class Progress(msgspec.Struct):
    """How far a run has come, in plain numbers: stored in a checkpoint under these names.

    epoch: completed epochs. step_of_epoch: steps of the present one, beta_sum: their weights of
    the KL. best_epoch: the one with the largest validation ELBO. ended: by patience.
    """

    epoch: Count = 0
    step_of_epoch: Count = 0
    first_loss: float | None = None
    beta_sum: float = 0.0
    best_epoch: Count = 0
    ended: bool = False
    seconds: Annotated[float, Meta(ge=0)] = 0.0


@dataclass(frozen=True)
class History:
    """One entry per epoch, (E,) each: the mean over its examples, in nats per example.

    beta is stored separately (its mean over the epoch), so `log_lik - kl` is the ELBO itself (of
    the training images, while the weights changed), whatever weight the training put on the KL.
    `val_log_lik` and `val_kl` are those of the validation images after each epoch, with the
    same noise every time; None without such images. A run that stopped early has fewer entries.
    `seconds` is the training time, summed over all parts of a run that was resumed; `products`
    the precision of the matrix products: highest, medium or tf32; `eager` says why steps were
    not replayed as a CUDA graph, and is empty if they were.
    """

    beta: Tensor
    log_lik: Tensor
    kl: Tensor
    val_log_lik: Tensor | None = None
    val_kl: Tensor | None = None
    seconds: float = 0.0
    products: str = "highest"
    eager: str = ""

    @classmethod
    def of(cls, rows: list[list[float]], seconds: float, products: str, eager: str) -> History:
        """From one row of 3 or 5 numbers per epoch."""
        columns = torch.tensor(rows, dtype=torch.float32).T if rows else torch.zeros(3, 0)
        return cls(*columns, seconds=seconds, products=products, eager=eager)

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
