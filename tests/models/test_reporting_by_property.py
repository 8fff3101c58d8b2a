"""Accounts in any zone, events where days begin: every cell is what the oracle says."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given
from proof import PROOF, crowded, prove, show
from replay import Replay
from reporting_worlds import reporting_worlds, zone_days
from warehouse import Warehouse
from worlds import Load, World


def loads_of(world: World) -> list[Load]:
    """All loads of a world."""
    return [load for build in world.builds for load in build.loads]


def zones_of(world: World) -> list[str | None]:
    """The zones that any account of a world ever has."""
    return [
        account["reporting_timezone"]
        for load in loads_of(world)
        for account in load.app.get("accounts", [])
    ]


def years_of(world: World) -> set[int]:
    """The years that its events are of."""
    return {year for load in loads_of(world) for year in load.years}


def reconciles(replay: Replay, when: str) -> None:
    """Fails if a mart isn't what the oracle says, or the warehouse's own check errs.

    It may differ from the truth only where the engine's zone data is older.
    """
    show(replay, when)
    checks = replay.warehouse.rows("select * from marts.ops_reconciliation")
    failed = [row for row in checks if row["status"] in ("differs", "missing", "extra")]
    assert not failed, f"{len(failed)} checks fail after {when}: {failed[:5]}"
    lagging = {
        row["account_id"] for row in checks if row["status"] == "zone_data_differs"
    }
    if lagging:
        assert lagging <= drawn_otherwise_by_the_engine(replay), when


def drawn_otherwise_by_the_engine(replay: Replay) -> set[str]:
    """The accounts that have an event to which DuckDB gives another local date."""
    events = replay.expected()["fct_reporting_events"].values()
    ask = "select timezone(?, ?::timestamptz)::date"
    return {
        event["account_id"]
        for event in events
        if duckdb.execute(
            ask, [event["reporting_timezone"], event["created_at"]]
        ).fetchall()
        != [(event["date"],)]
    }


@pytest.mark.proof
@given(world=reporting_worlds(most_builds=5 if PROOF else 3))
@crowded(1)
def test_after_every_build_the_rollups_are_what_the_oracle_says(
    unbuilt: Path, built: Path, world: World
) -> None:
    days = zone_days(zones_of(world), sorted(years_of(world)))
    # An event of a year without local days is missing, and ops_reconciliation says so.
    have_all_days = set(loads_of(world)[0].years) == years_of(world)
    check = reconciles if have_all_days else show
    with TemporaryDirectory() as home:
        like = built if world.starts_built else unbuilt
        prove(Replay(Warehouse(Path(home), like=like), days), world, check)
