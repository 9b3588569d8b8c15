"""`python -m vaelib.train PRESET`: train, keep checkpoints, write the weights and their card.

Under `torchrun --nproc-per-node N -m vaelib.train PRESET` N processes share every batch.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import torch

from vaelib import pretrained, runtime
from vaelib.data.common import DataError
from vaelib.pretrained import WeightsError
from vaelib.train import CheckpointError, Checkpoints, History, fit
from vaelib.train.distributed import ranks
from vaelib.train.presets import NAMES, PRESETS, Preset, load

ELBO = "ELBO, training images"


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    it = argparse.ArgumentParser(prog="python -m vaelib.train", description=__doc__)
    it.add_argument("preset", choices=NAMES)
    it.add_argument("--profile", choices=runtime.PROFILES, help="default: what the machine allows")
    it.add_argument(
        "--resume",
        nargs="?",
        type=int,
        const=True,
        default=False,
        metavar="STEP",
        help="go on from the newest checkpoint, if there is one, or from that of a step",
    )
    it.add_argument("--out", type=Path, metavar="FOLDER", help="for checkpoints and weights")
    it.add_argument("--seed", type=int, default=0)
    it.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="of checkpoints")
    return it


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 after one message when something was refused or diverged, else 0."""
    asked = parser().parse_args(arguments)
    try:
        _train(asked)
    except (CheckpointError, DataError, WeightsError, FloatingPointError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _train(asked: argparse.Namespace) -> None:
    profile = asked.profile or runtime.profile()
    preset = PRESETS[asked.preset, profile]
    folder = asked.out or runtime.cache_dir() / "runs" / f"{asked.preset}-{profile}"
    images = load(preset)
    gen = runtime.generator(asked.seed)
    model = preset.network(images.train.shape[1], gen)
    checkpoints = Checkpoints(folder, seconds=asked.every)
    with ranks() as peers:
        first = peers.rank == 0
        device = f"{runtime.device_name()} x {peers.size} processes"
        device = device if peers.size > 1 else runtime.device_name()
        if first:
            print(f"{asked.preset} · profile {profile} · {device} · data {images.says}")
        try:
            history = fit(
                model.to(runtime.device()),
                preset.lik,
                images.train,
                preset.settings,
                generator=gen,
                beta=preset.beta,
                validation=images.validation,
                checkpoints=checkpoints,
                resume=asked.resume,
                ranks=peers,
            )
        except SystemExit:
            if first:
                print(f"stopped and saved in {folder}; go on with --resume", file=sys.stderr)
            raise
        if first:
            print(_table(history))
            card = _card(asked, profile, preset, images.says, device, history)
            path = folder / f"{asked.preset}-{profile}.safetensors"
            card = pretrained.save(path, model, card)
            print(f"weights in {path}, SHA-256 {card.sha256[:12]}...")


def _table(history: History) -> str:
    """The last epochs, one a line, in nats per example."""
    epochs = range(len(history.kl))[-5:]
    lines = ["epoch    beta   E log p(x|z)        KL      ELBO  ELBO (unseen)"]
    lines += [
        f"{e:5d}{history.beta[e]:8.3f}{history.log_lik[e]:15.3f}{history.kl[e]:10.3f}"
        f"{history.elbo[e]:10.3f}{history.val_elbo[e]:15.3f}"
        for e in epochs
    ]
    return "\n".join(lines)


def _card(
    asked: argparse.Namespace,
    profile: str,
    preset: Preset,
    says: str,
    device: str,
    history: History,
) -> pretrained.Card:
    command = f"python -m vaelib.train {asked.preset} --profile {profile} --seed {asked.seed}"
    watched = "held-out" if preset.held_out else "test"
    metrics = {
        ELBO: history.elbo[-1].item(),
        f"ELBO, {watched} images": history.val_elbo[-1].item(),
    }
    return pretrained.Card(
        data=says,
        command=command,
        device=f"{device}, torch {torch.__version__}",
        seconds=float(f"{history.seconds:.4g}"),  # a quick run takes hundredths
        metrics=metrics,
        likelihood=repr(preset.lik),
        date=date.today().isoformat(),
    )


if __name__ == "__main__":
    sys.exit(main())
