"""The web server that downloads come from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataset.server import Server
from tests.dataset.tau_tables import TEST, TRAIN, write_media, write_tables


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    yield served
    served.stop()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small data set in TAU's layout."""
    write_media(tmp_path / "tau", TRAIN + TEST)
    write_tables(tmp_path / "tau", TRAIN, TEST)
    return tmp_path / "tau"
