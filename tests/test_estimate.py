"""Estimates: their standard errors against theory, by formula and by repetition."""

import math

import numpy as np
import pytest

from vaelib.estimate import Estimate

N, REPEATS = 200, 4000


def draws(seed=0):
    """Exponential samples (N, REPEATS): mean 1, variance 1, fourth central moment 9."""
    return np.random.default_rng(seed).exponential(size=(N, REPEATS))


def test_of_is_the_mean_with_its_standard_error():
    x = draws()[:, 0]
    found = Estimate.of(x)
    assert (found.value, found.n) == (x.mean(), N)
    assert found.stderr == x.std(ddof=1) / math.sqrt(N)
    assert {type(found.value), type(found.stderr), type(found.n)} == {float, int}


@pytest.mark.parametrize("make", [Estimate.of, Estimate.variance])
def test_standard_errors_are_the_spread_over_repetitions(make):
    # Relative sd of a standard deviation from R repetitions: about sqrt(1 / (2 R)) = 1.1 %; the
    # stderr itself is biased by less than 3 % at this n. A missing ddof = 1 is not seen here.
    many = make(draws())
    assert many.value.std() == pytest.approx(math.sqrt((many.stderr**2).mean()), rel=0.1)


def test_variance_is_unbiased():
    assert Estimate.of(Estimate.variance(draws()).value).off(1.0) < 6
    biased = draws().var(0)  # divided by n: 1/200 too small, its stderr is 1/450 over repetitions
    small = np.random.default_rng(1).exponential(size=(3, 100_000))
    assert Estimate.of(small.var(0)).off(1.0) > 6  # negative control
    assert Estimate.of(Estimate.variance(small).value).off(1.0) < 6
    assert (Estimate.variance(draws()).value > biased).all()


def test_variance_of_two_points_by_hand():
    found = Estimate.variance([0.0, 1.0, 2.0, 5.0])
    squares = np.array([4.0, 1.0, 0.0, 9.0])
    assert found.value == pytest.approx(squares.sum() / 3)
    assert found.stderr == pytest.approx(squares.std(ddof=1) / 2)


def test_proportion_takes_the_exact_probability_where_it_is_known():
    assert Estimate.proportion(30, 40).stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 40))
    known = Estimate.proportion(np.int64(30), 40, p=0.5)
    assert (known.value, known.stderr) == (0.75, pytest.approx(0.5 / math.sqrt(40)))


@pytest.mark.parametrize(("count", "p"), [(41, None), (-1, None), (3, 1.1), (3, math.nan)])
def test_a_proportion_outside_of_0_to_1_is_refused(count, p):
    with pytest.raises(ValueError, match="expected 0 <= p <= 1"):
        Estimate.proportion(count, 40, p=p)


def test_distance_and_interval():
    found = Estimate(3.0, 0.5, 10)
    assert found.off(4.0) == found.off(2.0) == 2.0
    assert found.interval(2) == (2.0, 4.0)


def test_an_array_of_estimates_is_compared_entry_by_entry():
    found = Estimate.of(draws())
    assert found.value.shape == found.stderr.shape == (REPEATS,)
    one = Estimate.of(draws()[:, 7])
    assert (found[7].value, found[7].stderr) == pytest.approx((one.value, one.stderr))
    assert type(found[7].value) is float
    assert found.off(np.ones(REPEATS))[7] == pytest.approx(one.off(1))
    assert found[:3].value.shape == (3,)


def test_differences_and_ratios_propagate_independent_errors():
    a, b = Estimate(6.0, 0.3, 100), Estimate(2.0, 0.4, 50)
    assert ((a - b).value, (a - b).stderr, (a - b).n) == (4.0, 0.5, 50)
    ratio = a / b
    assert ratio.value == 3.0
    assert ratio.stderr == pytest.approx(3 * math.hypot(0.3 / 6, 0.4 / 2))
    assert ((a - 1.0).value, (a - 1.0).stderr) == (5.0, 0.3)
    assert ((a / -2).value, (a / -2).stderr) == (-3.0, 0.15)
    for exact in (5.0, np.float64(5.0), np.array(5.0)):
        assert ((exact - a).value, (exact - a).stderr) == (-1.0, 0.3)
        assert ((exact * a).value, (a * exact).stderr) == (30.0, 1.5)


def test_estimates_of_one_shape_are_stacked():
    parts = [Estimate(float(i), 0.1 * i, 10 + i) for i in range(3)]
    row = Estimate.stack(parts)
    assert row.n == 10
    assert [(e.value, e.stderr) for e in row] == [(e.value, e.stderr) for e in parts]
    assert Estimate.stack([row, row], axis=1).value.tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_ratio_of_zero_keeps_its_error():
    assert (Estimate(0.0, 0.3, 100) / Estimate(2.0, 0.4, 50)).stderr == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [
        (1.2342, 0.005, "1.2342 ± 0.0098"),
        (87.123, 1.0, "87.1 ± 2.0"),
        (-1703.06, 31.0, "-1703 ± 61"),
        (1.0, 0.0, "1.000000 ± 0.000000"),
    ],
)
def test_it_reads_as_95_percent(value, stderr, text):
    assert str(Estimate(value, stderr, 10)) == text


def test_a_format_holds_for_both_numbers():
    assert f"{Estimate(1.2342, 0.005, 10):.3f}" == "1.234 ± 0.010"


def test_a_sign_is_for_the_value_alone():
    assert f"{Estimate(0.067, 0.131, 10):+.3f}" == "+0.067 ± 0.257"


def test_an_array_is_not_formatted_as_one_number():
    many = Estimate(np.ones(2), np.ones(2), 10)
    assert "array" in str(many)
    with pytest.raises(ValueError, match="format one entry"):
        format(many, ".3f")


@pytest.mark.parametrize(
    ("value", "stderr", "n", "message"),
    [
        (1.0, math.nan, 10, "stderr is nan"),
        (1.0, math.inf, 10, "stderr is inf"),
        (1.0, -0.1, 10, "stderr is -0.1"),
        (np.ones(3), 0.1, 10, "shape"),
        (1.0, 0.1, 1, "n is 1"),
    ],
)
def test_what_is_no_estimate_is_refused(value, stderr, n, message):
    with pytest.raises(ValueError, match=message):
        Estimate(value, stderr, n)


@pytest.mark.parametrize("make", [Estimate.of, Estimate.variance])
@pytest.mark.parametrize(
    ("samples", "message"), [([1.0], "2 or more"), (3.0, "2 or more"), ([1.0, math.nan], "finite")]
)
def test_samples_without_a_standard_error_are_refused(make, samples, message):
    with pytest.raises(ValueError, match=message):
        make(samples)


def test_no_distance_without_a_standard_error():
    with pytest.raises(ValueError, match="above 0"):
        Estimate.of([1.0, 1.0]).off(1.0)


def test_tensors_are_taken_from_their_graph():
    torch = pytest.importorskip("torch")
    x = torch.arange(5.0, requires_grad=True)
    found = Estimate.of(x * 1)
    assert (found.value, found.stderr) == pytest.approx((2.0, math.sqrt(2.5 / 5)))
    assert found.off(torch.tensor(2.0)) == 0
