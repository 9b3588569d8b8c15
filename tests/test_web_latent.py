"""The decoder in one byte a weight, and the explorer's widget for a running kernel."""

import base64
import io
import re

import numpy as np
import pytest
import untrained
from PIL import Image

from vaelib.web.latent import latent_explorer, pack, unpack_and_decode

EXTENT = 3.5


def decoder_layers(sizes=(2, 64, 128, 400), seed=0):
    """A decoder that bends: He's weights, and a last layer whose pixels reach black and white."""
    *lower, (weight, bias) = untrained.layers(np.random.default_rng(seed), sizes, bias_std=0.3)
    return [*lower, (1.5 * weight, bias - 2)]


def plain(layers, z):
    """What the decoder computes, in double precision."""
    for weight, bias in layers[:-1]:
        z = np.maximum(z @ weight.T + bias, 0)
    return 1 / (1 + np.exp(-(z @ layers[-1][0].T + layers[-1][1])))


def points(n=3000, extent=EXTENT):
    corners = [[a, b] for a in (-extent, 0, extent) for b in (-extent, 0, extent)]
    random = np.random.default_rng(1).uniform(-extent, extent, (n, 2))
    return np.concatenate([corners, random])


@pytest.fixture(scope="module")
def layers():
    return decoder_layers()


def test_rounded_weights_decode_within_a_hundredth(layers):
    z = points()
    error = np.abs(unpack_and_decode(pack(layers, EXTENT), z) - plain(layers, z))
    assert error.max() < 0.01
    assert plain(layers, z).max() > 0.99, "a decoder that is never sure shows no error"


def test_rounding_each_weight_alone_would_be_several_times_worse(layers):
    z = points()
    nearest = []
    for weight, bias in layers:
        scale = np.abs(weight).max(1, keepdims=True) / 127
        nearest.append((np.rint(weight / scale) * scale, bias))
    nearest[0] = layers[0]
    alone = np.abs(plain(nearest, z) - plain(layers, z))
    ahead = np.abs(unpack_and_decode(pack(layers, EXTENT), z) - plain(layers, z))
    assert ahead.mean() < alone.mean() / 2


def test_weights_are_one_byte_each_but_for_the_first_two_columns(layers):
    first, second, third = pack(layers, EXTENT)["layers"]
    assert first["weight"].dtype == np.float32
    for layer in (second, third):
        assert layer["weight"].dtype == np.int8
        assert np.abs(layer["weight"].astype(int)).max() <= 127
        assert layer["scale"].dtype == layer["bias"].dtype == np.float32


def test_units_that_are_off_and_pixels_that_stay_black_stay_at_home(layers):
    (w1, b1), (w2, b2), (w3, b3) = layers
    b1, b3 = b1.copy(), b3.copy()
    b1[:10], b3[5:15] = -100, -400
    quiet = [(w1, b1), (w2, b2), (w3, b3)]
    packed = pack(quiet, EXTENT)
    assert len(packed["layers"][0]["bias"]) <= 54
    assert packed["layers"][1]["weight"].shape[1] == len(packed["layers"][0]["bias"])
    assert not set(range(5, 15)) & set(packed["pixels"].tolist())
    images = unpack_and_decode(packed, points())
    assert images.shape[1] == 400
    assert (images[:, 5:15] == 0).all()
    assert np.abs(images - plain(quiet, points())).max() < 0.01


@pytest.mark.parametrize("sizes", [(2, 30), (2, 32, 30), (2, 32, 32, 32, 30)])
def test_any_number_of_layers(sizes):
    """Wide ones: with a handful of weights there is nothing to make an error good with."""
    some = decoder_layers(sizes)
    error = np.abs(unpack_and_decode(pack(some, EXTENT), points()) - plain(some, points()))
    assert error.max() < 0.01


@pytest.fixture
def view(layers):
    z, labels = points(60), np.arange(69) % 3
    return latent_explorer(layers, z, labels, z[:3], colors=["#000000"] * 3, side=20)


def test_the_widget_shows_what_the_page_computes(view):
    controls, picture = view.live().children
    for slider, value in zip(controls.children, (1.0, -2.0), strict=True):
        slider.value = value
    assert "z = (1.00, -2.00)" in picture.value
    png = base64.b64decode(re.search(r"base64,([^\"]+)", picture.value)[1])
    shown = np.asarray(Image.open(io.BytesIO(png)))
    expected = unpack_and_decode(view.data["decoder"], [[1.0, -2.0]]).reshape(20, 20)
    assert (shown[::8, ::8] == np.rint(255 * expected)).all()


def test_the_sliders_reach_as_far_as_the_plane(layers):
    made = latent_explorer(
        layers, points(10), np.zeros(19), points(0)[:1], colors=["#000000"], extent=2.0, side=20
    )
    controls, _ = made.live().children
    assert [(s.min, s.max) for s in controls.children] == [(-2.0, 2.0)] * 2
