"""A step replayed from fixed memory is the eager step; where it is not, the run is eager.

The CUDA graph is stood in for by one that calls the step again: nothing of it needs a device.
"""

import math
import warnings

import pytest
import torch
from training import fit_with

from vaelib.likelihood import Bernoulli
from vaelib.model import VAE, ConvVAE
from vaelib.objective import linear_to
from vaelib.train import Settings, graph
from vaelib.train.loop import Training

torch.set_num_threads(1)
LIK = Bernoulli()
PIXELS = torch.rand(60, 64, generator=torch.Generator().manual_seed(9))
WAYS = {
    "plain": {},
    "clipped": {"clip_norm": 0.5},
    "annealed": {"anneal": 3},
    "by the step, binarized": {"beta_per_step": True, "binarize": True, "n_samples": 2},
    "patient": {"patience": 1, "lr": 0.3},
    "blurred": {"coarse_noise": 0.2, "clip_norm": 0.5, "anneal": 3, "patience": 1},
}


class Recorder:
    """In place of `graph.record`: a replay calls the step, which writes where the result was."""

    def __init__(self):
        self.replays = 0

    def __call__(self, step):
        for _ in range(graph.WARM_UP):
            step()
        result = torch.full((3,), math.nan)

        def replay():
            self.replays += 1
            result.copy_(step())

        return replay, result


@pytest.fixture
def recorder(monkeypatch):
    """Steps are replayed here, too."""
    it = Recorder()
    monkeypatch.setattr(graph, "record", it)
    monkeypatch.setattr(
        graph, "why_eager", lambda settings, *_: "" if settings.cuda_graph else "not asked for"
    )
    return it


def run(cuda_graph, epochs=3, device="cpu", **changes):
    """Three steps an epoch; weights, columns of the history and generator, and the history."""
    gen = torch.Generator().manual_seed(0)
    network = (
        ConvVAE((1, 8, 8), (4,), 2, gen, learn_sigma=False) if "coarse_noise" in changes else None
    )
    model = (network or VAE(64, (8,), 2, generator=gen)).to(device)
    settings = {"batch_size": 16, "lr": 1e-2, "beta": linear_to(2.0), **changes}
    log = fit_with(
        model, LIK, PIXELS[:48], validation=PIXELS[48:], epochs=epochs, generator=gen,
        cuda_graph=cuda_graph, **settings,
    )  # fmt: skip
    columns = [c for c in vars(log).values() if isinstance(c, torch.Tensor)]
    return [*(p.detach().cpu() for p in model.parameters()), *columns, gen.get_state()], log


def started(cuda_graph=True):
    """A run that took one step."""
    gen = torch.Generator().manual_seed(0)
    model = VAE(64, (8,), 2, generator=gen)
    it = Training(model, LIK, PIXELS, Settings(2, 10, cuda_graph=cuda_graph), generator=gen)
    next(it.steps())
    return it


def same(one, two):
    return all(a.equal(b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_replayed_steps_are_the_eager_ones_to_the_bit(recorder, way):
    (eager, log), (replayed, log_replayed) = run(False, **way), run(True, **way)
    assert same(eager, replayed)
    assert recorder.replays == 3 * len(log.kl)  # all but the first step, and one to compare
    assert (log.eager, log_replayed.eager) == ("not asked for", "")


def test_what_comes_before_the_first_replay_leaves_the_state_as_it_was(recorder):
    it = started()
    batch = it.images.draw(torch.arange(10), it.noise)
    before = [value.clone() for value in it.changing()]
    generators = it.noise.get_state(), it.generator.get_state()
    it.replay.prepare(batch, 0.5)
    assert recorder.replays == 1
    assert len(before) > len(list(it.model.parameters()))
    assert same(it.changing(), before)
    assert same((it.noise.get_state(), it.generator.get_state()), generators)


def test_a_loaded_state_is_recorded_anew(recorder):
    one, two = started(), started()
    for it in (one, two):
        state = it.state_dict()
        it.load_state_dict(
            {k: torch.clone(v) if torch.is_tensor(v) else v for k, v in state.items()}
        )
        assert it.replay.replay is None
        list(it.steps())
    assert same(one.changing(), two.changing())
    assert same(one.changing(), eager_end())


def eager_end():
    it = started(cuda_graph=False)
    it.load_state_dict(it.state_dict())
    list(it.steps())
    return it.changing()


@pytest.mark.parametrize("share", [2.0, 0.9])
def test_a_replay_that_disagrees_is_not_used_and_said_once(recorder, monkeypatch, share):
    """The wrong replay takes one step too many, or its sums are some percent off."""

    def wrong(step):
        replay, result = recorder(step)

        def other():
            replay()
            if share > 1:
                replay()
            else:
                result.mul_(share)

        return other, result

    monkeypatch.setattr(graph, "record", wrong)
    with pytest.warns(RuntimeWarning, match="disagreed; every step is eager") as said:
        found, log = run(True)
    assert len(said) == 1
    assert "disagreed" in log.eager
    assert same(found, run(False)[0])


def test_a_step_that_cannot_be_recorded_is_eager(recorder, monkeypatch):
    def refused(step):
        step()
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graph, "record", refused)
    with pytest.warns(RuntimeWarning, match="not permitted"):
        found, log = run(True)
    assert "not permitted" in log.eager
    assert same(found, run(False)[0])


def test_a_bad_step_is_not_taken_in_a_replay(recorder):
    it = started()
    steps = it.steps()
    for _ in range(2):
        next(steps)
    before = [value.clone() for value in it.changing()]
    it.divergence.read(it.progress, it.settings)
    it.divergence.limit.zero_()  # every loss is too large now
    next(steps)
    assert it.divergence.bad.item() == 1.0
    assert same(it.changing()[:-1], before[:-1])
    with pytest.raises(FloatingPointError, match="step 3"):
        it.state_dict()


def test_on_the_cpu_it_is_ignored_and_the_reason_is_told():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (one, log), (two, _) = run(True), run(False)
    assert log.eager == "the device is cpu"
    assert same(one, two)


def test_processes_that_share_batches_are_eager():
    device, asked = torch.device("cuda"), Settings(1, cuda_graph=True)
    assert "several processes" in graph.why_eager(asked, device, 2)
    assert graph.why_eager(asked, device, 1) == ""
    assert graph.why_eager(Settings(1), device, 1) == "no CUDA graph was asked for"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_cuda_graph_gives_the_elbo_of_eager_steps():
    way = {"device": "cuda", "clip_norm": 0.5, "anneal": 10, "epochs": 10}
    (_, eager), (_, log) = run(False, **way), run(True, **way)
    assert log.eager == ""
    torch.testing.assert_close(log.elbo, eager.elbo, rtol=1e-3, atol=0.0)
