"""`dbt build` in this process, and what came of it in a few words.

dbt's own log goes to `logs/dbt.log` in the state folder and its artifacts to
`target/`, so that two state folders never meet. Importing this module takes two
seconds: that is dbt. What was rebuilt, and why, is
read from the ledger that the models write (macros/ledger/).
"""

import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt_common.invocation import get_invocation_id

from extract.home import ROOT
from tallybook.builds import Build, Finding, Rebuilt, RebuiltDays
from tallybook.errors import CannotRunError
from tallybook.settled import settled

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunExecutionResult, RunResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

_ERRORS = {"error", "runtime error", "partial success"}

Progress = Callable[[int, int], None]
"""Called with the nodes done and the nodes there are."""


class Dbt:
    """The project, parsed once and built as often as asked."""

    def __init__(self, home: Path) -> None:
        """Nothing is read yet.

        Args:
            home: The state folder.
        """
        self._home = home
        self._log = home / "logs" / "dbt.log"
        self._parsed: Manifest | None = None
        self._built_whole: int | None = None

    def manifest(self) -> Path:
        """The manifest.json of the project as it stands now.

        Raises:
            CannotRunError: The project can't be parsed.
        """
        if self._parsed is None:
            self._parsed = cast("Manifest", self._invoke("parse"))
        return self._home / "target" / "manifest.json"

    def build(
        self, *, full_refresh: bool = False, on_progress: Progress | None = None
    ) -> Build:
        """Builds and tests everything; what can't have changed since, but once.

        Args:
            full_refresh: Whether every model is rebuilt whole.
            on_progress: Called after each node.

        Returns:
            What came of it, good or bad.

        Raises:
            CannotRunError: dbt could not begin.
        """
        begun, built_at = time.monotonic(), datetime.now(UTC)
        self.manifest()
        # Unit tests prove the SQL and not the data: `dbt build` and CI run them.
        asked = ["build", "--exclude-resource-type=unit_test"]
        asked += ["--full-refresh"] if full_refresh else []
        warehouse = self._home / "warehouse.duckdb"
        is_whole = (
            full_refresh
            or self._built_whole is None
            or self._built_whole != _file_number(warehouse)
        )
        if not is_whole:
            left_out = settled(self._parsed) if self._parsed else []
            asked += ["--indirect-selection=empty", "--exclude", *left_out]
            # A tenth of such a build, and they would say the same of fewer nodes.
            asked += ["--no-write-json"]
        done = cast("RunExecutionResult", self._invoke(*asked, on_progress=on_progress))
        nodes = [_node(result) for result in done.results]
        if is_whole and not any(n.status in {*_ERRORS, "skipped"} for n in nodes):
            # Forgetting someone makes another file, with nothing of this in it.
            self._built_whole = _file_number(warehouse)
        return Build(
            invocation_id=get_invocation_id(),
            built_at=built_at,
            seconds=time.monotonic() - begun,
            models=sum(n.status == "success" for n in nodes),
            passed=sum(n.status == "pass" for n in nodes),
            skipped=sum(n.status == "skipped" for n in nodes),
            warnings=tuple(n.finding for n in nodes if n.status == "warn"),
            failures=tuple(n.finding for n in nodes if n.status == "fail"),
            errors=tuple(n.finding for n in nodes if n.status in _ERRORS),
            rebuilt=_rebuilt(warehouse, get_invocation_id()),
        )

    def _invoke(self, *asked: str, on_progress: Progress | None = None) -> object:
        """One dbt command; what it returns when it could do its work."""
        # The profile reads it, and wherever the user stands it must mean the same.
        os.environ["TALLYBOOK_HOME"] = str(self._home)
        runner = dbtRunner(
            # A copy: a run leaves its compiled SQL behind, and the next one would
            # take it for its own.
            manifest=self._parsed and self._parsed.deepcopy(),  # type: ignore[no-untyped-call]
            callbacks=[_counting(on_progress)] if on_progress else [],
        )
        try:
            outcome = runner.invoke([*asked, *self._options()])
        finally:
            # Else the file stays locked for as long as this process lives.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        if outcome.exception or outcome.result is None:
            self._explain(outcome.exception)
        return outcome.result

    def _options(self) -> list[str]:
        return [
            f"--project-dir={ROOT}",
            f"--profiles-dir={ROOT}",
            f"--target-path={self._home / 'target'}",
            f"--log-path={self._log.parent}",
            "--log-level=none",
            "--log-level-file=info",
            "--no-print",
            "--no-use-colors-file",
        ]

    def _explain(self, exception: BaseException | None) -> NoReturn:
        if isinstance(exception, OSError) or (
            exception and not isinstance(exception, Exception)
        ):
            raise exception
        text = str(exception or "it gave no reason")
        if "Could not set lock" in text:
            raise CannotRunError(
                f"Another process has {self._home / 'warehouse.duckdb'} open.",
                "Close it there: analysts open published/analytics.duckdb, and a "
                "session in it stops nobody.",
            ) from exception
        raise CannotRunError(
            f"dbt could not run: {text}", f"Its log is {self._log}."
        ) from exception


def _file_number(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


class _Node(NamedTuple):
    status: str
    finding: Finding


def _node(result: "RunResult") -> _Node:
    return _Node(
        status=str(result.status),
        finding=Finding(
            name=result.node.name,
            kind=str(result.node.resource_type),
            message=_message(result),
            rows=result.failures,
        ),
    )


def _message(result: "RunResult") -> str:
    """What a finding means and what to do, where a test says so; else dbt's words."""
    described = getattr(result.node, "description", "") if result.failures else ""
    return (described or result.message or "").strip()


def _counting(on_progress: Progress) -> "Callable[[EventMsg], None]":
    """Counts finished nodes from dbt's events."""
    done = nodes = 0

    def count(event: "EventMsg") -> None:
        nonlocal done, nodes
        if event.info.name == "ConcurrencyLine":
            nodes = event.data.node_count
        elif event.info.name == "NodeFinished":
            done += 1
            on_progress(done, max(nodes, done))

    return count


def _rebuilt(warehouse: Path, invocation_id: str) -> tuple[Rebuilt, ...]:
    if not warehouse.exists():
        return ()
    with duckdb.connect(warehouse, read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        try:
            builds = con.execute(
                """
                select
                    change_number, model, mode, reason,
                    touched_groups, rows_removed, rows_added
                from ledger.builds
                where invocation_id = ?
                order by change_number
                """,
                [invocation_id],
            ).fetchall()
        except duckdb.CatalogException:
            return ()
        return tuple(
            Rebuilt(
                *(model, mode, reason, groups, removed, added),
                *_days(con, model, number),
                _by_account(con, number),
            )
            for number, model, mode, reason, groups, removed, added in builds
        )


def _days(
    con: duckdb.DuckDBPyConnection, model: str, number: int
) -> tuple[date | None, date | None]:
    """The first and the last day that a build changed, if its rows have a day."""
    column = con.execute(
        """
        select column_name
        from duckdb_columns()
        where schema_name = 'ledger'
            and table_name = ?
            and (data_type = 'DATE' or data_type like 'TIMESTAMP%')
        order by column_index
        """,
        [f"{model}__changes"],
    ).fetchone()
    if not column:
        return None, None
    days = con.execute(
        f"""
        select cast(min("{column[0]}") as date), cast(max("{column[0]}") as date)
        from ledger."{model}__changes"
        where change_number = ?
        """,  # noqa: S608 - names from the ledger itself
        [number],
    ).fetchone()
    return days or (None, None)


def _by_account(con: duckdb.DuckDBPyConnection, number: int) -> tuple[RebuiltDays, ...]:
    """The account-days that a build of a mart computed again."""
    rows = con.execute(
        """
        select
            account_id, count(*), min(date), max(date),
            array_to_string(list_sort(list_distinct(
                flatten(list(string_split(reasons, ', ')))
            )), ', ')
        from ledger.rebuilt_days
        where change_number = ?
        group by account_id
        order by account_id
        """,
        [number],
    ).fetchall()
    return tuple(RebuiltDays(*row) for row in rows)
