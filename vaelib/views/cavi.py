"""The view of chapter 5: coordinate ascent on a mixture, half a step at a time."""

from __future__ import annotations

import numpy as np
import traitlets

from vaelib.views import Choice, View, bundle

MOST_POINTS, MOST_COMPONENTS = 1000, 6
VARIANCES = (0.1, 0.3, 1.0, 3.0, 10.0, 100.0)


class CaviExplorer(View):
    """Place points and centers, and let coordinate ascent run, half a step at a time.

    x         N points [x1, x2], at most 1,000
    start     K centers [m1, m2] before the first half step, 1 to 6
    sigma2    the prior variance of a center, one of VARIANCES
    step      half steps made: responsibilities at odd ones, centers at even ones
    m, s2     q(mu) after these half steps
    elbo      in nats
    gap       log p(x) - ELBO, where `log_evidence` belongs to these x, K and sigma2; else None

    m, s2, elbo and gap are None until the view is displayed. Setting x, start or sigma2 begins a
    new run; set step to 0 with it.
    Raises ValueError for points or centers of another shape or number.
    """

    _esm = bundle("cavi")
    x = traitlets.List().tag(sync=True)
    start = traitlets.List().tag(sync=True)
    sigma2 = Choice("variances")
    step = traitlets.Int(0, min=0, max=2000).tag(sync=True)
    m = traitlets.List(None, allow_none=True).tag(sync=True)
    s2 = traitlets.List(None, allow_none=True).tag(sync=True)
    elbo = traitlets.Float(None, allow_none=True).tag(sync=True)
    gap = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        x: np.ndarray,
        start: np.ndarray,
        *,
        log_evidence: float | None = None,
        axis_names: tuple[str, str] = ("x\u2081", "x\u2082"),
        **traits: float,
    ):
        points, centers = (_pairs(v, n) for v, n in ((x, MOST_POINTS), (start, MOST_COMPONENTS)))
        data = {
            "points": points,
            "components": len(centers),
            "sigma2": float(traits.get("sigma2", 1.0)),
            "variances": list(VARIANCES),
            "log_evidence": log_evidence if log_evidence is None else float(log_evidence),
            "axis_names": list(axis_names),
        }
        label = "Explorer: coordinate ascent on a Gaussian mixture, half a step at a time"
        given = {"sigma2": 1.0, "x": points, "start": centers} | traits
        super().__init__(data, label, **given)


def _pairs(values: np.ndarray, most: int) -> list[list[float]]:
    """Points of the plane as lists, rounded to what a screen can show."""
    array = np.asarray(values, float)
    if array.ndim != 2 or array.shape[1] != 2 or not 1 <= len(array) <= most:
        raise ValueError(f"1 to {most} points of the plane are needed, not {array.shape}")
    return array.round(6).tolist()
