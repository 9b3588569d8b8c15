"""What every view owes its readers, whichever chapter it belongs to."""

import base64
import re

from vaelib.views import pack

WIDTHS = (360, 1280)  # a narrow phone and a desktop


def said(root):
    """The sentence under the picture."""
    return root.locator(".vw-text").inner_text()


def pixels(root, index=0):
    """What one of the canvases shows, as a string to compare."""
    return root.locator("canvas").nth(index).evaluate("c => c.toDataURL()")


def assert_fits(root, page, width):
    """Nothing sticks out at this width, every picture and control has a name and some size."""
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for canvas in root.locator("canvas").all():
        assert canvas.get_attribute("aria-label")
        box = canvas.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    for control in root.locator("button:visible, input:visible, select:visible").all():
        labels = control.evaluate("c => [...(c.labels || [])].map(l => l.textContent).join(' ')")
        name = control.get_attribute("aria-label") or f"{control.inner_text()} {labels}"
        assert re.search(r"\w", name), control.evaluate("c => c.outerHTML")
        assert control.bounding_box()["height"] >= 34, name


def assert_follows_theme(root, page, canvases=None):
    """Every picture changes when the page turns dark, or each of those with these numbers."""
    canvases = canvases or range(root.locator("canvas").count())
    light = {i: pixels(root, i) for i in canvases}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        "([i, b]) => document.querySelectorAll('canvas')[i].toDataURL() !== b",
        arg=[canvases[0], light[canvases[0]]],
    )
    assert all(pixels(root, i) != light[i] for i in canvases)


def trait(root, name):
    """The value of a trait of a view on a page without a kernel."""
    return root.evaluate("(r, name) => r.parentElement.model.get(name)", name)


def set_trait(root, name, value):
    """Set a trait as a cell in a kernel would."""
    root.evaluate("(r, [name, value]) => r.parentElement.model.set(name, value)", [name, value])


def to_page(value):
    """Arrays and JSON values as `unpack` of core.js takes them on a page without a kernel."""
    return pack(value, lambda raw: base64.b64encode(raw).decode())
