"""The mending desk: small weights that do what the networks do, and a search that finds the top."""

import base64

import numpy as np
import pytest
from scipy.ndimage import median_filter
from scipy.optimize import minimize
from untrained import layers

from vaelib.web import png
from vaelib.web.denoise import GAPS, answers, best_z, mending_desk, pack

SIDE, M = 8, 3


@pytest.fixture(scope="module")
def nets():
    rng = np.random.default_rng(0)
    return {
        name: (layers(rng, (64, 24, M)), layers(rng, (M, 24, 64))) for name in ("AE", "VAE", "DAE")
    }


@pytest.fixture(scope="module")
def view(nets):
    images = np.random.default_rng(1).random((4, 64))
    mean = np.full(64, 0.2)
    return mending_desk(nets, images, mean, asked="VAE", misfit=0.02, side=SIDE)


def through(stack, x):
    for i, (weight, bias) in enumerate(stack):
        x = weight @ (np.maximum(x, 0) if i else x) + bias
    return x


def sigmoid(out):
    return 1 / (1 + np.exp(-out))


def test_one_byte_a_weight(view):
    for net in view.data["nets"]:
        for layer in [*net["encoder"], *net["decoder"]]:
            assert layer["weight"].dtype == np.int8
            assert np.abs(layer["weight"].astype(int)).max() == 127


def test_a_row_of_zeros_stays_zero():
    (layer,) = pack([(np.zeros((2, 3)), np.ones(2))])
    assert (layer["weight"] == 0).all()
    assert np.isfinite(layer["scale"]).all()


def test_the_page_reconstructs_as_the_networks_do(view, nets):
    x = view.data["images"][0] / 255
    found = answers(view.data, x, np.ones(64, bool), 0.0)
    for name, (encoder, decoder) in nets.items():
        exact = sigmoid(through(decoder, through(encoder, x)))
        assert np.abs(found[name] - exact).max() < 0.05
        other = sigmoid(through(decoder, through(encoder, 1 - x)))
        assert np.abs(found[name] - other).max() > 0.05, "networks that ignore their input"


def test_missing_pixels_are_not_read(view):
    x, seen = view.data["images"][1] / 255, view.data["gaps"][1]["seen"].astype(bool)
    spoiled = np.where(seen, x, np.nan)
    a, b = (answers(view.data, v, seen, 0.2) for v in (x, spoiled))
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_the_median_is_that_of_scipy(view):
    x = np.random.default_rng(2).normal(0.5, 0.5, 64)
    found = answers(view.data, x, np.ones(64, bool), 0.5)["median"].reshape(SIDE, SIDE)
    exact = median_filter(x.reshape(SIDE, SIDE), 3, mode="nearest").clip(0, 1)
    np.testing.assert_allclose(found, exact)


def objective(net, x, seen, variance):
    stack = [(layer["weight"] * layer["scale"][:, None], layer["bias"]) for layer in net["decoder"]]

    def value(z):
        p = sigmoid(through(stack, z))
        return (((p - x) ** 2)[seen] / variance).sum() / 2 + z @ z / 2

    return value


def test_a_missing_pixel_counts_as_the_mean_image(view, nets):
    found = answers(view.data, np.ones(64), np.zeros(64, bool), 0.0)
    encoder, decoder = nets["AE"]
    exact = sigmoid(through(decoder, through(encoder, np.full(64, 0.2))))
    assert np.abs(found["AE"] - exact).max() < 0.05
    other = sigmoid(through(decoder, through(encoder, np.zeros(64))))
    assert np.abs(found["AE"] - other).max() > 0.05


def test_the_network_asked_is_told_the_noise_and_its_own_misfit(view):
    x, net = view.data["images"][3] / 255, view.data["nets"][1]
    everything = np.ones(64, bool)
    z = best_z(net, x, everything, 0.4**2 + 0.02)
    stack = [(a["weight"] * a["scale"][:, None], a["bias"]) for a in net["decoder"]]
    found = answers(view.data, x, everything, 0.4)["VAE, asked"]
    np.testing.assert_allclose(found, sigmoid(through(stack, z)), atol=1e-9)


@pytest.mark.parametrize("variance", [0.3, 30.0])  # with the second the prior decides
@pytest.mark.parametrize("missing", [0, 1, 4])
def test_the_search_goes_down_to_a_minimum(view, missing, variance):
    """Where it ends, an optimizer that knows no gradient finds next to nothing left to gain."""
    net, seen = view.data["nets"][1], view.data["gaps"][missing]["seen"].astype(bool)
    x = np.where(seen, view.data["images"][2] / 255, view.data["mean"])
    value = objective(net, x, seen, variance)
    z = best_z(net, x, seen, variance)
    best = minimize(value, z, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    start = value(through(
        [(a["weight"] * a["scale"][:, None], a["bias"]) for a in net["encoder"]], x
    ))  # fmt: skip
    assert value(z) - best.fun < 0.01 * (start - best.fun)


def test_gaps_leave_out_what_they_say(view):
    seen = {gap["name"]: gap["seen"].reshape(SIDE, SIDE) for gap in view.data["gaps"]}
    assert list(seen) == list(GAPS)
    assert seen["none"].all()
    assert not seen["lower half"][4:].any()
    assert seen["lower half"][:4].all()
    assert not seen["right half"][:, 4:].any()
    assert seen["every second pixel"].sum() == 32
    kept = seen["three quarters, at random"].mean()
    assert abs(kept - 0.25) < 6 * np.sqrt(0.25 * 0.75 / SIDE**2)
    assert abs(kept - 0.75) > 0.1


def test_the_widget_shows_every_answer(view):
    *_, pictures = view.live().children
    assert pictures.value.count("<img") == len(view.data["nets"]) + 4
    before = pictures.value
    digit, level, gap, shown = view.live().children
    level.value, gap.value = 0.8, "lower half"
    assert shown.value != before
    for name in ("truth", "spoiled", "median", "AE", "VAE, asked"):
        assert f"<figcaption>{name}</figcaption>" in shown.value
    assert digit.max == 3
    truth = np.random.default_rng(1).random((4, 64))[0]
    assert np.abs(view.data["images"][0] / 255 - truth).max() < 1 / 500
    x = view.data["images"][0] / 255 + 0.8 * view.data["eps"].astype(float)
    seen = view.data["gaps"][1]["seen"].astype(bool)
    spoiled = np.where(seen, x.clip(0, 1), 0.35).reshape(SIDE, SIDE)  # gray where nothing is known
    assert base64.b64encode(png(spoiled, 3)).decode() in shown.value
