"""Training speed: `vaelib.train.fit` against a textbook loop, samples per CPU second.

Against the trainer of pythae too, where that is installed (it is no dependency of the book), and
against the matrix products of as many steps alone, in the precision that `fit` chooses here
("medium" or "highest", vaelib/train/products.py): the share of its time that is not overhead.

The thesis's digit model, 784-[512, 256]-2, at its batch size of 128 and Adam's 3e-4, on
MNIST where it is, else on random bytes of its size: the time does not depend on the pixels.
All loops take the same number of steps in every round, one after the other.

    python benchmarks/bench_train.py [rounds]
"""

from __future__ import annotations

import os

# Before the imports: one thread for all loops, and no progress bars in pythae's.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import cpu_name, interleaved, line, ratio
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torchvision import transforms

from vaelib import data, runtime
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE
from vaelib.train import History, Settings, fit, products

STEPS, BATCH, GOAL, PYTHAE_GOAL = 100, 128, 2.7, 1.5
SIZES = [(784, 512), (512, 256), (256, 4), (2, 256), (256, 512), (512, 784)]


def pixels(n: int) -> torch.Tensor:
    """n images of 784 bytes."""
    if data.has_mnist():
        return data.mnist().train.pixels[:n]
    return torch.randint(0, 256, (n, 784), generator=runtime.generator(0)).to(torch.uint8)


class Images(torch.utils.data.Dataset):
    """Images and labels one by one, each through its transforms, as in torchvision's MNIST.

    A picture is made of every tensor, and `ToTensor` makes a tensor of every picture.
    """

    def __init__(self, images: torch.Tensor):
        self.images = images.view(-1, 28, 28)
        self.labels = torch.zeros(len(images), dtype=torch.int64)
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Lambda(lambda x: x.view(-1))]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images[i].numpy())
        return self.transform(picture), int(self.labels[i])


class TextbookVAE(nn.Module):
    """Two heads, a sigmoid at the end, noise drawn inside."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU())
        self.mu, self.logvar = nn.Linear(256, 2), nn.Linear(256, 2)
        self.decoder = nn.Sequential(
            nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 784)
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = self.body(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.decoder(z)), mu, logvar


def textbook(images: torch.Tensor) -> float:
    """One epoch of the loop that most tutorials show; returns its mean loss."""
    model = TextbookVAE()
    loader = torch.utils.data.DataLoader(
        Images(images), batch_size=BATCH, shuffle=True, drop_last=True
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    total = 0.0
    for x, _ in loader:
        optimizer.zero_grad()
        x_hat, mu, logvar = model(x)
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = F.binary_cross_entropy(x_hat, x, reduction="sum") + kl
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(images)


def ours(images: torch.Tensor, medium: bool | None = None) -> History:
    """One epoch of `fit`."""
    gen = runtime.generator(0)
    model = VAE(784, (512, 256), 2, generator=gen)
    return fit(model, Bernoulli(), images, Settings(1, BATCH, medium=medium), generator=gen)


def multiply() -> None:
    """Nothing but the matrix products of as many steps: what no loop can do without."""
    for n_in, n_out in SIZES:
        x, weight = torch.zeros(BATCH, n_in), torch.zeros(n_out, n_in)
        grad = torch.zeros(BATCH, n_out)
        for _ in range(STEPS):
            x @ weight.T  # forward
            grad.T @ x  # gradient of the weights
            if (n_in, n_out) != SIZES[0]:
                grad @ weight  # gradient of the inputs, but for those of the images


def main() -> None:
    """Measure and print the ratios."""
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    images, cpu = pixels(STEPS * BATCH), torch.device("cpu")
    first = ours(images)

    def alone() -> None:
        with products.at(cpu, first.products):
            multiply()

    loops = {"vaelib.train.fit": lambda: ours(images), "textbook loop": lambda: textbook(images)}
    with tempfile.TemporaryDirectory() as folder:
        if importlib.util.find_spec("pythae"):
            from pythae_loop import epoch

            loops["pythae's BaseTrainer"] = lambda: epoch(images, BATCH, Path(folder))
        losses = [-first.elbo.item(), *(loop() for loop in list(loops.values())[1:])]
        assert max(losses) < 1.1 * min(losses), "the loops minimize different losses"
        if first.products == "medium":
            loops["fit, highest"] = lambda: ours(images, medium=False)
        seconds = interleaved({**loops, "matrix products alone": alone}, rounds)
    print(f"{cpu_name()}, torch {torch.__version__}, one thread, products {first.products}")
    for name, spent in seconds.items():
        print(f"{name:<24}{STEPS * BATCH / np.median(spent):10,.0f} samples per CPU second")
    fast, slow = seconds["vaelib.train.fit"], seconds["textbook loop"]
    floor = seconds["matrix products alone"]
    print(line("VAE training, batch 128: fit against the textbook loop", slow, fast, goal=GOAL))
    if its := seconds.get("pythae's BaseTrainer"):
        print(line("  against pythae's BaseTrainer", its, fast, goal=PYTHAE_GOAL))
    if exact := seconds.get("fit, highest"):
        print(line("  gained by products in medium precision", exact, fast))
    print(line("  at most possible here: its matrix products alone", slow, floor))
    share, low, high = ratio(floor, fast)
    print(f"  rate of fit over that of its products: {share:.0%} ({low:.0%} to {high:.0%})")


if __name__ == "__main__":
    main()
