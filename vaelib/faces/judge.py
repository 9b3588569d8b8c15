"""A convolutional classifier of the attributes of a picture: the judge of edits.

It sees pixels only, never a code or a direction, so its scores of an edited picture are
independent of the way the edit was made.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaelib.data.common import to_floats

CHANNELS = (32, 64, 128, 128)


class Judge(nn.Module):
    """Maps flat pictures (B, C H W) in [0, 1] to one logit for each of A attributes.

    Raises ValueError if height or width is not a multiple of 16.
    """

    def __init__(self, shape: tuple[int, int, int], n_attributes: int):
        super().__init__()
        n_color, height, width = shape
        if height % 16 or width % 16:
            raise ValueError(f"pictures are {height} x {width}, expected multiples of 16")
        self.shape = tuple(shape)
        layers: list[nn.Module] = []
        for n_in, n_out in zip((n_color, *CHANNELS), CHANNELS, strict=False):
            layers += [nn.Conv2d(n_in, n_out, 3, 2, 1), nn.GroupNorm(8, n_out), nn.SiLU()]
        inner = 32 * (height // 16) * (width // 16)
        self.look = nn.Sequential(
            *layers, nn.Conv2d(CHANNELS[-1], 32, 1), nn.SiLU(), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(inner, 128), nn.SiLU(),
        )  # fmt: skip
        self.answer = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, n_attributes))

    def features(self, x: Tensor) -> Tensor:
        """Inputs of the last layer for pictures (B, D): (B, 128)."""
        return self.look((x - 0.5).view(-1, *self.shape) * 4)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of pictures (B, D): (B, A)."""
        return self.answer(self.features(x))


def fit_judge(
    pixels: Tensor,
    attributes: Tensor,
    shape: tuple[int, int, int],
    generator: torch.Generator,
    *,
    epochs: int = 20,
    batch_size: int = 64,
    lr: float = 2e-3,
) -> Judge:
    """Train a judge on pictures (N, D) bytes with attributes (N, A) bool; returned in eval mode.

    Minimizes the cross-entropy by AdamW with a cosine-annealed learning rate. Each picture is
    mirrored with probability 1/2, since no attribute depends on left and right.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch.randint(2**62, (), generator=generator).item())
        judge = Judge(shape, attributes.shape[1])
        steps = epochs * -(-len(pixels) // batch_size)
        optimizer = torch.optim.AdamW(judge.parameters(), lr, weight_decay=0.02)
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(pixels)).split(batch_size):
                x = _mirrored(to_floats(pixels[rows], unit_range=True), shape)
                loss = F.binary_cross_entropy_with_logits(judge(x), attributes[rows].float())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rate.step()
    return judge.eval()


@torch.inference_mode()
def logits(judge: Judge, x: Tensor, batch_size: int = 500) -> Tensor:
    """Log odds of every attribute for pictures (N, D), bytes or floats in [0, 1]: (N, A)."""
    return torch.cat([judge(to_floats(part, unit_range=True)) for part in x.split(batch_size)])


@torch.inference_mode()
def features(judge: Judge, x: Tensor, batch_size: int = 500) -> Tensor:
    """Inputs of the judge's last layer for pictures (N, D), bytes or floats in [0, 1]: (N, 128)."""
    parts = (to_floats(part, unit_range=True) for part in x.split(batch_size))
    return torch.cat([judge.features(part) for part in parts])


def _mirrored(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    images = x.view(-1, *shape)
    turn = torch.rand(len(x)) < 0.5
    return torch.where(turn[:, None, None, None], images.flip(-1), images).flatten(1)
