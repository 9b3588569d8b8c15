"""The view of chapter 6: JavaScript takes the same way as Python, and its controls work."""

import json

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib.web import search

pytestmark = pytest.mark.browser

N_STEPS = 25


@pytest.fixture(scope="module")
def view():
    return search.search_race(np.random.default_rng(3), n_steps=N_STEPS)


@pytest.fixture
def script(load_script):
    return load_script("search")


def ways_of(view, hill, rule, count):
    sizes = [search.RULES[rule](t) for t in range(1, N_STEPS + 1)]
    noise = view.data["noise"][:, :count].astype(float)
    return search.race(search.HILLS[hill], sizes, noise), sizes


def expected(view, hill, rule, count, step):
    ways, sizes = ways_of(view, hill, rule, count)
    return search.sentence(search.HILLS[hill], ways, sizes, step)


@pytest.mark.parametrize("hill", range(4))
@pytest.mark.parametrize("count", [1, 20])
def test_both_faces_take_the_same_way(script, view, hill, count):
    """Both compute in double precision from the same 32-bit noise."""
    for rule in search.RULES:
        ways, sizes = ways_of(view, hill, rule, count)
        noise = view.data["noise"][:, :count].astype(float).tolist()
        start = json.dumps(list(search.START))
        theirs = script.evaluate(
            f"([sizes, noise]) => race(HILLS[{hill}], sizes, noise, {start})", [sizes, noise]
        )
        for way, other in zip(ways, theirs, strict=True):
            assert [at is None for at in other] == (~np.isfinite(way).all(1)).tolist()
            there = np.array([at for at in other if at is not None])
            assert np.allclose(there, way[: len(there)], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("hill", range(4))
def test_elbo_slope_and_histogram_agree(script, view, hill):
    nodes, weights = (a.tolist() for a in search.nodes_and_weights())
    quadrature = {"nodes": nodes, "weights": weights}
    made = script.evaluate(
        f"q => [elbo(HILLS[{hill}], [0.3, -0.5], q), exactSlope(HILLS[{hill}], [0.3, -0.5], q)]",
        quadrature,
    )
    own = search.HILLS[hill]
    assert made[0] == pytest.approx(search.elbo(own, 0.3, -0.5), abs=1e-10)
    assert made[1] == pytest.approx(search.exact_slope(own, 0.3, -0.5), abs=1e-10)
    probes = view.data["probes"][:, :5]
    half = search.reach(own, 5, view.data["probes"])
    listed = probes.astype(float).tolist()
    assert script.evaluate(
        f"p => reach(HILLS[{hill}], p, {json.dumps(list(search.START))})", listed
    ) == pytest.approx(half, rel=1e-9)
    for climber in range(3):
        counts = script.evaluate(
            f"([p, q]) => histogram(HILLS[{hill}], {climber}, [0.3, -0.5], p, {half}, q)",
            [listed, quadrature],
        )
        ours = search.histogram(own, climber, 0.3, -0.5, probes, half)
        assert np.abs(np.array(counts) - ours).sum() <= 2  # one estimate on the edge of a bin


def test_it_starts_at_the_start_and_waits(root, page, view):
    first = expected(view, 0, "1/(t + 10)", 5, 0)
    assert said(root) == first
    page.wait_for_timeout(500)
    assert said(root) == first


def test_steps_move_both_pictures(root, view):
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_label("One step forward").click()
    assert said(root) == expected(view, 0, "1/(t + 10)", 5, 1)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    root.get_by_label("One step back").click()
    assert (pixels(root, 0), pixels(root, 1)) == before


def test_hill_steps_and_samples_are_chosen(root, page, view):
    root.get_by_label("Hill").select_option("a wavy hill")
    root.get_by_label("Steps").select_option("constant, 0.05")
    root.get_by_role("slider", name="Samples of a step").focus()
    page.keyboard.press("Home")
    root.get_by_role("slider", name="Step", exact=True).focus()
    page.keyboard.press("End")
    assert said(root) == expected(view, 2, "constant, 0.05", 1, N_STEPS)
    assert root.get_by_role("slider", name="Step", exact=True).count() == 1


def test_play_ends_at_the_last_step(root, page, view):
    root.get_by_text("Play").click()
    page.wait_for_function(
        "end => document.querySelector('.vw-text').textContent === end",
        arg=expected(view, 0, "1/(t + 10)", 5, N_STEPS),
        timeout=10_000,
    )
    assert "Play" in root.locator(".vw-play").inner_text()


def test_those_who_run_away_are_said_to_be_gone(root, page):
    root.get_by_label("Hill").select_option("a hill with steep sides, \u2212z\u2074")
    root.get_by_label("Steps").select_option("1/t")
    root.get_by_role("slider", name="Step", exact=True).focus()
    page.keyboard.press("End")
    assert said(root).count("gone") == 3


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
