"""The second view of chapter 2: its gradients equal torch's, its controls move the traits."""

import json

import numpy as np
import pytest
import torch
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib.views.descent import Descent

browser = pytest.mark.browser


@pytest.fixture
def view():
    return Descent()


def unpacked(weights, hidden):
    w = torch.tensor(weights, dtype=torch.double, requires_grad=True)
    return w, (w[:hidden], w[hidden : 2 * hidden], w[2 * hidden : 3 * hidden], w[3 * hidden])


def cost(parts, activation, x, y):
    w1, b1, w2, b2 = parts
    act = torch.tanh if activation == "tanh" else torch.sigmoid
    return 0.5 * ((act(x[:, None] * w1 + b1) @ w2 + b2 - y) ** 2).mean()


@browser
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("hidden", [2, 16])
def test_backpropagation_equals_torchs_and_so_do_a_hundred_steps(load_script, activation, hidden):
    page = load_script("descent")
    weights, x, y = page.evaluate(f"[initial({hidden}, 3), INPUTS, INPUTS.map(TARGETS.sine.f)]")
    found = page.evaluate(f"backpropagate({json.dumps(weights)}, '{activation}', {json.dumps(y)})")
    x, y = torch.tensor(x, dtype=torch.double), torch.tensor(y, dtype=torch.double)
    w, parts = unpacked(weights, hidden)
    loss = cost(parts, activation, x, y)
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-12)
    scale = w.grad.abs().max().item()
    np.testing.assert_allclose(found["gradient"], w.grad.numpy(), rtol=0, atol=1e-9 * scale)

    run = page.evaluate(
        f"train({{weights: {json.dumps(weights)}, losses: []}}, '{activation}',"
        f" {json.dumps(y.tolist())}, 0.3, 100)"
    )
    for _ in range(100):
        w, parts = unpacked(weights, hidden)
        cost(parts, activation, x, y).backward()
        weights = (w - 0.3 * w.grad).tolist()
    np.testing.assert_allclose(run["weights"], weights, rtol=0, atol=1e-6)
    assert len(run["losses"]) == 100


@browser
def test_the_bowl_descends_as_its_formula_says(load_script):
    page = load_script("descent")
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    bowl = turn @ np.diag([1.0, 10.0]) @ turn.T
    path = np.array(page.evaluate("bowlPath([1, 10], [2.2, 0.7], 0.15, 20)"))
    step = np.linalg.matrix_power(np.eye(2) - 0.15 * bowl, 20)
    np.testing.assert_allclose(path[-1], step @ [2.2, 0.7], atol=1e-12)
    loss = page.evaluate("bowlLoss([1, 10], [2.2, 0.7])")
    assert loss == pytest.approx(0.5 * np.array([2.2, 0.7]) @ bowl @ [2.2, 0.7])


@browser
@pytest.mark.parametrize(
    ("rate", "share", "word"),
    [(0.02, 10, "slow"), (0.08, 40, "good"), (0.15, 75, "oscillating"), (0.22, 110, "diverging")],
)
def test_the_sentence_names_the_regime(root, rate, share, word):
    set_trait(root, "rate", rate)
    assert f"{word}:" in said(root)
    assert f"{share} % of the limit 0.20" in said(root)


@browser
def test_steps_play_and_reset(root, page):
    assert trait(root, "steps") == 6
    root.get_by_role("button", name="Step").click()
    assert trait(root, "steps") == 7
    root.get_by_role("button", name="Play").click()
    page.wait_for_timeout(900)
    root.get_by_role("button", name="Pause").click()
    assert trait(root, "steps") > 9
    root.get_by_role("button", name="Reset").click()
    assert trait(root, "steps") == 0
    assert trait(root, "loss") > 0


@browser
def test_the_start_moves_by_keys_and_starts_anew(root):
    frame = root.get_by_role("application")
    before = pixels(root, 0)
    frame.press("ArrowRight")
    assert trait(root, "start") == pytest.approx([2.3, 0.7])
    assert trait(root, "steps") == 0
    assert pixels(root, 0) != before


@browser
def test_the_network_learns_and_its_settings_start_anew(root):
    root.get_by_label("Descend").select_option("the cost of a small network")
    assert (trait(root, "scene"), trait(root, "steps")) == ("network", 0)
    first = trait(root, "loss")
    before = pixels(root, 0)
    set_trait(root, "steps", 300)
    assert trait(root, "loss") < first / 2
    assert pixels(root, 0) != before
    assert "limit" not in said(root)
    root.get_by_label("Curve to fit").select_option("a bump")
    assert (trait(root, "target"), trait(root, "steps")) == ("bump", 0)
    root.get_by_label("Hidden units").press("ArrowRight")
    assert trait(root, "hidden") == 12
    root.get_by_role("button", name="Other weights").click()
    assert trait(root, "seed") == 2


@browser
def test_a_cost_without_bound_is_no_number_in_python(root):
    set_trait(root, "rate", 3)
    set_trait(root, "steps", 3000)
    assert trait(root, "loss") is None
    assert "out of sight" in said(root)


@browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scene", ["bowl", "network"])
def test_it_fits_is_labeled_and_follows_the_theme(open_view, page, width, scene):
    root = open_view(Descent(scene=scene))
    assert_fits(root, page, width)
    assert_follows_theme(root, page)
    assert page.problems == []


@pytest.mark.parametrize(
    "wrong", [{"scene": "hill"}, {"rate": 0.07}, {"steps": -1}, {"hidden": 5}, {"start": [1.0]}]
)
def test_what_cannot_be_chosen_is_refused(view, wrong):
    [(name, value)] = wrong.items()
    with pytest.raises(traitlets.TraitError):
        Descent(**wrong)
    with pytest.raises(traitlets.TraitError):
        setattr(view, name, value)


def test_a_bowl_needs_positive_curvatures():
    with pytest.raises(ValueError, match="curvatures of a bowl are positive"):
        Descent(curvatures=(0, 1))
