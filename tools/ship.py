"""Make a shipped file from a trained one: round the weights, measure them, write the card.

    .venv/bin/python tools/ship.py RUN.safetensors NAME

The weights are rounded to float16 first, so the card speaks of what is shipped. Measured on
test images, drawn ones for drawn faces. MNIST: `plane.measure`, where the latent space is a
plane. A model that was trained on binarized pixels is measured on one fixed drawing of them:
its ELBO, and the importance-weighted bound of 5,000 samples on 1,000 images drawn from a seed.
Faces: the ELBO, the bound of 20 samples, error and SSIM of the reconstruction. Brains: the
ELBO and the error of healthy slices, of which no near copy was trained on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from msgspec.structs import replace
from torch import Tensor

from vaelib import anomaly, data, drawn, evaluate, plane, pretrained
from vaelib.data import copies
from vaelib.data.common import to_unit
from vaelib.estimate import Estimate
from vaelib.likelihood import Bernoulli, ScaledGaussian, binarize
from vaelib.model import Network
from vaelib.objective import importance_bound
from vaelib.runtime import generator
from vaelib.train.presets import N_PORTRAITS

SEED = 2013  # of the drawing, of the noise, of the choice of 1,000 images
SAMPLES = 5000


def main(source: Path, name: str) -> None:
    """Write vaelib/weights/NAME.safetensors and its card."""
    target = pretrained.SHIPPED / f"{name}.safetensors"
    model, card = pretrained.load(source)
    pretrained.save(target, model, replace(card, dtype="float16"))
    model, card = pretrained.load(target)
    found = MEASURES[name.split("-")[0]](model, name)
    means = {what: Estimate.of(values) for what, values in found.items()}
    card = replace(
        card,
        metrics={what: round(mean.value, 6) for what, mean in means.items()},
        stderr={what: round(mean.stderr, 6) for what, mean in means.items()},
        n_images={what: mean.n for what, mean in means.items()},
    )
    pretrained.save(target, model, card)
    for what, mean in means.items():
        print(f"{what}: {mean} in its unit, {mean.n:,} images")
    print(f"{target}, {target.stat().st_size:,} bytes")


def measure_faces(model: Network, name: str) -> dict[str, Tensor]:
    """One value an image: bounds in nats, the reconstruction's error on [0, 1] and SSIM."""
    side = model.shape[-1]
    if name.startswith("celeba"):
        pixels = data.celeba(side).test.images.pixels
    else:  # drawn ones, behind those that were trained on
        pixels = drawn.faces(sum(N_PORTRAITS), size=side).images.pixels[N_PORTRAITS[0] :]
    gen, lik = generator(SEED), ScaledGaussian()
    terms = evaluate.elbo_terms(model, lik, pixels, gen)
    log_w = evaluate.importance_weights(model, lik, pixels, gen, 20, batch_size=20)
    x = to_unit(pixels)
    x_hat = evaluate.decode(model, lik, evaluate.encode(model, pixels).mu)
    return {
        "-ELBO": -terms.value(),
        "KL": terms.kl,
        "-IWAE-20": -importance_bound(log_w),
        "squared error": evaluate.squared_errors(x_hat, x),
        "SSIM": evaluate.ssim(*(v.reshape(-1, side, side) for v in (x_hat, x)), side)
        .view(len(x), 3)
        .mean(1),
    }


def measure_brains(model: Network, name: str) -> dict[str, Tensor]:
    """One value a healthy slice: bounds in nats, the reconstruction's error on [0, 1]."""
    test = copies.without_copies(data.brain(model.shape[-1])).test
    pixels = data.normalized(test[test.labels == 0]).pixels
    terms = evaluate.elbo_terms(model, ScaledGaussian(), pixels, generator(SEED))
    rest = anomaly.residual(model, ScaledGaussian(), pixels)
    return {"-ELBO": -terms.value(), "KL": terms.kl, "squared error": rest.square().mean(1)}


def measure_digits(model: Network, name: str) -> dict[str, Tensor]:
    """What the card says, by name: one value an image, in nats; of test images, if not said."""
    gen, x = generator(SEED), data.mnist().test.x
    lik = Bernoulli()
    if "binarized" not in name:
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


MEASURES = {
    "brain": measure_brains,
    "celeba": measure_faces,
    "latent": measure_digits,
    "portraits": measure_faces,
}

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
