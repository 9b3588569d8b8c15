"""A bad step is decided on the device, kept from the weights, and named when it is read."""

import math

import pytest
import torch

from vaelib.train.divergence import MAX_LOSS, Divergence
from vaelib.train.history import Progress, Settings

SETTINGS = Settings(epochs=1, batch_size=8)
DATA_DIM = 50


def after(losses, first_loss=None):
    """A run of one epoch whose steps had these losses, and how far it is."""
    it = Divergence(DATA_DIM, torch.tensor([8.0, 8.0, 1.0]), first_loss)
    for step, loss in enumerate(losses):
        sums = torch.tensor([-8 * loss, 0.0, loss])
        it.decide(sums)
        it.note(sums, Progress(step_of_epoch=step))
    return it, Progress(step_of_epoch=len(losses), first_loss=first_loss)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.001 * MAX_LOSS * 60.0])
def test_the_first_bad_step_is_named_and_none_is_taken_after_it(bad):
    it, at = after([60.0, 59.0, bad, 58.0])
    assert it.bad.item() == 1.0
    for _ in range(2):  # a state that was refused once is refused again
        with pytest.raises(FloatingPointError, match=r"epoch 0, step 2: .* 60 was the first loss"):
            it.read(at, SETTINGS)


def test_good_steps_are_read_once_and_give_the_first_loss():
    it, at = after([60.0, 0.999 * MAX_LOSS * 60.0])
    it.read(at, SETTINGS)
    assert (it.bad.item(), at.first_loss, it.unread) == (0.0, 60.0, [])


def test_a_first_loss_that_is_not_finite_is_bad():
    it, at = after([math.inf])
    with pytest.raises(FloatingPointError, match="step 0"):
        it.read(at, SETTINGS)


def test_a_small_first_loss_counts_as_one_nat_per_pixel():
    assert after([0.1, 0.999 * MAX_LOSS * DATA_DIM])[0].bad.item() == 0.0
    assert after([0.1, 1.001 * MAX_LOSS * DATA_DIM])[0].bad.item() == 1.0


def test_the_limit_of_a_resumed_run_is_that_of_its_first_loss():
    assert after([5e4 * MAX_LOSS], first_loss=6e4)[0].bad.item() == 0.0
    assert after([5e4 * MAX_LOSS], first_loss=60.0)[0].bad.item() == 1.0
