"""Great Expectations at the raw edge, and over the `ops_` tables.

    raw.<table>, in frames ──▶ one suite for each table ──▶ results, Data Docs
    marts.ops_* ──────────────▶ one suite for each ─────────╯

Great Expectations takes seconds to import, so only `tallybook check` does. It works on
pandas frames: its SQL route fails on DuckDB.
"""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ.setdefault("TQDM_DISABLE", "1")

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd  # type: ignore[import-untyped]
from great_expectations.core import ExpectationSuite, ExpectationValidationResult
from great_expectations.data_context.data_context.ephemeral_data_context import (
    EphemeralDataContext,
)
from great_expectations.expectations.expectation import Expectation

from quality.edge_rows import breaking
from quality.edge_tables import EARLIEST, EDGES, Edge
from quality.results import Cell, Result, Severity
from quality.thresholds import Threshold, Thresholds
from quality.warehouse import Warehouse

FRAME = 50_000
"""Rows of a frame."""

_COMMITTED = "_dlt_load_id in (select load_id from warehouse.ledger.loads)"
_SHOWN = 3
_WARNING: Any = "warning"
_CRITICAL: Any = "critical"


@dataclass
class Suite:
    """What is expected of the frames of one table.

    Attributes:
        name: Its name, in results and Data Docs.
        title: What it says when it passes.
        frames: The frames, made one after the other.
        expectations: What each of them must fulfil.
        holds: What must be true of a row, as SQL, by the frame's column that says so.
        table: Where the rows behind a cell are, with its schema; empty for nowhere.
        only: Which of its rows are looked at, as SQL; empty for all.
        rows: The SELECT behind a column that is worked out of many rows.
    """

    name: str
    title: str
    frames: Iterator[pd.DataFrame]
    expectations: list[Expectation]
    holds: Mapping[str, str] = field(default_factory=dict)
    table: str = ""
    only: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)


class Edges:
    """Runs suites, and keeps what they found for Data Docs.

    Attributes:
        context: Great Expectations' own, in memory.
    """

    def __init__(self) -> None:
        """Makes a context that writes nothing and calls nobody."""
        self.context: EphemeralDataContext = gx.get_context(mode="ephemeral")
        self.context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
        self._forget_local_site()
        self._source = self.context.data_sources.add_pandas("tallybook")

    def _forget_local_site(self) -> None:
        """Takes away the site that every context begins with, in a folder of /tmp."""
        sites = self.context.variables.data_docs_sites or {}
        for name, site in list(sites.items()):
            shutil.rmtree(site["store_backend"]["base_directory"], ignore_errors=True)
            self.context.delete_data_docs_site(name)

    def run(self, suite: Suite, group: str) -> Result:
        """Validates all frames of a suite."""
        result = Result(suite.name, group, suite.title, "Great Expectations")
        begun = time.monotonic()
        held = self.context.suites.add(
            ExpectationSuite(name=suite.name, expectations=suite.expectations)
        )
        batch = self._source.add_dataframe_asset(
            suite.name
        ).add_batch_definition_whole_dataframe("rows")
        checkpoint = self.context.checkpoints.add(
            gx.Checkpoint(
                name=suite.name,
                validation_definitions=[
                    self.context.validation_definitions.add(
                        gx.ValidationDefinition(name=suite.name, data=batch, suite=held)
                    )
                ],
            )
        )
        rows = 0
        for frame in suite.frames:
            rows += len(frame)
            done = checkpoint.run(batch_parameters={"dataframe": frame})
            for validation in done.run_results.values():
                for one in validation.results:
                    result.compared += len(frame)
                    if not one.success:
                        result.add(_cell(suite, one))
        if not rows:
            result.skip("no rows")
        result.seconds = time.monotonic() - begun
        return result


def edges(warehouse: Warehouse, limits: Thresholds) -> Iterator[Suite]:
    """The suites of the raw tables that have rows.

    Args:
        warehouse: The warehouse.
        limits: The thresholds.
    """
    yield _schema(warehouse)
    for table, edge in EDGES.items():
        if not warehouse.has("raw", table):
            continue
        if warehouse.one(f"select 1 from warehouse.raw.{table} limit 1") is None:
            continue
        yield Suite(
            f"raw.{table}",
            f"Each row of raw.{table} is what its source may write",
            _frames(warehouse, table, edge),
            list(_expectations(warehouse, table, edge, limits)),
            edge.holds,
            f"raw.{table}",
            edge.rows,
        )
        if edge.happens:
            yield _volume(warehouse, table, edge, limits)


def operations(warehouse: Warehouse, limits: Thresholds) -> Iterator[Suite]:
    """The suites of the `ops_` tables and of what they warn about."""
    yield Suite(
        "ops_reconciliation",
        "The build's own recount agrees with the marts in every cell",
        _frame(
            warehouse,
            "select status, count(*) as cells from"
            " warehouse.marts.ops_reconciliation group by status",
        ),
        [
            _words("status", ("ok", *_ONLY_COUNTED, "zone_data_differs")),
            _words(
                "status",
                ("ok", *(name for name in _ONLY_COUNTED if name == "left_out")),
                severity=_WARNING,
            ),
        ],
        table="marts.ops_reconciliation",
    )
    yield Suite(
        "ops_completeness",
        "Each settled day holds what the provider counted",
        _frame(
            warehouse,
            "select domain, date, event_name, provider_count, our_count, status"
            f" from warehouse.marts.ops_completeness where {_SETTLED}",
        ),
        [
            _words("status", ("complete", "warn")),
            _words("status", ("complete",), severity=_WARNING),
        ],
        table="marts.ops_completeness",
        only=_SETTLED,
    )
    yield Suite(
        "ops_freshness",
        "Each source was heard of lately enough",
        _frame(
            warehouse,
            "select source_name, domain, age_seconds, status"
            " from warehouse.marts.ops_freshness",
        ),
        [
            _words("status", ("fresh", "warn")),
            _words("status", ("fresh",), severity=_WARNING),
        ],
        table="marts.ops_freshness",
    )
    yield Suite(
        "ops_lanes",
        "Each lane ended well, and the trust window is long enough",
        _frame(
            warehouse,
            "select last_outcome, late_in_last_tenth, late,"
            " late_in_last_tenth / nullif(late, 0) as last_tenth"
            " from warehouse.marts.ops_lanes",
        ),
        [
            _words("last_outcome", ("ok", "cut_short", "cancelled"), severity=_WARNING),
            *_below("last_tenth", limits["lateness", "last_tenth"]),
        ],
        table="marts.ops_lanes",
        rows={
            "last_tenth": "select * from marts.ops_lanes where late_in_last_tenth > 0"
        },
    )
    yield Suite(
        "shares",
        "Few items are dead, and few events unmatched",
        _frame(
            warehouse,
            """
            select
                (select count(*) from warehouse.raw.dead_letters)
                / nullif((select sum(events - repeated) from warehouse.raw.requests), 0)
                as dead_letters,
                (select count(*) from warehouse.marts.fct_unmatched_events)
                / nullif(
                    (select count(*) from warehouse.marts.fct_message_events), 0
                ) as unmatched
            """,
        ),
        [
            *_below("dead_letters", limits["dead_letters", "items"]),
            *_below("unmatched", limits["unmatched", "events"]),
        ],
        rows={
            "dead_letters": "select * from raw.dead_letters",
            "unmatched": "select * from marts.fct_unmatched_events",
        },
    )


_SETTLED = "status not in ('not_settled', 'partly_read')"
_ONLY_COUNTED = ("left_out", "without_zone", "without_day", "without_account")


def _schema(warehouse: Warehouse) -> Suite:
    """All pinned columns are there, with their types."""
    wanted = sorted(
        f"{table}.{name} {kind}"
        for table, edge in EDGES.items()
        for name, kind in edge.columns.items()
    )
    frame = warehouse.con.execute(
        "select concat(table_name, '.', column_name, ' ', data_type) as column"
        " from duckdb_columns()"
        " where database_name = 'warehouse' and schema_name = 'raw'"
    ).df()
    return Suite(
        "raw.schema",
        "Each raw table has its pinned columns, with their types",
        iter([frame]),
        [gxe.ExpectColumnDistinctValuesToContainSet(column="column", value_set=wanted)],
    )


def _frames(warehouse: Warehouse, table: str, edge: Edge) -> Iterator[pd.DataFrame]:
    """A table's committed rows, without their payload."""
    columns = [
        # A naive instant of UTC: Great Expectations compares no others with texts.
        f"cast({name} as timestamp) as {name}" if kind.startswith("TIMESTAMP") else name
        for name, kind in warehouse.columns_of("raw", table).items()
        if name not in ("payload", "body")
    ]
    columns += [
        f'coalesce({condition}, true) as "{name}"'
        for name, condition in edge.holds.items()
    ]
    reader = (
        warehouse.con.cursor()
        .execute(
            f"select {', '.join(columns)} from warehouse.raw.{table}"
            f" where {_COMMITTED} and {edge.rows or 'true'}"
        )
        .to_arrow_reader(FRAME)
    )
    for batch in reader:
        yield batch.to_pandas()


def _frame(warehouse: Warehouse, sql: str) -> Iterator[pd.DataFrame]:
    yield warehouse.con.execute(sql).df()


def _expectations(
    warehouse: Warehouse, table: str, edge: Edge, limits: Thresholds
) -> Iterator[Expectation]:
    if len(edge.key) == 1:
        yield gxe.ExpectColumnValuesToBeUnique(column=edge.key[0])
    else:
        yield gxe.ExpectCompoundColumnsToBeUnique(
            column_list=list(edge.key), ignore_row_if="any_value_is_missing"
        )
    for column in edge.filled:
        if column != "payload":
            yield gxe.ExpectColumnValuesToNotBeNull(column=column)
    for column, words in edge.words.items():
        yield _words(column, words)
    for column in edge.not_negative:
        yield gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0)
    for column in edge.instants:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=datetime.fromisoformat(EARLIEST),
            max_value=datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1),
        )
    for name in edge.holds:
        yield gxe.ExpectColumnValuesToBeInSet(column=name, value_set=[True])
    for subject, limit in limits.of("null_share").items():
        of, _, column = subject.partition(".")
        if of == table:
            yield from _filled(column, limit)
    if edge.provider:
        yield from _known_names(warehouse, edge.provider, limits)


def _known_names(
    warehouse: Warehouse, provider: str, limits: Thresholds
) -> Iterator[Expectation]:
    words = [
        name
        for (name,) in warehouse.con.execute(
            "select distinct provider_event_name"
            " from warehouse.seeds.event_vocabulary where provider = ?",
            [provider],
        ).fetchall()
    ]
    for above, severity in _levels(limits["unknown_names", provider]):
        yield gxe.ExpectColumnValuesToBeInSet(
            column="event_name",
            value_set=sorted(words),
            mostly=1 - above,
            severity=severity,
        )


def _volume(warehouse: Warehouse, table: str, edge: Edge, limits: Thresholds) -> Suite:
    """The newest whole day against the same weekday of the four weeks before."""
    frame = warehouse.con.execute(
        f"""
        with days as (
            select epoch_us({edge.happens}) // 86400000000 as day, count(*) as events
            from warehouse.raw.{table}
            where {edge.happens} is not null
            group by day
        ),
        newest as (select max(day) - 1 as day from days)
        select
            strftime(date '1970-01-01' + cast(newest.day as integer), '%Y-%m-%d')
                as day,
            coalesce(today.events, 0) as events,
            median(before.events) as usual,
            1 - coalesce(today.events, 0) / median(before.events) as fall,
            coalesce(today.events, 0) / median(before.events) as rise
        from newest
        left join days as today on newest.day = today.day
        inner join days as before
            on before.day in (
                newest.day - 7, newest.day - 14, newest.day - 21, newest.day - 28
            )
        group by newest.day, today.events
        """
    ).df()
    return Suite(
        f"raw.{table}.volume",
        f"The newest day of raw.{table} is about as large as its weekday usually is",
        iter([frame]),
        [
            *_below("fall", limits["volume", "fall"]),
            *_below("rise", limits["volume", "rise"]),
        ],
        rows=dict.fromkeys(("fall", "rise"), _of_day(table, edge, frame)),
    )


def _of_day(table: str, edge: Edge, frame: pd.DataFrame) -> str:
    """The rows of the day that is compared; none before there are four weeks."""
    return "".join(
        f"select * from raw.{table}"
        f" where cast({edge.happens} at time zone 'UTC' as date) = date '{day}'"
        for day in frame["day"]
    )


def _levels(limit: Threshold) -> Iterator[tuple[float, Any]]:
    """A threshold's limits with the severity of going above them."""
    if limit.warn_above is not None:
        yield limit.warn_above, _WARNING
    if limit.error_above is not None:
        yield limit.error_above, _CRITICAL


def _below(column: str, limit: Threshold) -> Iterator[Expectation]:
    for above, severity in _levels(limit):
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column, max_value=above, severity=severity
        )


def _filled(column: str, limit: Threshold) -> Iterator[Expectation]:
    for above, severity in _levels(limit):
        yield gxe.ExpectColumnValuesToNotBeNull(
            column=column, mostly=1 - above, severity=severity
        )


def _words(
    column: str, words: tuple[str, ...], severity: Any = _CRITICAL
) -> Expectation:
    return gxe.ExpectColumnValuesToBeInSet(
        column=column, value_set=list(words), severity=severity
    )


def _cell(suite: Suite, one: ExpectationValidationResult) -> Cell:
    """What an expectation found, on one line."""
    config, found = one.expectation_config, one.result
    asked = dict(config.kwargs) if config else {}
    columns = asked.get("column") or ", ".join(asked.get("column_list", ()))
    kind = config.type if config else "expectation"
    severity: Severity = (
        "warn"
        if config and str(config.severity).endswith(("warning", "WARNING"))
        else "error"
    )
    return Cell(
        {"table": suite.table or suite.name, "column": str(columns)},
        kind.removeprefix("expect_"),
        _wanted(asked),
        _found(found, one.exception_info),
        None,
        suite.rows.get(str(columns))
        or breaking(suite.table, kind, asked, suite.holds, suite.only),
        severity,
    )


def _wanted(asked: dict[str, Any]) -> str:
    """What was expected, in words."""
    parts = []
    for name, value in asked.items():
        if name in ("column", "batch_id", "column_list", "ignore_row_if"):
            continue
        if isinstance(value, list) and len(value) > 2 * _SHOWN:
            parts.append(f"{name} of {len(value)}")
        elif value is not None and not (name == "mostly" and value == 1):
            parts.append(f"{name}={value}")
    return ", ".join(parts) or "holds for each row"


def _in_words(value: Any) -> str:
    return "null" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _found(found: dict[str, Any], exception: Any) -> str:
    """What was found instead."""
    if "unexpected_count" in found:
        values = found.get("partial_unexpected_list") or []
        shown = ", ".join(dict.fromkeys(map(_in_words, values[:_SHOWN])))
        rows, share = found["unexpected_count"], found.get("unexpected_percent") or 0.0
        return f"{rows:,} row{'s' if rows != 1 else ''} ({share:.2f} %)" + (
            f": {shown}" if shown else ""
        )
    details = found.get("details") or {}
    if "value_counts" in details:
        return "other columns"
    return str(found.get("observed_value") or exception or "nothing")
