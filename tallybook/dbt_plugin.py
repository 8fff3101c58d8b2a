"""Lets a bare `dbt build` work on a fresh clone, and any dbt run quicker.

DuckDB makes its file but not the folder that the file lies in. profiles.yml
names this module as a plugin of dbt-duckdb, which calls it before it connects.
"""

import gc
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin

GARBAGE_THRESHOLD = 100_000
"""New objects between two looks for garbage. Python's own 700 makes it walk dbt's
manifest over and over, which took a seventh of a build's processor time; what waits
to be found instead is a few tens of MB."""


class Plugin(BasePlugin):
    """Makes the folder of the warehouse, and has Python clean up less often."""

    def update_connection_config(
        self,
        creds: DuckDBCredentials,
        config: dict[str, Any],  # noqa: ARG002 - dbt-duckdb passes it by name or place
    ) -> None:
        """Runs just before dbt-duckdb opens the file.

        Args:
            creds: The profile's target, with the path of the file.
            config: Options of the connection; left as they are.
        """
        if creds.path != ":memory:":
            Path(creds.path).parent.mkdir(parents=True, exist_ok=True)
        gc.set_threshold(GARBAGE_THRESHOLD)
