"""Data tests look at what was written since they last passed, and once a day at all."""

from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from dbt.cli.main import dbtRunnerResult
from mail import APPLICATION, EVENTS, event
from proof import DELIVERY, build
from warehouse import Warehouse

DAILY = "every_daily_cell_tallies_with_the_events"
ONCE = "every_raw_event_is_a_message_event_once"


@pytest.fixture(scope="module")
def tested_path(
    built: Path,
    zone_days: dict[int, pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The file of a warehouse whose tests have passed."""
    made = Warehouse(tmp_path_factory.mktemp("tested"), like=built)
    for table in zone_days.values():
        made.load_zones(table)
    made.load(
        EVENTS,
        accounts=APPLICATION["accounts"],
        emails=APPLICATION["emails"],
        email_recipients=APPLICATION["email_recipients"],
    )
    build(made)
    build(made)
    assert failed(made.test()) == set()
    return made.path


@pytest.fixture
def tested(tested_path: Path, tmp_path: Path) -> Warehouse:
    """A warehouse whose tests have passed."""
    return Warehouse(tmp_path / "home", like=tested_path)


def failed(result: dbtRunnerResult) -> set[str]:
    """The tests that found something."""
    assert not isinstance(result.exception, Exception), result.exception
    return {one.node.name for one in result.result if one.status == "fail"}


def change(warehouse: Warehouse, *statements: str) -> None:
    with duckdb.connect(warehouse.path) as connection:
        for statement in statements:
            connection.execute(statement)


def looked_at(warehouse: Warehouse, test: str) -> dict[str, object]:
    (row,) = (row for row in warehouse.rows("from ledger.tests") if row["test"] == test)
    return row


def test_an_old_cell_is_looked_at_once_a_day(tested: Warehouse) -> None:
    change(
        tested,
        "update marts.fct_delivery_daily set events = events + 1 where date = ("
        "select min(date) from marts.fct_delivery_daily)",
    )
    tested.load([event("opened", "2025-12-01T12:00:00")])
    build(tested, *DELIVERY)
    before = looked_at(tested, DAILY)

    assert failed(tested.test()) == set()
    assert looked_at(tested, DAILY)["looked_at_all_at"] == before["looked_at_all_at"]
    change(
        tested,
        "update ledger.tests"
        " set looked_at_all_at = looked_at_all_at - interval 25 hour",
    )
    assert failed(tested.test()) == {DAILY}
    assert failed(tested.test()) == {DAILY}


def test_a_cell_that_a_build_wrote_wrongly_is_found_until_it_is_mended(
    tested: Warehouse,
) -> None:
    written = (
        "insert into ledger.fct_delivery_daily__changes "
        "select nextval('ledger.change_numbers'), account_id, date, event_type "
        "from marts.fct_delivery_daily order by date limit 1"
    )
    wrong = "update marts.fct_delivery_daily set events = events {} 1 where date = ({})"
    first = "select min(date) from marts.fct_delivery_daily"
    change(tested, wrong.format("+", first), written)

    assert failed(tested.test()) == {DAILY}
    tested.load([event("opened", "2025-12-01T12:00:00")])
    build(tested, *DELIVERY)
    assert failed(tested.test()) == {DAILY}
    change(tested, wrong.format("-", first))
    assert failed(tested.test()) == set()


def test_an_event_that_came_twice_is_found_until_it_is_gone(tested: Warehouse) -> None:
    twice = event("opened", "2025-12-01T12:00:00")
    tested.load([twice])
    build(tested, *DELIVERY)
    assert failed(tested.test()) == set()
    tested.load([twice])
    build(tested, *DELIVERY)

    assert ONCE in failed(tested.test())
    build(tested, *DELIVERY)
    assert ONCE in failed(tested.test())
    change(
        tested,
        "delete from raw.mailgun_events"
        " where _dlt_load_id = (select max(_dlt_load_id) from raw.mailgun_events)",
    )
    build(tested, "--full-refresh", *DELIVERY)
    assert failed(tested.test()) == set()


def test_after_a_whole_rebuild_tests_look_at_everything(tested: Warehouse) -> None:
    build(tested, "--full-refresh", *DELIVERY)
    change(
        tested,
        "update marts.fct_recipient_status set delivery_status = 'lost' where email_id"
        " = (select min(email_id) from marts.fct_recipient_status)",
    )
    assert any("delivery_status" in name for name in failed(tested.test()))
