"""Networks that nobody has trained, and images for them: small, but far from linear."""

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


def whole_weights(network, seed=0):
    """Set weights that int8 with a scale holds exactly: k / 512, |k| at most 127. Returns it."""
    gen = generator(seed)
    for module in network.modules():
        for parameter in module.parameters(recurse=False):
            k = torch.randint(-127, 128, parameter.shape, generator=gen)
            if parameter.ndim > 1:
                outputs = 1 if getattr(module, "transposed", False) else 0
                k.transpose(0, outputs)[:, 0] = 127  # the largest of each output
            parameter.data = k / 512
    return network
