"""Where people are named: in tables, and in the bytes of files.

addresses ──▶ how each may be written ──▶ rows that may name them (SQL) ──▶ that do
╰─▶ files, unpacked, byte by byte ─▶ that do
"""
# ruff: noqa: S608 - tables can't be parameters; every name is quoted, every value bound.

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.forgotten import LIST, Forgotten

STAGED = "raw_staging"
"""Where dlt keeps what it merges from; it fills it anew each time."""

_BATCH = 10_000
"""Rows that may name someone, looked at at once."""

_CHUNK = 16 * 1024 * 1024
_LONGEST = 1_000
"""Bytes that an address and its surroundings take at most."""


class Table(NamedTuple):
    """A table, with the columns that can name someone."""

    schema: str
    name: str
    sql: str
    texts: tuple[str, ...]
    nested: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its name in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def is_changes(self) -> bool:
        """Whether it lists changed rows of a mart."""
        return self.schema == "ledger" and self.name.endswith("__changes")

    @property
    def is_kept(self) -> bool:
        """Whether its rows can't be made again from others."""
        return self.schema in ("raw", "ledger") and not self.is_changes

    @property
    def model(self) -> str:
        """The model that it is of."""
        return self.name.removesuffix("__changes")


@dataclass(frozen=True)
class Search:
    """Looks for people in the tables of an attached database.

    Attributes:
        con: The connection.
        database: The database's name there.
        forgotten: Who is looked for, and maybe others.
        keys: Their addresses, as recipients' keys.
        members: Their ids in the application.
    """

    con: duckdb.DuckDBPyConnection
    database: str
    forgotten: Forgotten
    keys: tuple[str, ...]
    members: frozenset[str] = frozenset()

    def tables(self) -> list[Table]:
        """All tables."""
        found = self.con.execute(
            """
            select
                tables.schema_name, tables.table_name, tables.sql,
                list(columns.column_name) filter (where columns.data_type = 'VARCHAR'),
                list(columns.column_name) filter (
                    where columns.data_type <> 'VARCHAR'
                        and regexp_matches(columns.data_type, 'VARCHAR|JSON')
                )
            from duckdb_tables() as tables
            inner join duckdb_columns() as columns
                on tables.table_oid = columns.table_oid
                and tables.database_name = columns.database_name
            where tables.database_name = ?
            group by all
            order by tables.schema_name, tables.table_name
            """,
            [self.database],
        ).fetchall()
        return [
            Table(schema, name, sql, tuple(texts or ()), tuple(nested or ()))
            for schema, name, sql, texts, nested in found
        ]

    def candidates(self, table: Table) -> Iterator[pa.Table]:
        """The rows that may name someone.

        Yields:
            Their `rowid` as old_rowid, and the columns that can name someone, as text.
        """
        texts = {name: quoted(name) for name in table.texts}
        texts |= {name: f"cast({quoted(name)} as varchar)" for name in table.nested}
        if not texts:
            return
        columns = ", ".join(f"{text} as {quoted(name)}" for name, text in texts.items())
        found = self.con.cursor().execute(
            f"select rowid as old_rowid, {columns} from {self.database}.{table.path}"
            f" where {' or '.join(map(self._may_name, texts.values()))}",
            {**self._forms(), "members": sorted(self.members)},
        )
        for batch in found.to_arrow_reader(_BATCH):
            yield pa.Table.from_batches([batch])

    def names_someone(self, table: Table) -> bool:
        """Whether a table has a row that names someone."""
        return any(
            value in self.members or self.forgotten.is_named_in(value)
            for rows in self.candidates(table)
            for row in rows.drop_columns("old_rowid").to_pylist()
            for value in row.values()
            if value is not None
        )

    def _may_name(self, text: str) -> str:
        """The condition that a text may name someone; true of a few others, too."""
        forms = self._forms()
        plain = " or ".join(f"contains(lower({text}), ${form})" for form in forms)
        # Escaped, an address looks otherwise; JSON is written again without.
        again = " or ".join(f"contains(lower(json({text})), ${form})" for form in forms)
        return (
            rf"{plain} or list_contains($members::varchar[], {text}) or case"
            rf" when not contains({text}, '\u') then false"
            f" when json_valid({text}) then {again} else true end"
        )

    def _forms(self) -> dict[str, str]:
        return {f"form_{at}": form for at, form in enumerate(forms_of(self.keys))}


def files_naming(
    folder: Path,
    forgotten: Forgotten,
    keys: Iterable[str],
    members: Iterable[str] = (),
) -> Iterator[Path]:
    """Files whose bytes name someone, those of DuckDB among them.

    In a DuckDB file text is compressed or stands without a gap, so that what its bytes
    don't show its tables may (`Search`); but rows that were deleted are in the bytes
    alone.

    Args:
        folder: Where to look. The list of people that were forgotten and requests to
            forget are left out.
        forgotten: Who is looked for.
        keys: Their addresses, as recipients' keys.
        members: Ids in the application that are looked for, too, where they are long
            enough to be no number of anything else.
    """
    named = [form.encode() for form in forms_of(keys)]
    ids = [member.encode().lower() for member in members if len(member) >= 8]
    for path in sorted(folder.rglob("*")):
        if (
            path.is_symlink()
            or not path.is_file()
            or path.name in (LIST, f"{LIST}.new")
            or path.parent.name == "forget"
        ):
            continue
        try:
            if any(
                _is_named_in(data, named, forgotten) or any(one in data for one in ids)
                for data in _chunks(path)
            ):
                yield path
        except FileNotFoundError:
            continue  # somebody else's, and gone by now


def forms_of(keys: Iterable[str]) -> list[str]:
    """How addresses may stand in a text: as they are, or encoded in a link."""
    return sorted(
        {
            form.lower()
            for key in keys
            for form in (key, key.replace("@", "%40"), quote(key, safe=""))
        }
    )


def _chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes in lower case, unpacked, each chunk with the end of the last."""
    opened = gzip.open if path.suffix == ".gz" else open
    rest = b""
    with opened(path, "rb") as file:
        while True:
            try:
                chunk = file.read(_CHUNK)
            except (OSError, EOFError, zlib.error):
                return  # no archive of ours
            if not chunk:
                return
            yield rest + chunk.lower()
            rest = chunk[-_LONGEST:].lower()


def _is_named_in(data: bytes, named: Iterable[bytes], forgotten: Forgotten) -> bool:
    """Whether some bytes hold an address, and not a longer one that ends in it."""
    for form in named:
        at = data.find(form)
        while at >= 0:
            around = data[max(at - _LONGEST, 0) : at + len(form) + _LONGEST]
            if forgotten.is_named_in(around):
                return True
            at = data.find(form, at + 1)
    return False


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
