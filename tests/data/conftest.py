"""A store that several tests load from."""

from pathlib import Path

import pytest

from avsc.store.reader import Store
from tests.conftest import MakeStore


@pytest.fixture(scope="session")
def store(make_store: MakeStore, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Eight clips; tests do not change it."""
    path: Path = tmp_path_factory.mktemp("loader") / "store"
    return Store.open(make_store(path, 8))
