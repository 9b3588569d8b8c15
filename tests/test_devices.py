"""Every measure of a trained model on a device where nothing may be mixed, against the CPU.

Run on the stand-in device of `standin`, each public function that takes tensors gives the very
result that it gives on the CPU, and the host waits for the device only as often as stated here:
once for each result that comes back to the CPU, however many batches there were.
"""

import copy
import inspect

import pytest
import torch
from standin import NAME, count_waits, needs_standin, use_it
from torch.utils._pytree import tree_map_only
from untrained import rough_model

from vaelib import anomaly, detection, directions, evaluate, imputation, plane
from vaelib.gaussian import Diagonal
from vaelib.imputation import Draws, NoisyPixels
from vaelib.likelihood import Bernoulli
from vaelib.runtime import generator as gen
from vaelib.train import Settings, fit

pytestmark = needs_standin
torch.set_num_threads(1)
ROOMS = (anomaly, detection, directions, evaluate, imputation, plane)
LIK, SIDE, N = Bernoulli(), 8, 30
DIM = SIDE**2


class On:
    """A small model and what its measures take, all on one device."""

    def __init__(self, device):
        g = gen(4)
        self.model = rough_model(DIM)
        self.healthy = anomaly.learn(self.model, LIK, _bytes(g), SIDE)
        self.model = copy.deepcopy(self.model).to(device)
        self.pixels = _bytes(g).to(device)
        self.bits = (self.pixels > 127).float()
        self.seen = (torch.rand(N, DIM, generator=g) < 0.6).to(device)
        self.has = (torch.arange(N) % 3 == 0).to(device)
        self.mu, self.more = torch.randn(2, N, 2, generator=g).to(device)
        self.grid = torch.randn(40, 2, generator=g)
        self.q = Diagonal(self.mu, self.mu - 1)
        self.draws = Draws(self.mu.expand(4, -1, -1), self.more.T.repeat(2, 1))

    @property
    def given(self):
        return self.model, LIK, self.bits, self.seen


def _bytes(g):
    return torch.randint(0, 256, (N, DIM), dtype=torch.uint8, generator=g)


# name -> (how to call it, how often the host waits)
CALLS = {
    "evaluate.encode": (lambda o: evaluate.encode(o.model, o.pixels, 7), 2),
    "evaluate.decode": (lambda o: evaluate.decode(o.model, LIK, o.mu), 1),
    "evaluate.reconstruct": (lambda o: evaluate.reconstruct(o.model, LIK, o.pixels, 7), 2),
    "evaluate.elbo_terms": (lambda o: evaluate.elbo_terms(o.model, LIK, o.pixels, gen(1), 2, 7), 1),
    "evaluate.importance_weights": (
        lambda o: evaluate.importance_weights(o.model, LIK, o.pixels, gen(1), 5, 7), 1),
    "evaluate.log_joint_2d": (lambda o: list(evaluate.log_joint_2d(o.model, o.pixels, 20)), 0),
    "evaluate.log_evidence_2d": (
        lambda o: evaluate.log_evidence_2d(o.model, o.pixels, 20, batch_size=7), 1),
    "evaluate.active_units": (lambda o: evaluate.active_units(o.mu), 0),
    # the neighbors are found by scikit-learn, on the CPU
    "evaluate.neighbor_confusion": (
        lambda o: evaluate.neighbor_confusion(o.mu, o.has, o.more, o.has, 3), 4),
    "evaluate.squared_errors": (lambda o: evaluate.squared_errors(o.bits, 1 - o.bits, o.seen), 0),
    "evaluate.psnr": (lambda o: evaluate.psnr(o.mu**2), 0),
    "evaluate.ssim": (lambda o: evaluate.ssim(_wide(o.bits), _wide(o.seen.float()), 16), 0),
    "evaluate.resampled_means": (lambda o: evaluate.resampled_means(o.mu.T, 9, gen(2)), 0),
    "plane.gaps": (lambda o: plane.gaps(o.model, o.pixels, side=40, steps=3), 1),
    "plane.best_gaussian": (
        lambda o: plane.best_gaussian(o.mu.view(1, -1, 10)[:, :, :6], _ticks(o), _one(o), 3), 0),
    # the five measures that it consists of, one wait each
    "plane.measure": (lambda o: plane.measure(o.model, o.pixels, gen(3), 20, 10, 40), 4),
    "imputation.log_lik_of": (lambda o: imputation.log_lik_of(LIK, o.bits, o.bits, o.seen), 0),
    "imputation.filled": (lambda o: imputation.filled(o.bits, o.seen, 1 - o.bits), 0),
    "imputation.one_pass": (lambda o: imputation.one_pass(*o.given, 1 - o.bits), 0),
    "imputation.gibbs": (
        lambda o: imputation.gibbs(*o.given, o.bits, gen(5), n_steps=4, accept=True), 0),
    "imputation.map_z": (lambda o: imputation.map_z(*o.given, o.mu, n_steps=3), 0),
    "imputation.fit_q": (lambda o: imputation.fit_q(*o.given, o.q, gen(6), n_steps=3), 0),
    "imputation.importance_draws": (
        lambda o: imputation.importance_draws(*o.given, o.q, gen(7), n_samples=20), 0),
    "imputation.grid_draws": (
        lambda o: imputation.grid_draws(o.model, o.bits, o.seen, o.grid, 0.1), 0),
    "imputation.predictive_mean": (lambda o: imputation.predictive_mean(o.model, LIK, o.draws), 0),
    "imputation.log_px_missing": (lambda o: imputation.log_px_missing(*o.given, o.draws), 0),
    "imputation.Draws": (lambda o: (o.draws.effective, o.draws.log_px_seen), 0),
    # the generator is the CPU's, and weights are drawn from where it is
    "imputation.Draws.resample": (lambda o: o.draws.resample(3, gen(8)), 1),
    "imputation.NoisyPixels": (lambda o: NoisyPixels(0.1).log_prob(o.bits, o.bits), 0),
    # pixels that lie on the device are copied to the CPU, where the residual is
    "anomaly.residual": (lambda o: anomaly.residual(o.model, LIK, o.pixels), 3),
    "anomaly.learn": (lambda o: anomaly.learn(o.model, LIK, o.pixels, SIDE).spread, 3),
    "anomaly.scores": (
        lambda o: anomaly.scores(o.model, LIK, o.pixels, SIDE, o.healthy, gen(9)), 5),
    "anomaly.smoothed": (lambda o: anomaly.smoothed(o.bits, SIDE), 0),
    "anomaly.top_mean": (lambda o: anomaly.top_mean(o.bits), 0),
    "anomaly.error_scores": (lambda o: anomaly.error_scores(1 - o.bits, o.bits, SIDE), 0),
    # these raise for an empty class or a rank that is too small, so they have to look
    "directions.difference_of_means": (lambda o: directions.difference_of_means(o.mu, o.has), 3),
    "directions.regression": (lambda o: directions.regression(o.mu, o.has[:, None]), 1),
    "directions.probe_normal": (lambda o: directions.probe_normal(o.mu, o.has), 5),
    "directions.shift": (lambda o: directions.shift(o.mu, {"a": o.more[0]}, {"a": 2.0}), 0),
    "directions.keeps_identity": (lambda o: directions.keeps_identity(o.mu, o.more), 0),
}  # fmt: skip


def _wide(images):
    return images[:28].reshape(-1, 256)


def _ticks(on):
    return on.more[:6].T[None].contiguous()


def _one(on):
    return Diagonal(on.mu[:1], on.more[:1])


def _functions():
    """Public functions of the rooms, and classes with methods, that take a tensor."""
    for room in ROOMS:
        for name, value in vars(room).items():
            ours = getattr(value, "__module__", None) == room.__name__ and name[0] != "_"
            if ours and inspect.isfunction(value):
                annotations = {k: v for k, v in value.__annotations__.items() if k != "return"}
                if "Tensor" in str(annotations) or "Draws" in str(annotations):
                    yield f"{room.__name__.split('.')[1]}.{name}"


def test_every_function_that_takes_tensors_is_run():
    assert set(_functions()) <= set(CALLS)
    assert len(set(_functions())) > 30


@pytest.fixture(scope="module")
def both():
    return On("cpu"), On(NAME)


@pytest.mark.parametrize("name", CALLS)
def test_the_result_is_that_of_the_cpu_and_the_host_does_not_wait(both, name):
    call, allowed = CALLS[name]
    here, there = both
    wanted = call(here)
    with count_waits() as waits:
        found = call(there)
    assert sum(waits.values()) == allowed, waits
    found = tree_map_only(torch.Tensor, lambda t: t.detach().cpu(), found)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)


def test_the_stand_in_refuses_what_cuda_refuses_and_counts_waits(both):
    x = both[1].mu
    with pytest.raises(RuntimeError, match="expected all tensors on the same device"):
        x + both[0].mu
    with pytest.raises(RuntimeError, match="expected a generator of"):
        torch.randn(3, generator=gen(0), device=NAME)
    assert (x + torch.tensor(1.0)).device.type == NAME, "a number of the CPU may take part"
    with count_waits() as waits:
        float(x.sum()), x[x > 0], x.cpu(), x.max().item()
    assert sum(waits.values()) == 4


@pytest.mark.parametrize("options", [{}, {"anneal": 2, "clip_norm": 1.0}])
def test_training_is_that_of_the_cpu_and_the_host_looks_once_an_epoch(monkeypatch, options):
    use_it(monkeypatch)
    pixels = _bytes(gen(1)).repeat(4, 1)

    def trained(device, epochs):
        model, settings = rough_model(DIM).to(device), Settings(epochs, 10, medium=False, **options)
        with count_waits() as waits:
            history = fit(model, LIK, pixels, settings, generator=gen(2), validation=pixels[:20])
            n_waits = sum(waits.values())
        weights = [p.detach().cpu() for p in model.parameters()]
        return [history.elbo, history.val_elbo, *weights], n_waits

    wanted, _ = trained("cpu", 3)
    found, n_three = trained(NAME, 3)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    _, n_one = trained(NAME, 1)
    assert n_three - n_one <= 2 * 5, "an epoch has 12 steps"
