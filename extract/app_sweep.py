"""Rows that vanished from the application, marked as deleted in raw.

    application ──keys of a period──▶ there ──╮
                                              ├─▶ in raw only ──asked once more─▶ gone
    raw.app_* ──rows not deleted──────────────╯                                    │
         ▲                                                                         │
         ╰── merge by key ◀── deleted_at = now, or the application's own row ◀─────╯

An incremental read sees what `updated_at` says is new; a row that is deleted for good
says nothing. So a sweep compares keys, of a period that somebody chooses: in each
table by its own time, in tables without one (accounts, email_batches) of all rows. A
row without a time is in every period.

- **Gone** is a row that raw holds as not deleted and that the application has in no
  period: its time may have moved, so what is missing is looked for once more among
  all rows. It is loaded as raw has it, with `deleted_at` the time of the sweep.
- **Back** is a row that raw holds as deleted and the application doesn't. It may be
  there again with an old `updated_at` (a restored backup), which no incremental read
  finds. It is loaded as the application has it. One that came back with another time
  is found by a sweep of the period in which it is now. So a wrong sweep is undone by
  another one, and marks last only while they are true.
- **Deleted** is the same the other way: a `deleted_at` set without a new
  `updated_at`.

Only these rows are loaded, so only days on which they are counted are built again.
The cursor of the incremental read stays where it is.

Nothing is marked when a table can't be read, is absent, is empty, or would lose more
than half of what was compared: a file half copied looks just like a mass deletion.
Where raw was filled from another location or by another query than the one in the
settings now, a difference means nothing, and nothing is marked either.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.extract import DltSource

from extract import app_rows
from extract.app import digest, open_checked, readable, source_of
from extract.app_locations import BATCH, Location, Period
from extract.app_tables import AppError, Table
from extract.forgotten import Forgotten

FEW = 100
"""Rows that may go even if they are more than half: small tables do change whole."""

ASKED = 1_000
"""Keys in one question; PostgreSQL takes 65,535 parameters."""

QUESTIONS = 100
"""Beyond so many, reading all keys once is quicker."""


@dataclass(frozen=True)
class Swept:
    """What a sweep found in one table.

    Attributes:
        table: Its name.
        compared: Rows that raw held as not deleted, in the period.
        gone: Those of them that the application no longer has; marked.
        deleted: Rows that the application says are deleted, and raw did not, or at
            another time.
        back: Rows that raw held as deleted, and the application has; loaded.
        outcome: skipped: there was nothing to compare with. refused: there was, and
            nothing was marked because it looks wrong.
        message: Why, or what is to be said about it, and what to do.
    """

    table: str
    compared: int = 0
    gone: int = 0
    deleted: int = 0
    back: int = 0
    outcome: Literal["ok", "skipped", "refused"] = "ok"
    message: str = ""


def app_sweep(
    location: str,
    warehouse: duckdb.DuckDBPyConnection,
    queries: Mapping[str, str],
    period: Period,
    on_swept: Callable[[Swept], None],
    *,
    even_many: bool = False,
    forgotten: Forgotten | None = None,
) -> DltSource:
    """The application's rows that are gone or back.

    Args:
        location: As for `app.app`.
        warehouse: Connection to the warehouse; only read, on cursors of its own whose
            temporary tables hold the keys, on disk as far as memory is short.
        queries: As for `app.app`.
        period: What is compared, of tables that have a time.
        on_swept: Told of each table when it is done. What it is told has not been
            loaded yet.
        even_many: Whether to believe an application that lost most of a table.
        forgotten: Who raw has by a token only.

    Returns:
        The same source as that of `app.app`, its resources yielding the rows to merge
        in tables of at most `app_locations.BATCH` rows.

    Raises:
        AppError: As for `app.app`; nothing is marked in any table then.
    """
    place = open_checked(location, queries)
    sweep = _Sweep(
        place, warehouse, period, datetime.now(UTC), even_many, forgotten or Forgotten()
    )

    def rows(table: Table) -> Iterator[pa.Table]:
        on_swept((yield from sweep.marks(table)))

    return source_of(rows)


@dataclass(frozen=True)
class _Sweep:
    """What the tables of one sweep have in common."""

    place: Location
    warehouse: duckdb.DuckDBPyConnection
    period: Period
    at: datetime
    even_many: bool
    forgotten: Forgotten

    def marks(self, table: Table) -> Generator[pa.Table, None, Swept]:
        """Compares one table, and yields what is to be merged."""
        name, where = table.name, self.place.name
        found = self.place.columns(table)
        if found is None:
            message = f"{where} has no {name}: nothing of it was compared"
            return Swept(name, outcome="skipped", message=message)
        columns = readable(table, found, self.place)
        period = self.period if table.time in columns else None
        with closing(app_rows.session(self.warehouse)) as cursor:
            if not app_rows.holds_rows(table, cursor):
                return Swept(name)
            last = dlt.current.resource_state().get("made_with")
            if last not in (None, digest(where, self.place.query(table), columns)):
                message = (
                    f"raw's {name} were read from another place, by another query or"
                    f" with other columns than {where} has now, so what differs says"
                    f" nothing about deletions: run `tallybook extract app`, then"
                    f" sweep again"
                )
                return Swept(name, outcome="refused", message=message)
            one = _Comparison(
                table,
                self.place,
                columns,
                period,
                cursor,
                forgotten=self.forgotten,
            )
            one.compare()
            if doubt := None if self.even_many else one.doubt():
                return Swept(name, one.compared, outcome="refused", message=doubt)
            yield from one.gone_rows(self.at)
            deleted = back = 0
            for rows in one.other_rows():
                live = rows["deleted_at"].null_count
                back += live
                deleted += len(rows) - live
                yield rows
        whole = "" if period else f"compared whole: no {table.time or 'time'} there"
        return Swept(name, one.compared, one.gone, deleted, back, message=whole)


class _Comparison:
    """One table's keys, side by side in temporary tables of a cursor.

    `there` is what the application has, `gone` what it lacks, and `differing` what it
    has with another `deleted_at` than raw. DuckDB joins them in bounded memory.

    Attributes:
        compared: Rows of raw that are not deleted, in the period.
        gone: Those that the application no longer has.
    """

    def __init__(
        self,
        table: Table,
        place: Location,
        columns: list[str],
        period: Period | None,
        cursor: duckdb.DuckDBPyConnection,
        *,
        forgotten: Forgotten,
    ) -> None:
        """Compares nothing yet.

        Args:
            table: Which table; raw holds rows of it.
            place: Where the application's rows are.
            columns: Those that can be read there.
            period: What to compare; None for all.
            cursor: From `app_rows.session`.
            forgotten: Who raw has by a token only.
        """
        self.compared = 0
        self.gone = 0
        self._table = table
        self._place = place
        self._columns = columns
        self._period = period
        self._cursor = cursor
        self._forgotten = forgotten
        self._key = ", ".join(table.key)
        self._is_in_period = "true"
        self._bounds: dict[str, datetime] = {}
        if period:
            inside = f"{table.time} >= $begin and {table.time} < $end"
            self._is_in_period = f"(({inside}) or {table.time} is null)"
            self._bounds = {"begin": period.begin, "end": period.end}

    def compare(self) -> None:
        """Reads the application's keys, and finds out which rows are gone or differ.

        Raises:
            AppError: They can't be read.
        """
        keys = ", ".join(f"{name} varchar" for name in self._table.key)
        self._cursor.execute(
            f"create temp table there ({keys}, deleted_at timestamptz)"
        )
        self._remember(self._batches(period=self._period))
        live = f"deleted_at is null and {self._is_in_period}"
        self.compared = self._count(
            f"raw.{self._table.raw_name} where {live}", self._bounds
        )
        self._cursor.execute(
            f"""
            create temp table differing as
            select {self._key}
            from raw.{self._table.raw_name} as held
            inner join there using ({self._key})
            where held.deleted_at is distinct from there.deleted_at
            """  # noqa: S608 -- the names are constants of app_tables
        )
        self._cursor.execute(
            f"""
            create temp table gone as
            select {self._key}, row_number() over () as number
            from raw.{self._table.raw_name}
            anti join there using ({self._key})
            where {live}
            """,  # noqa: S608 -- the names are constants of app_tables
            self._bounds,
        )
        self.gone = self._count("gone")
        if self.gone and self._period:
            self._look_elsewhere()

    def doubt(self) -> str | None:
        """Why what is gone should not be believed; None if it can be."""
        name, where = self._table.name, self._place.name
        if not self.gone:
            return None
        if self._count("there") == 0 and not any(
            len(rows) for rows in self._first_batch()
        ):
            return (
                f"{name} is empty in {where}, and {self.compared:,} of its rows in raw"
                f" would go. If they were really deleted, sweep again with --even-many"
            )
        if self.gone > FEW and self.gone * 2 > self.compared:
            return (
                f"{self.gone:,} of {self.compared:,} rows would go, more than half."
                f" Check that {name} in {where} is complete; if so many were really"
                f" deleted, sweep again with --even-many"
            )
        return None

    def gone_rows(self, at: datetime) -> Iterator[pa.Table]:
        """The rows that are gone, as raw has them, deleted at an instant."""
        if not self.gone:
            return
        columns = ", ".join(
            "$at::timestamptz as deleted_at" if name == "deleted_at" else name
            for name in self._table.columns
        )
        rows = self._cursor.execute(
            f"""
            select {columns}
            from raw.{self._table.raw_name}
            semi join gone using ({self._key})
            """,  # noqa: S608 -- the names are constants of app_tables
            {"at": at},
        ).to_arrow_reader(BATCH)
        schema = app_rows.schema(self._table)
        for batch in rows:
            yield pa.Table.from_batches([batch]).cast(schema)

    def other_rows(self) -> Iterator[pa.Table]:
        """The application's rows whose `deleted_at` differs from raw's."""
        if not self._count("differing"):
            return
        # Whole rows are read a second time, by which some may have changed again.
        batches = self._place.batches(self._table, self._columns, period=self._period)
        with closing(batches):
            typed = self._typed(batches, self._table)
            rows = app_rows.newest(self._differing(typed), self._table, self._cursor)
            for batch in rows:
                others = app_rows.changed(batch, self._table, self._cursor)
                if len(others):
                    yield others

    def _differing(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Leaves the rows that differ, in their order."""
        for batch in batches:
            self._cursor.register("batch", batch)
            rows = self._cursor.execute(
                f"""
                with numbered as (
                    select *, row_number() over () as position from batch
                )

                select * exclude (position)
                from numbered
                semi join differing using ({self._key})
                order by position
                """  # noqa: S608 -- the names are constants of app_tables
            ).to_arrow_table()
            if len(rows):
                yield rows.cast(batch.schema)

    def _look_elsewhere(self) -> None:
        """Takes out of `gone` what the application has, in whatever period."""
        if not self._asked_by_key():
            self._remember(self._batches())
        same = " and ".join(f"gone.{name} = there.{name}" for name in self._table.key)
        self._cursor.execute(f"delete from gone using there where {same}")  # noqa: S608
        self.gone = self._count("gone")

    def _asked_by_key(self) -> bool:
        """Whether the application could be asked for each key that is missing."""
        if not self._place.asks_by_key or self.gone > ASKED * QUESTIONS:
            return False
        try:
            for first in range(1, self.gone + 1, ASKED):
                keys = self._cursor.execute(
                    f"select {self._key} from gone"  # noqa: S608 -- as above
                    " where number between $first and $last",
                    {"first": first, "last": first + ASKED - 1},
                ).to_arrow_table()
                self._remember(
                    self._place.among(self._table, self._key_columns(), keys)
                )
        except AppError:
            # Most likely a key that a column of another type than once can't hold. A
            # database that is out of reach says so again when all of it is read.
            return False
        return True

    def _batches(self, period: Period | None = None) -> Iterator[pa.Table]:
        """The application's keys."""
        columns = self._key_columns()
        return self._place.batches(self._table, columns, period=period, ordered=False)

    def _first_batch(self) -> Iterator[pa.Table]:
        """The first keys, whatever their time, if there are any."""
        batches = self._place.batches(self._table, self._key_columns(), ordered=False)
        with closing(batches):
            for rows in batches:
                yield rows
                return

    def _key_columns(self) -> list[str]:
        names = dict.fromkeys(self._table.key)
        # Whom an id stands for is told by the address beside it.
        names |= dict.fromkeys(["deleted_at", self._table.person or "deleted_at"])
        return [name for name in names if name in self._columns]

    def _typed(self, batches: Iterable[pa.Table], table: Table) -> Iterator[pa.Table]:
        """Rows as raw holds them."""
        typed = app_rows.typed(batches, table, self._cursor)
        return self._forgotten.rows(typed, table)

    def _remember(self, batches: Iterable[pa.Table]) -> None:
        """Adds keys to those that the application has."""
        names = dict.fromkeys((*self._key_columns(), "deleted_at"))
        narrow = replace(
            self._table, columns={name: self._table.columns[name] for name in names}
        )
        for rows in self._typed(batches, narrow):
            self._cursor.register("seen", rows)
            self._cursor.execute(
                f"insert into there by name select {self._key}, deleted_at from seen"  # noqa: S608 -- as above
            )

    def _count(self, rows: str, values: Mapping[str, datetime] | None = None) -> int:
        found = self._cursor.execute(f"select count(*) from {rows}", values or {})  # noqa: S608
        row = found.fetchone()
        return int(row[0]) if row else 0
