"""The networks: shapes, sizes, where the first weights come from."""

import math

import pytest
import torch
from torch import nn

from vaelib.gaussian import Diagonal, FullCovariance
from vaelib.likelihood import Bernoulli
from vaelib.model import VAE, Waves, mlp
from vaelib.train import fit

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
    # the longest wave has length 4, so z and z + 4 differ in z itself and nowhere else
    torch.testing.assert_close(Waves(3)(z + 4)[:, 2:], Waves(3)(z)[:, 2:])


def test_a_decoder_with_waves_sees_them_and_gradients_pass():
    model = VAE(20, (7,), 3, gen(), n_waves=2)
    assert model.decoder[1].in_features == 3 * (1 + 2 * 2)
    z = torch.randn(4, 5, 3, generator=gen(1), requires_grad=True)
    out = model.decode(z)
    assert out.shape == (4, 5, 20)
    torch.testing.assert_close(out, model.decoder[1:](Waves(2)(z)))
    out.sum().backward()
    assert (z.grad.abs().sum((0, 1)) > 0).all()


def test_waves_draw_no_weights_so_the_encoder_is_the_same():
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


def test_a_full_covariance_costs_the_entries_below_the_diagonal():
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


def test_the_encoder_says_which_family_q_is_of():
    x = torch.rand(5, 20)
    assert isinstance(VAE(20, (7,), 3).encode(x), Diagonal)
    assert isinstance(VAE(20, (7,), 3, full_covariance=True).encode(x), FullCovariance)


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 783), (5, 1)])
def test_images_that_are_not_flat_are_refused_by_shape(shape):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 784\): flatten"):
        VAE(784, (4,), 2).encode(torch.zeros(shape))


def test_first_weights_come_from_the_generator_and_from_nothing_else():
    torch.manual_seed(1)
    one = VAE(9, (4,), 2, generator=gen(5))
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    two = VAE(9, (4,), 2, generator=gen(5))
    other = VAE(9, (4,), 2, generator=gen(6))
    assert weights(one).equal(weights(two))
    assert not weights(one).equal(weights(other))
    torch.manual_seed(1)
    assert torch.random.get_rng_state().equal(state), "torch's own generator was moved"


def test_without_a_generator_the_weights_come_from_torch():
    torch.manual_seed(3)
    one = VAE(9, (4,), 2)
    torch.manual_seed(3)
    assert weights(one).equal(weights(VAE(9, (4,), 2)))


def test_first_weights_are_spread_as_torch_spreads_them():
    # uniform on (-1/sqrt(n_in), 1/sqrt(n_in)): all inside, and the ends almost reached
    layer = VAE(400, (300,), 2, generator=gen(0)).encoder[0]
    largest = layer.weight.abs().max().item() * 20
    assert 0.999 < largest <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_model_trains_on_cuda_as_on_the_cpu():
    pixels = torch.rand(64, 9, generator=gen(1))
    elbos = []
    for device in ("cpu", "cuda"):
        g = gen(0)
        model = VAE(9, (8,), 2, generator=g).to(device)
        history = fit(model, Bernoulli(), pixels, epochs=30, batch_size=16, generator=g, lr=1e-2)
        assert next(model.parameters()).device.type == device
        elbos.append(history.elbo)
    assert elbos[1][-1] > elbos[1][0]
    # the noise differs from device to device, the first weights and the order do not
    assert (elbos[0] - elbos[1]).abs().max() < 0.5
