"""The steps of a run: one batch, one step of Adam, one row of history an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vaelib.data.common import DataError, to_floats, to_unit
from vaelib.data.corruptions import coarse_noise
from vaelib.likelihood import Likelihood, binarize
from vaelib.model import Network
from vaelib.objective import elbo
from vaelib.train.distributed import Alone
from vaelib.train.history import History, Settings

EXPLODED = 1e3  # times the loss of the first step, or a nat for each pixel
VALIDATION_BATCH = 500
WARM_UP = 0.05  # of the time in which the learning rate is annealed


class Terms(nn.Module):
    """x (B, D), eps (L, B, M) -> E log p(x|z) and KL, (B,) each: estimator B, thesis eq. 4.5."""

    def __init__(self, model: Network, lik: Likelihood):
        super().__init__()
        self.model, self.lik = model, lik

    def forward(self, x: Tensor, eps: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """One module for both networks, as DistributedDataParallel wants it."""
        terms = elbo(self.model, self.lik, x, eps, seen)
        return terms.log_lik, terms.kl


class Training:
    """One run: take its `steps`; between two of them all there is to know is in its fields.

    Raises DataError, as `fit` says.
    """

    def __init__(
        self,
        model: Network,
        lik: Likelihood,
        pixels: Tensor,
        settings: Settings,
        beta: Callable[[int, int], float],
        generator: torch.Generator,
        validation: Tensor | None = None,
        ranks: Alone | None = None,
    ):
        self.ranks = Alone() if ranks is None else ranks
        if len(pixels) < settings.batch_size:
            raise DataError(
                f"{len(pixels)} images are fewer than one batch of {settings.batch_size}"
            )
        if settings.batch_size % self.ranks.size:
            raise DataError(
                f"a batch of {settings.batch_size} cannot be shared by {self.ranks.size} processes"
            )
        if settings.patience is not None and validation is None:
            raise DataError("patience needs validation images to judge by")
        if settings.binarize and not lik.unit_range:
            raise DataError(f"binarized pixels need a Bernoulli likelihood, this one is {lik}")
        if settings.coarse_noise and not hasattr(model, "shape"):
            raise DataError("coarse_noise needs a network that knows the shape of its images")
        self.model, self.lik, self.settings, self.beta = model, lik, settings, beta
        self.device = next(model.parameters()).device
        self.pixels = self._resident(pixels)
        self.validation = None if validation is None else self._resident(validation)
        self.terms = self.ranks.wrap(Terms(model, lik))
        self.generator = generator
        seed = int(torch.randint(2**62, (), generator=generator).item())
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.validation_seed = seed + 1
        self.optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
        self.per_epoch = len(pixels) // settings.batch_size
        self.epoch, self.step = 0, 0  # epochs that are over, steps of this one
        self.order_state = generator.get_state()
        self.sums = torch.zeros(2, device=self.device)
        self.first_loss, self.beta_sum = math.nan, 0.0
        self.rows: list[list[float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.ended = 0, False
        self.seconds = 0.0

    @property
    def taken(self) -> int:
        """Steps since the start of the run."""
        return self.epoch * self.per_epoch + self.step

    @property
    def history(self) -> History:
        """The epochs that are over."""
        return History.of(self.rows, self.seconds)

    def steps(self) -> Iterator[None]:
        """Take the steps that are left, one for each `next`.

        Raises FloatingPointError at the step whose loss is not finite or has exploded, before
        the weights follow it.
        """
        begin = time.perf_counter() - self.seconds
        while self.epoch < self.settings.epochs and not self.ended:
            self.generator.set_state(self.order_state)
            order = torch.randperm(len(self.pixels), generator=self.generator).to(self.device)
            size = self.settings.batch_size
            self.model.train()
            for batch in order[: self.per_epoch * size].view(-1, size)[self.step :]:
                self._take(batch)
                self.step += 1
                if self.step == self.per_epoch:
                    self._end_epoch()
                self.seconds = time.perf_counter() - begin
                yield
        self.model.eval()

    def _take(self, batch: Tensor) -> None:
        settings, size = self.settings, self.settings.batch_size
        weight = self._weight()
        x = self._visit(self.pixels.index_select(0, batch), self.noise)
        shape = (settings.n_samples, size, self.model.latent_dim)
        eps = torch.randn(shape, generator=self.noise, device=self.device)
        log_lik, kl = self.terms(x, self.ranks.share(eps, dim=1), self._spoiled(batch))
        loss = -(log_lik - weight * kl).mean()
        sums = torch.stack([log_lik.detach().sum(), kl.detach().sum()])
        sums = self.ranks.total(sums)  # so that all ranks judge alike
        self._judge(*(sums / size).tolist(), weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        if settings.anneal:
            for group in self.optimizer.param_groups:
                group["lr"] = self._annealed()
        self.optimizer.step()
        self.sums += sums
        self.beta_sum += weight

    def _weight(self) -> float:
        if self.settings.beta_per_step:
            return self.beta(self.taken, self.settings.epochs * self.per_epoch)
        return self.beta(self.epoch, self.settings.epochs)

    def _annealed(self) -> float:
        """The learning rate of this step: a function of its number, so no state to keep."""
        done = min(1.0, (self.taken + 1) / (self.settings.anneal * self.per_epoch + 1))
        if done < WARM_UP:
            return self.settings.lr * done / WARM_UP
        return self.settings.lr * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2

    def _visit(self, batch: Tensor, noise: torch.Generator) -> Tensor:
        """This process's share of a batch, as floats; binarized as a whole, alike on all ranks."""
        if not self.settings.binarize:
            return self._floats(self.ranks.share(batch))
        return self.ranks.share(binarize(self._floats(batch), noise))

    def _spoiled(self, batch: Tensor) -> Tensor | None:
        """What the encoder sees in place of this process's share; drawn for the whole batch."""
        std = self.settings.coarse_noise
        if not std:
            return None
        x = self._floats(self.pixels.index_select(0, batch))
        return self.ranks.share(coarse_noise(x, self.model.shape, std, self.noise))

    def _judge(self, log_lik: float, kl: float, weight: float) -> None:
        loss = weight * kl - log_lik
        if math.isnan(self.first_loss):
            self.first_loss = loss
        most = EXPLODED * max(abs(self.first_loss), self.model.data_dim)
        if not (math.isfinite(loss) and loss <= most):
            raise FloatingPointError(
                f"epoch {self.epoch}, step {self.step}: E log p(x|z) = {log_lik:.4g}, "
                f"KL = {kl:.4g} nats per example, {self.first_loss:.4g} was the first loss. "
                f"Try a smaller learning rate than {self.settings.lr:g}, or clip the gradient. "
                "This step was not taken."
            )

    def _end_epoch(self) -> None:
        n = self.per_epoch * self.settings.batch_size
        weight = self.beta_sum / self.per_epoch if self.settings.beta_per_step else self._weight()
        row = [weight, *(self.sums / n).tolist()]
        if self.validation is not None:
            row += self._validate(self.validation)
        self.rows.append(row)
        if self.settings.patience is not None:
            self._judge_epoch(self.settings.patience)
        self.epoch, self.step, self.beta_sum = self.epoch + 1, 0, 0.0
        self.sums = torch.zeros_like(self.sums)
        self.order_state = self.generator.get_state()

    @torch.no_grad()
    def _validate(self, pixels: Tensor) -> list[float]:
        """log_lik and kl, means over the validation images, nats per example."""
        self.model.eval()
        noise = torch.Generator(self.device).manual_seed(self.validation_seed)
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for part in pixels.split(VALIDATION_BATCH):
            shape = (self.settings.n_samples, len(part), self.model.latent_dim)
            eps = torch.randn(shape, generator=noise, device=self.device)
            x = self._visit(part, noise)
            terms = elbo(self.model, self.lik, x, self.ranks.share(eps, dim=1))
            sums += torch.stack([terms.log_lik.sum(), terms.kl.sum()])
        return (self.ranks.total(sums) / len(pixels)).tolist()

    def _judge_epoch(self, patience: int) -> None:
        elbos = [row[3] - row[4] for row in self.rows]
        if elbos[-1] > max(elbos[:-1], default=-math.inf):
            self.best_epoch = self.epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.ended = self.epoch - self.best_epoch >= patience

    def keep_best(self) -> None:
        """Give the model the weights of its best epoch, where the run had patience."""
        if self.best:
            self.model.load_state_dict(self.best)

    def _resident(self, pixels: Tensor) -> Tensor:
        """On the device for the whole run: bytes stay bytes and become floats by the batch."""
        if pixels.dtype != torch.uint8:
            pixels = to_floats(pixels, unit_range=self.lik.unit_range)
        return pixels.to(self.device)

    def _floats(self, batch: Tensor) -> Tensor:
        return to_unit(batch) if batch.dtype == torch.uint8 else batch
