"""Views in a running JupyterLab: what the chapters say of them is there, traits go both ways."""

import ast
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from looking import pixels, said
from scipy.stats import norm

import vaelib

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TREE = Path(vaelib.__file__).parents[1]
CELLS = ["from lab_views import cavi, elbo, latent, portrait", "elbo", "cavi", "latent", "portrait"]
CELLS += ["elbo"]  # one view twice
SCRATCH = ""  # the last cell, for Lab.run


@pytest.fixture
def address(tmp_path, browser):
    """Where a JupyterLab of this interpreter, with an empty home, shows a notebook of the views."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in [*CELLS, SCRATCH]]
    (tmp_path / "work").mkdir()
    nbformat.write(notebook, tmp_path / "work" / "views.ipynb")
    (tmp_path / "config" / "labconfig").mkdir(parents=True)
    # The one extension that asks another host, for news.
    settings = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (tmp_path / "config" / "labconfig" / "page_config.json").write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={tmp_path / 'work'}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    home = {"HOME": tmp_path, "JUPYTER_CONFIG_DIR": tmp_path / "config",
            "JUPYTER_DATA_DIR": tmp_path / "data", "JUPYTER_RUNTIME_DIR": tmp_path / "runtime",
            "IPYTHONDIR": tmp_path / "ipython"}  # fmt: skip
    path = os.pathsep.join([str(TREE), str(TREE / "tests")])
    env = os.environ | {name: str(folder) for name, folder in home.items()} | {"PYTHONPATH": path}
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=file)
    try:
        until = time.monotonic() + 60
        while not is_up(f"http://127.0.0.1:{port}/api"):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"JupyterLab does not start: {log.read_text()}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/views.ipynb?token={token}"
    finally:
        process.terminate()
        process.wait(30)


def is_up(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


class Lab:
    """The notebook in JupyterLab, driven through the application that it exposes."""

    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.sessionContext
              ?.session?.kernel?.status === "idle" """,
            timeout=60_000,
        )
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.locator(".vw").nth(len(CELLS) - 2).wait_for(timeout=60_000)

    def view(self, cell):
        """What the cell with this number shows."""
        return self.page.locator(".jp-CodeCell").nth(cell).locator(".vw")

    def run(self, code):
        """The value of an expression in the last cell, or None for a statement."""
        shown = self.page.evaluate(
            """async (code) => {
              const { shell, commands } = window.jupyterapp;
              const { content } = shell.currentWidget;
              content.activeCellIndex = content.widgets.length - 1;
              const { model } = content.activeCell;
              model.sharedModel.setSource(code);
              await commands.execute("notebook:run-cell");
              return model.outputs.toJSON()
                .map((out) => out.data?.["text/plain"] ?? out.text ?? out.traceback?.join("\\n"));
            }""",
            code,
        )
        return ast.literal_eval("".join(shown)) if shown else None

    def becomes(self, code, value):
        """Wait until an expression in the last cell has this value."""
        until = time.monotonic() + 10
        while (found := self.run(code)) != value:
            assert time.monotonic() < until, f"{code} is {found}, not {value}"
            self.page.wait_for_timeout(100)

    def says(self, cell, text):
        """Wait until the sentence of a view contains the text."""
        self.view(cell).locator(".vw-text", has_text=text).wait_for(timeout=10_000)

    def pull(self, cell, name, share):
        """Set a slider with the mouse, to a share of its range."""
        slider = self.view(cell).get_by_role("slider", name=name)
        box = slider.bounding_box()
        slider.click(position={"x": share * box["width"], "y": box["height"] / 2})


def test_views_live_in_jupyterlab(page, address):
    """One Lab for all four: it takes half a minute to start."""
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.context.unroute_all()  # `page` refuses every address, here this one is at home
    lab = Lab(page, address)
    chapter_4(lab)
    chapter_5(lab)
    chapter_10(lab)
    chapter_13(lab)
    dark(lab)
    at_home = ("http://127.0.0.1:", "data:", "blob:")
    assert [url for url in requests if not url.startswith(at_home)] == []
    assert page.problems == []


def pictures(lab, cell, count):
    """The view has so many pictures, each of some size."""
    canvases = lab.view(cell).locator("canvas")
    assert canvases.count() == count
    for i in range(count):
        assert canvases.nth(i).bounding_box()["height"] > 80


def chapter_4(lab, first=1, second=5):
    pictures(lab, first, 3)
    lab.says(first, "log p(x)")
    assert lab.view(first).get_by_role("button", name="Descend").count() == 2
    before = pixels(lab.view(first))
    lab.run("elbo.mean = -2.5")  # both displays of the view follow
    for display in (first, second):
        lab.says(display, "q = N(\u22122.50")
    assert pixels(lab.view(first)) != before
    lab.pull(first, "Mean of q", 0.8)
    lab.becomes("2.5 < elbo.mean < 3.5", True)
    mean, elbo, kl = lab.run("elbo.mean, elbo.elbo, elbo.kl")
    assert f"{elbo:.3f}".replace("-", "\u2212") in said(lab.view(first))
    assert elbo + kl == pytest.approx(norm.logpdf(2, 0, 2**0.5), abs=1e-3)
    lab.says(second, f"q = N({mean:.2f}")


def chapter_5(lab, cell=2):
    pictures(lab, cell, 2)
    lab.says(cell, "60 points, before the first half step")
    for name in ("Whole sweep", "Run to the end", "20 random starts"):
        assert lab.view(cell).get_by_role("button", name=name).is_visible()
    before = pixels(lab.view(cell))
    lab.run("cavi.step = 3")
    lab.says(cell, "Half step 3, responsibilities")
    assert pixels(lab.view(cell)) != before
    lab.view(cell).get_by_role("button", name="Half step: centers").click()
    lab.becomes("cavi.step", 4)
    lab.becomes("cavi.elbo + cavi.gap", pytest.approx(-5.0))
    lab.pull(cell, "Number of components K", 0.98)
    lab.becomes("len(cavi.start), cavi.step", (6, 0))


def chapter_10(lab, cell=3):
    pictures(lab, cell, 2)
    before = [pixels(lab.view(cell), i) for i in range(2)]
    lab.run("latent.z = [1.0, 2.0]")
    lab.says(cell, "z = (1.00, 2.00)")
    assert all(pixels(lab.view(cell), i) != before[i] for i in range(2))
    plane = lab.view(cell).get_by_role("slider")
    plane.focus()
    plane.press("ArrowDown")  # here it moves the point, not on to the next cell of the notebook
    assert plane.evaluate("p => p === document.activeElement")
    lab.becomes("latent.z", [1.0, 1.9])
    plane.scroll_into_view_if_needed()  # the notebook has scrolled to the cell that was run
    box = lab.view(cell).locator("canvas").first.bounding_box()
    center = (box["x"] + (44 + box["width"] - 8) / 2, box["y"] + (8 + box["height"] - 44) / 2)
    lab.page.mouse.move(center[0] + 50, center[1] + 30)
    lab.page.mouse.down()
    lab.page.mouse.move(*center, steps=3)
    lab.page.mouse.up()
    # The kernel gets the first step of a drag and, once it has taken that, the last.
    lab.becomes("latent.z", pytest.approx([0, 0], abs=0.05))


def chapter_13(lab, cell=4):
    pictures(lab, cell, 1)
    view = lab.view(cell)
    assert view.get_by_role("slider").count() == 6
    assert view.get_by_role("button", name="(").count() == 5
    before = pixels(view)
    lab.run("portrait.edits = {'glasses': -2.0}")
    lab.says(cell, "Moved: glasses \u22122.00")
    assert pixels(view) != before
    lab.becomes("len(portrait.changes), portrait.changes['glasses'] != 0", (6, True))
    lab.pull(cell, "Strength of young", 0.98)
    lab.becomes("portrait.edits", {"glasses": -2.0, "young": 3.5})
    view.get_by_role("button", name="(c)").click()
    lab.becomes("portrait.edits", {"smile": 1.0})


def dark(lab):
    """Pictures are drawn anew, also in cells out of sight, which JupyterLab takes off the page."""
    before = [pixels(lab.view(cell)) for cell in range(1, len(CELLS))]
    lab.page.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })"
    )
    lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    for cell in range(1, len(CELLS)):
        lab.view(cell).scroll_into_view_if_needed()
        lab.page.wait_for_function(
            """([view, before]) => [...view.querySelectorAll("canvas")].every((c, i) =>
              c.width === c.clientWidth && c.height === c.clientHeight
              && (i || c.toDataURL() !== before))""",
            arg=[lab.view(cell).element_handle(), before[cell - 1]],
            timeout=10_000,
        )
