"""The parts that lanes are made of: fetching ahead, looking for repeats."""

import threading
import time
from collections.abc import Iterator

import duckdb
import pytest

from extract.prefetch import Prefetch
from extract.repeats import held_dead_letters, held_events
from extract.tables import DEAD_LETTERS, MAILGUN_EVENTS
from extract.windows import DAY, SECOND

NOW = 1_772_366_400 * SECOND


def test_items_come_in_order_and_then_the_error_that_ended_them() -> None:
    def items() -> Iterator[int]:
        yield from range(50)
        raise OSError("gone")

    with Prefetch(items(), lambda _: 1, limit=3) as fetched:
        got = [next(waiting) for waiting in [iter(fetched)] for _ in range(50)]
        with pytest.raises(OSError, match="gone"):
            next(iter(fetched))
    assert got == list(range(50))


def test_no_more_is_fetched_ahead_than_fits() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    with Prefetch(items(), lambda _: 10, limit=30) as fetched:
        waiting = iter(fetched)
        for taken in range(1, 20):
            next(waiting)
            time.sleep(0.005)
            # Three wait and one is in hand.
            assert len(made) <= taken + 4


def test_item_that_is_larger_than_the_bound_waits_alone() -> None:
    with Prefetch(iter([100, 100, 1]), lambda size: size, limit=10) as fetched:
        assert list(fetched) == [100, 100, 1]


def test_leaving_early_ends_the_thread() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    with Prefetch(items(), lambda _: 1, limit=2) as fetched:
        next(iter(fetched))

    assert closed.is_set()
    assert threading.active_count() == before


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; create schema raw")
        for table in (MAILGUN_EVENTS, DEAD_LETTERS):
            connection.execute(table.create(compressed=False))
        yield connection


def hold(warehouse: duckdb.DuckDBPyConnection, key: str, at: int) -> None:
    """Puts an event into raw."""
    warehouse.execute(
        "insert into raw.mailgun_events select $key, '', '', '',"
        " make_timestamp($at)::timestamptz, now(), '', '', 0, '', ''",
        {"key": key, "at": at},
    )


def test_event_is_looked_for_on_its_day_whatever_the_distance_of_days(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    midnight = NOW // DAY * DAY
    instants = {
        "first": midnight,
        "last": midnight + DAY - 1,
        "next": midnight + DAY,
        "far": midnight - 400 * DAY,
    }
    for key, at in instants.items():
        hold(warehouse, key, at)

    for key, at in instants.items():
        asked = [key, "other"]
        assert held_events(warehouse, "mailgun_events", asked, [at, at]) == {key}
    keys, ats = list(instants), list(instants.values())
    assert held_events(warehouse, "mailgun_events", keys, ats) == set(keys)


def test_only_row_groups_of_the_days_asked_for_are_read(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    # Days of one row group each; what is not on the day asked for is never seen.
    hold(warehouse, "same-key-on-another-day", NOW - 3 * DAY)

    found = held_events(warehouse, "mailgun_events", ["same-key-on-another-day"], [NOW])

    assert found == set()


def test_nothing_asked_is_nothing_held(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert held_events(warehouse, "mailgun_events", [], []) == set()
    assert held_dead_letters(warehouse, []) == set()


def test_dead_letter_is_found_wherever_it_is(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        "insert into raw.dead_letters select 'k', '', now(), '', '', 0, '', ''"
    )

    assert held_dead_letters(warehouse, ["k", "other"]) == {"k"}
