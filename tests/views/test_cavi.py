"""The view of chapter 5: it replays what vaelib.mixture computes; its controls move the traits."""

import numpy as np
import pytest
import traitlets
from looking import WIDTHS, assert_fits, assert_follows_theme, pixels, said, set_trait, trait

from vaelib import mixture
from vaelib.views.cavi import CaviRun, CaviStepper

browser = pytest.mark.browser

LOG_EVIDENCE = -150.0  # above every ELBO of these runs
SHORT, LONG = 4, 9  # sweeps


def replay(x, start, n_sweeps, name):
    path, elbos, assigned, posterior = [], [], [], start
    for _ in range(n_sweeps + 1):
        resp = mixture.responsibilities(x, posterior)
        path.append(posterior.m)
        elbos.append(mixture.elbo(x, posterior, resp))
        assigned.append(resp.argmax(1))
        posterior = mixture.update(x, resp)
    return CaviRun(name, path, elbos, assigned)


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    x = 4 * rng.standard_normal((3, 2))[rng.integers(3, size=60)] + rng.standard_normal((60, 2))
    lengths = {"the short one": SHORT, "the <long> one": LONG}
    return x, [replay(x, mixture.random_start(rng, 3, 2), n, name) for name, n in lengths.items()]


@pytest.fixture
def view(made):
    return CaviStepper(*made, log_evidence=LOG_EVIDENCE)


def expected(run, sweep):
    elbo = run.elbos[sweep]
    when = f"Sweep {sweep} of {len(run.elbos) - 1}" if sweep else "Before the first sweep"
    numbers = f"ELBO {elbo:,.2f}, {LOG_EVIDENCE - elbo:,.2f}".replace("-", "\u2212")
    return f"{when}: {numbers} nats below log p(x)."


@browser
def test_numbers_are_rounded_and_grouped_as_python_does(load_script):
    page = load_script("cavi")
    for elbo in (-2178.5204, -12435.99, -0.004, -999.995, -1e6, 3.14159):
        text = page.evaluate(f"sentence(3, 12, {elbo}, 4000.25)")
        numbers = f"ELBO {elbo:z,.2f}, {4000.25 - elbo:,.2f}".replace("-", "\u2212")
        assert text == f"Sweep 3 of 12: {numbers} nats below log p(x)."


@browser
def test_both_axes_have_one_scale_that_holds_all_points(load_script):
    page = load_script("cavi")
    points = [-5.0, 1.0, 12.0, 3.0, 4.0, -7.0]
    (left, right), (bottom, top) = page.evaluate(f"squareRanges({points}, 300, 200)")
    assert left <= -5
    assert right >= 12
    assert bottom <= -7
    assert top >= 3
    assert (right - left) / 300 == pytest.approx((top - bottom) / 200)


@browser
def test_buttons_and_keys_move_the_sweep_and_both_pictures(root, page, made):
    run = made[1][0]
    assert said(root) == expected(run, 0)
    before = pixels(root, 0), pixels(root, 1)
    root.get_by_label("One step forward").click()
    assert trait(root, "sweep") == 1
    assert said(root) == expected(run, 1)
    assert trait(root, "elbo") == run.elbos[1]
    assert trait(root, "gap") == pytest.approx(LOG_EVIDENCE - run.elbos[1])
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    root.get_by_label("One step back").click()
    assert (pixels(root, 0), pixels(root, 1)) == before
    root.get_by_role("slider").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert trait(root, "sweep") == SHORT - 1


@browser
def test_a_trait_moves_the_pictures_and_the_controls(root, made):
    before = pixels(root, 0), pixels(root, 1)
    set_trait(root, "run_index", 1)
    set_trait(root, "sweep", LONG)
    assert said(root) == expected(made[1][1], LONG)
    assert pixels(root, 0) != before[0]
    assert pixels(root, 1) != before[1]
    assert root.get_by_role("combobox").input_value() == "1"
    assert root.get_by_role("slider").input_value() == str(LONG)
    set_trait(root, "run_index", 0)  # which has no such sweep
    assert trait(root, "sweep") == SHORT
    assert said(root) == expected(made[1][0], SHORT)


@browser
def test_it_plays_to_the_end_and_another_run_stops_it(root, page, made):
    page.clock.install()
    page.clock.run_for(5000)
    assert said(root) == expected(made[1][0], 0)  # not unless asked
    root.get_by_text("Play").click()
    page.clock.run_for(5000)
    assert said(root) == expected(made[1][0], SHORT)
    assert "Play" in root.locator(".vw-play").inner_text()
    root.get_by_text("Play").click()
    root.get_by_role("combobox").select_option("the <long> one")
    page.clock.run_for(5000)
    assert said(root) == expected(made[1][1], 0)
    root.get_by_role("slider").press("End")
    assert trait(root, "sweep") == LONG


@browser
def test_two_copies_on_one_page_live_apart(page, view):
    page.set_content(view.page().replace("</body>", view.html + "</body>"))
    first, second = page.locator(".vw").all()
    second.get_by_label("One step forward").click()
    assert (trait(first, "sweep"), trait(second, "sweep")) == (0, 1)
    assert page.problems == []


@browser
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_is_labeled_and_follows_the_theme(root, page, width):
    assert_fits(root, page, width)
    assert root.get_by_label("Run").count() == 1
    assert_follows_theme(root, page)


def test_a_shorter_run_is_shown_at_its_end(view):
    view.run_index, view.sweep = 1, LONG
    view.run_index = 0
    assert view.sweep == SHORT


def test_bad_input_is_refused(view, made):
    x, (run, _) = made
    for changes in ({"path": run.path[1:]}, {"path": run.path[..., :1]}, {"elbos": run.elbos[1:]},
                    {"assigned": run.assigned[0]}, {"assigned": run.assigned[1:]}):  # fmt: skip
        arrays = {"path": run.path, "elbos": run.elbos, "assigned": run.assigned} | changes
        with pytest.raises(ValueError, match=r"'a run': path .* do not fit"):
            CaviRun("a run", **arrays)
    with pytest.raises(ValueError, match="'the short one' is not of 59 points"):
        CaviStepper(x[1:], [run], log_evidence=LOG_EVIDENCE)
    with pytest.raises(ValueError, match="'the short one': an ELBO exceeds"):
        CaviStepper(x, [run], log_evidence=run.elbos[-1] - 1)
    with pytest.raises(traitlets.TraitError, match="run_index is one of 0, 1, not 2"):
        view.run_index = 2
    with pytest.raises(traitlets.TraitError, match="sweep lies between 0 and 4, not 5"):
        view.sweep = SHORT + 1
