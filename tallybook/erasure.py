"""The warehouse without some people: written into a new file that takes its name.

    warehouse.duckdb ──────────────────────────▶ warehouse.duckdb.new ── rename ──▶
      raw      every row; theirs erased as at loading (extract.forgotten)
      ledger   every row; but not the changes of marts that name them
      marts    those that name nobody; dbt makes the others again, and what follows

Deleted bytes stay in a DuckDB file, so nothing is changed in the old one: it is read,
and it is whole until the new one, complete and on disk, replaces it at one stroke.
Marts are not edited but made again: a mart that says what its models say of the erased
rows can't disagree with them.
"""
# ruff: noqa: S608 - tables can't be parameters; every name is quoted, every value bound.

import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract import app_tables
from extract.erased import erase_event, kept_names
from extract.forgotten import Forgotten, recipient_key
from extract.tables import DEAD_LETTERS, TABLES
from tallybook.errors import CannotRunError
from tallybook.files import sync
from tallybook.shelf import log_of
from tallybook.traces import STAGED, Search, Table, quoted

EVENTS = {
    "mailgun_events": "mailgun",
    "sendgrid_events": "sendgrid",
    "postmark_events": "postmark",
    "client_events": "client",
}
"""The source of each table whose `payload` is an event."""

_APP = {table.raw_name: table for table in app_tables.TABLES}
_OURS = {table.name: table for table in TABLES}


@dataclass(frozen=True)
class Erased:
    """What an erasure did, or would do.

    Attributes:
        rows: Rows in which something is replaced, by table.
        made_again: Models that are left for dbt to make.
        other_addresses: Addresses that the application has of the same members.
    """

    rows: dict[str, int]
    made_again: tuple[str, ...]
    other_addresses: int


class Erasure:
    """The erasure of some addresses from one warehouse; a context manager's block.

    Attributes:
        forgotten: Those on the list, and those who are now to be.
        members: The application's ids of the latter.
    """

    def __init__(
        self, home: Path, forgotten: Forgotten, addresses: Sequence[str]
    ) -> None:
        """Opens the warehouse to read, and looks up the people's ids.

        Args:
            home: The state folder, which has a warehouse; the caller holds the lock.
            forgotten: Who was forgotten before.
            addresses: Who is to be.

        Raises:
            CannotRunError: Another process has the warehouse open.
        """
        self._path = home / "warehouse.duckdb"
        self._new = home / "warehouse.duckdb.new"
        self._spilled = home / "warehouse.duckdb.new.tmp"
        self._clear()
        keys = tuple({recipient_key(address) for address in addresses})
        self._con = _open(self._path, self._spilled)
        search = Search(self._con, "old", forgotten, keys)
        self._tables = search.tables()
        self.members = self._ids(keys)
        self.forgotten = forgotten.and_(keys, self.members)
        self._search = replace(search, forgotten=self.forgotten, members=self.members)

    def close(self) -> None:
        """Closes the warehouse, and removes what is half done."""
        self._con.close()
        self._clear()

    def look(self) -> Erased:
        """What there is to erase; changes nothing."""
        rows = {}
        for table in self._tables:
            if table.is_kept and (count := self._erased(table)):
                rows[f"{table.schema}.{table.name}"] = count
        return Erased(rows, self._naming(), self._other_addresses())

    def carry_out(self) -> Erased:
        """Replaces the warehouse.

        Raises:
            CannotRunError: The new file doesn't hold what the old one does.
            OSError: There is no room, say; the old file is as it was.
        """
        others = self._other_addresses()
        made_again = self._naming()
        rows = {}
        self._con.execute(
            f"attach '{_path(self._new)}' as new (storage_version 'v1.2.0')"
        )
        for schema in sorted({table.schema for table in self._tables}):
            self._con.execute(f"create schema if not exists new.{quoted(schema)}")
        self._copy_sequences()
        for table in self._tables:
            if table.model in made_again and not table.is_kept:
                continue
            self._create(table)
            if table.schema == STAGED:
                continue  # what dlt merges from; it fills it anew each time
            count = self._erased(table) if table.is_kept else 0
            if count:
                rows[f"{table.schema}.{table.name}"] = count
            self._copy(table, with_erased=bool(count))
        self._forget_places(made_again)
        self._con.execute("checkpoint new")
        self._con.execute("use memory")
        self._con.execute("detach new")
        self._con.execute("detach old")
        if log_of(self._new).exists():
            raise CannotRunError(f"{self._new} has a log still.", "Run it again.")
        sync(self._new)
        self._new.replace(self._path)
        sync(self._path.parent)
        return Erased(rows, made_again, others)

    def _clear(self) -> None:
        """Removes what this or a killed attempt has left."""
        for path in (self._new, log_of(self._new)):
            path.unlink(missing_ok=True)
        shutil.rmtree(self._spilled, ignore_errors=True)

    def _ids(self, keys: Sequence[str]) -> frozenset[str]:
        """The application's ids of the people."""
        return frozenset(
            member_id
            for table in self._persons()
            for (member_id,) in self._con.execute(
                f"select distinct member_id from old.{table.path}"
                f" where {_key(table)} in (select unnest($keys))"
                " and member_id is not null",
                {"keys": list(keys)},
            ).fetchall()
        )

    def _other_addresses(self) -> int:
        """How many addresses of theirs nobody has asked to forget."""
        found = {
            address
            for table in self._persons()
            for (address,) in self._con.execute(
                f"select distinct {_key(table)} from old.{table.path}"
                " where member_id in (select unnest($members::varchar[]))",
                {"members": sorted(self.members)},
            ).fetchall()
        }
        return sum(self.forgotten.token(address) is None for address in found)

    def _persons(self) -> list[Table]:
        """The application's tables of people."""
        return [
            table
            for table in self._tables
            if table.schema == "raw"
            and table.name in _APP
            and _APP[table.name].person in table.texts
            and "member_id" in table.texts
        ]

    def _naming(self) -> tuple[str, ...]:
        """Models with a row, or a change of one, that names someone."""
        found = {
            table.model
            for table in self._tables
            if not table.is_kept
            and table.schema != STAGED
            and self._search.names_someone(table)
        }
        return tuple(sorted(found))

    def _erased(self, table: Table) -> int:
        """Makes the temporary table `erased` of the rows that are to be others.

        Returns:
            How many they are.
        """
        names = ", ".join(map(quoted, table.texts))
        self._con.execute(
            "create or replace temp table erased as select rowid as old_rowid"
            f"{', ' * bool(names)}{names} from old.{table.path} limit 0"
        )
        count = 0
        for before in self._search.candidates(table):
            after = self._without(table, before)
            both = zip(before.to_pylist(), after.to_pylist(), strict=True)
            differs = [at for at, (one, other) in enumerate(both) if one != other]
            taken = after.take(pa.array(differs, pa.int64()))
            self._con.register("changed", taken)
            self._con.execute("insert into erased by name from changed")
            self._con.unregister("changed")
            count += len(differs)
        return count

    def _without(self, table: Table, rows: pa.Table) -> pa.Table:
        """Some rows of raw or the ledger, without the people."""
        if table.name in _APP and table.schema == "raw":
            return _only(self.forgotten.rows(iter([rows]), _APP[table.name]))
        if table.name == DEAD_LETTERS.name:
            rows = self.forgotten.letters(rows)
        is_event = table.name in EVENTS and table.schema == "raw"
        for name in table.texts:
            values = rows[name].to_pylist()
            if is_event and name == "payload":
                others = self._payloads(EVENTS[table.name], values)
            else:
                others = [value and self.forgotten.scrub(value) for value in values]
            at = rows.column_names.index(name)
            rows = rows.set_column(
                at, name, pa.array(others, rows.schema.field(at).type)
            )
        return rows

    def _payloads(self, source: str, payloads: Iterable[str]) -> list[str]:
        variables = kept_names(self._con, "old.raw")[source]
        return [
            erase_event(source, payload.encode(), self.forgotten, variables).decode()
            if self.forgotten.is_named_in(payload)
            else payload
            for payload in payloads
        ]

    def _create(self, table: Table) -> None:
        self._con.execute("use new")
        if table.schema == "raw" and table.name in _OURS:
            self._con.execute(_OURS[table.name].create(compressed=True))
        else:
            self._con.execute(table.sql)

    def _copy(self, table: Table, *, with_erased: bool) -> None:
        """Copies a table's rows in their order, those in `erased` as they are there."""
        rows = f"from old.{table.path}"
        if with_erased:
            others = ", ".join(
                f"case when erased.old_rowid is null then held.{quoted(name)}"
                f" else erased.{quoted(name)} end as {quoted(name)}"
                for name in table.texts
            )
            rows = (
                f"select held.* replace ({others}) from old.{table.path} as held"
                " left join temp.erased on held.rowid = erased.old_rowid"
            )
        self._con.execute(f"insert into new.{table.path} by name {rows}")
        counts = self._con.execute(
            f"select (select count(*) from old.{table.path}),"
            f" (select count(*) from new.{table.path})"
        ).fetchone()
        if counts is None or counts[0] != counts[1]:
            raise CannotRunError(
                f"Of {table.path} {counts} rows were copied.",
                "The warehouse is as it was; please tell the developers.",
            )

    def _copy_sequences(self) -> None:
        """Copies each sequence where it stands."""
        for schema, name, following in self._con.execute(
            """
            select
                schema_name, sequence_name,
                coalesce(last_value + increment_by, start_value)
            from duckdb_sequences()
            where database_name = 'old'
            """
        ).fetchall():
            self._con.execute(
                f"create sequence new.{quoted(schema)}.{quoted(name)} start {following}"
            )

    def _forget_places(self, models: Sequence[str]) -> None:
        """Lets dbt take models that are left out for such that were never built."""
        names = {table.name for table in self._tables if table.schema == "ledger"}
        if "positions" in names:
            self._con.execute(
                "delete from new.ledger.positions"
                " where model in (select unnest($models::varchar[]))",
                {"models": list(models)},
            )
        if "views" in names:  # none were copied
            self._con.execute("delete from new.ledger.views")


def _open(path: Path, spilled: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the warehouse attached as `old`, to be read, without a log."""
    try:
        with closing(duckdb.connect(path)) as con:
            # Its log would be taken for that of the file that replaces it.
            con.execute("checkpoint")
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise CannotRunError(
            f"Another process has {path} open.",
            "Close it there; nobody but a run should open the warehouse.",
        ) from error
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    con.execute(f"set temp_directory = '{_path(spilled)}'")
    con.execute("set memory_limit = '512MB'")
    con.execute("set threads = 1")  # rows keep the order that later reading prunes by
    con.execute(f"attach '{_path(path)}' as old (read_only)")
    return con


def _key(table: Table) -> str:
    """The recipient's key in a table of people; macros/recipient_key.sql."""
    return f"lower(trim({quoted(str(_APP[table.name].person))}))"


def _only(batches: Iterable[pa.Table]) -> pa.Table:
    (table,) = batches
    return table


def _path(path: Path) -> str:
    return str(path).replace("'", "''")
