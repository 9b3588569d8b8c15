"""The portrait desk: bytes decode and judge as the floats do, refusals, and its widget."""

import numpy as np
import pytest
import torch

from vaelib import faces
from vaelib.evaluate import decode
from vaelib.faces import Judge
from vaelib.likelihood import ScaledGaussian
from vaelib.model import ConvVAE
from vaelib.runtime import generator
from vaelib.web.faces import portrait_desk, render

SLIDERS = ("a", "b")
ANSWERS = ((2, 0.5), (0, -2.0))  # place among the judge's logits, factor


@pytest.fixture(scope="module")
def parts():
    """A small network and a judge, untrained, and codes and directions for both ways."""
    model = ConvVAE((3, 16, 16), (8, 16), 5, generator(0))
    torch.manual_seed(0)
    judge = Judge((3, 16, 16), 3).eval()
    draw = torch.randn(7, 5, generator=generator(1))
    codes = {"one": draw[0], "two": draw[1], "three": draw[2]}
    ways = {
        "means": dict(zip(SLIDERS, draw[3:5], strict=True)),
        "regression": dict(zip(SLIDERS, draw[5:7], strict=True)),
    }
    return model, judge, codes, ways


@pytest.fixture(scope="module")
def view(parts):
    return portrait_desk(*parts, ANSWERS, {"both": {"a": 1.0, "b": -0.5}})


@pytest.mark.parametrize("way", [0, 1])
def test_bytes_decode_and_judge_as_the_floats_do(view, parts, way):
    model, judge, codes, ways = parts
    found = ways[view.data["ways"][way]]
    image, scores = render(view.data, 2, way, {"a": 1.5, "b": -2.0})
    z = codes["three"] + 1.5 * found["a"] - 2.0 * found["b"]
    exact = decode(model, ScaledGaussian(), z[None]).clamp(0, 1)
    seen = torch.from_numpy(image).permute(2, 0, 1).reshape(1, -1)
    assert (seen - exact).abs().max() < 0.01
    logits = faces.logits(judge, exact)[0]
    wanted = [logits[place] * factor for place, factor in ANSWERS]
    np.testing.assert_allclose(scores, wanted, atol=0.02)
    other = render(view.data, 2, 1 - way, {"a": 1.5, "b": -2.0})[0]
    assert np.abs(image - other).max() > 0.01, "the two ways draw the same: no test"


def test_the_shipped_network_loses_nothing_to_bytes():
    """What the page draws is the network's picture to a gray level or two."""
    from vaelib import pretrained

    kit = faces.shipped()
    model, _ = pretrained.shipped(kit.model)
    desk = portrait_desk(
        model, kit.judge, {"one": kit.codes.mu[0]},
        {"means": kit.directions["means"]}, kit.answers(), {},
    )  # fmt: skip
    image, scores = render(desk.data, 0, 0, {"smile": 1.0, "glasses": -1.0})
    means = kit.directions["means"]
    z = (kit.codes.mu[0] + means["smile"] - means["glasses"])[None]
    exact = decode(model, ScaledGaussian(), z).clamp(0, 1)
    error = (torch.from_numpy(image).permute(2, 0, 1).reshape(1, -1) - exact).abs()
    assert error.mean() < 1 / 255
    np.testing.assert_allclose(scores, kit.scores(exact)[0], atol=0.15)
    assert len(desk.html.encode()) < 1_900_000


def test_ways_with_other_sliders_are_refused(parts):
    model, judge, codes, ways = parts
    short = {"means": ways["means"], "regression": {"a": ways["means"]["a"]}}
    with pytest.raises(ValueError, match=r"every way needs the sliders \['a', 'b'\]"):
        portrait_desk(model, judge, codes, short, ANSWERS, {})
    with pytest.raises(ValueError, match="each slider an answer"):
        portrait_desk(model, judge, codes, ways, ANSWERS[:1], {})


def test_the_widget_says_what_the_page_says(view):
    face, way, first, second, picture = view.live().children
    face.value, way.value, first.value, second.value = 1, 1, 1.0, -0.5
    before = render(view.data, 1, 1, {})[1]
    after = render(view.data, 1, 1, {"a": 1.0, "b": -0.5})[1]
    assert f"a {after[0] - before[0]:+.1f}, b {after[1] - before[1]:+.1f}" in picture.value
    assert picture.value.count("<img") == 2
    assert (first.description, second.description) == SLIDERS
