"""Reads a test's warehouse, as dbt would after an extract."""

from pathlib import Path
from typing import Any

import duckdb


class Raw:
    """The schema `raw` of a closed warehouse."""

    def __init__(self, home: Path) -> None:
        self.path = home / "warehouse.duckdb"

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; table names without schema are raw's."""
        with duckdb.connect(str(self.path)) as warehouse:
            warehouse.execute("set timezone = 'UTC'; use raw")
            return warehouse.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: Any) -> tuple[Any, ...]:
        """The only row of a query."""
        [row] = self.rows(sql, *parameters)
        return row

    def ids(self) -> list[str]:
        """The ids of all events, one for each row."""
        return [
            i for (i,) in self.rows("select event_id from mailgun_events order by 1")
        ]
