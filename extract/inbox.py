"""What the door has received, brought from the inbox into raw.

segments ──▶ Arrivals ──▶ rows and places, in one package ──▶ raw
  ╰── read to their end and committed ──▶ archive ──▶ forgotten
"""

import gc
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta

from extract.arrivals import SOURCE, Arrivals
from extract.forgotten import Forgotten
from extract.places import RESOURCE, SCHEMA
from extract.replays import Replay
from extract.tables import DEAD_LETTERS, SOURCE_SETTINGS, TABLES, Table

KEEP_DAYS = 30
"""Days for which segments are kept that the warehouse holds; as long as the longest
that a provider keeps its events."""


ACCOUNT_PROPERTY = "account_id"
"""Which property of a client's event names its account, if no setting says so."""


class Settings:
    """What the models need to know, as a package of its own.

    Args:
        rows: Rows of raw.source_settings.
    """

    def __init__(self, rows: pa.Table) -> None:
        """Keeps the rows."""
        self._rows = rows

    def package(self) -> Iterator[tuple[Table, pa.Table]]:
        """The rows."""
        yield SOURCE_SETTINGS, self._rows

    def write(self, state: dict[str, Any]) -> None:
        """Nothing: no place has moved."""


# dlt commits its state with the package of the default schema; with another name the
# places would lie in a package of their own, apart from the rows that they cover.
@dlt.source(name=SCHEMA, section=SOURCE, max_table_nesting=0)
def inbox(
    current: Arrivals | Replay | Settings, forgotten: Forgotten | None = None
) -> DltResource:
    """The next part of what was received, or of what is replayed.

    Args:
        current: The reading.
        forgotten: Who is not to be named in dead letters.

    Returns:
        A source with one resource. It fills the providers' tables, `dead_letters`,
        `requests` and, with the last part, `lane_runs`.
    """
    resource: DltResource = records(current, forgotten or Forgotten())
    for table in TABLES:
        resource.apply_hints(**table.hints, create_table_variant=True)
    return resource


@dlt.resource(name=RESOURCE)
def records(
    current: Arrivals | Replay | Settings, forgotten: Forgotten
) -> Iterator[DataItemWithMeta]:
    """One package: events, then what accounts for them; places go into the state.

    Args:
        current: The reading.
        forgotten: Who is not to be named in dead letters.

    Yields:
        Arrow tables, marked with the table that they are for.
    """
    for table, rows in current.package():
        if table is DEAD_LETTERS:
            rows = forgotten.letters(rows)  # noqa: PLW2901 - what is left of them
        yield dlt.mark.with_table_name(rows, table.name)
        # dlt's validation leaves the rows in a cycle of frames and exceptions.
        gc.collect(0)
    current.write(dlt.current.resource_state())
