"""What all tests share: the folder of the project, a tiny book, a browser."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest_plugins = ["chromium"]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def tiny_book(tmp_path):
    from tiny_book import TinyBook

    return TinyBook.make(tmp_path / "book")
