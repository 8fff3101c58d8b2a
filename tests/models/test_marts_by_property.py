"""Whatever arrives in whatever order: after every build the marts tell the truth."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from oracle import differences
from replay import Replay
from warehouse import Warehouse
from worlds import Build, World, worlds

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))

crowded = settings(
    max_examples=100 if PROOF else 5,
    deadline=None,
    print_blob=True,
    # Shrinking builds some hundred warehouses: only where time is no matter.
    phases=tuple(Phase) if PROOF else (Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

Begin = Callable[[World, str], Replay]


@pytest.fixture(scope="session")
def begin(unbuilt: Path, built: Path, zone_days: dict[int, pa.Table]) -> Begin:
    """Gives a world its warehouse in a folder."""

    def begun(world: World, home: str) -> Replay:
        like = built if world.starts_built else unbuilt
        return Replay(Warehouse(Path(home), like=like), zone_days)

    return begun


def show(replay: Replay, when: str) -> None:
    """Fails if a mart differs in a cell from what the oracle says."""
    found = differences(replay.expected(), replay.held())
    assert not found, f"{len(found)} cells differ after {when}:\n" + "\n".join(
        found[:12]
    )


def written_since(warehouse: Warehouse, number: int) -> list[dict[str, object]]:
    """The builds of models that removed or added rows after this one."""
    return warehouse.rows(
        f"select model, rows_removed, rows_added from ledger.builds"  # noqa: S608
        f" where change_number > {number} and rows_removed + rows_added > 0"
    )


@pytest.mark.proof
@given(world=worlds(most_builds=5 if PROOF else 3))
@crowded
def test_after_every_build_the_marts_are_what_the_oracle_says(
    begin: Begin, world: World
) -> None:
    with TemporaryDirectory() as home:
        replay = begin(world, home)
        for number, build in enumerate(world.builds):
            replay.commit_before(number)
            for load in build.loads:
                replay.write(load, committed=load.commits_before <= number)
            is_all = replay.build(build)
            if world.days_pass:
                replay.let_days_pass()
            if is_all and not replay.is_half_written:
                show(replay, f"build {number} ({build.mode})")
        replay.commit_before(len(world.builds))
        replay.build(Build([], "tables"))
        show(replay, "the last build")
        incremental = replay.held()

        warehouse = replay.warehouse
        (last,) = warehouse.rows("select max(change_number) as n from ledger.builds")
        replay.build(Build([], "tables"))
        assert written_since(warehouse, last["n"]) == []

        replay.build(Build([], "whole"))
        assert differences(incremental, replay.held()) == []
