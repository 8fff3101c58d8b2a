"""Accounts in any zone, events where days begin: every cell is what the oracle says."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from proof import PROOF, crowded, prove
from replay import Replay
from reporting_worlds import reporting_worlds, zone_days
from warehouse import Warehouse
from worlds import World


def zones_of(world: World) -> list[str | None]:
    """The zones that any account of a world ever has."""
    return [
        account["reporting_timezone"]
        for build in world.builds
        for load in build.loads
        for account in load.app.get("accounts", [])
    ]


def years_of(world: World) -> set[int]:
    """The years that its events are of."""
    return {
        year for build in world.builds for load in build.loads for year in load.years
    }


@pytest.mark.proof
@given(world=reporting_worlds(most_builds=5 if PROOF else 3))
@crowded(3)
def test_after_every_build_the_rollups_are_what_the_oracle_says(
    unbuilt: Path, built: Path, world: World
) -> None:
    days = zone_days(zones_of(world), sorted(years_of(world)))
    with TemporaryDirectory() as home:
        like = built if world.starts_built else unbuilt
        prove(Replay(Warehouse(Path(home), like=like), days), world)
