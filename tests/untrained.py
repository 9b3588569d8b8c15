"""Networks that nobody has trained, and images for them: small, but far from linear."""

from itertools import pairwise

import numpy as np
import torch

from vaelib.model import VAE
from vaelib.runtime import generator


def rough_model(data_dim=9, scale=2.0, seed=0):
    """A small VAE whose decoder really bends: its first weights, enlarged."""
    model = VAE(data_dim, (16,), 2, generator=generator(seed))
    with torch.no_grad():
        for p in model.decoder.parameters():
            p *= scale
    return model


def gray_images(n=20, data_dim=9, seed=5):
    """Pixels between 0 and 1: (n, data_dim)."""
    return torch.rand(n, data_dim, generator=generator(seed))


def layers(rng, sizes, bias_std=0.2):
    """Weight and bias of each layer, He's weights, as the views take them."""
    return [
        (rng.normal(0, np.sqrt(2 / n_in), (n_out, n_in)), rng.normal(0, bias_std, n_out))
        for n_in, n_out in pairwise(sizes)
    ]
