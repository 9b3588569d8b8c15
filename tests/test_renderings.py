"""Renderings of a figure: readable in the dark, panels under each other, nothing left changed."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib import colors
from PIL import Image

from vaelib import figures, renderings
from vaelib.renderings import DARK, WHITE, contrast_of, for_dark, readable


@pytest.fixture(autouse=True)
def closed():
    figures.use_style()
    yield
    plt.close("all")


def wide():
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
    left.plot([0, 1], [1, 3], color=figures.BLUE, marker="o", label="a line")
    left.text(0.2, 2, "words", color=figures.PINK, bbox={"fc": "white", "ec": "none"})
    left.legend()
    right.scatter([1, 2], [1, 2], c=[figures.ORANGE])
    right.annotate("", (1, 1), (2, 2), arrowprops={"arrowstyle": "->", "color": "#222222"})
    right.axhspan(1, 2, color="#cfe3f3")
    return fig


def state(fig):
    """All that a rendering could have changed, as text."""
    fig.canvas.draw()
    seen = [str(fig.get_size_inches())]
    for artist in fig.findobj():
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "position", "visible"):
            if hasattr(artist, f"get_{name}"):
                value = getattr(artist, f"get_{name}")()
                if "color" in name:
                    value = colors.to_rgba_array(value).round(6).tolist()
                seen.append(f"{type(artist).__name__} {name} {value}")
    return seen


def test_contrast_is_that_of_wcag():
    assert contrast_of(WHITE, (0, 0, 0)) == pytest.approx(21)
    assert contrast_of(colors.to_rgb("#767676"), WHITE) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("color", [*figures.DIGITS, *figures.COLORS.values(), figures.PINK])
def test_words_are_readable_in_both_themes(color):
    on_dark = for_dark(color, renderings.TEXT_CONTRAST)[:3]
    assert contrast_of(on_dark, DARK) >= 4.5
    assert contrast_of(readable(colors.to_rgb(color), WHITE, 4.6), WHITE) >= 4.5


@pytest.mark.parametrize("color", [*figures.DIGITS, *figures.COLORS.values()])
def test_marks_stand_out_in_the_dark_and_keep_their_hue(color):
    mapped = for_dark(color)[:3]
    assert contrast_of(mapped, DARK) >= 3
    before, after = colors.rgb_to_hsv([colors.to_rgb(color), mapped])
    if before[1] > 0.3:
        assert abs(before[0] - after[0]) < 0.02


def test_white_becomes_the_ground_and_a_pale_ground_a_deep_one():
    assert for_dark("white") == pytest.approx((*DARK, 1))
    pale, deep = colors.to_rgb("#cfe3f3"), for_dark("#cfe3f3")[:3]
    assert renderings.luminance(deep) < 0.1 < renderings.luminance(pale)
    assert contrast_of(for_dark("#222222")[:3], deep) > 4.5
    assert for_dark((0, 0, 0, 0.3))[3] == 0.3


def test_pale_words_are_darkened_and_others_left_alone():
    fig, ax = plt.subplots()
    pale, fine = ax.text(0, 0, "a", color=figures.PINK), ax.text(0, 1, "b", color=figures.BLUE)
    renderings.darken_words(fig)
    assert contrast_of(colors.to_rgb(figures.PINK), WHITE) < 4.5
    assert contrast_of(colors.to_rgb(pale.get_color()), WHITE) >= 4.5
    assert colors.to_rgb(fine.get_color()) == pytest.approx(colors.to_rgb(figures.BLUE))


def test_pictures_and_what_is_written_on_them_stay():
    fig, ax = plt.subplots()
    ax.imshow(np.eye(2))
    word = ax.text(0, 0, "on it", color="black")
    with renderings.dark(fig):
        assert word.get_color() == "black"
        assert colors.to_rgb(ax.xaxis.get_ticklabels()[0].get_color()) != (0, 0, 0)


def test_renderings_leave_the_figure_as_it_was():
    fig = wide()
    before = state(fig)
    found = renderings.renderings(fig)
    assert set(found) == {"dark", "narrow", "narrow-dark"}
    assert state(fig) == before


def test_the_narrow_figure_has_its_panels_under_each_other():
    fig = wide()
    with renderings.narrow(fig) as changed:
        assert changed
        fig.canvas.draw()
        top, low = (ax.get_position() for ax in fig.axes)
        assert low.y1 < top.y0
        assert low.x0 == pytest.approx(top.x0, abs=0.02)
        assert fig.get_size_inches()[0] == renderings.COLUMN
        labels = [label.get_text() for label in fig.axes[1].yaxis.get_ticklabels()]
        assert fig.axes[1].yaxis.get_tick_params()["labelleft"]
        assert any(labels)
    fig.canvas.draw()
    left, right = (ax.get_position() for ax in fig.axes)
    assert left.x1 < right.x0


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (1, 8)])
def test_a_grid_of_pictures_stays(rows, columns):
    fig, _ = plt.subplots(rows, columns)
    with renderings.narrow(fig) as changed:
        assert not changed
    assert set(renderings.renderings(fig)) == {"dark"}


def test_the_dark_rendering_is_dark_only_where_something_is_drawn():
    image = Image.open(io.BytesIO(renderings.renderings(wide())["dark"])).convert("RGBA")
    pixels = np.asarray(image)
    assert pixels[0, 0, 3] == 0  # the ground of the page shows through
    assert pixels[..., 3].max() == 255
