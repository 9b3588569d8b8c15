"""The view of chapter 5: its words equal Python's, and its controls do what they say."""

import numpy as np
import pytest
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said

from vaelib import mixture
from vaelib.web.cavi import cavi_stepper, sentence

pytestmark = pytest.mark.browser

LOG_EVIDENCE = -150.0  # above every ELBO of these runs


def replay(x, start, sweeps, name):
    """A run with the owner of every point after every sweep."""
    path, elbos, owners, posterior = [], [], [], start
    for _ in range(sweeps + 1):
        resp = mixture.responsibilities(x, posterior)
        path.append(posterior.m)
        elbos.append(mixture.elbo(x, posterior, resp))
        owners.append(resp.argmax(1))
        posterior = mixture.update(x, resp)
    return {"name": name, "path": np.array(path), "elbos": np.array(elbos), "owners": owners}


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    x = 4 * rng.standard_normal((3, 2))[rng.integers(3, size=60)] + rng.standard_normal((60, 2))
    lengths = {"the short one": 4, "the <long> one": 9}
    runs = [replay(x, mixture.random_start(rng, 3, 2), n, name) for name, n in lengths.items()]
    return x, runs


@pytest.fixture
def view(made):
    return cavi_stepper(*made, log_evidence=LOG_EVIDENCE)


def expected(run, step):
    return sentence(step, len(run["elbos"]) - 1, run["elbos"][step], LOG_EVIDENCE)


def test_numbers_are_written_as_python_writes_them(load_script):
    page = load_script("cavi")
    for elbo in (-2178.5204, -12435.99, -0.004, -999.995, -1e6, 3.14159):
        words = page.evaluate(f"sentence(3, 12, {elbo}, 4000.25)")
        assert words == sentence(3, 12, elbo, 4000.25)
    assert page.evaluate("number(10000, 0)") == "10,000"


def test_one_scale_holds_all_points(load_script):
    page = load_script("cavi")
    points = [-5.0, 1.0, 12.0, 3.0, 4.0, -7.0]
    (left, right), (bottom, top) = page.evaluate(f"squareRanges({points}, 300, 200)")
    assert left <= -5
    assert right >= 12
    assert bottom <= -7
    assert top >= 3
    assert (right - left) / 300 == pytest.approx((top - bottom) / 200)


def test_it_starts_before_the_first_sweep_and_waits(root, page, made):
    assert said(root) == expected(made[1][0], 0)
    page.wait_for_timeout(900)
    assert said(root) == expected(made[1][0], 0)


def test_steps_move_both_pictures(root, made):
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_label("One step forward").click()
    assert said(root) == expected(made[1][0], 1)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    root.get_by_label("One step back").click()
    assert (pixels(root, 0), pixels(root, 1)) == before


def test_keys(root, page, made):
    root.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert said(root) == expected(made[1][0], 4)
    page.keyboard.press("ArrowLeft")
    assert said(root) == expected(made[1][0], 3)


def test_another_run(root, page, made):
    root.get_by_role("slider").focus()
    page.keyboard.press("End")
    root.get_by_role("combobox").select_option("the <long> one")
    assert said(root) == expected(made[1][1], 0)
    assert root.get_by_role("slider").count() == 1
    root.get_by_role("slider").focus()
    page.keyboard.press("End")
    assert said(root) == expected(made[1][1], 9)


def test_play_runs_to_the_end_and_a_new_run_stops_it(root, page, made):
    root.get_by_text("Play").click()
    page.wait_for_function(
        "end => document.querySelector('.vw-text').textContent === end",
        arg=expected(made[1][0], 4),
        timeout=6000,
    )
    assert "Play" in root.locator(".vw-play").inner_text()
    root.get_by_text("Play").click()
    root.get_by_role("combobox").select_option("the <long> one")
    page.wait_for_timeout(1600)
    assert said(root) == expected(made[1][1], 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_labeled(root, page, width):
    assert_fits(root, page, width)
    assert root.get_by_label("Run").count() == 1


def test_dark_pages_get_dark_pictures(root, page):
    assert_follows_theme(root, page)
