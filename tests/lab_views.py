"""What tests/views/test_lab.py shows in JupyterLab: small data, networks that nobody trained."""

import numpy as np
import torch

from vaelib.faces import Judge
from vaelib.model import VAE, ConvVAE
from vaelib.runtime import generator
from vaelib.views.cavi import CaviExplorer
from vaelib.views.elbo import ElboExplorer, MixtureModel
from vaelib.views.faces import PortraitExplorer
from vaelib.views.latent import LatentExplorer

draw = np.random.default_rng(0).normal

elbo = ElboExplorer([MixtureModel("one bump", (1.0,), (0.0,), (1.0,), x=2.0)])

cavi = CaviExplorer(draw(size=(60, 2)), draw(size=(3, 2)), log_evidence=-5.0)

codes = draw(size=(60, 2))
latent = LatentExplorer(
    VAE(784, (32,), 2, generator(0)).decoder, codes, np.arange(60) % 3, codes[:3],
    colors=["#0072b2", "#c04a00", "#00805e"],
)  # fmt: skip

torch.manual_seed(0)
sliders = ("smile", "male", "blond", "beard", "young", "glasses")
directions = dict(zip(sliders, torch.randn(6, 5), strict=True))
portrait = PortraitExplorer(
    ConvVAE((3, 16, 16), (8, 16), 5, generator(0)), Judge((3, 16, 16), 6).eval(),
    {"a face": torch.randn(5)}, {"difference of means": directions}, [(k, 1.0) for k in range(6)],
    presets={f"({letter})": {"smile": 1.0} for letter in "abcde"},
)  # fmt: skip
