"""One process or several: each computes its rows of every batch, all have the same weights.

`torchrun --nproc-per-node N -m vaelib.train PRESET` starts several, by default on 127.0.0.1:
gloo between CPUs, NCCL between CUDA devices. All draw the same order and the same noise and use
their own rows, so the result is that of one process up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vaelib import runtime
from vaelib.likelihood import Likelihood
from vaelib.model import Network
from vaelib.objective import elbo
from vaelib.train.watch import Watch

# Long enough for a peer to write a checkpoint of gigabytes; one that has died or is stopped is
# noticed much earlier, by torchrun or by the watch.
LATE = timedelta(minutes=10)
START = timedelta(minutes=30)  # ranks may decode a data set first


class Terms(nn.Module):
    """x (B, D), eps (L, B, M) -> E log p(x|z) and KL, (B,) each: estimator B, thesis eq. 4.5."""

    def __init__(self, model: Network, lik: Likelihood):
        super().__init__()
        self.model, self.lik = model, lik

    def forward(self, x: Tensor, eps: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """One module for both networks, which DistributedDataParallel needs."""
        terms = elbo(self.model, self.lik, x, eps, seen)
        return terms.log_lik, terms.kl


class OneProcess:
    """A run in this process only; the interface of `Ranks`."""

    rank, size = 0, 1

    def total(self, values: Tensor) -> Tensor:
        """The sum over all ranks."""
        return values

    def share(self, batch: Tensor, dim: int = 0) -> Tensor:
        """The rows of this rank."""
        return batch

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with gradients averaged over the ranks."""
        return module


class Ranks(OneProcess):
    """This process and its peers, started by torchrun."""

    def __init__(self, group: dist.ProcessGroup):
        self.group, self.rank, self.size = group, dist.get_rank(), dist.get_world_size()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all ranks, the same bits on each."""
        values = values.clone()
        dist.all_reduce(values, group=self.group)
        return values

    def share(self, batch: Tensor, dim: int = 0) -> Tensor:
        """The rows of this rank: equal parts where the batch can be divided so."""
        return batch.tensor_split(self.size, dim)[self.rank]

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module under DistributedDataParallel."""
        return nn.parallel.DistributedDataParallel(module, process_group=self.group)


@contextmanager
def ranks() -> Iterator[OneProcess]:
    """The ranks of this run, joined now and left at the end; `OneProcess` without torchrun.

    From here on a process that is stopped for 15 seconds is killed by its peers, which also end.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield OneProcess()
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(dist.get_node_local_rank())
    store, rank, size = next(dist.rendezvous("env://", timeout=START))
    # After a restart the store still holds the addresses of the previous processes.
    store = dist.PrefixStore(f"start-{runtime.n_restarts()}", store)
    backend = "nccl" if cuda else "gloo"
    watch = Watch(store.clone(), rank, size)
    watch.thread.start()
    try:
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=START)
        dist.barrier()
        yield Ranks(dist.new_group(timeout=LATE))
    finally:
        watch.leave()
    dist.destroy_process_group()  # not after an error: the peers could wait forever
