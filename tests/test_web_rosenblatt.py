"""The explorer of chapter 9: its closed forms are those of the room rosenblatt."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from vaelib.banana import spreads
from vaelib.web import rosenblatt


def test_the_ellipse_is_two_standard_deviations_away():
    full, _ = spreads(-1.0)
    points = rosenblatt.ellipse(np.array([1.0, 2.0]), full)
    back = np.linalg.solve(full, (points - [1.0, 2.0]).T)
    assert np.linalg.norm(back, axis=0) == pytest.approx(np.full(61, 2.0))
    assert points[0] == pytest.approx(points[-1])


def test_the_widget_follows_its_controls():
    picture, z1, z2, noise = rosenblatt.rosenblatt_explorer((1.5, 0.5), 0.3).live().children
    assert rosenblatt.sentence(1.5, 0.5, 0.3) in picture.value
    z1.value, z2.value, noise.value = -2.0, 1.0, 0.02
    assert rosenblatt.sentence(-2.0, 1.0, 0.02) in picture.value
    ElementTree.fromstring(picture.value.split("<div>")[0])


@pytest.mark.parametrize(("start", "sigma"), [((3.0, 0.0), 0.3), ((0.0, 0.0), 0.25)])
def test_a_start_outside_the_view_is_refused(start, sigma):
    with pytest.raises(ValueError, match="outside the view"):
        rosenblatt.rosenblatt_explorer(start, sigma)
