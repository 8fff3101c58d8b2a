"""Where the application's tables are read from: a folder, or a database.

    <table>.parquet, <table>.csv ──▶ Folder ───┐
                                               ├──▶ batches in the order of the key
    SQLAlchemy address (+ queries) ▶ Database ─┘

Both give Arrow tables with those of our columns that they have, in the types that
they have; `app_rows` makes raw's types of them. Neither is ever written to.
"""

import csv
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import sqlalchemy as sa

from extract.app_rows import expression
from extract.app_tables import AppError, Kind, Table

BATCH = 10_240
"""Rows of a batch: five of DuckDB's vectors."""

MEMORY = 96_000_000
"""Bytes that DuckDB may take to sort a file; the rest waits on disk."""

SETTING = "SOURCES__APP__LOCATION"

SESSION: Mapping[str, Sequence[str]] = {
    "postgresql": (
        "set time zone 'UTC'",
        "set session characteristics as transaction read only",
    ),
    "mysql": ("set time_zone = '+00:00'", "set session transaction read only"),
    "mariadb": ("set time_zone = '+00:00'", "set session transaction read only"),
    "sqlite": ("pragma query_only = on",),
}
"""Said first to a database of each kind: times without a zone are UTC; read only."""


@dataclass(frozen=True)
class Period:
    """A stretch of a table's own time; half open.

    Attributes:
        begin: Its first instant.
        end: The first instant after it.
    """

    begin: datetime
    end: datetime


class Location(Protocol):
    """A place that has the application's tables."""

    @property
    def name(self) -> str:
        """What it is called in messages; holds no password."""

    @property
    def asks_by_key(self) -> bool:
        """Whether `among` finds every row that a whole read would give."""

    def query(self, table: Table) -> str | None:
        """The SELECT that stands for a table, if one is configured."""

    def columns(self, table: Table) -> list[str] | None:
        """All columns of a table there; None if there is no such table."""

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        since: datetime | None = None,
        *,
        period: Period | None = None,
        ordered: bool = True,
    ) -> Generator[pa.Table, None, None]:
        """A table's rows in the order of their key.

        Args:
            table: Which table.
            columns: Those to read, all of them there.
            since: Only rows with `updated_at` null, not a time, or not before this
                instant.
            period: Only rows whose `table.time` is null, not a time, or in this
                period; some that are less than a second outside may come too.
            ordered: False if any order will do, which spares the sorting.

        Yields:
            Tables of at most `BATCH` rows.

        Raises:
            AppError: It can't be read.
        """

    def among(
        self, table: Table, columns: Sequence[str], keys: pa.Table
    ) -> Generator[pa.Table, None, None]:
        """The rows that have one of some keys, and maybe others, in any order.

        Args:
            table: Which table.
            columns: Those to read, all of them there.
            keys: The columns of its key, as raw has them.

        Yields:
            Tables of at most `BATCH` rows.

        Raises:
            AppError: It can't be read, or can't hold such a key.
        """


def open_location(location: str, queries: Mapping[str, str]) -> Location:
    """Finds out what a location is, and that it is there.

    Args:
        location: A folder's path, or a SQLAlchemy address.
        queries: SELECTs by table name, for a database.

    Returns:
        The location, ready to read.

    Raises:
        AppError: It isn't there, or isn't one of the two.
    """
    if "://" in location:
        return Database(location, queries)
    if queries:
        message = (
            f"SOURCES__APP__{min(queries).upper()}__QUERY needs a database, and"
            f" {SETTING} is the folder {location}. Unset one of the two."
        )
        raise AppError(message)
    return Folder(Path(location))


class Folder:
    """A folder with `<table>.parquet` or `<table>.csv` for each table.

    A CSV file has a header, commas, double quotes and UTF-8; an empty field is null,
    in a key an empty text. A time is ISO 8601; without a zone it is UTC. Of rows with
    one key the last counts.
    """

    def __init__(self, path: Path) -> None:
        """Checks that the folder is there."""
        if not path.is_dir():
            message = (
                f"{SETTING} is {path}, which is no folder. Give a folder with files"
                f" such as accounts.parquet or accounts.csv, or a database's address"
                f" such as postgresql+psycopg://user:password@host/name."
            )
            raise AppError(message)
        self._path = path

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._path.resolve())

    @property
    def asks_by_key(self) -> bool:
        """No: to find one row of a file is to read it all."""
        return False

    def query(self, table: Table) -> str | None:  # noqa: ARG002 -- the protocol's
        """None: files have no queries."""
        return None

    def columns(self, table: Table) -> list[str] | None:
        """The columns of a table's file."""
        schema = self._schema(table)
        return None if schema is None else list(schema.names)

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        since: datetime | None = None,
        *,
        period: Period | None = None,
        ordered: bool = True,
    ) -> Generator[pa.Table, None, None]:
        """Reads the file; ordered is by key, then by place."""
        schema = self._schema(table)
        file = self._file(table)
        if schema is None or file is None:
            return
        values: dict[str, Any] = {"path": str(file)}
        times, conditions = [], ["true"]
        if since is not None and (
            updated := expression("timestamp", schema.field("updated_at").type, "u")
        ):
            times.append("updated_at as u")
            conditions.append(f"coalesce({updated} >= $since, true)")
            values["since"] = since
        if (period is not None and table.time) and (
            began := expression("timestamp", schema.field(table.time).type, "t")
        ):
            times.append(f"{table.time} as t")
            inside = f"{began} >= $begin and {began} < $end"
            conditions.append(f"coalesce({inside}, true)")
            values |= {"begin": period.begin, "end": period.end}
        names = ", ".join(columns)
        sql = f"""
            with found as (
                select {", ".join([*self._select(file, table, columns), *times])}
                from {_scan(file)}
            )

            select {names} from found
            where {" and ".join(conditions)}
        """  # noqa: S608 -- the names are constants of app_tables
        try:
            with tempfile.TemporaryDirectory() as spill, _reader(spill, file) as reader:
                if ordered:
                    # Straight from the file, the sort leaves its reader no memory.
                    reader.execute(f"create table spool as {sql}", values)
                    reader.execute(f"set memory_limit = '{MEMORY}B'")
                    order = ", ".join([*table.key, "rowid"])
                    sql, values = f"select {names} from spool order by {order}", {}  # noqa: S608 - the same
                for batch in reader.execute(sql, values).to_arrow_reader(BATCH):
                    yield pa.Table.from_batches([batch])
        except duckdb.Error as error:
            raise _unreadable(file, error) from None

    def among(
        self,
        table: Table,
        columns: Sequence[str],
        keys: pa.Table,  # noqa: ARG002 -- the protocol's
    ) -> Generator[pa.Table, None, None]:
        """Reads all of the file."""
        yield from self.batches(table, columns, ordered=False)

    def _schema(self, table: Table) -> pa.Schema | None:
        """The columns and types of a table's file."""
        file = self._file(table)
        if file is None:
            return None
        with duckdb.connect() as reader:
            try:
                return (
                    reader.execute(
                        f"select * from {_scan(file)} limit 0",  # noqa: S608
                        {"path": str(file)},
                    )
                    .to_arrow_table()
                    .schema
                )
            except duckdb.Error as error:
                raise _unreadable(file, error) from None

    def _file(self, table: Table) -> Path | None:
        """A table's file, if there is one."""
        files = [self._path / f"{table.name}.{kind}" for kind in ("parquet", "csv")]
        there = [file for file in files if file.is_file()]
        if len(there) > 1:
            message = (
                f"{self._path} has both {there[0].name} and {there[1].name}."
                f" Remove the one that isn't meant."
            )
            raise AppError(message)
        return there[0] if there else None

    def _select(
        self, file: Path, table: Table, columns: Sequence[str]
    ) -> Iterator[str]:
        """A CSV file can't tell null from empty: null, but not in a key."""
        for column in columns:
            if file.suffix == ".csv" and column in table.key:
                yield f"coalesce({column}, '') as {column}"
            elif file.suffix == ".csv":
                yield f"nullif({column}, '') as {column}"
            else:
                yield column


class Database:
    """A database that SQLAlchemy reaches; our tables by name, or by query."""

    def __init__(self, address: str, queries: Mapping[str, str]) -> None:
        """Connects once, to know that it can."""
        try:
            self._url = sa.make_url(address)
            backend = self._url.get_backend_name()
        except (sa.exc.ArgumentError, ValueError):  # a port that is no number
            message = (
                f"{SETTING} is no address that SQLAlchemy can read. It looks like"
                f" postgresql+psycopg://user:password@host:5432/name; special"
                f" characters in the password are percent-encoded."
            )
            raise AppError(message) from None
        if backend not in SESSION:
            message = (
                f"{SETTING} is a database of the kind {backend}. Tallybook reads"
                f" postgresql, mysql, mariadb and sqlite, and folders of files."
            )
            raise AppError(message)
        self._backend = backend
        self._queries = queries
        self._check_file()
        try:
            # One connection for each table, closed after it: nothing is held between.
            self._engine = sa.create_engine(
                self._url, hide_parameters=True, poolclass=sa.pool.NullPool
            )
        except (ImportError, sa.exc.NoSuchModuleError) as error:
            message = (
                f"{self.name} needs a driver that isn't installed ({error}). Install"
                f" it with pip (psycopg[binary] for PostgreSQL, pymysql for MySQL), or"
                f" name another in the address, as in mysql+pymysql://."
            )
            raise AppError(message) from None
        self._connect("open it").close()

    @property
    def name(self) -> str:
        """The address without password and options."""
        return self._url.set(password=None, query={}).render_as_string()

    @property
    def asks_by_key(self) -> bool:
        """Whether text, as raw's keys are, finds a key of any type by equality.

        Not in SQLite: where a column has no type, as in a query, '1' is not 1.
        """
        return self._backend != "sqlite"

    def query(self, table: Table) -> str | None:
        """The table's configured SELECT, if any."""
        query = self._queries.get(table.name)
        return None if query is None else query.strip().rstrip(";")

    def columns(self, table: Table) -> list[str] | None:
        """The columns of the table, or of what its query gives."""
        query = self.query(table)
        with self._connect(f"look for {table.name}") as connection:
            try:
                if query is not None:
                    none = sa.select(sa.text("*")).select_from(_rows(query))
                    return list(connection.execute(none.where(sa.false())).keys())
                inspector = sa.inspect(connection)
                if not inspector.has_table(table.name):
                    return None
                return [c["name"] for c in inspector.get_columns(table.name)]
            except sa.exc.SQLAlchemyError as error:
                raise self._refused(f"look at {table.name}", error, table) from None

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        since: datetime | None = None,
        *,
        period: Period | None = None,
        ordered: bool = True,
    ) -> Generator[pa.Table, None, None]:
        """Streams the rows, sorted by the database: key, time, then all the rest.

        The whole order is given so that two reads agree which row is the last.
        """
        yield from self._stream(
            table,
            columns,
            select(
                self.query(table),
                table,
                columns,
                since,
                self._backend,
                period=period,
                ordered=ordered,
            ),
        )

    def among(
        self, table: Table, columns: Sequence[str], keys: pa.Table
    ) -> Generator[pa.Table, None, None]:
        """Streams the rows that the database finds by key."""
        statement = select(
            self.query(table), table, columns, None, self._backend, ordered=False
        )
        parts = {name: keys[name].unique().to_pylist() for name in table.key}
        # The most telling first: PostgreSQL 16 hashes only one list.
        for name in sorted(parts, key=lambda name: -len(parts[name])):
            values = sa.bindparam(
                name,
                parts[name],
                expanding=True,
                # Without a type of its own a text takes that of the column, so an
                # index is of use, and no value is lost in a cast of the column.
                type_=sa.types.NullType(),
            )
            # Each part of a key by itself: more rows than asked for, by an index or a
            # hash; pairs would be compared one by one.
            statement = statement.where(statement.selected_columns[name].in_(values))
        yield from self._stream(table, columns, statement)

    def _stream(
        self, table: Table, columns: Sequence[str], statement: sa.Select[Any]
    ) -> Generator[pa.Table, None, None]:
        """Runs a statement; its rows in Arrow."""
        with self._connect(f"read {table.name}") as connection:
            streaming = connection.execution_options(yield_per=BATCH)
            try:
                for rows in streaming.execute(statement).partitions():
                    yield pa.table(
                        {
                            column: _array(table, column, values)
                            for column, values in zip(
                                columns, zip(*rows, strict=True), strict=True
                            )
                        }
                    )
            except sa.exc.SQLAlchemyError as error:
                raise self._refused(f"read {table.name}", error, table) from None

    def _connect(self, purpose: str) -> sa.Connection:
        """A connection whose session is in UTC and read-only."""
        try:
            connection = self._engine.connect()
            for statement in SESSION[self._backend]:
                connection.exec_driver_sql(statement)
            connection.commit()
        except sa.exc.SQLAlchemyError as error:
            raise self._refused(purpose, error) from None
        return connection

    def _check_file(self) -> None:
        """SQLite would make a missing file, and find no tables in it."""
        file = self._url.database
        if self._backend == "sqlite" and not (file and Path(file).is_file()):
            message = (
                f"{SETTING} is {self.name}, and there is no such file. After sqlite:///"
                f" comes a path; an absolute one makes it four slashes."
            )
            raise AppError(message)

    def _refused(
        self, purpose: str, error: sa.exc.SQLAlchemyError, table: Table | None = None
    ) -> AppError:
        """The error for what the database said no to, in its words."""
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        if self._url.password:
            said = said.replace(str(self._url.password), "***")
        check = f"Check {SETTING}, and that the database is reachable."
        if table is not None and self.query(table) is not None:
            check = f"Check SOURCES__APP__{table.name.upper()}__QUERY."
        elif table is not None:
            check = f"Check that {table.name} may be read and has the documented types."
        return AppError(
            f"Couldn't {purpose} in {self.name}: {said.rstrip('.?')}. {check}"
        )


def select(
    query: str | None,
    table: Table,
    columns: Sequence[str],
    since: datetime | None,
    backend: str,
    *,
    period: Period | None = None,
    ordered: bool = True,
) -> sa.Select[Any]:
    """The statement that reads a table.

    Args:
        query: The SELECT that stands for the table, if any.
        table: Which table.
        columns: Those to read.
        since: As in `Location.batches`.
        backend: The database's kind, by SQLAlchemy's name.
        period: As in `Location.batches`.
        ordered: As in `Location.batches`.

    Returns:
        A statement for any dialect; only the time's comparison depends on it.
    """
    used = dict.fromkeys([*columns, *([table.time] if period and table.time else [])])
    names: list[sa.ColumnClause[Any]] = [sa.column(name) for name in used]
    rows = _rows(query, *names) if query is not None else sa.table(table.name, *names)
    statement = sa.select(*(rows.c[name] for name in columns))
    if since is not None:
        updated = rows.c["updated_at"]
        at = _time(since)
        newer = updated >= at
        if backend == "sqlite":
            # SQLite keeps times as text in any form; its own function reads them all,
            # to the second.
            time = sa.func.datetime(updated)
            newer = sa.or_(time.is_(None), time >= sa.func.datetime(at))
        statement = statement.where(sa.or_(updated.is_(None), newer))
    if period is not None and table.time:
        began, begin, end = rows.c[table.time], _time(period.begin), _time(period.end)
        inside = sa.and_(began >= begin, began < end)
        if backend == "sqlite":
            time = sa.func.datetime(began)
            # To the second, so the last one is let in whole.
            inside = sa.and_(
                time >= sa.func.datetime(begin), time <= sa.func.datetime(end)
            )
            inside = sa.or_(time.is_(None), inside)
        statement = statement.where(sa.or_(began.is_(None), inside))
    if not ordered:
        return statement
    first = [*table.key, *(["updated_at"] if "updated_at" in columns else [])]
    rest = [name for name in columns if name not in first]
    return statement.order_by(*(rows.c[name] for name in [*first, *rest]))


def _time(at: datetime) -> sa.BindParameter[datetime]:
    """An instant as a parameter.

    Without a zone: the session is in UTC, so both kinds of column compare.
    """
    return sa.literal(at.astimezone(UTC).replace(tzinfo=None), sa.DateTime())


def _rows(query: str, *names: sa.ColumnClause[Any]) -> sa.Subquery:
    """A query as a table; its colons are its own, and no parameters."""
    return sa.text(query.replace(":", r"\:")).columns(*names).subquery("app_rows")


def _array(table: Table, column: str, values: Sequence[Any]) -> pa.Array:
    """A column of a driver's values as Arrow, in the type that they have."""
    kind = table.columns[column]
    try:
        return pa.array([_plain(kind, value) for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        found = sorted({type(value).__name__ for value in values})
        message = (
            f"{table.name}.{column} holds values of types that don't go together:"
            f" {', '.join(found)}. Convert them in SOURCES__APP__{table.name.upper()}"
            f"__QUERY."
        )
        raise AppError(message) from None


def _plain(kind: Kind, value: Any) -> Any:
    """Values that mean the same in one Python type, so that a column has one."""
    if isinstance(value, bool):
        return value
    if kind == "text" and isinstance(value, (int, UUID)):
        return str(value)
    if kind == "double" and isinstance(value, Decimal):
        return float(value)
    return value


def _scan(file: Path) -> str:
    """The table function that reads a file, with `$path` for its path.

    What a CSV file looks like isn't left to DuckDB's guess: faced with a broken line it
    takes another one for the header.
    """
    if file.suffix == ".parquet":
        return "read_parquet($path)"
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
    except UnicodeDecodeError:
        header = []
    if not header:
        message = (
            f"{file} has no header in UTF-8. Give the names of its columns in the first"
            f" line, or remove the file: a table that is absent is an empty one."
        )
        raise AppError(message)
    names = (name.replace("'", "''") for name in header)
    columns = ", ".join(f"'{name}': 'varchar'" for name in names)
    return (
        f"read_csv($path, auto_detect = false, header = true, columns = {{{columns}}},"
        " delim = ',', quote = '\"', escape = '\"', nullstr = '')"
    )


def _reader(spill: str, file: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB that reads and sorts a file of any size in bounded memory.

    A Parquet file is read by the row group, so the largest needs room, too; most
    writers end one after 0.1 or 1 million rows.

    Args:
        spill: Folder for its table, and what doesn't fit.
        file: What is to be read.
    """
    reader = duckdb.connect(
        f"{spill}/spool.duckdb",
        config={"memory_limit": f"{MEMORY}B", "temp_directory": spill, "threads": 1},
    )
    reader.execute("set timezone = 'UTC'")
    reader.execute("set enable_progress_bar = false")
    if file.suffix == ".parquet":
        largest = reader.execute(
            "select max(row_group_bytes) from parquet_metadata($path)",
            {"path": str(file)},
        ).fetchone()
        if largest and largest[0]:
            reader.execute(f"set memory_limit = '{MEMORY + largest[0]}B'")
    return reader


def _unreadable(file: Path, error: duckdb.Error) -> AppError:
    """The error for a broken file; DuckDB quotes the line, maybe with people in it."""
    said = [
        line.strip()
        for line in str(error).splitlines()
        if line.startswith(("Invalid", "Expected", "IO Error", "Error"))
    ]
    return AppError(
        f"{file} can't be read: {' '.join(said) or type(error).__name__}. Write it"
        f" anew; a CSV file has a header, commas, double quotes and UTF-8."
    )
