"""The judge classifies drawn faces that it has not seen, and refuses what it cannot take."""

import pytest
import torch

from vaelib import data, drawn
from vaelib.detection import auroc
from vaelib.faces import judge
from vaelib.runtime import generator

SIDE = 32


@pytest.fixture(scope="module")
def drawn_judge():
    train = drawn.faces(1500, seed=1, size=SIDE)
    labels = torch.stack([train.value("glasses") > 0.5, train.value("blond") > 0.5], 1)
    return judge.fit_judge(
        train.images.pixels, labels, train.images.shape, generator(0), epochs=6, batch_size=50
    )


def test_the_judge_classifies_attributes_of_unseen_faces(drawn_judge):
    fresh = drawn.faces(500, seed=2, size=SIDE)
    said = judge.logits(drawn_judge, fresh.images.pixels)
    for column, name in enumerate(("glasses", "blond")):
        has, other = fresh.value(name) > 0.5, fresh.value(("blond", "glasses")[column]) > 0.5
        assert auroc(said[~has, column].numpy(), said[has, column].numpy()) > 0.8
        assert auroc(said[~other, column].numpy(), said[other, column].numpy()) < 0.65


def test_bytes_and_floats_get_the_same_logits(drawn_judge):
    images = drawn.faces(5, seed=3, size=SIDE).images
    torch.testing.assert_close(
        judge.logits(drawn_judge, images.pixels), judge.logits(drawn_judge, images.x)
    )
    with pytest.raises(data.DataError, match=r"expected \[0, 1\]"):
        judge.logits(drawn_judge, 2 * images.x)


def test_fitting_is_reproducible_and_leaves_the_global_generator_alone():
    images = drawn.faces(60, size=16).images
    labels = torch.rand(60, 2, generator=generator(0)) < 0.5
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again = (
        judge.fit_judge(images.pixels, labels, images.shape, generator(3), epochs=1)
        for _ in range(2)
    )
    assert torch.get_rng_state().equal(before)
    for p, q in zip(first.parameters(), again.parameters(), strict=True):
        assert p.equal(q)


def test_the_judge_refuses_sides_that_are_not_multiples_of_16():
    with pytest.raises(ValueError, match="24 x 16, expected multiples of 16"):
        judge.Judge((3, 24, 16), 2)
