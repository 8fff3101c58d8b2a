"""Whose clock it is, how many threads and in which order the rows lie: all the same."""

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import yaml
from proof import PROOF, RECONCILED, build
from reporting_oracle import reporting_marts
from reporting_worlds import NAMES, zone_days
from warehouse import ROOT, Warehouse

ACCOUNTS = [
    {"account_id": zone, "reporting_timezone": zone}
    for zone in (
        "America/New_York",
        "America/Havana",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "UTC",
    )
]
EVENTS = 140_000 if PROOF else 20_000
"""The first is more than DuckDB gives to one thread."""

SESSIONS = [
    ("Asia/Kathmandu", 4, "hash(event_id)"),
    *(
        [
            ("America/New_York", 1, "created_at desc"),
            ("Pacific/Apia", 4, "created_at"),
            ("America/Havana", 2, "user_id, hash(event_id)"),
        ]
        if PROOF
        else []
    ),
]
"""The session's zone, DuckDB's threads, the order of raw's rows."""


@pytest.fixture(scope="module")
def events() -> pa.Table:
    """Events of a year, many of them within a microsecond of a quarter of an hour."""
    with duckdb.connect() as connection:
        connection.execute(
            "create macro drawn(number, salt, sides) as"
            " (hash(number, salt) % sides)::bigint"
        )
        return connection.execute(
            """
            select
                'event-' || number as event_id,
                $accounts[1 + drawn(number, 1, len($accounts))] as account_id,
                $names[1 + drawn(number, 2, len($names))] as name,
                timestamptz '2025-01-02 00:00:00+00'
                + interval 15 minute * drawn(number, 3, 34_000)
                + interval 1 microsecond * (drawn(number, 4, 3) - 1) as created_at,
                drawn(number, 5, 80_000) / 8 as value,
                nullif(drawn(number, 6, 1000), 7) / 8 as value_in_business_hours,
                'agent-' || nullif(drawn(number, 7, 5), 0) as user_id,
                'inbox-' || nullif(drawn(number, 8, 3), 0) as inbox_id,
                'conversation-' || drawn(number, 9, 9000) as conversation_id
            from range($events) as numbers (number)
            """,
            {
                "events": EVENTS,
                "names": NAMES,
                "accounts": [account["account_id"] for account in ACCOUNTS],
            },
        ).to_arrow_table()


@pytest.fixture(scope="module")
def elsewhere(
    built: Path, events: pa.Table, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The file that is built as the project's own profile says."""
    warehouse = Warehouse(tmp_path_factory.mktemp("elsewhere"), like=built)
    fill(warehouse, events, "created_at")
    return warehouse.path


def fill(warehouse: Warehouse, events: pa.Table, order: str) -> None:
    """Loads and builds most of the events, and then the rest."""
    zones = [account["reporting_timezone"] for account in ACCOUNTS]
    warehouse.load_zones(zone_days(zones, [2025])[2025])
    warehouse.load(accounts=ACCOUNTS)
    for rest in ("<>", "="):
        duckdb.register("events", events)
        rows = duckdb.sql(
            "select * from events where hash(event_id) % 50"  # noqa: S608
            f" {rest} 0 order by {order}"
        )
        warehouse.load(reporting_events=rows.to_arrow_table())
        build(warehouse, *RECONCILED)
    assert not warehouse.rows(
        "select * from marts.ops_reconciliation"
        " where status in ('differs', 'missing', 'extra')"
    )


def profile(folder: Path, zone: str, threads: int) -> Path:
    """A folder with the project's profile for another session."""
    content = yaml.safe_load((ROOT / "profiles.yml").read_text("utf-8"))
    settings = content["tallybook"]["outputs"]["duckdb"]["settings"]
    settings |= {"TimeZone": zone, "threads": threads}
    folder.mkdir()
    (folder / "profiles.yml").write_text(yaml.safe_dump(content), "utf-8")
    return folder


@pytest.fixture(params=SESSIONS, ids=lambda session: f"{session[0]} {session[1]}")
def here(
    request: pytest.FixtureRequest,
    built: Path,
    events: pa.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """The file that is built in one of the sessions."""
    zone, threads, order = request.param
    warehouse = Warehouse(tmp_path / "home", like=built)
    warehouse.profiles = profile(tmp_path / "profile", zone, threads)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    fill(warehouse, events, order)
    yield warehouse.path
    monkeypatch.undo()
    time.tzset()


@pytest.mark.proof
def test_a_sessions_zone_threads_and_order_of_rows_change_nothing(
    elsewhere: Path, here: Path
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{elsewhere}' as one (read_only)")
        connection.execute(f"attach '{here}' as other (read_only)")
        for mart in reporting_marts([], [], set()):
            one, other = (
                f"select columns(name -> name <> 'rebuilt_at') from {file}.marts.{mart}"  # noqa: S608
                for file in ("one", "other")
            )
            held, differing = connection.execute(
                f"select (select count(*) from ({one})), count(*) from"  # noqa: S608
                f" (({one} except {other}) union all ({other} except {one}))"
            ).fetchall()[0]
            assert (held > 1000, differing) == (True, 0), mart
