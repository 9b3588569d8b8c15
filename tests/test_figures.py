"""Figures say what their arrays say: positions, values, error bands, axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import Circle

from vaelib import figures
from vaelib.estimate import Estimate
from vaelib.evaluate import grid_2d
from vaelib.figures import graph, layered

PARENTS = {"W0": (), "W1": (), "Y1": ("W0", "W1"), "Y2": ("W0", "W1"), "Z": ("Y1", "W0")}


@pytest.fixture
def ax():
    fig, made = plt.subplots()
    yield made
    plt.close(fig)


# --- matrices, distributions, bands ---------------------------------------------------------


def test_a_heatmap_writes_each_value_into_its_cell(ax):
    values = np.array([[0.1, -0.5, 0.0], [0.9, 0.2, 0.4]])
    figures.heatmap(values, ax, fmt="+.1f", cmap="RdBu_r", vmin=-1, vmax=1)
    for text in ax.texts:
        x, y = text.get_position()
        assert text.get_text().replace("\N{MINUS SIGN}", "-") == f"{values[int(y), int(x)]:+.1f}"
    assert len(ax.texts) == values.size
    assert ax.yaxis_inverted(), "row 0 belongs on top, as in the array"


def test_masked_cells_of_a_heatmap_stay_empty(ax):
    values = np.arange(4.0).reshape(2, 2)
    figures.heatmap(values, ax, mask=values < 2, fmt=".0f", cmap="Blues")
    assert [text.get_text() for text in ax.texts] == ["2", "3"]


@pytest.mark.parametrize("cmap", ["Blues", "RdBu_r"])
def test_the_text_of_a_heatmap_has_enough_contrast_in_every_cell(ax, cmap):
    """At least 4.5 : 1, the contrast that WCAG 2 asks of text."""
    figures.heatmap(np.linspace(-1, 1, 200).reshape(10, 20), ax, cmap=cmap)

    def luminance(color):
        rgb = np.asarray(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    grounds = ax.collections[0].get_facecolors()[:, :3]
    for text, ground in zip(ax.texts, grounds, strict=True):
        dark, light = sorted((luminance(text.get_color()), luminance(ground)))
        assert (light + 0.05) / (dark + 0.05) > 4.5


def test_a_histogram_shows_shares(ax):
    figures.histogram(np.array([0, 0, 0, 1, 3]), np.arange(-0.5, 4), ax, color="C1", label="rank")
    edges, heights = ax.lines[0].get_xydata().T
    found = [heights[edges == edge].max() for edge in (-0.5, 0.5, 1.5, 2.5)]
    assert found == pytest.approx([0.6, 0.2, 0, 0.2])


def test_a_mean_band_is_the_mean_and_its_interval(ax):
    samples = np.random.default_rng(0).normal(size=(40, 3)) + np.array([0, 5, 1])
    x = np.array([1.0, 2.0, 4.0])
    figures.mean_band(x, samples, ax, color="C2")
    figures.band(x, Estimate.of(samples), ax, ls="--", color="C2")
    by_seaborn, by_hand = ax.lines
    np.testing.assert_allclose(by_seaborn.get_xydata(), by_hand.get_xydata())
    bands = [np.unique(c.get_paths()[0].vertices.round(9), axis=0) for c in ax.collections]
    np.testing.assert_allclose(*bands)
    low, high = Estimate.of(samples).interval(1.96)
    assert {*low.round(9), *high.round(9)} == {*bands[0][:, 1]}


# --- the latent plane -----------------------------------------------------------------------


def test_scatter_and_decoded_plane_have_the_same_axes():
    """A decoder that is bright where z_1 is large must be bright on the right of its figure."""
    side, extent = 6, 3.0
    z = grid_2d(side, extent)
    images = torch.stack([z[:, 0].clamp(0, 3) / 3] * 4, dim=1).view(side, side, 2, 2)
    images[-1, :, :, :] = 0.5  # the row of the largest z_2
    fig, (left, right) = plt.subplots(1, 2)
    figures.latent_scatter(np.array([[2.0, 0.0], [0.0, 2.0]]), [1, 2], left)
    figures.latent_plane(images.numpy(), extent, right)
    shown = right.images[0]
    canvas = np.asarray(shown.get_array())
    assert tuple(shown.get_extent()) == (-extent, extent, -extent, extent)
    assert shown.origin == "upper"
    assert (canvas[:2] == 0.5).all(), "the largest z_2 belongs on top"
    assert (np.diff(canvas[2], 1) >= 0).all()
    assert canvas[2, 0] == 0
    assert canvas[2, -1] > 0.5
    for ax in (left, right):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("$z_1$", "$z_2$")
        assert not ax.xaxis_inverted()
        assert not ax.yaxis_inverted()
    plt.close(fig)


def test_each_tile_of_the_plane_is_upright():
    images = np.zeros((2, 2, 3, 3))
    images[..., 0, :] = 1  # the top row of every picture
    fig, ax = plt.subplots()
    figures.latent_plane(images, 1.0, ax)
    canvas = np.asarray(ax.images[0].get_array())
    assert canvas[:, 0].tolist() == [1, 0, 0, 1, 0, 0]
    plt.close(fig)


def test_class_labels_keep_their_distance_and_stay_near_their_medians():
    z = np.array([[0.0, 0.0], [0.0, 0.0], [0.1, 0.0], [3.0, 3.0]])
    places = figures.label_places(z, [4, 9, 7, 0], gap=0.5)
    distance = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(4)
    assert distance.min() > 0.49
    assert places[0] == pytest.approx([3.0, 3.0], abs=1e-5)  # sorted: class 0 comes first
    assert np.abs(places[1:]).max() < 1


# --- graphs ---------------------------------------------------------------------------------


def test_parents_are_placed_above_children_in_centered_rows():
    places = layered(PARENTS)
    for child, parents in PARENTS.items():
        assert all(places[parent][1] > places[child][1] for parent in parents)
    assert places["W0"] == (-0.5, 0)
    assert places["W1"] == (0.5, 0)
    assert places["Z"] == (0, -2)
    assert len(set(places.values())) == len(PARENTS)


def test_a_graph_with_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        layered({"A": ("B",), "B": ("A",)})


def test_a_circle_for_each_node_and_an_arrow_from_each_parent(ax):
    graph(PARENTS, ax, places=layered(PARENTS), names={"W0": "first"})
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert len(circles) == len(PARENTS)
    arrows = [text for text in ax.texts if hasattr(text, "arrow_patch")]
    assert len(arrows) == sum(map(len, PARENTS.values()))
    assert {text.get_text() for text in ax.texts} - {""} == {"first", "W1", "Y1", "Y2", "Z"}


def test_observed_nodes_have_a_second_rim(ax):
    graph(PARENTS, ax, places=layered(PARENTS), observed=("Y1", "Z"))
    assert len([patch for patch in ax.patches if isinstance(patch, Circle)]) == len(PARENTS) + 2
