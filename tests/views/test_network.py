"""Networks in a page: packed as int8, and run by the script as torch runs the same weights."""

import numpy as np
import pytest
import torch
from looking import to_page
from torch import nn
from untrained import whole_weights

from vaelib.model import VAE
from vaelib.runtime import generator
from vaelib.views.network import pack_network, pack_pruned, quantize, select_outputs

browser = pytest.mark.browser
EXTENT = 3.5


@pytest.fixture
def run(load_script):
    """The output of network.js, in the bundle of a view, for packed layers and an input: flat."""
    page = load_script("latent")

    def run(layers, x, side=1):
        code = "([layers, x, side]) => Array.from(forward(ready(unpack(layers)), x, side))"
        return np.array(page.evaluate(code, [to_page(layers), np.ravel(x).tolist(), side]))

    return run


def places_first(x):
    """(1, C, H, W) as the script takes images."""
    return x[0].permute(1, 2, 0)


@browser
def test_images_go_through_each_layer_as_in_torch(run):
    x = torch.randn(1, 4, 8, 8, generator=generator(1))
    for module in (
        nn.Conv2d(4, 6, 3, 2, 1),
        nn.Conv2d(4, 6, 3, 1, 1),
        nn.Conv2d(4, 6, 1),
        nn.ConvTranspose2d(4, 6, 4, 2, 1),
        nn.ConvTranspose2d(4, 6, 3, 3),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.ReLU(),
    ):
        network = whole_weights(nn.Sequential(module))
        expected = places_first(network(x)).detach().flatten()
        found = run(pack_network(network), places_first(x), 8)
        np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=str(module))


@browser
def test_vectors_become_images_and_images_vectors_as_in_torch(run):
    network = nn.Sequential(
        nn.Linear(5, 12), nn.SiLU(), nn.Unflatten(1, (3, 2, 2)), nn.ConvTranspose2d(3, 4, 4, 2, 1),
        nn.SiLU(), nn.Conv2d(4, 2, 1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32, 3),
    )  # fmt: skip
    whole_weights(network).eval()
    x = torch.randn(1, 5, generator=generator(1))
    found = run(pack_network(network), x)
    np.testing.assert_allclose(found, network(x)[0].detach(), atol=2e-5)


@browser
def test_the_gradient_is_that_of_torch(load_script):
    network = nn.Sequential(
        nn.Linear(5, 40), nn.ReLU(), nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 20)
    )
    whole_weights(network)
    x = torch.randn(5, generator=generator(1), requires_grad=True)
    (network(x) ** 3).sum().backward()
    found = load_script("latent").evaluate(
        "([layers, x]) => Array.from(gradient(ready(unpack(layers)), x, "
        "(out) => out.map((v) => 3 * v * v)))",
        [to_page(pack_network(network)), x.tolist()],
    )
    np.testing.assert_allclose(found, x.grad, rtol=1e-4, atol=1e-5)


def test_a_module_that_no_page_runs_is_refused_by_name():
    with pytest.raises(TypeError, match="a page cannot run Waves"):
        pack_network(VAE(9, (8,), 2, n_waves=2).decoder)


def test_rounding_errs_by_half_a_step_at_most():
    weight = torch.randn(30, 20, generator=generator(0)).numpy()
    weight[:, 3] = 0  # a column of zeros stays one
    packed = quantize(weight)
    assert packed["weight"].dtype == np.int8
    error = np.abs(packed["weight"] * packed["scale"] - weight)
    assert (error <= 0.501 * packed["scale"]).all()
    assert (packed["weight"][:, 3] == 0).all()


def test_selected_outputs_come_in_their_order_times_their_factors():
    (layer,) = pack_network([nn.Linear(4, 3)])
    picked = select_outputs(layer, (2, 0), (0.5, -2.0))
    for place, (output, factor) in enumerate([(2, 0.5), (0, -2.0)]):
        weight = picked["weight"][:, place] * picked["scale"][place]
        np.testing.assert_allclose(
            weight, factor * layer["weight"][:, output] * layer["scale"][output], rtol=1e-6
        )
        assert picked["bias"][place] == pytest.approx(factor * layer["bias"][output])


# --- pruned, and rounded for given inputs ---


def bent(*sizes):
    """A decoder that bends: He's weights, and a last layer whose pixels reach black and white."""
    decoder = VAE(sizes[-1], sizes[-2:0:-1], sizes[0], generator(0)).decoder
    gen = generator(1)
    linear = [module for module in decoder if isinstance(module, nn.Linear)]
    for module in linear:
        n_in = module.in_features
        module.weight.data = torch.randn(module.weight.shape, generator=gen) * (2 / n_in) ** 0.5
        module.bias.data = 0.3 * torch.randn(module.bias.shape, generator=gen)
    linear[-1].weight.data *= 1.5
    linear[-1].bias.data -= 2
    return decoder


def grid(n=61):
    ticks = np.linspace(-EXTENT, EXTENT, n)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def by_numpy(packed, z):
    """What the packed layers compute (the browser tests hold the script to torch)."""
    for layer in packed:
        if layer["kind"] == "relu":
            z = np.maximum(z, 0)
        else:
            z = z @ (layer["weight"].astype(float) * layer["scale"]) + layer["bias"]
    return z


def pixels_of(decoder, z):
    with torch.no_grad():
        return decoder(torch.tensor(z, dtype=torch.float32)).sigmoid().numpy()


@pytest.mark.parametrize("sizes", [(2, 30), (2, 32, 30), (2, 64, 128, 400)], ids=str)
def test_looking_ahead_keeps_pixels_within_a_hundredth(sizes):
    decoder = bent(*sizes)
    packed, kept = pack_pruned(decoder, grid(), floor=-np.inf)
    assert len(kept) == sizes[-1]
    between = grid(47)  # other points than those it was rounded for
    exact = pixels_of(decoder, between)
    ahead = np.abs(1 / (1 + np.exp(-by_numpy(packed, between))) - exact)
    assert ahead.max() < 0.01
    assert exact.max() > 0.99, "a decoder that is never sure shows no error"
    if len(sizes) > 3:
        alone = np.abs(1 / (1 + np.exp(-by_numpy(pack_network(decoder), between))) - exact)
        assert alone.max() < 0.1
        assert ahead.mean() < alone.mean() / 2


def test_units_that_are_off_and_pixels_that_stay_black_are_left_out():
    decoder = bent(2, 64, 128, 400)
    with torch.no_grad():
        decoder[0].bias[:10], decoder[4].bias[5:15] = -100, -400
    packed, kept = pack_pruned(decoder, grid(), floor=np.log(1 / 511))
    first, second, third = (layer for layer in packed if layer["kind"] == "linear")
    assert len(first["bias"]) <= 54
    assert second["weight"].shape[0] == len(first["bias"])
    assert second["weight"].dtype == third["weight"].dtype == np.int8
    assert not set(range(5, 15)) & set(kept.tolist())
    image = np.zeros((47**2, 400))
    image[:, kept] = 1 / (1 + np.exp(-by_numpy(packed, grid(47))))
    assert np.abs(image - pixels_of(decoder, grid(47))).max() < 0.01
