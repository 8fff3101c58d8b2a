"""One clean warehouse for all, and a copy for each test that plants something."""

import shutil
from pathlib import Path

import pytest
from mutate import SPEC
from simulated import fill


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with nothing wrong in it. Not to be changed."""
    return fill(tmp_path_factory.mktemp("clean"), SPEC)


@pytest.fixture
def copy(clean: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(clean, tmp_path / "warehouse.duckdb"))
