"""The steps of a run: one batch, one step of Adam; one row of history per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import torch
from torch import Tensor, nn

from vaelib.data.common import DataError, to_floats, to_unit
from vaelib.data.corruptions import coarse_noise
from vaelib.likelihood import Likelihood, binarize
from vaelib.model import Network
from vaelib.objective import constant, elbo
from vaelib.train.distributed import OneProcess
from vaelib.train.history import History, Progress, Settings

MAX_LOSS = 1e3  # times the loss of the first step, or times one nat per pixel
VALIDATION_BATCH = 500
WARM_UP = 0.05  # share of the annealed epochs during which the learning rate rises


class Terms(nn.Module):
    """x (B, D), eps (L, B, M) -> E log p(x|z) and KL, (B,) each: estimator B, thesis eq. 4.5."""

    def __init__(self, model: Network, lik: Likelihood):
        super().__init__()
        self.model, self.lik = model, lik

    def forward(self, x: Tensor, eps: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """One module for both networks, which DistributedDataParallel needs."""
        terms = elbo(self.model, self.lik, x, eps, seen)
        return terms.log_lik, terms.kl


class Training:
    """A run as an iterator over its `steps`; `state_dict` is its whole state between two steps.

    Raises DataError as `fit` does.
    """

    def __init__(
        self,
        model: Network,
        lik: Likelihood,
        pixels: Tensor,
        settings: Settings,
        generator: torch.Generator,
        beta: Callable[[int, int], float] | None = None,
        validation: Tensor | None = None,
        ranks: OneProcess | None = None,
    ):
        self.ranks = OneProcess() if ranks is None else ranks
        if len(pixels) < settings.batch_size:
            raise DataError(
                f"{len(pixels)} images are fewer than one batch of {settings.batch_size}"
            )
        if settings.batch_size % self.ranks.size:
            raise DataError(
                f"a batch of {settings.batch_size} cannot be shared by {self.ranks.size} processes"
            )
        if settings.patience is not None and validation is None:
            raise DataError("patience needs validation images")
        if settings.binarize and not lik.unit_range:
            raise DataError(f"binarized pixels need a Bernoulli likelihood, this one is {lik}")
        if settings.coarse_noise and not hasattr(model, "shape"):
            raise DataError("coarse_noise needs a network that knows the shape of its images")
        self.model, self.lik, self.settings = model, lik, settings
        self.beta = constant(1.0) if beta is None else beta
        self.device = next(model.parameters()).device
        self.pixels = self._resident(pixels)
        self.validation = None if validation is None else self._resident(validation)
        self.terms = self.ranks.wrap(Terms(model, lik))
        self.per_epoch = len(pixels) // settings.batch_size
        self.generator = generator
        seed = int(torch.randint(2**62, (), generator=generator).item())
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.validation_seed = seed + 1
        self.optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr, fused=True)
        self.order_state = generator.get_state()  # before the permutation of this epoch
        self.sums = torch.zeros(2, device=self.device)  # of log_lik and kl in this epoch
        self.rows: list[list[float]] = []  # of the history
        self.best: dict[str, Tensor] = {}  # the weights of the best epoch
        self.progress = Progress()

    def state_dict(self) -> dict[str, object]:
        """Tensors and plain numbers by name, all that `load_state_dict` needs.

        Raises FloatingPointError when a weight or a moment of Adam is not finite.
        """
        state: dict[str, object] = _named("model", self.model.state_dict())
        for i, moments in self.optimizer.state_dict()["state"].items():
            state |= _named(f"optimizer.{i}", moments)
        for name, value in state.items():
            if not value.isfinite().all():
                raise FloatingPointError(
                    f"epoch {self.progress.epoch}, step {self.progress.step_of_epoch}: {name} is "
                    f"not finite any more. Try a smaller learning rate than {self.settings.lr:g}, "
                    "or clip the gradient. This state was not saved."
                )
        return {
            **state,
            **_named("best", self.best),
            "generator.order": self.order_state,
            "generator.noise": self.noise.get_state(),
            "sums": self.sums,
            "history": torch.tensor(self.rows, dtype=torch.float64),
            **msgspec.to_builtins(self.progress),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Continue from a `state_dict` of a run of the same plan, bit for bit.

        Raises KeyError, RuntimeError or ValueError for the state of another run.
        """
        self.progress = Progress(**{name: state[name] for name in Progress.__struct_fields__})
        if self.progress.step_of_epoch >= self.per_epoch:
            raise ValueError(f"an epoch has {self.per_epoch} steps, this state counts more")

        def under(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v.clone() for k, v in state.items() if k.startswith(prefix)}

        self.model.load_state_dict(under("model."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in under("optimizer.").items():
            index, what = name.split(".")
            moments.setdefault(int(index), {})[what] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.best = {k: v.to(self.device) for k, v in under("best.").items()}
        self.order_state = state["generator.order"].clone()
        self.generator.set_state(self.order_state)
        self.noise.set_state(state["generator.noise"].clone())
        self.sums = state["sums"].clone().to(self.device)
        self.rows = state["history"].tolist()

    @property
    def taken(self) -> int:
        """Steps since the start of the run."""
        return self.progress.epoch * self.per_epoch + self.progress.step_of_epoch

    @property
    def history(self) -> History:
        """The completed epochs."""
        return History.of(self.rows, self.progress.seconds)

    def steps(self) -> Iterator[None]:
        """Take the remaining steps, one for each `next`.

        Raises FloatingPointError at the step whose loss is not finite or has exploded, before
        the weights are changed by it.
        """
        at = self.progress
        begin = time.perf_counter() - at.seconds
        while at.epoch < self.settings.epochs and not at.ended:
            self.generator.set_state(self.order_state)
            order = torch.randperm(len(self.pixels), generator=self.generator).to(self.device)
            size = self.settings.batch_size
            self.model.train()
            for batch in order[: self.per_epoch * size].view(-1, size)[at.step_of_epoch :]:
                self._step(batch)
                at.step_of_epoch += 1
                if at.step_of_epoch == self.per_epoch:
                    self._end_epoch()
                at.seconds = time.perf_counter() - begin
                yield
        self.model.eval()

    def keep_best(self) -> None:
        """Load the weights of the best epoch into the model, if the run had patience."""
        if self.best:
            self.model.load_state_dict(self.best)

    def _step(self, batch: Tensor) -> None:
        settings, size = self.settings, self.settings.batch_size
        weight = self._weight()
        x = self._draw(self.pixels.index_select(0, batch), self.noise)
        shape = (settings.n_samples, size, self.model.latent_dim)
        eps = torch.randn(shape, generator=self.noise, device=self.device)
        log_lik, kl = self.terms(x, self.ranks.share(eps, dim=1), self._corrupted(batch))
        loss = -(log_lik - weight * kl).mean()
        sums = torch.stack([log_lik.detach().sum(), kl.detach().sum()])
        sums = self.ranks.total(sums)  # so that all ranks decide alike
        self._check_loss(*(sums / size).tolist(), weight)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        if settings.anneal:
            for group in self.optimizer.param_groups:
                group["lr"] = self._annealed()
        self.optimizer.step()
        self.sums += sums
        self.progress.beta_sum += weight

    def _weight(self) -> float:
        if self.settings.beta_per_step:
            return self.beta(self.taken, self.settings.epochs * self.per_epoch)
        return self.beta(self.progress.epoch, self.settings.epochs)

    def _annealed(self) -> float:
        """The learning rate of this step: a function of its number, so there is no state."""
        done = min(1.0, (self.taken + 1) / (self.settings.anneal * self.per_epoch + 1))
        if done < WARM_UP:
            return self.settings.lr * done / WARM_UP
        return self.settings.lr * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2

    def _draw(self, batch: Tensor, noise: torch.Generator) -> Tensor:
        """This rank's rows of a batch, as floats; binarized before they are shared out."""
        if not self.settings.binarize:
            return self._floats(self.ranks.share(batch))
        return self.ranks.share(binarize(self._floats(batch), noise))

    def _corrupted(self, batch: Tensor) -> Tensor | None:
        """The encoder's input in place of this rank's rows; drawn for the whole batch."""
        std = self.settings.coarse_noise
        if not std:
            return None
        x = self._floats(self.pixels.index_select(0, batch))
        return self.ranks.share(coarse_noise(x, self.model.shape, std, self.noise))

    def _check_loss(self, log_lik: float, kl: float, weight: float) -> None:
        at, loss = self.progress, weight * kl - log_lik
        if at.first_loss is None and not math.isnan(loss):
            at.first_loss = loss
        first = math.nan if at.first_loss is None else at.first_loss
        largest = MAX_LOSS * max(abs(first), self.model.data_dim)
        if not (math.isfinite(loss) and loss <= largest):
            raise FloatingPointError(
                f"epoch {at.epoch}, step {at.step_of_epoch}: E log p(x|z) = {log_lik:.4g}, "
                f"KL = {kl:.4g} nats per example, {first:.4g} was the first loss. "
                f"Try a smaller learning rate than {self.settings.lr:g}, or clip the gradient. "
                "This step was not taken."
            )

    def _end_epoch(self) -> None:
        at = self.progress
        n = self.per_epoch * self.settings.batch_size
        weight = at.beta_sum / self.per_epoch if self.settings.beta_per_step else self._weight()
        row = [weight, *(self.sums / n).tolist()]
        if self.validation is not None:
            row += self._validate(self.validation)
        self.rows.append(row)
        if self.settings.patience is not None:
            self._compare_epochs(self.settings.patience)
        at.epoch, at.step_of_epoch, at.beta_sum = at.epoch + 1, 0, 0.0
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
            x = self._draw(part, noise)
            terms = elbo(self.model, self.lik, x, self.ranks.share(eps, dim=1))
            sums += torch.stack([terms.log_lik.sum(), terms.kl.sum()])
        return (self.ranks.total(sums) / len(pixels)).tolist()

    def _compare_epochs(self, patience: int) -> None:
        at, elbos = self.progress, [row[3] - row[4] for row in self.rows]
        if elbos[-1] > max(elbos[:-1], default=-math.inf):
            at.best_epoch = at.epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        at.ended = at.epoch - at.best_epoch >= patience

    def _resident(self, pixels: Tensor) -> Tensor:
        """On the device for the whole run: bytes stay bytes, a batch becomes floats when used."""
        if pixels.dtype != torch.uint8:
            pixels = to_floats(pixels, unit_range=self.lik.unit_range)
        return pixels.to(self.device)

    def _floats(self, batch: Tensor) -> Tensor:
        return to_unit(batch) if batch.dtype == torch.uint8 else batch


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
