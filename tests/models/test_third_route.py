"""No false alarms: on whatever may happen the third route and all data tests agree."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof import crowded, pass_over_the_simplest
from replay import Replay
from test_client_events import client_event, write
from test_data_tests_of_what_changed import failed
from warehouse import Warehouse
from worlds import ACCOUNTS, INSTANTS, Build, World, worlds

from quality.recount.all import recount
from quality.warehouse import opened

Reported = tuple[datetime, str, str | None]

REPORTED = st.tuples(
    st.sampled_from(INSTANTS),
    st.sampled_from(["page_viewed", "signed_up"]),
    st.sampled_from([*ACCOUNTS, "gone", "", None]),
)
"""When a client's event happened, what it was, and whose."""


@pytest.mark.proof
@given(
    world=worlds(most_builds=2), reported=st.lists(REPORTED, min_size=1, max_size=20)
)
@crowded(2)
def test_it_finds_nothing_in_worlds_of_all_providers(
    unbuilt: Path,
    zone_days: dict[int, pa.Table],
    world: World,
    reported: Sequence[Reported],
) -> None:
    pass_over_the_simplest(world)
    with TemporaryDirectory() as home:
        replay = Replay(Warehouse(Path(home), like=unbuilt), zone_days)
        for build in world.builds:
            for load in build.loads:
                replay.write(load, committed=True)
        write(
            replay.warehouse,
            [client_event(str(n), *event) for n, event in enumerate(reported)],
        )
        replay.build(Build([], "whole"))
        # None of them has passed yet, so each looks at everything.
        red = failed(replay.warehouse.test())

        with opened(replay.warehouse.path) as warehouse:
            found = recount(warehouse)

    # Their rows came without requests, which only warns.
    cells = [cell for result in found for cell in result.cells]
    assert [cell for cell in cells if cell.severity == "error"] == []
    assert red == set()
