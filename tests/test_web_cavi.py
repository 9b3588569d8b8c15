"""The widget of chapter 5 for a running kernel, and what the view refuses."""

import math
import xml.etree.ElementTree as ElementTree

import ipywidgets
import numpy as np
import pytest

from vaelib.web.cavi import cavi_stepper, map_svg, sentence

X = np.array([[0.0, 0.0], [1.0, 2.0], [4.0, -1.0]])


def run(sweeps=3, **changes):
    steps = np.arange(sweeps + 1)
    made = {
        "name": "a run",
        "path": np.ones((sweeps + 1, 2, 2)) * steps[:, None, None] / 10,
        "elbos": -10.0 - 1 / (1 + steps),
        "owners": np.tile([0, 1, 1], (sweeps + 1, 1)),
    }
    return made | changes


@pytest.fixture
def widget():
    view = cavi_stepper(X, [run(), run(6, name="longer")], log_evidence=-9.0)
    choice, picture, controls = view.live().children
    return choice, picture, controls.children[1]


def test_the_widget_follows_its_slider_and_its_list(widget):
    choice, picture, sweep = widget
    assert sentence(0, 3, -11.0, -9.0) in picture.value
    sweep.value = 3
    assert sentence(3, 3, -10.25, -9.0) in picture.value
    choice.value = 1
    assert isinstance(choice, ipywidgets.Dropdown)
    assert (sweep.value, sweep.max) == (0, 6)
    assert sentence(0, 6, -11.0, -9.0) in picture.value


def test_the_map_holds_every_point_and_center():
    picture = ElementTree.fromstring(map_svg(X, run(), 2))
    tags = [child.tag for child in picture]
    assert tags.count("circle") == len(X) + 2
    assert tags.count("polyline") == 2
    for circle in picture.iter("circle"):
        assert 0 <= float(circle.get("cx")) <= 640
        assert 0 <= float(circle.get("cy")) <= 330


def test_the_part_due_to_names_is_log_k_factorial():
    assert cavi_stepper(X, [run()], log_evidence=-9.0).data["naming"] == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "changes",
    [{"path": np.ones((3, 2, 2))}, {"path": np.ones((4, 2, 3))}, {"owners": np.zeros((4, 2), int)}],
)
def test_runs_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match=r"'a run'.*do not fit"):
        cavi_stepper(X, [run(**changes)], log_evidence=-9.0)


def test_a_bound_above_what_it_bounds_is_refused():
    with pytest.raises(ValueError, match="exceeds"):
        cavi_stepper(X, [run()], log_evidence=-10.5)
