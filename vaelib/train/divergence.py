"""Whether a step may be taken: decided on the device, read by the host from time to time.

Reading the loss of every step would make the host wait for a CUDA device, and the device for the
host.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaelib.train.history import Progress, Settings

MAX_LOSS = 1e3  # times the loss of the first step, or times one nat per pixel


class Divergence:
    """Steps whose loss is not finite or has exploded; from the first on, none is taken.

    `bad` () is then 1. As `found_inf` of fused Adam it keeps weights and moments as they were
    before that step until `read` raises. `counts` (3,) are what the sums of a batch over all
    ranks are divided by.
    """

    def __init__(self, data_dim: int, counts: Tensor, first_loss: float | None):
        self.data_dim, self.counts = data_dim, counts
        self.bad = torch.zeros((), device=counts.device)
        self.limit: Tensor | None = None
        if first_loss is not None:
            self._set_limit(torch.tensor(first_loss, device=counts.device))
        self.unread: list[tuple[int, int, Tensor]] = []

    @torch.no_grad()
    def decide(self, sums: Tensor) -> None:
        """Decide on a step from its sums (3,): log_lik and kl over images, the loss over ranks."""
        loss = sums[2] / self.counts[2]
        if self.limit is None:
            self._set_limit(loss)
        # not <=, because every comparison with nan is false
        self.bad.masked_fill_(~(loss.abs() <= self.limit), 1.0)

    def note(self, sums: Tensor, at: Progress) -> None:
        """Keep the sums (3,) of a step until they are read."""
        self.unread.append((at.epoch, at.step_of_epoch, sums))

    def read(self, at: Progress, settings: Settings) -> None:
        """Wait for the device, and fill in the first loss of the run.

        Raises FloatingPointError, naming the first bad step, if there was one.
        """
        if not self.unread:
            return
        rows = (torch.stack([sums for *_, sums in self.unread]) / self.counts).tolist()
        limit = self.limit.item()
        if at.first_loss is None:
            at.first_loss = rows[0][2]
        for (epoch, step, _), (log_lik, kl, loss) in zip(self.unread, rows, strict=True):
            if not abs(loss) <= limit:
                raise FloatingPointError(
                    f"epoch {epoch}, step {step}: E log p(x|z) = {log_lik:.4g}, "
                    f"KL = {kl:.4g} nats per example, {at.first_loss:.4g} was the first loss. "
                    f"Try a smaller learning rate than {settings.lr:g}, or clip the gradient. "
                    "This step was not taken."
                )
        self.unread.clear()

    def _set_limit(self, first_loss: Tensor) -> None:
        most = torch.finfo(first_loss.dtype).max / MAX_LOSS
        self.limit = MAX_LOSS * first_loss.abs().clamp(self.data_dim, most)
