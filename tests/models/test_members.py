"""What a changed row of an application or a late event does to people's marts."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from mail import APPLICATION, EVENTS, ONE, TWO, Row, event, failed
from proof import DELIVERY, assert_as_if_built_whole, build
from warehouse import Warehouse
from worlds import at

ANN = {"member_id": "ann", "account_id": "acme", "email": "ann@x.example"}
BO = {"member_id": "bo-id", "account_id": "acme", "email": "Bo@x.example"}


@pytest.fixture(scope="session")
def peopled_path(
    built: Path,
    zone_days: dict[int, pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The file of a warehouse with a little mail to members, built twice."""
    made = Warehouse(tmp_path_factory.mktemp("peopled"), like=built)
    for table in zone_days.values():
        made.load_zones(table)
    tables: Any = {**APPLICATION, "members": [ANN, BO]}
    made.load(EVENTS, **tables)
    build(made)
    build(made)
    return made.path


@pytest.fixture
def peopled(peopled_path: Path, tmp_path: Path) -> Warehouse:
    """A warehouse with a little mail to members."""
    return Warehouse(tmp_path / "home", like=peopled_path)


def members(warehouse: Warehouse) -> dict[str, Row]:
    """The members by id."""
    return {row["member_id"]: row for row in warehouse.mart("dim_members")}


def suppressions(warehouse: Warehouse) -> dict[tuple[str, str, str], Row]:
    """Suppressions by address, reason and scope."""
    return {
        (row["recipient_key"], row["reason"], row["scope"]): row
        for row in warehouse.mart("fct_suppressions")
    }


def test_mail_belongs_to_whom_it_names_else_to_whoever_has_the_address(
    peopled: Warehouse,
) -> None:
    found = members(peopled)
    assert {
        member: (row["email_count"], row["is_in_application"])
        for member, row in found.items()
    } == {"ann": (1, True), "bo-id": (1, True), "bolt:cy@y.example": (1, False)}
    assert found["bolt:cy@y.example"]["email"] == "cy@y.example"


def test_an_id_that_is_assigned_later_takes_the_mail_along(peopled: Warehouse) -> None:
    row = APPLICATION["email_recipients"][2]
    peopled.load(email_recipients=[{**row, "member_id": "cy"}])
    build(peopled, *DELIVERY)
    found = members(peopled)
    assert found.keys() == {"ann", "bo-id", "cy"}
    assert (found["cy"]["email"], found["cy"]["email_count"]) == ("cy@y.example", 1)
    peopled.load(
        members=[{"member_id": "cy", "account_id": "bolt", "email": "new@y.example"}]
    )
    build(peopled, *DELIVERY)
    assert members(peopled)["cy"]["email"] == "new@y.example"
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_a_changed_address_leaves_suppressions_and_unnamed_mail_behind(
    peopled: Warehouse,
) -> None:
    peopled.load([event("complained", "13:00:00", recipient="bo@x.example")])
    build(peopled, *DELIVERY)
    bo = members(peopled)["bo-id"]
    assert (bo["address_status"], bo["is_subscribed"]) == ("complained", False)
    peopled.load(members=[{**BO, "email": "bo@elsewhere.example"}])
    build(peopled, *DELIVERY)
    found = members(peopled)
    assert found["bo-id"]["address_status"] == "ok"
    assert found["bo-id"]["email_count"] == 0
    assert found["acme:bo@x.example"]["address_status"] == "complained"
    assert found["acme:bo@x.example"]["email_count"] == 1
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_of_two_who_have_an_address_one_who_is_not_deleted_gets_its_mail(
    peopled: Warehouse,
) -> None:
    peopled.load(
        members=[{**BO, "member_id": "bob", "created_at": at("2020-01-01T00:00:00")}]
    )
    build(peopled, *DELIVERY)
    counts = {name: row["email_count"] for name, row in members(peopled).items()}
    assert (counts["bob"], counts["bo-id"]) == (1, 0)
    peopled.load(
        members=[
            {
                **BO,
                "member_id": "bob",
                "created_at": at("2020-01-01T00:00:00"),
                "deleted_at": at("2025-11-03T00:00:00"),
            }
        ]
    )
    build(peopled, *DELIVERY)
    found = members(peopled)
    assert (found["bob"]["email_count"], found["bo-id"]["email_count"]) == (0, 1)
    assert found["bob"]["is_deleted"] is True
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_who_was_seen_later_is_last_seen_first_on_that_day_whatever_arrives_when(
    peopled: Warehouse,
) -> None:
    # 2 November has 25 hours in New York: from 04:00 to 05:00 of the next day.
    for opened, last_seen_at in [
        ("2025-11-02T20:00:00", "2025-11-02T20:00:00"),
        ("2025-11-03T04:59:59", "2025-11-02T20:00:00"),
        ("2025-11-02T04:00:00", "2025-11-02T04:00:00"),
        ("2025-11-02T03:59:59", "2025-11-02T04:00:00"),
        ("2025-11-03T05:00:00", "2025-11-03T05:00:00"),
        ("2011-12-30T05:00:00", "2025-11-03T05:00:00"),
    ]:
        peopled.load([event("opened", opened)])
        build(peopled, *DELIVERY)
        assert members(peopled)["ann"]["last_seen_at"] == at(last_seen_at)
    peopled.load([event("opened", "2025-11-03T06:00:00", client_info={"bot": "apple"})])
    peopled.load([event("clicked", "2025-11-04T06:00:00")])
    build(peopled, *DELIVERY)
    assert members(peopled)["ann"]["last_seen_at"] == at("2025-11-04T06:00:00")
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_a_changed_zone_moves_last_sight_of_that_account_and_no_other(
    peopled: Warehouse,
) -> None:
    cy: Any = {"email": "e2", "recipient": "cy@y.example", "domain": TWO}
    peopled.load(
        [
            event("opened", "2025-11-03T04:00:00"),
            event("opened", "2025-11-03T05:30:00"),
            event("opened", "2025-11-03T05:30:00", **cy),
        ]
    )
    build(peopled, *DELIVERY)
    before = members(peopled)
    assert before["ann"]["last_seen_at"] == at("2025-11-03T05:30:00")
    for zone, last_seen_at in (
        ("UTC", at("2025-11-03T04:00:00")),
        ("utc", None),
        ("America/New_York", at("2025-11-03T05:30:00")),
    ):
        row = {**APPLICATION["accounts"][0], "reporting_timezone": zone}
        peopled.load(accounts=[row])
        build(peopled, *DELIVERY)
        found = members(peopled)
        assert found["ann"]["last_seen_at"] == last_seen_at
        assert found["bolt:cy@y.example"] == before["bolt:cy@y.example"]
    assert members(peopled) == before
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_an_email_whose_opens_turn_out_untracked_leaves_the_rates(
    peopled: Warehouse,
) -> None:
    emails = [{"email_id": f"t{number}", "account_id": "acme"} for number in range(5)]
    peopled.load(
        [event("opened", email="t0"), event("opened", email="t1")],
        emails=emails,
        email_recipients=[
            {"email_id": row["email_id"], "member_email": "ann@x.example"}
            for row in emails
        ],
    )
    build(peopled, *DELIVERY)
    ann = members(peopled)["ann"]
    assert (ann["tracked_email_count"], ann["email_open_rate"]) == (6, 33)
    peopled.load(emails=[{**emails[0], "track_opens": False}])
    build(peopled, *DELIVERY)
    ann = members(peopled)["ann"]
    assert (ann["email_count"], ann["tracked_email_count"]) == (6, 5)
    assert ann["email_open_rate"] == 20
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_what_a_suppression_says_does_not_depend_on_the_order_of_arrival(
    peopled: Warehouse,
) -> None:
    # The first email is of the newsletter `weekly`.
    arriving = [
        event("resubscribed", "14:00:00"),
        event("unsubscribed", "15:00:00"),
        event("unsubscribed", "13:00:00"),
        event("unsubscribed", "16:00:00", email=None),  # of no email: from all
        event("resubscribed", "17:00:00"),
    ]
    grain = ("ann@x.example", "unsubscribed", "newsletter:weekly")
    expected = [
        None,
        ("15:00:00", None),
        ("15:00:00", None),
        ("15:00:00", None),
        ("15:00:00", "17:00:00"),
    ]
    for happened, row in zip(arriving, expected, strict=True):
        peopled.load([happened])
        build(peopled, *DELIVERY)
        found = suppressions(peopled).get(grain)
        assert (
            found
            and (
                f"{found['since']:%H:%M:%S}",
                found["lifted_at"] and f"{found['lifted_at']:%H:%M:%S}",
            )
        ) == row
    assert suppressions(peopled)["ann@x.example", "unsubscribed", "all"]
    ann = members(peopled)["ann"]
    assert (ann["is_subscribed"], ann["is_suppressed"]) == (False, True)
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_an_address_is_dead_when_a_failure_says_so_and_soft_bouncing_after_three(
    peopled: Warehouse,
) -> None:
    def ann_after(*events: Row) -> str:
        peopled.load(events)
        build(peopled, *DELIVERY)
        return str(members(peopled)["ann"]["address_status"])

    full: Any = {"delivery_status": {"code": 452}}
    assert ann_after(failed("13:00:00", "temporary", **full)) == "ok"
    assert ann_after(failed("13:01:00", "temporary", **full)) == "ok"
    assert ann_after(failed("13:02:00", "temporary", **full)) == "soft_bouncing"
    assert ann_after(event("delivered", "13:01:30")) == "ok"
    assert ann_after(failed("13:03:00", "temporary", **full)) == "ok"
    assert ann_after(failed("13:04:00", "temporary", **full)) == "soft_bouncing"
    assert ann_after(failed("13:05:00", delivery_status={"code": 552})) == "ok"
    gone: Any = {"delivery_status": {"code": 605}, "reason": "suppress-bounce"}
    assert ann_after(failed("13:06:00", **gone)) == "dead"
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_only_who_is_touched_is_written(peopled: Warehouse) -> None:
    peopled.load([event("opened", "13:00:00")])
    build(peopled, *DELIVERY)
    work = peopled.work()
    assert work["dim_members"] == (2, 1, 1)  # Ann, and the address by itself
    assert "fct_suppressions" not in work
    assert work["fct_email_outcomes"] == (1, 1, 1)
    assert "fct_notification_performance" not in work
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_an_email_that_moves_to_another_notification_counts_there_alone(
    peopled: Warehouse,
) -> None:
    def sent() -> dict[str, tuple[int, int]]:
        return {
            row["notification_id"]: (row["emails"], row["sent"])
            for row in peopled.mart("fct_notification_performance")
        }

    first, second = APPLICATION["emails"]
    empty = {"email_id": "e9", "account_id": "acme"}
    peopled.load(
        notifications=[{"notification_id": "n1", "account_id": "acme"}],
        emails=[
            {**first, "notification_id": "n1"},
            {**second, "notification_id": "n2"},
            {**empty, "notification_id": "n2"},
        ],
    )
    build(peopled, *DELIVERY)
    assert sent() == {"n1": (1, 2), "n2": (2, 1)}
    peopled.load(
        emails=[
            {**first, "notification_id": "n1"},
            {**second, "notification_id": "n1"},
            {**empty, "notification_id": "n3"},
        ]
    )
    build(peopled, *DELIVERY)
    assert sent() == {"n1": (2, 3), "n3": (1, 0)}
    assert_as_if_built_whole(peopled, *DELIVERY)


def test_without_an_application_a_member_is_an_address_within_an_account(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    warehouse.load(
        [*EVENTS, event("clicked", "13:00:00"), event("complained", "14:00:00")],
        settings={"domains": f'["{ONE}", "{TWO}"]'},
    )
    build(warehouse, *DELIVERY, views=True)
    found = members(warehouse)
    ann = found[f"{ONE}:ann@x.example"]
    assert (ann["account_id"], ann["email"]) == (ONE, "ann@x.example")
    assert ann["last_seen_at"] == at("2025-11-02T13:00:00")
    assert ann["address_status"] == "complained"
    assert found.keys() == {
        f"{ONE}:ann@x.example",
        f"{ONE}:bo@x.example",
        f"{TWO}:cy@y.example",
    }
    warehouse.load(
        [event("unsubscribed", "15:00:00", recipient="bo@x.example")],
    )
    build(warehouse, *DELIVERY)
    assert members(warehouse)[f"{ONE}:bo@x.example"]["is_subscribed"] is False
    assert_as_if_built_whole(warehouse, *DELIVERY)


@pytest.mark.parametrize(
    ("complaints", "urgency"), [(1, None), (2, "warning"), (4, "alarm")]
)
def test_a_mailbox_domain_that_complains_too_much_warns(
    peopled: Warehouse, complaints: int, urgency: str | None
) -> None:
    test = "few_recipients_of_a_mailbox_domain_complain"
    with duckdb.connect(peopled.path) as connection:
        connection.execute(
            "update marts.fct_email_performance"
            " set submitted_at = '2025-11-01' where email_id = 'e1'"
        )
        connection.execute(
            "update marts.fct_email_outcomes set delivered = 1000,"
            " delivered_complained = ? where email_id = 'e1'"
            " and delivery_status = 'delivered'",
            [complaints],
        )
    done: Any = peopled.test("--select", test).result
    (result,) = (one for one in done.results if one.node.name == test)
    assert result.status == ("warn" if urgency else "pass")
    if urgency:
        (found,) = peopled.rows(result.node.compiled_code)
        assert (found["account_id"], found["mailbox_domain"], found["urgency"]) == (
            "acme",
            "x.example",
            urgency,
        )
