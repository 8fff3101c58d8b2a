"""Where the engine's zone data is older than ours: exactly where the seed says."""

import csv
import os
from datetime import UTC, date, datetime

import duckdb
import pytest

from extract.home import ROOT
from extract.time_zones import local_days

FIRST_YEAR = 2000 if os.environ.get("TALLYBOOK_PROOF") else 2025


@pytest.mark.proof
def test_the_seed_lists_every_zone_that_the_engine_draws_otherwise() -> None:
    """Every day of every zone, up to the end of next year."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        found: dict[str, date] = {}
        for days in local_days(range(FIRST_YEAR, datetime.now(UTC).year + 2)):
            con.register("days", days)
            for zone, first in con.execute(
                """
                select timezone, min(local_date)
                from days
                where cast(starts_at at time zone timezone as date) <> local_date
                    or cast(
                        (ends_at - interval 1 microsecond) at time zone timezone
                        as date
                    ) <> local_date
                group by timezone
                """
            ).fetchall():
                found[zone] = min(first, found.get(zone, first))

    with (ROOT / "seeds" / "engine_zone_lags.csv").open() as file:
        listed = {
            row["timezone"]: date.fromisoformat(row["differs_from"])
            for row in csv.DictReader(file)
        }
    assert found == listed
