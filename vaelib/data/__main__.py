"""`python -m vaelib.data fetch mnist`: download a data set into VAELIB_DATA, verified by hash."""

from __future__ import annotations

import argparse
import sys

from vaelib.data.common import DataError
from vaelib.data.mnist import fetch as fetch_mnist

FETCH = {"mnist": fetch_mnist}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when the data are there and verified, else 1 after one message."""
    parser = argparse.ArgumentParser(prog="python -m vaelib.data", description=__doc__)
    parser.add_argument("action", choices=["fetch"])
    parser.add_argument("name", choices=sorted(FETCH))
    name = parser.parse_args(arguments).name
    try:
        print(f"{name}: verified in {FETCH[name]()}")
    except DataError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
