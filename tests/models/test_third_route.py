"""The third route (quality/recount) agrees with the models on whatever may happen."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from proof import crowded
from replay import Replay
from warehouse import Warehouse
from worlds import Build, World, worlds

from quality.recount.all import recount
from quality.warehouse import opened


@pytest.mark.proof
@given(world=worlds(most_builds=2))
@crowded(3)
def test_it_finds_nothing_in_worlds_of_all_providers(
    unbuilt: Path, zone_days: dict[int, pa.Table], world: World
) -> None:
    with TemporaryDirectory() as home:
        replay = Replay(Warehouse(Path(home), like=unbuilt), zone_days)
        for build in world.builds:
            for load in build.loads:
                replay.write(load, committed=True)
        replay.build(Build([], "whole"))

        with opened(replay.warehouse.path) as warehouse:
            found = recount(warehouse)

    # Their rows came without requests, which only warns.
    cells = [cell for result in found for cell in result.cells]
    assert [cell for cell in cells if cell.severity == "error"] == []
