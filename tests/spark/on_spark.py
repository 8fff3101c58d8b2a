"""The same raw tables built by dbt on Spark, in this process."""

import os
from pathlib import Path
from typing import Any

import duckdb
from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession
from warehouse import ROOT, Warehouse

from extract.lake import land

Row = dict[str, Any]


class OnSpark:
    """The marts that Spark makes of the raw tables of a DuckDB warehouse."""

    def __init__(self, warehouse: Warehouse, lake: Path, master: str) -> None:
        """Names them.

        Args:
            warehouse: Whose raw tables are built from.
            lake: The folder of the tables.
            master: The cluster's address.
        """
        self.warehouse = warehouse
        self.lake = lake
        self.master = master

    def build(self, *arguments: str) -> None:
        """Lands what the lake doesn't hold yet and builds; fails if dbt does."""
        with duckdb.connect(self.warehouse.path, read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            land(connection, self.lake.as_uri())
        self.run("build", *arguments)

    def run(self, *arguments: str) -> Any:
        """Runs dbt; fails if it does.

        Returns:
            Its result.
        """
        home = self.lake / "home"
        os.environ |= {
            "TALLYBOOK_HOME": str(home),
            "TALLYBOOK_LAKE": self.lake.as_uri(),
            "TALLYBOOK_SPARK_MASTER": self.master,
        }
        result = dbtRunner().invoke(
            [
                *(*arguments, "--target", "spark", "--quiet"),
                *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT)),
                *("--log-path", str(home / "logs")),
                *("--target-path", str(home / "target")),
            ]
        )
        assert result.success, result.exception or [
            (one.node.name, one.message[:500])
            for one in result.result.results
            if one.status not in ("success", "pass", "skipped", "warn")
        ]
        return result.result

    def compiled(self, text: str) -> str:
        """The SQL that dbt makes of a text."""
        (one,) = self.run("compile", "--inline", text).results
        sql: str = one.node.compiled_code
        return sql

    def rows(self, sql: str) -> list[Row]:
        """Asks Spark."""
        found: list[Row] = self.session.sql(sql).toArrow().to_pylist()
        return found

    @property
    def session(self) -> SparkSession:
        """The session that dbt works in."""
        return SparkSession.builder.getOrCreate()

    def stop(self) -> None:
        """Leaves the cluster."""
        self.session.stop()
