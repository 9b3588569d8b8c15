"""Densities given by their conditionals, against SciPy: log densities and both tails."""

import numpy as np
import pytest
import torch
from scipy import stats

from vaelib.densities import banana, cauchy, gumbel, mixture, normal

F64 = {"dtype": torch.float64}
WEIGHTS = torch.tensor([0.6, 0.4], **F64)
MEANS = torch.tensor([[-0.8, -0.6], [0.8, 0.6]], **F64)
CHOLS = torch.tensor([[[0.7, 0.0], [0.5, 0.4]], [[0.5, 0.0], [-0.4, 0.6]]], **F64)
ON_THE_LINE = [
    (gumbel().conditionals[0], stats.gumbel_r),
    (cauchy().conditionals[0], stats.cauchy),
    (normal(1.5, 0.3), stats.norm(1.5, 0.3)),
]


def points(dim, n=300):
    return 2 * torch.randn(n, dim, generator=torch.Generator().manual_seed(0), **F64)


@pytest.mark.parametrize(("conditional", "law"), ON_THE_LINE, ids=["gumbel", "cauchy", "normal"])
def test_densities_and_tails_on_the_line_are_scipys(conditional, law):
    x = np.linspace(-4, 30, 69)
    at = torch.tensor(x), torch.zeros(69, 0)
    assert conditional.log_pdf(*at).numpy() == pytest.approx(law.logpdf(x), abs=1e-9)
    assert conditional.log_cdf(*at).numpy() == pytest.approx(law.logcdf(x), rel=1e-9, abs=1e-15)
    assert conditional.log_sf(*at).numpy() == pytest.approx(law.logsf(x), rel=1e-9, abs=1e-15)


def test_the_density_of_the_mixture_is_scipys():
    x = points(2)
    parts = [
        w * stats.multivariate_normal(m.numpy(), (c @ c.T).numpy()).pdf(x.numpy())
        for w, m, c in zip(WEIGHTS.tolist(), MEANS, CHOLS, strict=True)
    ]
    log_px = mixture(WEIGHTS, MEANS, CHOLS).log_prob(x)
    assert torch.allclose(log_px, torch.tensor(sum(parts)).log(), atol=1e-10)


def test_the_density_of_the_banana_is_a_product_of_two_normals():
    x = points(2)
    x1, x2 = x.numpy().T
    expected = stats.norm.logpdf(x1) + stats.norm(0.7 * (x1**2 - 1), 0.3).logpdf(x2)
    assert banana(bend=0.7, spread=0.3).log_prob(x).numpy() == pytest.approx(expected)


def test_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"gumbel: x has shape \(4, 2\), expected \(\.\.\., 1\)"):
        gumbel().log_prob(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="do not belong to one mixture"):
        mixture(WEIGHTS, MEANS[:, :1], CHOLS)
