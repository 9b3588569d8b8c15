"""What all tests share: the tree, and the tools as modules."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def tiny_book(tmp_path):
    from tiny_book import TinyBook

    return TinyBook.make(tmp_path / "book")
