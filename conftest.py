"""For every run of pytest, on the tests and on the notebooks."""

import os
from pathlib import Path

# Kernels run in notebooks/, where a relative path would name another folder.
if os.environ.get("VAELIB_DATA", "").strip():
    os.environ["VAELIB_DATA"] = str(Path(os.environ["VAELIB_DATA"]).expanduser().resolve())


def pytest_collection_modifyitems(items):
    """Notebooks that take long start first: none of them is left to run alone at the end."""
    notebooks = [item for item in items if item.path.suffix == ".ipynb"]
    if notebooks:
        import chapters

        known = {item.path.stem for item in notebooks} & set(chapters.names())
        order = {name: place for place, name in enumerate(chapters.longest_first(known))}
        items.sort(key=lambda item: order.get(item.path.stem, len(order)))
