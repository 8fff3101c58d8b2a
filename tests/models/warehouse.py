"""A warehouse whose raw tables a test fills by hand, and dbt builds in-process."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import CompiledNode

from tests.parsed import manifest

ROOT = Path(__file__).resolve().parents[2]
CELL = ["account_id", "date", "dimension_type", "dimension_id"]
MARTS = {
    "fct_message_events": ["event_key"],
    "fct_recipient_status": ["email_id", "recipient_key"],
    "fct_unmatched_events": ["event_key"],
    "fct_email_performance": ["email_id"],
    "fct_delivery_daily": ["account_id", "date", "event_type"],
    "fct_suppressions": ["account_id", "recipient_key", "reason", "scope"],
    "dim_members": ["member_id"],
    "fct_email_outcomes": [
        "email_id",
        "mailbox_domain",
        "delivery_status",
        "reason",
    ],
    "fct_notification_performance": ["notification_id"],
    "fct_reporting_events": ["event_id"],
    "fct_reporting_rollups": [*CELL, "metric"],
    "fct_handoff_conversations": [*CELL, "conversation_id"],
    "fct_conversation_outcomes": ["account_id", "conversation_id", "date"],
}
"""The marts and their grain."""

APP_KEYS = {
    "accounts": ["account_id"],
    "emails": ["email_id"],
    "email_batches": ["provider_message_id", "email_id"],
    "email_recipients": ["email_id", "member_email"],
    "members": ["member_id"],
    "notifications": ["notification_id"],
    "reporting_events": ["event_id"],
}


class Warehouse:
    """The raw tables of one home, written as dlt would, and its marts.

    Attributes:
        path: The DuckDB file.
        profiles: The folder of the profile that dbt connects with.
    """

    def __init__(self, home: Path, *, like: Path | None = None) -> None:
        """Makes the home and the empty raw tables.

        Args:
            home: The state folder; made if missing.
            like: A warehouse's file to begin with a copy of.
        """
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.profiles = ROOT
        self.path = home / "warehouse.duckdb"
        self._loads = 0
        if like is None:
            self._dbt("run-operation", "create_raw_tables_now")
        else:
            shutil.copy(like, self.path)
            (self._loads,) = self.rows("select count(*) as n from raw._dlt_loads")[
                0
            ].values()

    def load(
        self,
        events: Iterable[Mapping[str, Any]] = (),
        *,
        settings: Mapping[str, str] | None = None,
        committed: bool = True,
        committed_at: datetime | None = None,
        **app: Sequence[Mapping[str, Any]] | pa.Table,
    ) -> str:
        """Writes one load.

        Args:
            events: Rows of `raw.<provider>_events`, of Mailgun's unless they name
                another provider; `payload` may be a dict, and what a test doesn't
                care about has a default.
            settings: Rows of `raw.source_settings`, by `<source>.<name>`; of Mailgun
                where no source is named.
            committed: Whether the load is in dlt's log.
            committed_at: When it came there; now, if None.
            **app: Rows of `raw.app_<name>`, merged by key.

        Returns:
            The load's id.
        """
        load_id = self._next_load_id()
        with duckdb.connect(self.path) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for provider, rows in _by_provider(events).items():
                table = pa.Table.from_pylist(rows)
                _insert(connection, f"{provider}_events", table, load_id)
            for name, table in app.items():
                if len(table):
                    _merge(connection, f"app_{name}", APP_KEYS[name], table, load_id)
            if settings:
                rows = [_setting_row(name, value) for name, value in settings.items()]
                _merge(connection, "source_settings", ["source", "name"], rows, load_id)
            if committed:
                self.commit(load_id, connection, committed_at)
        return load_id

    def commit(
        self,
        load_id: str,
        connection: duckdb.DuckDBPyConnection | None = None,
        committed_at: datetime | None = None,
    ) -> None:
        """Logs a load as committed."""
        sql = (
            "insert into raw._dlt_loads values (?, 'test', 0, coalesce(?, now()), 'x')"
        )
        if connection is not None:
            connection.execute(sql, [load_id, committed_at])
            return
        with duckdb.connect(self.path) as opened:
            opened.execute(sql, [load_id, committed_at])

    def load_zones(
        self, days: pa.Table, *, committed_at: datetime | None = None
    ) -> None:
        """Writes one load of local days, in place of what is there of these zones.

        Args:
            days: Columns timezone, local_date, starts_at, ends_at.
            committed_at: When it came into dlt's log; now, if None.
        """
        load_id = self._next_load_id()
        with duckdb.connect(self.path) as connection:
            keys = ["timezone", "starts_at"]
            _merge(connection, "time_zone_days", keys, days, load_id)
            self.commit(load_id, connection, committed_at)

    def build(
        self, *arguments: str, seeds: bool = True, views: bool = True
    ) -> dbtRunnerResult:
        """Runs `dbt build` in this process, without tests.

        A build of nothing new costs 2 s: a third of it goes into views and seeds
        that are there already, and a third into artifacts that no test reads.

        Args:
            *arguments: Further words of the command line.
            seeds: Whether to load the seeds again.
            views: Whether to create the views again.

        Returns:
            dbt's result; `success` says whether all went well.
        """
        left_out = ["test", "unit_test", *([] if seeds else ["seed"])]
        return self._dbt(
            "build",
            *(word for kind in left_out for word in ("--exclude-resource-type", kind)),
            *([] if views else ["--exclude", "config.materialized:view"]),
            *("--no-write-json", "--log-level-file", "none"),
            *(() if "--threads" in arguments else ("--threads", "1")),
            *arguments,
        )

    def test(self, *arguments: str) -> dbtRunnerResult:
        """Runs all data tests, or those that are selected."""
        return self._dbt("test", "--exclude-resource-type", "unit_test", *arguments)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Asks the warehouse.

        Args:
            sql: A SELECT.

        Returns:
            Its rows, by column name.
        """
        (found,) = self._answers(sql)
        return found

    def mart(self, name: str) -> list[dict[str, Any]]:
        """All rows of a mart, in the order of its grain."""
        return self.rows(_all_rows(name))

    def marts(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all marts."""
        return dict(zip(MARTS, self._answers(*map(_all_rows, MARTS)), strict=True))

    def work(self) -> dict[str, tuple[int, int, int]]:
        """What the last build of each model did.

        Returns:
            By model: groups touched, rows removed, rows added. Only of models
            that the last invocation wrote to the ledger.
        """
        rows = self.rows(
            "select * from ledger.builds where invocation_id = (select invocation_id"
            " from ledger.builds order by change_number desc limit 1)"
        )
        return {
            row["model"]: (
                row["touched_groups"],
                row["rows_removed"],
                row["rows_added"],
            )
            for row in rows
        }

    def _answers(self, *queries: str) -> list[list[dict[str, Any]]]:
        """The rows of each query; the file is opened once for all of them."""
        with duckdb.connect(self.path, read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            found = []
            for sql in queries:
                cursor = connection.execute(sql)
                names = [column[0] for column in cursor.description or []]
                rows = cursor.fetchall()
                found.append([dict(zip(names, row, strict=True)) for row in rows])
            return found

    def _dbt(self, *arguments: str) -> dbtRunnerResult:
        os.environ["TALLYBOOK_HOME"] = str(self.home)
        project = ["--project-dir", str(ROOT), "--profiles-dir", str(self.profiles)]
        quiet = ["--quiet", "--no-write-json", "--log-path", str(self.home / "logs")]
        parsed = manifest()
        _forget_compilation(parsed)
        target = ["--target-path", str(self.home / "target")]
        try:
            return dbtRunner(manifest=parsed).invoke(
                [*arguments, *project, *quiet, *target]
            )
        finally:
            # dbt keeps the file open for the life of the process.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    def _next_load_id(self) -> str:
        self._loads += 1
        return f"{1_700_000_000 + self._loads}.5"


def _all_rows(mart: str) -> str:
    return f"select * from marts.{mart} order by {', '.join(MARTS[mart])}"  # noqa: S608


def _by_provider(
    events: Iterable[Mapping[str, Any]],
) -> dict[str, list[dict[str, Any]]]:
    """Rows of raw, by the provider that they are of."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        row = _event_row(event)
        provider = event.get("provider", "mailgun")
        if provider == "mailgun":
            row["lane"] = "latest"
        found.setdefault(provider, []).append(row)
    return found


def _setting_row(name: str, value: str) -> dict[str, str]:
    source, _, setting = name.rpartition(".")
    return {"source": source or "mailgun", "name": setting, "value": value}


def _event_row(event: Mapping[str, Any]) -> dict[str, Any]:
    """A row of raw, with defaults for what a test leaves out."""
    payload = event.get("payload", {})
    return {
        "event_key": event["event_key"],
        "domain": event.get("domain", "example.com"),
        "event_id": event.get("event_id", event["event_key"]),
        "event_name": event["event_name"],
        "occurred_at": event["occurred_at"],
        "received_at": event.get("received_at", event["occurred_at"]),
        "request_id": "request-1",
        "position": 0,
        "payload": payload if isinstance(payload, str) else json.dumps(payload),
    }


def _merge(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: Sequence[str],
    rows: Sequence[Mapping[str, Any]] | pa.Table,
    load_id: str,
) -> None:
    """Writes rows in place of those of the same key; of the same twice, the last."""
    if not isinstance(rows, pa.Table):
        columns = dict.fromkeys(column for row in rows for column in row)
        last = {tuple(row[column] for column in key): row for row in rows}
        rows = pa.Table.from_pylist(
            [{column: row.get(column) for column in columns} for row in last.values()]
        )
    connection.register("arrived", rows)
    connection.execute(
        f"delete from raw.{table} where ({', '.join(key)})"  # noqa: S608 - our own names
        f" in (select ({', '.join(key)}) from arrived)"
    )
    _insert(connection, table, rows, load_id)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, load_id: str
) -> None:
    connection.register("arrived", rows)
    connection.execute(
        f"insert into raw.{table} by name"  # noqa: S608 - our own names
        " select *, ? as _dlt_load_id from arrived",
        [load_id],
    )


def _forget_compilation(manifest: Manifest) -> None:
    """Makes a manifest fit for another run.

    dbt takes a node that was compiled by an earlier run as done, and then
    leaves out the ephemeral models that it is made of.
    """
    for node in manifest.nodes.values():
        if isinstance(node, CompiledNode):
            node.compiled = False
            node.compiled_code = None
            node.extra_ctes_injected = False
            node.extra_ctes = []


def instant(text: str) -> datetime:
    """An instant in UTC from its ISO text without a zone."""
    return datetime.fromisoformat(f"{text}+00:00")
