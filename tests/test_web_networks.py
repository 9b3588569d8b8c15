"""The sums of sigmoids behind the view of chapter 2, and its widget for a running kernel."""

import xml.etree.ElementTree as ElementTree

import ipywidgets
import pytest

from vaelib.sigmoids import CURVES, largest_error, proven_bound
from vaelib.web.networks import networks_explorer, sentence, sum_svg


def test_the_widget_follows_its_three_controls():
    view = networks_explorer([1, 4, 16], [5, 10], start=("wave", 4, 10))
    function, picture, count, sharp = view.live().children
    assert isinstance(function, ipywidgets.Dropdown)
    for key, n, s in [("wave", 4, 10), ("root", 4, 10), ("root", 16, 10), ("step", 1, 5)]:
        function.value, count.value, sharp.value = key, n, s
        error = largest_error(CURVES[key], n, s)
        assert sentence(n, error, proven_bound(CURVES[key], n, s)) in picture.value


def test_the_picture_holds_the_function_the_sum_and_every_step():
    picture = ElementTree.fromstring(sum_svg(CURVES["tent"], 6, 10))
    lines = [child for child in picture if child.tag == "polyline"]
    assert len(lines) == 2 + 6
    for line in lines:
        places = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        assert all(0 <= x <= 640 and 0 <= y <= 300 for x, y in places)


@pytest.mark.parametrize("start", [("bell", 4, 10), ("wave", 5, 10), ("wave", 4, 7)])
def test_a_start_that_cannot_be_chosen_is_refused(start):
    with pytest.raises(ValueError, match="starts with"):
        networks_explorer([1, 4, 16], [5, 10], start=start)
