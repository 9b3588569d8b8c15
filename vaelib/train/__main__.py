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
from vaelib.train.presets import NAMES, PRESETS, load


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
        help="continue from the newest checkpoint, if there is one, or from that of a step",
    )
    it.add_argument("--out", type=Path, metavar="FOLDER", help="for checkpoints and weights")
    it.add_argument("--seed", type=int, default=0)
    it.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="of checkpoints")
    return it


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 after one message when something was refused or diverged, else 0."""
    args = parser().parse_args(arguments)
    try:
        _train(args)
    except (CheckpointError, DataError, WeightsError, FloatingPointError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _train(args: argparse.Namespace) -> None:
    profile = args.profile or runtime.profile()
    preset = PRESETS[args.preset, profile]
    folder = args.out or runtime.cache_dir() / "runs" / f"{args.preset}-{profile}"
    images = load(preset)
    gen = runtime.generator(args.seed)
    model = preset.network(images.train.shape[1], gen)
    with ranks() as peers:
        device = runtime.device_name()
        device += f" x {peers.size} processes" if peers.size > 1 else ""
        if peers.rank == 0:
            print(f"{args.preset} · profile {profile} · {device} · data {images.says}")
        try:
            history = fit(
                model.to(runtime.device()),
                preset.lik,
                images.train,
                preset.settings,
                generator=gen,
                beta=preset.beta,
                validation=images.validation,
                checkpoints=Checkpoints(folder, seconds=args.every),
                resume=args.resume,
                ranks=peers,
            )
        except SystemExit:
            if peers.rank == 0:
                print(f"stopped and saved in {folder}; continue with --resume", file=sys.stderr)
            raise
        if peers.rank > 0:
            return
    print(_table(history))
    unseen = "held-out" if preset.held_out else "test"
    card = pretrained.Card(
        data=images.says,
        command=f"python -m vaelib.train {args.preset} --profile {profile} --seed {args.seed}",
        device=f"{device}, torch {torch.__version__}, {history.products} products",
        seconds=float(f"{history.seconds:.4g}"),  # a quick run takes hundredths
        metrics={
            "ELBO, training images": history.elbo[-1].item(),
            f"ELBO, {unseen} images": history.val_elbo[-1].item(),
        },
        likelihood=repr(preset.lik),
        date=date.today().isoformat(),
    )
    path = folder / f"{args.preset}-{profile}.safetensors"
    card = pretrained.save(path, model, card)
    print(f"weights in {path}, SHA-256 {card.sha256[:12]}...")


def _table(history: History) -> str:
    """The last epochs, one per line, in nats per example."""
    epochs = range(len(history.kl))[-5:]
    lines = ["epoch    beta   E log p(x|z)        KL      ELBO  ELBO (unseen)"]
    lines += [
        f"{e:5d}{history.beta[e]:8.3f}{history.log_lik[e]:15.3f}{history.kl[e]:10.3f}"
        f"{history.elbo[e]:10.3f}{history.val_elbo[e]:15.3f}"
        for e in epochs
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
