"""For every run of pytest, on the tests and on the notebooks: data by an absolute path.

Kernels run in notebooks/, where a relative VAELIB_DATA would name another folder.
"""

import os
from pathlib import Path

if os.environ.get("VAELIB_DATA", "").strip():
    os.environ["VAELIB_DATA"] = str(Path(os.environ["VAELIB_DATA"]).expanduser().resolve())
