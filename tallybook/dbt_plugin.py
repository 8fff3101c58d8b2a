"""Lets a bare `dbt build` work on a fresh clone, and any dbt run quicker.

DuckDB makes its file but not the folder that the file lies in. profiles.yml
names this module as a plugin of dbt-duckdb, which calls it before it connects.
"""

import gc
import os
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.plugins import BasePlugin

from tallybook.dbt_quick import hurry

GARBAGE_THRESHOLD = 100_000
"""New objects between two looks for garbage. Python's own 700 makes it walk dbt's
manifest over and over, which took a seventh of a build's processor time. A process that
builds again and again has to look by itself, as `tallybook.loop` does after each tick:
of what has grown old Python looks for only a hundredth as often."""


SHARE_OF_MEMORY = 0.5
"""What DuckDB may take of the machine's memory; beyond it, it works on disk. Its own
80 % left too little for the rest: a first build of 100 million conversation events
reached 22 of 24 GB."""


class Plugin(BasePlugin):
    """Makes the folder of the warehouse, and sets limits that suit a build."""

    def update_connection_config(
        self,
        creds: DuckDBCredentials,
        config: dict[str, Any],
    ) -> None:
        """Runs just before dbt-duckdb opens the file.

        Args:
            creds: The profile's target, with the path of the file.
            config: Options of the connection; a memory limit that is set is left.
        """
        if creds.path != ":memory:":
            Path(creds.path).parent.mkdir(parents=True, exist_ok=True)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limit = int(memory * SHARE_OF_MEMORY / 1_000_000)
        config.setdefault("memory_limit", f"{limit}MB")
        gc.set_threshold(GARBAGE_THRESHOLD)
        hurry()
