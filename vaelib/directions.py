"""Attribute directions in a latent space: estimating them, moving along them, measuring the effect.

A direction is scaled so that a strength of 1 is the estimated difference between having the
attribute and not having it. Attributes are addressed by name, never by position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from vaelib.data.common import DataError, near

Directions = Mapping[str, Tensor]  # name -> (M,)


def difference_of_means(mu: Tensor, has: Tensor) -> Tensor:
    """E[mu | with] - E[mu | without], the direction of thesis 5.4: mu (N, M), has (N,) -> (M,).

    It includes the effect of every attribute that is correlated with this one. Raises DataError
    if one of the two classes is empty.
    """
    if (n := int(has.sum())) in (0, len(has)):
        raise DataError(f"{'all' if n else 'none'} of {len(has)} have it: no difference")
    return mu[has].mean(0) - mu[~has].mean(0)


def regression(mu: Tensor, attributes: Tensor) -> Tensor:
    """Effect of each attribute on the code, the others held fixed: (N, M), (N, A) -> (A, M).

    Least squares of mu on all attributes at once and a constant. Raises DataError if the
    columns are linearly dependent, since the effects are then not identified.
    """
    design = torch.cat([attributes.double(), mu.new_ones(len(mu), 1, dtype=torch.float64)], 1)
    rank = int(torch.linalg.matrix_rank(design))
    if rank < design.shape[1]:
        raise DataError(
            f"{design.shape[1]} columns (attributes and a constant) over {len(mu)} faces have rank "
            f"{rank}: drop attributes that follow from others, or add more faces"
        )
    return torch.linalg.lstsq(design, mu.double()).solution[:-1].to(mu.dtype)


def probe_normal(mu: Tensor, has: Tensor) -> Tensor:
    """Normal vector of a logistic regression of the attribute on mu: (N, M), (N,) -> (M,).

    Scaled to move the mean score of the codes without the attribute to that of the codes with
    it. The weights of the standardized codes have an L2 penalty of 1.
    """
    from sklearn.linear_model import LogisticRegression

    apart, spread = difference_of_means(mu, has).double(), mu.double().std(0).clamp_min(1e-6)
    scores = LogisticRegression(max_iter=500).fit(
        ((mu.double() - mu.double().mean(0)) / spread).cpu().numpy(), has.cpu().numpy()
    )
    weight = torch.from_numpy(scores.coef_[0]).to(spread) / spread
    return (weight * (weight @ apart) / (weight @ weight)).to(mu.dtype)


def shift(z: Tensor, directions: Directions, strengths: Mapping[str, float]) -> Tensor:
    """z + sum of strength x direction (thesis 5.4), by name: (..., M) -> (..., M).

    Raises DataError for an unknown name, listing close matches, and for a strength that is not
    finite.
    """
    moved = z
    for name, strength in strengths.items():
        if name not in directions:
            raise DataError(f"no direction named {name!r}{near(name, directions)}")
        if not abs(strength) < float("inf"):
            raise DataError(f"the strength of {name} is {strength}, expected a finite number")
        moved = moved + strength * directions[name]
    return moved


def keeps_identity(before: Tensor, after: Tensor) -> Tensor:
    """Whether each edited face is nearest to its own original among all originals: (N,) bool.

    A weak measure of identity: before, after (N, F) are features of the same faces, compared in
    units of their standard deviations over `before`.
    """
    spread = before.std(0).clamp_min(1e-6)
    nearest = torch.cdist(after / spread, before / spread).argmin(1)
    return nearest == torch.arange(len(before), device=before.device)


def strength_for(
    score: Callable[[float], float],
    target: float,
    *,
    highest: float = 6.0,
    tolerance: float = 1e-3,
) -> float:
    """The smallest strength at which score(strength) reaches `target`, for comparing equal effects.

    Searches outward from 0 in steps of 1/4 and bisects the first step that crosses the
    target: at large strengths images degenerate and the score falls again. Raises DataError if
    no strength up to `highest` reaches the target.
    """
    low, high = 0.0, 0.25
    while (reached := score(high)) < target:
        if high >= highest:
            raise DataError(f"a strength of {high:g} reaches {reached:.3g}, not {target:.3g}")
        low, high = high, min(high + 0.25, highest)
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) < target else (low, middle)
    return (low + high) / 2
