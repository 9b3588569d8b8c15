"""The steps of a run: one batch, one step of Adam; one row of history per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec
import torch
from torch import Tensor, nn

from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import constant, elbo
from vaelib.train import graph
from vaelib.train.batches import Batch, Batches
from vaelib.train.distributed import OneProcess, Terms
from vaelib.train.divergence import Divergence
from vaelib.train.history import History, Progress, Settings

READ = 100  # steps after which the host waits for the device, and at the end of an epoch
VALIDATION_BATCH = 500


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
        self.model, self.lik, self.settings = model, lik, settings
        self.beta = constant(1.0) if beta is None else beta
        self.images = Batches(model, lik, pixels, settings, validation, self.ranks)
        self.device = self.images.device
        self.terms = self.ranks.wrap(Terms(model, lik))
        self.per_epoch = len(pixels) // settings.batch_size
        self.generator = generator
        seed = int(torch.randint(2**62, (), generator=generator).item())
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.validation_seed = seed + 1
        self.eager = graph.why_eager(settings, self.device, self.ranks.size)
        self.optimizer = graph.adam(model, settings.lr, replayed=not self.eager)
        self.order_state = generator.get_state()  # before the permutation of this epoch
        self.sums = torch.zeros(2, device=self.device)  # of log_lik and kl in this epoch
        self.rows: list[list[float]] = []  # of the history
        self.best: dict[str, Tensor] = {}  # the weights of the best epoch
        self.progress = Progress()
        self._watch()

    def state_dict(self) -> dict[str, object]:
        """Tensors and plain numbers by name, all that `load_state_dict` needs.

        Raises FloatingPointError for a step that was not taken, and when a weight or a moment of
        Adam is not finite.
        """
        self.divergence.read(self.progress, self.settings)
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
        self._watch()

    @property
    def taken(self) -> int:
        """Steps since the start of the run."""
        return self.progress.epoch * self.per_epoch + self.progress.step_of_epoch

    @property
    def is_read(self) -> bool:
        """Whether the host waits for the device after this step, in every rank."""
        return self.taken % READ == 0 or self.progress.step_of_epoch == 0

    @property
    def products(self) -> str:
        """The precision of the matrix products, on the device of this run."""
        if self.device.type == "cuda":
            return "tf32" if self.settings.tf32 else "highest"
        return "medium" if self.settings.medium else "highest"

    @property
    def history(self) -> History:
        """The completed epochs."""
        return History.of(self.rows, self.progress.seconds, self.products, self.replay.eager)

    def steps(self) -> Iterator[None]:
        """Take the remaining steps, one for each `next`.

        No step whose loss is not finite or has exploded is taken, nor any after it. Raises
        FloatingPointError for it when the host next waits for the device (`is_read`).
        """
        at = self.progress
        begin = time.perf_counter() - at.seconds
        while at.epoch < self.settings.epochs and not at.ended:
            self.generator.set_state(self.order_state)
            order = torch.randperm(len(self.images.train), generator=self.generator).to(self.device)
            size = self.settings.batch_size
            self.model.train()
            for batch in order[: self.per_epoch * size].view(-1, size)[at.step_of_epoch :]:
                self._step(batch)
                at.step_of_epoch += 1
                if at.step_of_epoch == self.per_epoch:
                    self._end_epoch()
                elif self.is_read:
                    self.divergence.read(at, self.settings)
                at.seconds = time.perf_counter() - begin
                yield
        self.model.eval()

    def keep_best(self) -> None:
        """Load the weights of the best epoch into the model, if the run had patience."""
        if self.best:
            self.model.load_state_dict(self.best)

    def _watch(self) -> None:
        size = self.settings.batch_size
        counts = torch.tensor([size, size, self.ranks.size], device=self.device).float()
        self.divergence = Divergence(self.model.data_dim, counts, self.progress.first_loss)
        self.optimizer.found_inf = self.divergence.bad
        self.replay = graph.Replay(self._compute, self.changing, self.eager)

    def _step(self, rows: Tensor) -> None:
        weight, batch = self._weight(), self.images.draw(rows, self.noise)
        if self.settings.anneal:
            graph.set_rate(self.optimizer, self.settings.rate(self.taken, self.per_epoch))
        sums = self.replay(batch, weight)
        self.divergence.note(sums, self.progress)
        self.sums += sums[:2]
        self.progress.beta_sum += weight

    def _compute(self, batch: Batch, weight: float | Tensor) -> Tensor:
        """What the device does without the host; sums (3,) as `Divergence.decide` wants them."""
        log_lik, kl = self.terms(*batch)
        loss = -(log_lik - weight * kl).mean()
        sums = torch.stack([log_lik.detach().sum(), kl.detach().sum(), loss.detach()])
        sums = self.ranks.total(sums)  # so that all ranks decide alike
        self.divergence.decide(sums)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return sums

    def changing(self) -> list[Tensor]:
        """The tensors that a step changes in place: weights, moments of Adam, whether it is bad."""
        moments = [value for of in self.optimizer.state.values() for value in of.values()]
        return [*self.model.state_dict().values(), *moments, self.divergence.bad]

    def _weight(self) -> float:
        if self.settings.beta_per_step:
            return self.beta(self.taken, self.settings.epochs * self.per_epoch)
        return self.beta(self.progress.epoch, self.settings.epochs)

    def _end_epoch(self) -> None:
        at = self.progress
        self.divergence.read(at, self.settings)
        n = self.per_epoch * self.settings.batch_size
        weight = at.beta_sum / self.per_epoch if self.settings.beta_per_step else self._weight()
        row = [weight, *(self.sums / n).tolist()]
        if self.images.validation is not None:
            row += self._validate(self.images.validation)
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
            eps, x = self.images.eps(len(part), noise), self.images.visit(part, noise)
            terms = elbo(self.model, self.lik, x, eps)
            sums += torch.stack([terms.log_lik.sum(), terms.kl.sum()])
        return (self.ranks.total(sums) / len(pixels)).tolist()

    def _compare_epochs(self, patience: int) -> None:
        at, elbos = self.progress, [row[3] - row[4] for row in self.rows]
        if elbos[-1] > max(elbos[:-1], default=-math.inf):
            at.best_epoch = at.epoch
            self.best = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        at.ended = at.epoch - at.best_epoch >= patience


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
