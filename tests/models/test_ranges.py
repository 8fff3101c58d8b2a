"""The table macros of the published file: any range, any zone, each once.

The truth is counted from the events in Python, with zones from the tzdata package.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from proof import REPORTING, build
from reporting_oracle import DIMENSIONS
from reporting_worlds import zone_days
from warehouse import Warehouse

from extract.time_zones import zone_file, zone_of
from simulator.world import Spec, World
from tallybook.build import Dbt
from tallybook.marts import marts_in
from tallybook.publish import publish
from tests.parsed import plant

# From the last day of October: Havana's clock is set back to midnight on the second
# day, and the reporting zones change theirs as well.
SPEC = Spec(
    seed=5,
    begin=datetime(2025, 10, 31, tzinfo=UTC),
    emails=1,
    conversations=250,
    days=9,
)
ELSEWHERE = ["America/Havana", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC"]
RANGES = [
    ("2025-11-02", "2025-11-02"),
    ("2025-11-01", "2025-11-02"),
    ("2025-11-02", "2025-11-05"),
    ("2025-10-01", "2025-11-30"),
    ("2025-11-03", "2025-11-02"),
]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def accounts() -> dict[str, str]:
    """Each account's zone."""
    table = World(SPEC).app_tables()["accounts"]
    ids, zones = table["account_id"], table["reporting_timezone"]
    return dict(zip(ids.to_pylist(), zones.to_pylist(), strict=True))


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    """All conversation events, those without a conversation aside."""
    found = World(SPEC).app_tables()["reporting_events"].to_pylist()
    return [event for event in found if event["conversation_id"]]


@pytest.fixture(scope="module")
def published(
    built: Any, tmp_path_factory: pytest.TempPathFactory, accounts: dict[str, str]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file of the simulated conversations, in a session far from UTC."""
    warehouse = Warehouse(tmp_path_factory.mktemp("ranges"), like=built)
    zones = [*accounts.values(), *ELSEWHERE]
    warehouse.load_zones(zone_days(zones, [SPEC.begin.year])[SPEC.begin.year])
    tables = World(SPEC).app_tables()
    warehouse.load(
        accounts=tables["accounts"], reporting_events=tables["reporting_events"]
    )
    build(warehouse, *REPORTING)
    marts = marts_in(Dbt(plant(warehouse.home)).manifest())
    with duckdb.connect(publish(warehouse.home, marts).path, read_only=True) as con:
        con.execute("set TimeZone = 'America/Los_Angeles'")
        yield con


@cache
def zone(name: str) -> ZoneInfo:
    return zone_of(zone_file(name))


def local_date(instant: datetime, name: str) -> str:
    return str(instant.astimezone(zone(name)).date())


def handed_off(
    events: list[dict[str, Any]], first: str, last: str, zones: dict[str, str]
) -> dict[tuple[str, str, str], int]:
    """Distinct conversations handed off in a range of days of these zones."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for event in events:
        account_id = event["account_id"]
        day = local_date(event["created_at"], zones[account_id])
        if event["name"] == "conversation_bot_handoff" and first <= day <= last:
            for dimension, column in DIMENSIONS.items():
                if event[column]:
                    key = (account_id, dimension, event[column])
                    found[key].add(event["conversation_id"])
    return {key: len(conversations) for key, conversations in found.items()}


def by_id(rows: Rows) -> dict[tuple[str, str, str], int]:
    assert len({row[:3] for row in rows}) == len(rows)
    return {row[:3]: row[3] for row in rows}


@pytest.mark.parametrize(("first", "last"), RANGES)
def test_handoffs_of_a_range_count_each_conversation_once(
    published: duckdb.DuckDBPyConnection,
    events: list[dict[str, Any]],
    accounts: dict[str, str],
    first: str,
    last: str,
) -> None:
    rows = published.execute(
        "from marts.handoffs_between($first, $last)",
        {"first": date.fromisoformat(first), "last": last},
    ).fetchall()
    assert by_id(rows) == handed_off(events, first, last, accounts)
    assert bool(rows) == (first <= last)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize(("first", "last"), RANGES)
def test_handoffs_of_a_range_in_any_zone_are_those_of_its_days(
    published: duckdb.DuckDBPyConnection,
    events: list[dict[str, Any]],
    accounts: dict[str, str],
    first: str,
    last: str,
    elsewhere: str,
) -> None:
    rows = published.execute(
        "from marts.handoffs_between_in($first, $last, $zone)",
        {"first": first, "last": last, "zone": elsewhere},
    ).fetchall()
    everywhere = dict.fromkeys(accounts, elsewhere)
    assert by_id(rows) == handed_off(events, first, last, everywhere)


def test_the_accounts_own_zone_gives_the_same_by_both_macros(
    published: duckdb.DuckDBPyConnection, accounts: dict[str, str]
) -> None:
    whole = "('2025-11-01', '2025-11-04'"
    for account_id, name in accounts.items():
        own, asked = (
            by_id(
                published.execute(
                    f"from {macro} where account_id = ?",
                    [account_id],
                ).fetchall()
            )
            for macro in (
                f"marts.handoffs_between{whole})",
                f"marts.handoffs_between_in{whole}, '{name}')",
            )
        )
        assert own == asked != {}


@pytest.mark.parametrize("name", ["PST", "utc", "Mars/Base", "", "asia/tokyo"])
def test_a_zone_that_is_none_is_an_error_and_not_an_empty_answer(
    published: duckdb.DuckDBPyConnection, name: str
) -> None:
    with pytest.raises(duckdb.Error, match="no IANA time zone is called"):
        published.execute(
            "from marts.handoffs_between_in('2025-11-01', '2025-11-02', ?)", [name]
        ).fetchall()


@pytest.mark.parametrize(("first", "last"), RANGES)
def test_a_conversation_that_was_ever_handed_off_was_not_resolved_by_the_bot(
    published: duckdb.DuckDBPyConnection,
    events: list[dict[str, Any]],
    accounts: dict[str, str],
    first: str,
    last: str,
) -> None:
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        account_id = event["account_id"]
        day = local_date(event["created_at"], accounts[account_id])
        if first <= day <= last:
            seen[account_id][event["name"]].add(event["conversation_id"])
    truth = {}
    for account_id, names in seen.items():
        handed = names["conversation_bot_handoff"]
        resolved = names["conversation_bot_resolved"] - handed
        total = len(handed) + len(resolved)
        if total:
            shares = len(resolved) / total, len(handed) / total
            truth[account_id] = (total, len(resolved), len(handed), *shares)

    rows = published.execute(
        "from marts.bot_outcomes_between(?, ?)", [first, last]
    ).fetchall()

    assert {row[0]: row[1:] for row in rows} == truth


def test_every_macro_says_what_it_answers(
    published: duckdb.DuckDBPyConnection,
) -> None:
    rows = published.execute(
        "select function_name, comment from duckdb_functions()"
        " where schema_name = 'marts'"
    ).fetchall()
    assert {name for name, _ in rows} == {
        "handoffs_between",
        "handoffs_between_in",
        "bot_outcomes_between",
    }
    assert all(comment for _, comment in rows)
