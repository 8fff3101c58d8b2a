"""Warehouses to begin with, each made once in a process."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pytest
from warehouse import Warehouse
from worlds import MORE_VOCABULARY, YEARS, ZONES

from extract.time_zones import local_days

Make = Callable[..., Warehouse]


@pytest.fixture(scope="session")
def zone_days() -> dict[int, pa.Table]:
    """The local days of `ZONES`, by year."""
    found = {}
    for year in YEARS:
        (days,) = local_days([year])
        found[year] = days.filter(pc.is_in(days["timezone"], pa.array(ZONES)))
    return found


@pytest.fixture(scope="session")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse's file with empty raw tables and the seeds, and no model."""
    home = Warehouse(tmp_path_factory.mktemp("unbuilt"))
    assert home.build("--resource-type", "seed").success
    with duckdb.connect(home.path) as connection:
        for row in MORE_VOCABULARY:
            connection.execute(
                "insert into seeds.event_vocabulary values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                list(row.values()),
            )
    return home.path


@pytest.fixture(scope="session")
def built(unbuilt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a first build of nothing."""
    home = Warehouse(tmp_path_factory.mktemp("built"), like=unbuilt)
    assert home.build(seeds=False).success
    return home.path


@pytest.fixture
def warehouse(built: Path, tmp_path: Path) -> Warehouse:
    """A warehouse that was built once, with nothing in it."""
    return Warehouse(tmp_path / "home", like=built)
