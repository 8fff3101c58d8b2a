"""The tables of `raw` that events need, defined once.

TABLES ──▶ CREATE TABLE (DuckDB)
      ├──▶ Arrow schema of what resources yield
      ╰──▶ dlt's hints: types, nullability, key, disposition
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped]
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema

LOAD_ID = "_dlt_load_id"
"""dlt's own column: which load a row came with."""

_ARROW: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_DUCKDB: Mapping[str, str] = {
    "text": "varchar",
    "bigint": "bigint",
    "double": "double",
    "date": "date",
    "timestamp": "timestamp with time zone",
}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its name.
        type: dlt's name of its type; timestamps are UTC with microseconds.
        nullable: Whether it may be missing.
        compression: DuckDB's compression, where it should not choose itself.
    """

    name: str
    type: TDataType
    nullable: bool = False
    compression: str | None = None


@dataclass(frozen=True)
class Table:
    """One table of `raw`.

    Attributes:
        name: Its name.
        key: Columns that identify a row.
        columns: Without dlt's own.
        disposition: append, for what never changes; upsert, for the newest copy.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    disposition: Literal["append", "upsert"] = "append"

    @property
    def schema(self) -> pa.Schema:
        """What resources yield."""
        return pa.schema(
            [
                pa.field(column.name, _ARROW[column.type], nullable=column.nullable)
                for column in self.columns
            ]
        )

    @property
    def hints(self) -> dict[str, Any]:
        """What dlt is told about the table."""
        merge: Any = {"disposition": "merge", "strategy": "upsert"}
        return {
            "table_name": self.name,
            "primary_key": list(self.key),
            "columns": [_hint(column) for column in self.columns],
            "write_disposition": "append" if self.disposition == "append" else merge,
            "schema_contract": {
                "tables": "evolve",
                "columns": "freeze",
                "data_type": "freeze",
            },
        }

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Rows as Arrow; a nullable column may be left out."""
        return pa.Table.from_pylist(list(rows), schema=self.schema)

    def create(self, *, compressed: bool) -> str:
        """The statement that creates the table.

        Args:
            compressed: Whether the file is new enough for the columns' compression.
        """
        columns = [
            f"{column.name} {_DUCKDB[column.type]}"
            + ("" if column.nullable else " not null")
            + (
                f" using compression {column.compression}"
                if compressed and column.compression
                else ""
            )
            for column in self.columns
        ]
        columns.append(f"{LOAD_ID} varchar not null")
        return f"create table raw.{self.name} ({', '.join(columns)})"

    def added(self, held: Set[str]) -> Iterator[str]:
        """Statements that add the columns that an older warehouse lacks.

        Args:
            held: Names of the columns that it has.
        """
        for column in self.columns:
            if column.name not in held:
                yield (
                    f"alter table raw.{self.name} "
                    f"add column {column.name} {_DUCKDB[column.type]}"
                )


def _hint(column: Column) -> TColumnSchema:
    return {
        "name": column.name,
        "data_type": column.type,
        "nullable": column.nullable,
    }


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "bigint") for name in names)


MAILGUN_EVENTS = Table(
    "mailgun_events",
    ("event_key",),
    (
        Column("event_key", "text"),
        Column("domain", "text"),
        Column("event_id", "text"),
        Column("event_name", "text"),
        Column("occurred_at", "timestamp"),
        Column("received_at", "timestamp"),
        Column("lane", "text"),
        Column("request_id", "text"),
        Column("position", "bigint"),
        # A third of the size that DuckDB's own choice (FSST) has, written in a third
        # of the time, and read faster.
        Column("payload", "text", compression="zstd"),
    ),
)

_PAYLOAD = MAILGUN_EVENTS.columns[-1]


def _received_events(name: str) -> Table:
    """A provider whose events come only by webhook."""
    return Table(
        name,
        ("event_key",),
        (
            Column("event_key", "text"),
            Column("event_id", "text"),
            Column("event_name", "text"),
            Column("occurred_at", "timestamp"),
            Column("received_at", "timestamp"),
            Column("request_id", "text"),
            Column("position", "bigint"),
            _PAYLOAD,
            # What the path secret stands for.
            Column("domain", "text", nullable=True),
        ),
    )


SENDGRID_EVENTS = _received_events("sendgrid_events")
POSTMARK_EVENTS = _received_events("postmark_events")

CLIENT_EVENTS = Table(
    "client_events",
    ("event_key",),
    (
        Column("event_key", "text"),
        Column("event_name", "text"),
        Column("occurred_at", "timestamp"),
        Column("received_at", "timestamp"),
        Column("via", "text"),
        Column("request_id", "text"),
        Column("position", "bigint"),
        _PAYLOAD,
    ),
)

DEAD_LETTERS = Table(
    "dead_letters",
    ("dead_letter_key",),
    (
        Column("dead_letter_key", "text"),
        Column("source", "text"),
        Column("received_at", "timestamp"),
        Column("reason", "text"),
        Column("request_id", "text"),
        Column("position", "bigint"),
        Column("body", "text"),
    ),
)

REQUESTS = Table(
    "requests",
    ("request_id",),
    (
        Column("request_id", "text"),
        Column("source", "text"),
        Column("lane", "text"),
        Column("received_at", "timestamp"),
        *_counts("events", "loaded", "repeated", "dead"),
    ),
)

LANE_RUNS = Table(
    "lane_runs",
    ("run_id",),
    (
        Column("run_id", "text"),
        Column("source", "text"),
        Column("domain", "text", nullable=True),
        Column("lane", "text"),
        Column("began_at", "timestamp"),
        Column("ended_at", "timestamp"),
        Column("window_begin", "timestamp", nullable=True),
        Column("window_end", "timestamp", nullable=True),
        Column("cursor", "timestamp", nullable=True),
        *_counts(
            "events",
            "delivered",
            "opened",
            "temporary_failures",
            "permanent_failures",
            "unsubscribed",
            "complained",
            "unhandled",
            "repeats",
            "dead",
        ),
        Column("lateness_p50", "double", nullable=True),
        Column("lateness_p99", "double", nullable=True),
        Column("lateness_max", "double", nullable=True),
        Column("outcome", "text"),
        Column("message", "text"),
        *(
            Column(name, "bigint", nullable=True)
            for name in ("late", "late_in_last_tenth")
        ),
    ),
)

PROVIDER_STATS = Table(
    "provider_stats",
    ("domain", "day", "event_name"),
    (
        Column("domain", "text"),
        Column("day", "date"),
        Column("event_name", "text"),
        Column("count", "bigint"),
        Column("as_of", "timestamp"),
    ),
    disposition="upsert",
)

SOURCE_SETTINGS = Table(
    "source_settings",
    ("source", "name"),
    (
        Column("source", "text"),
        Column("name", "text"),
        Column("value", "text"),
        Column("as_of", "timestamp"),
    ),
    disposition="upsert",
)

TABLES = (
    MAILGUN_EVENTS,
    SENDGRID_EVENTS,
    POSTMARK_EVENTS,
    CLIENT_EVENTS,
    DEAD_LETTERS,
    REQUESTS,
    LANE_RUNS,
    PROVIDER_STATS,
    SOURCE_SETTINGS,
)
