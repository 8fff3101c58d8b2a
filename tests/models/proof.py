"""Lets hypothesis' worlds happen, and says which cell of a mart isn't the truth."""

import os
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, assume, settings
from oracle import differences
from replay import Replay, contents
from warehouse import Warehouse
from worlds import Build, World

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))

DELIVERY = ("--select", "+path:models/marts/delivery")
"""All that tests of mail look at, in half the time of a build of everything."""
REPORTING = ("--select", "+path:models/marts/reporting")
"""All that most tests of conversations look at."""
RECONCILED = (*REPORTING, "+ops_reconciliation")
"""The same, and what checks it."""


def crowded(examples: int, in_proof: int = 100) -> settings:
    """The settings of a proof by worlds.

    Args:
        examples: Worlds in `make test`.
        in_proof: Worlds in `make proof`.
    """
    return settings(
        max_examples=in_proof if PROOF else examples,
        deadline=None,
        print_blob=True,
        # Shrinking builds some hundred warehouses: only where time is no matter.
        phases=tuple(Phase) if PROOF else (Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def pass_over_the_simplest(world: World) -> None:
    """Asks for another world if in this one everything happens at one instant.

    Hypothesis begins with the simplest world there is, which proves least, and would
    be half of a sample of two.
    """
    instants = {
        row.get("occurred_at") or row.get("created_at")
        for build in world.builds
        for load in build.loads
        for row in (*load.events, *load.app.get("reporting_events", ()))
    }
    assume(len(instants) > 1)


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


def prove(
    replay: Replay, world: World, check: Callable[[Replay, str], None] = show
) -> None:
    """Fails unless the marts tell the truth after every build of a world.

    In the end a build of nothing new must write nothing, and building everything
    whole must give the same.

    Args:
        replay: The world's warehouse, with nothing loaded.
        world: What happens.
        check: Fails if something is wrong after what its second argument says.
    """
    pass_over_the_simplest(world)
    for number, build in enumerate(world.builds):
        replay.commit_before(number)
        for load in build.loads:
            replay.write(load, committed=load.commits_before <= number)
        is_all = replay.build(build)
        if world.days_pass:
            replay.let_days_pass()
        if is_all and not replay.is_half_written:
            check(replay, f"build {number} ({build.mode})")
    replay.commit_before(len(world.builds))
    replay.build(Build([], "tables"))
    check(replay, "the last build")
    incremental = replay.held()

    warehouse = replay.warehouse
    (last,) = warehouse.rows("select max(change_number) as n from ledger.builds")
    replay.build(Build([], "tables"))
    assert written_since(warehouse, last["n"]) == []

    replay.build(Build([], "whole"))
    check(replay, "building it whole")
    assert differences(incremental, replay.held()) == []


def build(warehouse: Warehouse, *arguments: str, views: bool = False) -> None:
    """Builds what is there; the views are, unless a setting changed."""
    assert warehouse.build(*arguments, seeds=False, views=views).success


def assert_as_if_built_whole(warehouse: Warehouse, *arguments: str) -> None:
    """The marts are what a full refresh makes of the same raw tables."""
    found = contents(warehouse)
    build(warehouse, "--full-refresh", *arguments)
    assert not differences(contents(warehouse), found)
