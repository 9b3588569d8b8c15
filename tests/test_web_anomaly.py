"""The reading desk: bytes of one scale, a Dice by hand, refusals, and its widget."""

import numpy as np
import pytest

from vaelib.web.anomaly import found, reading_desk

SIDE = 8


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    images, made = rng.random((2, 3, 2, SIDE * SIDE))
    masks = np.zeros((3, SIDE * SIDE), bool)
    masks[:, 10:20] = True
    return images, made, np.abs(images - made), masks


@pytest.fixture
def view():
    return reading_desk(*arrays(), contrasts=(0.1, 0.3), threshold=0.4, side=SIDE)


def test_error_maps_share_one_scale(view):
    errors = arrays()[2]
    assert view.data["scale"] == errors.max()
    assert view.data["errors"].max() == 255
    back = view.data["errors"] * (errors.max() / 255)
    assert np.abs(back - errors).max() <= errors.max() / 500


def test_the_slider_starts_at_the_threshold(view):
    assert view.data["start"] == round(100 * 0.4 / view.data["scale"])


def test_what_is_found_and_its_dice_by_hand(view):
    errors, masks = arrays()[2:]
    above, dice = found(view.data, 1, 0, 40)
    clear = np.abs(errors[1, 0] - 0.4 * errors.max()) > 0.01  # not moved by the rounding
    assert (above == (errors[1, 0] > 0.4 * errors.max()))[clear].all()
    hits = (above & masks[1]).sum()
    assert dice == pytest.approx(2 * hits / (above.sum() + 10))
    assert 0 < dice < 1
    assert found(view.data, 0, 0, 100)[1] == 0, "nothing is above the whole scale"


def test_shapes_that_do_not_fit_are_refused():
    images, made, errors, masks = arrays()
    with pytest.raises(ValueError, match=r"made have shape .* expected \(3, 2, 64\)"):
        reading_desk(images, made[:2], errors, masks, contrasts=(1, 2), threshold=0.1, side=SIDE)


def test_the_widget_says_what_the_page_says(view):
    *controls, picture = view.live().children
    for control, value in zip(controls, (2, 0, 40), strict=True):
        control.value = value
    assert f"Dice {found(view.data, 1, 0, 40)[1]:.2f}" in picture.value
    assert picture.value.count("<img") == 4
