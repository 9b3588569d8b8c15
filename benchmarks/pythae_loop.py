"""The digit model under pythae's BaseTrainer, for bench_train.py where pythae is installed."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor, nn


class Encoder(BaseEncoder):
    """784-512-256, two heads of two."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU())
        self.mu, self.logvar = nn.Linear(256, 2), nn.Linear(256, 2)

    def forward(self, x: Tensor) -> ModelOutput:
        h = self.body(x)
        return ModelOutput(embedding=self.mu(h), log_covariance=self.logvar(h))


class Decoder(BaseDecoder):
    """2-256-512-784 and a sigmoid, as pythae's cross-entropy wants it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784)
        )

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z).sigmoid())


def epoch(images: Tensor, batch_size: int, folder: Path) -> float:
    """One epoch of its training loop, nothing evaluated, nothing saved; its mean loss."""
    logging.disable(logging.INFO)
    network = VAE(
        VAEConfig(input_dim=(784,), latent_dim=2, reconstruction_loss="bce"), Encoder(), Decoder()
    )
    settings = BaseTrainerConfig(
        output_dir=str(folder), num_epochs=1, per_device_train_batch_size=batch_size,
        learning_rate=3e-4, no_cuda=True,
    )  # fmt: skip
    floats = images.float() / 255
    trainer = BaseTrainer(network, BaseDataset(floats, torch.zeros(len(images))), None, settings)
    trainer.prepare_training()
    return trainer.train_step(epoch=1)
