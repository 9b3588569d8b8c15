"""Make a shipped file from a trained one: round the weights, measure them, write the card.

    .venv/bin/python tools/ship.py RUN.safetensors NAME

The weights are rounded to float16 first, so the card speaks of what is shipped. Measured on the
test images of MNIST: `plane.measure`, where the latent space is a plane. A model that was
trained on binarized pixels is measured on one fixed drawing of them: its ELBO, and the
importance-weighted bound of 5,000 samples on 1,000 images drawn from a seed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vaelib import data, evaluate, plane, pretrained
from vaelib.likelihood import Bernoulli, binarize
from vaelib.model import VAE
from vaelib.objective import importance_bound
from vaelib.runtime import generator

SEED = 2013  # of the drawing, of the noise, of the choice of 1,000 images
SAMPLES = 5000


def main(source: Path, name: str) -> None:
    """Write vaelib/weights/NAME.safetensors and its card."""
    target = pretrained.SHIPPED / f"{name}.safetensors"
    model, card = pretrained.load(source)
    pretrained.save(target, model, replace(card, dtype="float16"))
    model, card = pretrained.load(target)
    found = measure(model, data.mnist().test.x, drawn="binarized" in name)
    means = {what: evaluate.mean_and_stderr(values) for what, values in found.items()}
    card = replace(
        card,
        metrics={what: round(mean, 4) for what, (mean, _) in means.items()},
        stderr={what: round(error, 4) for what, (_, error) in means.items()},
        n_images={what: len(values) for what, values in found.items()},
    )
    pretrained.save(target, model, card)
    for what, (mean, error) in means.items():
        print(f"{what}: {mean:.3f} ± {error:.3f} nats, {card.n_images[what]:,} images")
    print(f"{target}, {target.stat().st_size:,} bytes")


def measure(model: VAE, x: Tensor, *, drawn: bool) -> dict[str, Tensor]:
    """What the card says, by name: one value an image, in nats; of test images, if not said."""
    gen = generator(SEED)
    lik = Bernoulli()
    if not drawn:
        found = plane.measure(model, x, gen, n_exact=2000, n_costly=1000, side=400)
        terms = evaluate.elbo_terms(model, lik, data.mnist().train.pixels, gen)
        found["-ELBO, training images"] = -terms.value()
        found["KL, training images"] = terms.kl
        return found
    x = binarize(x, gen)
    found = {"-ELBO": -evaluate.elbo_terms(model, lik, x, gen, n_samples=5).value()}
    some = x[torch.randperm(len(x), generator=gen)[:1000]]
    log_w = [
        evaluate.importance_weights(model, lik, part, gen, SAMPLES, batch_size=1)
        for part in some.split(100)
    ]
    found[f"-IWAE-{SAMPLES}"] = -torch.cat([importance_bound(part) for part in log_w])
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
