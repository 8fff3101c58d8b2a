"""Whatever arrives in whatever order: after every build the marts tell the truth."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from proof import PROOF, crowded, prove
from replay import Replay
from warehouse import Warehouse
from worlds import World, worlds

Begin = Callable[[World, str], Replay]


@pytest.fixture(scope="session")
def begin(unbuilt: Path, built: Path, zone_days: dict[int, pa.Table]) -> Begin:
    """Gives a world its warehouse in a folder."""

    def begun(world: World, home: str) -> Replay:
        like = built if world.starts_built else unbuilt
        return Replay(Warehouse(Path(home), like=like), zone_days)

    return begun


@pytest.mark.proof
@given(world=worlds(most_builds=5 if PROOF else 3))
@crowded(1)
def test_after_every_build_the_marts_are_what_the_oracle_says(
    begin: Begin, world: World
) -> None:
    with TemporaryDirectory() as home:
        prove(begin(world, home), world)


@pytest.mark.proof
@given(world=worlds(most_builds=5 if PROOF else 3, providers=("sendgrid",)))
@crowded(1)
def test_whichever_event_teaches_an_id_the_marts_are_what_the_oracle_says(
    begin: Begin, world: World
) -> None:
    with TemporaryDirectory() as home:
        prove(begin(world, home), world)
