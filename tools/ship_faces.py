"""Make vaelib/faces/celeba.safetensors: directions, codes of test faces and a judge.

    VAELIB_DATA=... .venv/bin/python tools/ship_faces.py

Half of the training photographs, every second one, teach the judge; the other half give the
directions, so that no face is on both sides. Test photographs give the codes, the unit of the
judge's answers, and say how often it is right: on them and on their reconstructions. The face
of the thesis's Figures 5.6 and 5.7 is added by name; it is one of the training photographs.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from vaelib import data, evaluate, faces, pretrained
from vaelib.detection import auroc
from vaelib.faces.judge import fit_judge
from vaelib.gaussian import Diagonal
from vaelib.likelihood import ScaledGaussian
from vaelib.runtime import generator

MODEL, SIDE, N_CODES, SEED = "celeba-ours", 64, 100, 2015
FROM_THESIS = "000012.jpg"


def main() -> None:
    """Train, measure, write."""
    celeba = data.celeba(SIDE)
    train, test = celeba.train, celeba.test
    every_second = torch.arange(len(train)) % 2 == 0
    for_judge, for_directions = train[every_second], train[~every_second]
    model, _ = pretrained.shipped(MODEL)
    judge = fit_judge(
        for_judge.images.pixels,
        for_judge.attributes,
        for_judge.images.shape,
        generator(SEED),
        epochs=30,
    )
    mu, _ = evaluate.encode(model, for_directions.images.pixels)
    directions = faces.estimate(mu, faces.labels(for_directions), tuple(faces.SLIDERS))

    codes = evaluate.encode(model, test.images.pixels)
    made = evaluate.decode(model, ScaledGaussian(), codes.mu).clamp(0, 1)
    said = faces.logits(judge, test.images.pixels)
    kit = faces.Kit(
        model=MODEL,
        directions=directions,
        codes=codes,
        files=test.images.files,
        has=faces.labels(test),
        judge=judge,
        names=train.names,
        spread=said.std(0),
        facts={},
    )
    has = kit.has.numpy()
    facts = {
        "photographs for the judge": len(for_judge),
        "photographs for the directions": len(for_directions),
        "test photographs": len(test),
        "AUROC on test photographs": _aurocs(kit.scores(test.images.x), has),
        "AUROC on their reconstructions": _aurocs(kit.scores(made), has),
    }
    some = _some(test, len(test))
    place = train.images.files.index(FROM_THESIS)
    one = evaluate.encode(model, train.images.pixels[place : place + 1])
    one_labels = faces.labels(train)[place : place + 1]
    kept = Diagonal(*(torch.cat([all_[some], its]) for all_, its in zip(codes, one, strict=True)))
    kit = replace(
        kit,
        codes=kept,
        files=(*(test.images.files[i] for i in some), FROM_THESIS),
        has=torch.cat([kit.has[some], one_labels]),
        facts=facts,
    )
    faces.save(faces.SHIPPED, kit)
    for what, value in facts.items():
        print(f"{what}: {value}")
    print(f"{faces.SHIPPED}, {faces.SHIPPED.stat().st_size:,} bytes")


def _aurocs(scores: torch.Tensor, has) -> dict[str, float]:
    columns = zip(faces.SLIDERS, scores.numpy().T, has.T, strict=True)
    return {name: round(float(auroc(s[~h], s[h])), 4) for name, s, h in columns}


def _some(test, n: int) -> list[int]:
    """Test faces drawn from a seed, whatever they look like."""
    return torch.randperm(n, generator=generator(SEED))[:N_CODES].tolist()


if __name__ == "__main__":
    main()
