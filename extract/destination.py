"""DuckDB as dlt loads it, and each file of a load once.

    load package ──▶ copy job ──▶ insert what this load has not inserted yet ──▶ raw

dlt executes a job again when it was killed after DuckDB's commit and before its own
note of it. An append would then double the file's rows. So before a file is
appended, its load is looked for in the table; rows of it that are there already stay
out. The load id stands in the statement as a literal, by which DuckDB skips all row
groups but the newest, so this costs the same however long the history is.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.duckdb.factory import duckdb as duckdb_destination

from extract.tables import LOAD_ID

if TYPE_CHECKING:
    from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient


LARGE = 16 * 1024 * 1024
"""Bytes of a file whose rows go to the warehouse's file at once, by a checkpoint with
the commit. They would go to its log first and be written again by the next checkpoint;
that takes half as long again."""


class AppendOnceJob(DuckDbCopyJob):
    """Appends a file's rows, but for those that this load has already brought."""

    def run(self) -> None:
        """Inserts in one transaction; called by dlt, on its own connection."""
        client: DuckDbSqlClient = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        load = client.capabilities.escape_literal(self._load_id)
        file = client.capabilities.escape_literal(self._file_path)
        key = _key(self._load_table)
        same_key = " and ".join(f"there.{c} is not distinct from new.{c}" for c in key)
        large = Path(self._file_path).stat().st_size >= LARGE
        rows = f"select * from read_parquet({file}) as new"  # noqa: S608 - escaped
        with client.begin_transaction():
            present = client.execute_sql(
                f"select exists(select 1 from {table} where {LOAD_ID} = {load})"  # noqa: S608 - escaped
            )
            if present and present[0][0]:
                there = f"{table} as there where there.{LOAD_ID} = {load}"
                rows += f" where not exists (select 1 from {there} and {same_key})"  # noqa: S608
            client.execute_sql(f"insert into {table} by name {rows}")
            if large:
                client.execute_sql("set checkpoint_threshold = '1KB'")
        if large:
            client.execute_sql("reset checkpoint_threshold")


def _key(table: PreparedTableSchema) -> list[str]:
    columns = table["columns"].items()
    return [name for name, column in columns if column.get("primary_key")]


class OnceOnlyClient(DuckDbClient):
    """dlt's client for DuckDB, whose appends can be repeated."""

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,
    ) -> LoadJob:
        """Takes our job for tables that have a key.

        Those that are merged are copied into a staging table first, and a row that
        was copied twice would be merged twice.
        """
        job = super().create_load_job(table, file_path, load_id, restore)
        if (
            type(job) is DuckDbCopyJob
            and file_path.endswith(".parquet")
            and _key(table)
        ):
            return AppendOnceJob(file_path)
        return job


class once_only_duckdb(duckdb_destination):  # noqa: N801 - dlt names destinations so
    """The destination; arguments as those of `dlt.destinations.duckdb`."""

    @property
    def client_class(self) -> type[Any]:
        """What loads into it."""
        return OnceOnlyClient

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Looks settings up once; dlt asks 30 times for each load, for 0.2 s in all."""
        if initial_config is not None and initial_config.is_resolved():
            return initial_config
        return super().configuration(initial_config, accept_partial)

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """DuckDB's don't depend on settings, so none need be looked up for them."""
        return super().capabilities(config or self.spec(), naming)


once_only_duckdb.register()
