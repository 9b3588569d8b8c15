"""Write environment.yml: the versions of requirements.lock for those who use conda.

    python tools/conda_env.py            write it
    python tools/conda_env.py --check    write nothing; exit 1 when it is out of date

Conda brings Python and pip, pip brings the rest. The hashes stay behind: pip refuses to
mix hashed requirements with the editable install of the package itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK, TARGET = ROOT / "requirements.lock", ROOT / "environment.yml"
PYTHON = "3.12"

HEAD = f"""\
# Written by tools/conda_env.py from requirements.lock (`make lock`); do not edit.
#
#     conda env create -f environment.yml
#     conda activate vaelib
name: vaelib
channels:
  - conda-forge
dependencies:
  - python={PYTHON}
  - pip
  - pip:
"""


def pins(lock: str) -> list[str]:
    """The requirements of a lock, without hashes: `name==version` and a marker where one is."""
    lines = re.findall(r"^([A-Za-z0-9][^\\#\n]*?) *\\?$", lock, re.MULTILINE)
    return [line.strip() for line in lines]


def render(lock: str) -> str:
    """The text of environment.yml."""
    requirements = [*pins(lock), "-e ."]
    return HEAD + "".join(f"      - {quoted(line)}\n" for line in requirements)


def quoted(line: str) -> str:
    """Markers hold quotes and semicolons; YAML takes them inside double quotes."""
    return f'"{line}"' if ";" in line else line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing, exit 1 on a difference"
    )
    check = parser.parse_args().check
    wanted = render(LOCK.read_text())
    if TARGET.exists() and TARGET.read_text() == wanted:
        return 0
    if check:
        print("environment.yml differs from the lock; run `.venv/bin/python tools/conda_env.py`")
        return 1
    TARGET.write_text(wanted)
    print("environment.yml: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
