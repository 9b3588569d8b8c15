"""The networks: shapes, sizes, and the source of the initial weights."""

import math

import pytest
import torch
from torch import nn

from vaelib.gaussian import Diagonal, FullCovariance
from vaelib.likelihood import Bernoulli, ScaledGaussian
from vaelib.model import VAE, ConvVAE, Waves, mlp
from vaelib.train import Settings, fit

torch.set_num_threads(1)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_model_for_digits_has_the_size_of_the_listing():
    model = VAE(784, (512, 256), 2)
    encoder = 784 * 512 + 512 + 512 * 256 + 256 + 2 * (256 * 2 + 2)
    decoder = 2 * 256 + 256 + 256 * 512 + 512 + 512 * 784 + 784
    assert weights(model).numel() == encoder + decoder == 1_068_820


def test_the_decoder_mirrors_the_encoder():
    model = VAE(20, (7, 5), 3)
    sizes = [
        [(layer.in_features, layer.out_features) for layer in net if isinstance(layer, nn.Linear)]
        for net in (model.encoder, model.decoder)
    ]
    assert sizes == [[(20, 7), (7, 5), (5, 6)], [(3, 5), (5, 7), (7, 20)]]


def test_layers_alternate_with_relu_and_end_linear():
    assert [type(layer) for layer in mlp([4, 3, 2])] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in mlp([4, 2])] == [nn.Linear]


def test_the_decoder_may_have_widths_of_its_own():
    model = VAE(20, (7, 5), 3, decoder_hidden=(4, 6, 8))
    widths = [layer.out_features for layer in model.decoder if isinstance(layer, nn.Linear)]
    assert widths == [4, 6, 8, 20]
    assert VAE(20, (7,), 3, decoder_hidden=()).decoder[0].out_features == 20


def test_waves_are_octaves_of_sines_and_cosines():
    z = torch.tensor([[0.5, -1.0], [2.0, 3.0]], dtype=torch.float64)
    seen = Waves(2)(z)
    assert seen.shape == (2, 2 * (1 + 2 * 2))
    torch.testing.assert_close(seen[:, :2], z)
    half = math.pi / 2
    expected = [math.sin(half * 0.5), math.cos(half * 0.5), math.sin(math.pi * 0.5), 0.0]
    torch.testing.assert_close(seen[0, 2::2], torch.tensor(expected, dtype=torch.float64))
    # The longest wave has length 4, so the features of z and z + 4 differ in z itself only.
    torch.testing.assert_close(Waves(3)(z + 4)[:, 2:], Waves(3)(z)[:, 2:])


def test_a_decoder_with_waves_gets_them_as_input_and_passes_gradients():
    model = VAE(20, (7,), 3, gen(), n_waves=2)
    assert model.decoder[1].in_features == 3 * (1 + 2 * 2)
    z = torch.randn(4, 5, 3, generator=gen(1), requires_grad=True)
    out = model.decode(z)
    assert out.shape == (4, 5, 20)
    torch.testing.assert_close(out, model.decoder[1:](Waves(2)(z)))
    out.sum().backward()
    assert (z.grad.abs().sum((0, 1)) > 0).all()


def test_waves_have_no_weights_so_the_encoder_stays_the_same():
    plain, waved = VAE(20, (7,), 3, gen()), VAE(20, (7,), 3, gen(), n_waves=2)
    assert plain.encoder[0].weight.equal(waved.encoder[0].weight)
    assert not list(Waves(3).parameters())


def test_shapes():
    model = VAE(20, (7,), 3)
    mu, logvar = model.encode(torch.rand(5, 20))
    assert mu.shape == logvar.shape == (5, 3)
    assert model.decode(torch.randn(4, 5, 3)).shape == (4, 5, 20)


def test_mean_and_log_variance_are_two_halves():
    model = VAE(4, (), 2)
    with torch.no_grad():
        model.encoder[0].weight.zero_()
        model.encoder[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    mu, logvar = model.encode(torch.rand(1, 4))
    assert mu.tolist() == [[1.0, 2.0]]
    assert logvar.tolist() == [[3.0, 4.0]]


def test_a_full_covariance_adds_the_entries_below_the_diagonal():
    model = VAE(4, (), 3, full_covariance=True)
    assert model.encoder[0].out_features == 3 + 3 + 3
    with torch.no_grad():
        model.encoder[0].weight.zero_()
        model.encoder[0].bias.copy_(torch.arange(9.0))
    mu, chol = model.encode(torch.rand(5, 4))
    assert mu.tolist() == [[0.0, 1.0, 2.0]] * 5
    scale = [math.exp(v / 2) for v in (3, 4, 5)]
    expected = [[scale[0], 0, 0], [6, scale[1], 0], [7, 8, scale[2]]]
    torch.testing.assert_close(chol, torch.tensor(expected).expand(5, 3, 3))


def test_the_encoder_returns_the_chosen_family_of_q():
    x = torch.rand(5, 20)
    assert isinstance(VAE(20, (7,), 3).encode(x), Diagonal)
    assert isinstance(VAE(20, (7,), 3, full_covariance=True).encode(x), FullCovariance)


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 783), (5, 1)])
def test_images_that_are_not_flat_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 784\): flatten"):
        VAE(784, (4,), 2).encode(torch.zeros(shape))


def test_initial_weights_depend_on_the_generator_alone():
    torch.manual_seed(1)
    one = VAE(9, (4,), 2, generator=gen(5))
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    two = VAE(9, (4,), 2, generator=gen(5))
    other = VAE(9, (4,), 2, generator=gen(6))
    assert weights(one).equal(weights(two))
    assert not weights(one).equal(weights(other))
    torch.manual_seed(1)
    assert torch.random.get_rng_state().equal(state), "torch's global generator was advanced"


def test_without_a_generator_the_weights_come_from_torch():
    torch.manual_seed(3)
    one = VAE(9, (4,), 2)
    torch.manual_seed(3)
    assert weights(one).equal(weights(VAE(9, (4,), 2)))


def test_initial_weights_have_the_range_of_torchs_default():
    # Uniform on (-1/sqrt(n_in), 1/sqrt(n_in)): all inside, and both ends almost reached.
    layer = VAE(400, (300,), 2, generator=gen(0)).encoder[0]
    largest = layer.weight.abs().max().item() * 20
    assert 0.999 < largest <= 1


def conv(generator=None, **more):
    return ConvVAE((3, 16, 8), (4, 6), 5, generator or gen(), **more)


def test_a_convolutional_network_takes_and_returns_flat_images():
    model = conv()
    q = model.encode(torch.rand(7, 3 * 16 * 8))
    assert q.mu.shape == q.logvar.shape == (7, 5)
    assert model.decode(torch.randn(4, 7, 5)).shape == (4, 7, 3 * 16 * 8 + 1)
    assert conv(learn_sigma=False).decode(torch.randn(7, 5)).shape == (7, 3 * 16 * 8)


def test_a_convolutional_network_has_the_expected_number_of_weights():
    halving = (3 * 4 * 16 + 4) + (4 * 6 * 16 + 6)
    doubling = (6 * 4 * 16 + 4) + (4 * 4 * 16 + 4) + (4 * 3 * 9 + 3)
    inner = 6 * 4 * 2
    linear = inner * 10 + 10 + 5 * inner + inner
    assert weights(conv()).numel() == halving + doubling + linear + 1


def test_each_image_and_each_draw_is_decoded_independently():
    model, z = conv(), torch.randn(2, 3, 5, generator=gen(1))
    together = model.decode(z)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(model.decode(z[i, j]), together[i, j])
    x = torch.rand(3, 384, generator=gen(2))
    torch.testing.assert_close(model.encode(x).mu[1:2], model.encode(x[1:2]).mu)


def test_pixels_are_in_the_order_channel_row_column():
    """One bright entry of a feature map changes the pixels near it, and none far away."""
    model = ConvVAE((1, 16, 16), (4,), 3, gen())
    z = torch.zeros(1, 3)
    hook = torch.zeros(1, 4, 8, 8)
    hook[0, :, 1, 6] = 10
    plain = model.decoder(torch.zeros(1, 4, 8, 8)).flatten()
    changed = (model.decoder(hook).flatten() - plain).view(16, 16).abs() > 1e-6
    rows, columns = changed.nonzero().T
    assert rows.max() < 8
    assert columns.min() > 8
    model.unfold = nn.Sequential(nn.Flatten(), nn.Linear(3, 256), nn.Unflatten(1, (4, 8, 8)))
    with torch.no_grad():
        model.unfold[1].weight.zero_()
        model.unfold[1].bias.copy_(hook.flatten())
    torch.testing.assert_close(model.decode(z)[0, :-1], model.decoder(hook).flatten())


def test_the_noise_of_the_pixels_is_learned():
    """Images of pure noise: the optimal mean image is their mean, sigma_x their deviation."""
    sigma = 0.3
    x = 0.5 + sigma * torch.randn(256, 64, generator=gen(3))
    g = gen(0)
    model = ConvVAE((1, 8, 8), (4, 4), 2, g)
    fit(model, ScaledGaussian(), x, Settings(60, batch_size=32, lr=2e-2), generator=g)
    found = model.log_sigma.exp().item()
    assert abs(found - 0.1) > 0.1, "sigma_x was not learned"
    # The estimate's sd is 0.0017; 2 latent dimensions can explain a little of the noise.
    assert found == pytest.approx(sigma, abs=0.02)


@pytest.mark.parametrize(("shape", "channels"), [((1, 12, 16), (4, 4, 4)), ((1, 8, 8), ())])
def test_sides_that_cannot_be_halved_are_refused(shape, channels):
    with pytest.raises(ValueError, match=r"cannot be halved once .* multiples of"):
        ConvVAE(shape, channels, 2)


def test_convolutions_refuse_images_that_are_not_flat():
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 384\): flatten"):
        conv().encode(torch.zeros(2, 3, 16, 8))


def test_initial_weights_of_convolutions_depend_on_the_generator():
    assert weights(conv(gen(5))).equal(weights(conv(gen(5))))
    assert not weights(conv(gen(5))).equal(weights(conv(gen(6))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_model_trains_on_cuda_as_on_the_cpu():
    pixels = torch.rand(64, 9, generator=gen(1))
    elbos = []
    for device in ("cpu", "cuda"):
        g = gen(0)
        model = VAE(9, (8,), 2, generator=g).to(device)
        settings = Settings(epochs=30, batch_size=16, lr=1e-2)
        history = fit(model, Bernoulli(), pixels, settings, generator=g)
        assert next(model.parameters()).device.type == device
        elbos.append(history.elbo)
    assert elbos[1][-1] > elbos[1][0]
    # The noise differs between devices; the initial weights and the order of batches do not.
    assert (elbos[0] - elbos[1]).abs().max() < 0.5
