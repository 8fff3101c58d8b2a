"""What arrives decides what is rebuilt; when it happened decides where."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from mail import APPLICATION, EVENTS, NOON, ONE, TWO, days, event, failed, status
from oracle import differences
from proof import DELIVERY, PROOF, assert_as_if_built_whole, build
from replay import contents
from warehouse import ROOT, Warehouse
from worlds import at

from tests.parsed import plant


@pytest.fixture(scope="session")
def settled_path(
    built: Path,
    zone_days: dict[int, pa.Table],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The file of a warehouse in which a little mail was loaded and built."""
    made = Warehouse(tmp_path_factory.mktemp("settled"), like=built)
    for table in zone_days.values():
        made.load_zones(table)
    made.load(
        EVENTS,
        accounts=APPLICATION["accounts"],
        emails=APPLICATION["emails"],
        email_recipients=APPLICATION["email_recipients"],
    )
    build(made)
    build(made)  # the lists of touched groups say no longer that all is to be rebuilt
    return made.path


@pytest.fixture
def settled(settled_path: Path, tmp_path: Path) -> Warehouse:
    """A warehouse in which a little mail was loaded and built."""
    return Warehouse(tmp_path / "home", like=settled_path)


def application(table: str, number: int, **changed: object) -> dict[str, object]:
    """A row of the application's, changed."""
    return {**APPLICATION[table][number], **changed}


# What is rebuilt


def test_a_build_without_anything_new_does_no_work(settled: Warehouse) -> None:
    count = "select count(*) as builds from ledger.builds"
    before, held = settled.rows(count), settled.marts()
    build(settled, views=True)
    assert settled.rows(count) == before
    assert settled.marts() == held


def test_an_event_of_long_ago_reopens_its_own_day_and_nothing_else(
    settled: Warehouse,
) -> None:
    before = settled.mart("fct_delivery_daily")
    settled.load([event("opened", "2011-12-30T12:00:00")])
    build(settled)
    assert settled.work() == {
        "fct_message_events": (1, 0, 1),
        "fct_recipient_status": (1, 1, 1),
        "fct_email_performance": (1, 1, 1),
        "fct_email_outcomes": (1, 1, 1),
        "fct_delivery_daily": (1, 0, 1),
        "dim_members": (2, 1, 1),  # the member, and the address by itself
    }
    after = settled.mart("fct_delivery_daily")
    (new,) = (row for row in after if row not in before)
    assert (str(new["date"]), new["event_type"], new["events"]) == (
        "2011-12-30",
        "opened",
        1,
    )
    assert [row for row in after if row != new] == before
    assert_as_if_built_whole(settled)


def test_an_event_that_moves_to_another_account_leaves_an_empty_day_that_goes(
    settled: Warehouse,
) -> None:
    assert days(settled, "acme") == {
        ("2025-11-01", "opened"): 1,
        ("2025-11-02", "delivered"): 2,
        ("2025-11-02", "queued"): 2,
    }
    settled.load(emails=[{"email_id": "e3", "account_id": "bolt"}])
    build(settled, *DELIVERY)
    assert days(settled, "acme") == {
        ("2025-11-02", "delivered"): 1,
        ("2025-11-02", "queued"): 2,
    }
    assert days(settled, "bolt") == {
        ("2025-11-01", "opened"): 1,
        ("2025-11-02", "delivered"): 2,
        ("2025-11-02", "queued"): 1,
    }


def test_a_changed_zone_redraws_that_account_and_no_other(settled: Warehouse) -> None:
    bolt = days(settled, "bolt")
    settled.load(
        accounts=[application("accounts", 0, reporting_timezone="Pacific/Apia")]
    )
    build(settled)
    assert days(settled, "acme") == {
        ("2025-11-02", "opened"): 1,
        ("2025-11-03", "delivered"): 2,
        ("2025-11-03", "queued"): 2,
    }
    assert days(settled, "bolt") == bolt
    rewritten = {model: counts for model, counts in settled.work().items() if counts[2]}
    # The members carry their zone; each also may be an address of its own.
    assert rewritten == {"fct_delivery_daily": (3, 3, 3), "dim_members": (3, 2, 2)}


def test_an_account_without_a_valid_zone_has_no_days_until_it_has_one(
    settled: Warehouse,
) -> None:
    acme, bolt = days(settled, "acme"), days(settled, "bolt")
    for zone in ("PST", None, "america/new_york"):
        settled.load(accounts=[application("accounts", 0, reporting_timezone=zone)])
        build(settled, *DELIVERY)
        assert days(settled, "acme") == {}
        assert days(settled, "bolt") == bolt
    settled.load(accounts=[application("accounts", 0)])
    build(settled, *DELIVERY)
    assert days(settled, "acme") == acme


def test_an_event_has_its_day_once_the_days_of_its_year_are_loaded(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    warehouse.load(
        [event("opened"), event("opened", "2011-12-30T12:00:00")],
        accounts=APPLICATION["accounts"],
    )
    build(warehouse, views=True)
    assert days(warehouse, "acme") == {("2025-11-02", "opened"): 1}
    warehouse.load_zones(zone_days[2011])
    build(warehouse)
    assert days(warehouse, "acme") == {
        ("2011-12-30", "opened"): 1,
        ("2025-11-02", "opened"): 1,
    }


def test_a_changed_row_of_the_vocabulary_rebuilds_everything_that_it_names(
    settled: Warehouse,
) -> None:
    with duckdb.connect(settled.path) as connection:
        connection.execute(
            "update seeds.event_vocabulary set event_type = 'sent'"
            " where provider_event_name = 'accepted'"
        )
    build(settled)
    whole = settled.rows(
        "select distinct model from ledger.builds where mode = 'whole' and"
        " invocation_id = (select last(invocation_id order by change_number)"
        " from ledger.builds) order by model"
    )
    assert [row["model"] for row in whole] == [
        "dim_members",
        "fct_delivery_daily",
        "fct_email_outcomes",
        "fct_email_performance",
        "fct_message_events",
        "fct_notification_performance",
        "fct_recipient_status",
        "fct_suppressions",
        "int_email_recipients__derived",
        "ops_reconciliation",
    ]
    assert status(settled, "bo@x.example")["queued_at"] is None
    assert days(settled, "bolt") == {
        ("2025-11-02", "delivered"): 1,
        ("2025-11-02", "sent"): 1,
    }


# What is matched


def test_an_event_is_healed_once_the_application_has_written_its_row(
    settled: Warehouse,
) -> None:
    assert [row["reason"] for row in settled.mart("fct_unmatched_events")] == [
        "unknown_email",
        "unknown_email",
    ]
    settled.load(emails=[{"email_id": "e3", "account_id": "acme"}])
    build(settled, *DELIVERY)
    assert [row["reason"] for row in settled.mart("fct_unmatched_events")] == [
        "unknown_recipient",
        "unknown_recipient",
    ]
    settled.load(email_recipients=[{"email_id": "e3", "member_email": "Di@x.example"}])
    build(settled, *DELIVERY)
    assert settled.mart("fct_unmatched_events") == []
    healed = status(settled, "Di@x.example")
    assert healed["delivery_status"] == "delivered"
    assert healed["first_opened_at"] == at("2025-11-01T12:00:00")
    assert_as_if_built_whole(settled, *DELIVERY)


def test_a_message_id_that_the_application_writes_down_later_heals_its_events(
    settled: Warehouse,
) -> None:
    settled.load(
        [
            event("opened", email=None, message_id="<m-ann>"),
            event("opened", email=None, recipient="bo@x.example", message_id="batch"),
        ]
    )
    build(settled, *DELIVERY)
    assert len(settled.mart("fct_unmatched_events")) == 4
    settled.load(
        email_recipients=[application("email_recipients", 0, message_id="m-ann")],
        email_batches=[{"provider_message_id": "<batch>", "email_id": "e1"}],
    )
    build(settled, *DELIVERY)
    assert status(settled)["open_events"] == 1
    assert status(settled, "bo@x.example")["open_events"] == 1


def test_when_one_spelling_of_an_address_is_deleted_the_other_one_speaks(
    settled: Warehouse,
) -> None:
    other = application(
        "email_recipients",
        0,
        member_email="ANN@x.example",
        member_id="ann-too",
        updated_at=NOON,
    )
    settled.load(email_recipients=[other])
    build(settled, *DELIVERY)
    assert status(settled, "ANN@x.example")["member_id"] == "ann-too"
    settled.load(email_recipients=[{**other, "deleted_at": NOON}])
    build(settled, *DELIVERY)
    assert status(settled)["member_id"] == "ann"
    assert {row["member_id"] for row in settled.mart("fct_message_events")} == {
        "ann",
        None,
    }


def test_a_recipient_given_another_message_id_gives_up_what_matched_the_old_one(
    settled: Warehouse,
) -> None:
    stranger = event("opened", email=None, recipient="zoe@x.example", message_id="m-bo")
    his = event("opened", email=None, recipient="bo@x.example", message_id="<m-bo>")
    settled.load([stranger, his])
    build(settled, *DELIVERY)
    assert status(settled, "bo@x.example")["open_events"] == 1
    settled.load(
        email_recipients=[application("email_recipients", 1, message_id="m-new")]
    )
    build(settled, *DELIVERY)
    assert status(settled, "bo@x.example")["open_events"] == 0
    reasons = {
        row["event_key"]: row["reason"] for row in settled.mart("fct_unmatched_events")
    }
    assert reasons[stranger["event_key"]] == "unknown_email"
    assert reasons[his["event_key"]] == "unknown_email"


def test_a_domain_of_two_accounts_tells_none_until_one_of_them_leaves_it(
    settled: Warehouse,
) -> None:
    settled.load(accounts=[application("accounts", 1, sending_domain=ONE)])
    build(settled, *DELIVERY)
    assert days(settled, "acme") == {
        ("2025-11-02", "delivered"): 1,
        ("2025-11-02", "queued"): 2,
    }
    settled.load(accounts=[application("accounts", 0, sending_domain=TWO)])
    build(settled, *DELIVERY)
    assert days(settled, "bolt")["2025-11-01", "opened"] == 1
    assert_as_if_built_whole(settled, *DELIVERY)


def test_a_deleted_recipient_stays_and_is_flagged(settled: Warehouse) -> None:
    before = status(settled)
    settled.load(email_recipients=[application("email_recipients", 0, deleted_at=NOON)])
    build(settled, *DELIVERY)
    assert status(settled) == {**before, "is_deleted": True}
    (email,) = (
        row for row in settled.mart("fct_email_performance") if row["email_id"] == "e1"
    )
    assert email["sent"] == 2


def test_a_changed_email_is_changed_even_if_nobody_got_it(settled: Warehouse) -> None:
    for subject in ("Hello", "Good-bye"):
        settled.load(emails=[{"email_id": "e9", "subject": subject}])
        build(settled, *DELIVERY)
        (row,) = (
            row
            for row in settled.mart("fct_email_performance")
            if row["email_id"] == "e9"
        )
        assert (row["subject"], row["sent"], row["open_rate"]) == (subject, 0, None)


def test_a_deleted_email_flags_those_who_never_reacted_too(settled: Warehouse) -> None:
    settled.load(email_recipients=[{"email_id": "e1", "member_email": "no@x.example"}])
    build(settled, *DELIVERY)
    settled.load(emails=[application("emails", 0, deleted_at=NOON)])
    build(settled, *DELIVERY)
    assert status(settled, "no@x.example")["is_deleted"] is True
    assert status(settled)["is_deleted"] is True


# What becomes of a recipient


def test_a_delayed_bounce_keeps_the_delivery(settled: Warehouse) -> None:
    settled.load([failed("13:00:00", flags={"is-delayed-bounce": True})])
    build(settled, *DELIVERY)
    row = status(settled)
    assert row["delivery_status"] == "bounced"
    assert row["delivered_at"] == at("2025-11-02T12:00:05")
    assert row["failed_at"] == at("2025-11-02T13:00:00")
    assert row["is_delivered"] is False


def test_a_permanent_failure_is_not_reopened_by_anything_later(
    settled: Warehouse,
) -> None:
    settled.load([failed("12:30:00", reason="bounce", delivery_status={"code": 550})])
    build(settled, *DELIVERY)
    settled.load(
        [
            failed("13:00:00", "temporary", delivery_status={"code": 452}),
            event("delivered", "14:00:00"),
            event("opened", "15:00:00"),
        ]
    )
    build(settled, *DELIVERY)
    row = status(settled)
    assert row["delivery_status"] == "bounced"
    assert row["engagement_status"] == "opened"
    assert row["failure_code"] == 550
    assert row["status_changed_at"] == at("2025-11-02T12:30:00")


def test_at_the_same_instant_the_later_stage_of_life_wins(settled: Warehouse) -> None:
    stages = {
        "queued": event("accepted"),
        "deferred": failed(NOON, "temporary"),
        "bounced": failed(NOON, "temporary", reason="blocked"),
        "delivered": event("delivered"),
    }
    reached: dict[str, str] = {}
    for turn in (1, -1):
        for count in range(1, len(stages) + 1):
            address = f"{count}/{turn}@x.example"
            reached[address] = list(stages)[count - 1]
            settled.load(
                [
                    {
                        **stage,
                        "event_key": f"{address}:{place * turn}",
                        "payload": {**stage["payload"], "recipient": address},
                    }
                    for place, stage in enumerate(list(stages.values())[:count])
                ],
                email_recipients=[{"email_id": "e1", "member_email": address}],
            )
    build(settled, *DELIVERY)
    for address, stage in reached.items():
        row = status(settled, address)
        assert (row["delivery_status"], row["status_changed_at"]) == (stage, NOON)


def test_what_only_an_arrived_mail_can_cause_proves_its_delivery(
    settled: Warehouse,
) -> None:
    proves = {
        "opened": True,
        "clicked": True,
        "complained": True,
        "unsubscribed": False,
        "accepted": False,
        "list_member_uploaded": False,
    }
    settled.load(
        [event(name, recipient=f"{name}@x.example") for name in proves],
        email_recipients=[
            {"email_id": "e1", "member_email": f"{name}@x.example"} for name in proves
        ],
    )
    build(settled, *DELIVERY)
    for name, is_proof in proves.items():
        assert status(settled, f"{name}@x.example")["is_delivered"] is is_proof


def test_of_failures_at_the_same_instant_arrival_decides_which_one_is_told(
    settled: Warehouse,
) -> None:
    for severity in ("permanent", "temporary"):
        settled.load(
            [
                failed(
                    NOON,
                    severity,
                    recipient=f"{severity}@x.example",
                    message_id=f"m{code}",
                    received_at=at(f"2025-11-02T12:00:{arrived}"),
                    delivery_status={"code": code},
                )
                for code, arrived in ((1, 20), (2, 10), (3, 30), (4, 15))
            ],
            email_recipients=[
                {"email_id": "e1", "member_email": f"{severity}@x.example"}
            ],
        )
    build(settled, *DELIVERY)
    first = status(settled, "permanent@x.example")
    assert (first["failure_code"], first["failure_message"]) == (2, "Error 2")
    assert status(settled, "temporary@x.example")["failure_code"] == 3


def test_an_event_seen_again_in_a_later_load_changes_nothing(
    settled: Warehouse,
) -> None:
    held = settled.marts()
    settled.load(email_recipients=APPLICATION["email_recipients"])
    build(settled)
    assert settled.marts() == held
    assert sum(removed + added for _, removed, added in settled.work().values()) == 0


# What was cut short

TABLES = [
    "int_email_recipients__derived_touched",
    "int_email_recipients__derived",
    "int_message_events__touched",
    "fct_message_events",
    "int_recipients__touched",
    "fct_recipient_status",
    "int_emails__touched",
    "fct_email_performance",
    "int_suppressions__touched",
    "fct_suppressions",
    "int_members__touched",
    "dim_members",
]


def test_a_build_that_died_between_two_models_loses_nothing(
    settled: Warehouse,
) -> None:
    for minute, count in enumerate(range(1, len(TABLES), 1 if PROOF else 3)):
        settled.load(
            [
                event("opened", f"13:{minute:02}:00"),
                event("clicked", f"2011-12-30T13:{minute:02}:00", email="e2"),
            ],
            email_recipients=[
                {"email_id": "e2", "member_email": f"{minute}@x.example"}
            ],
        )
        build(settled, "--select", *TABLES[:count])
    build(settled)
    assert status(settled)["open_events"] == minute + 1
    assert_as_if_built_whole(settled)


def test_a_model_built_alone_with_an_old_list_of_touched_groups_loses_nothing(
    settled: Warehouse,
) -> None:
    for number, model in enumerate(
        ["fct_recipient_status", "fct_message_events", "fct_delivery_daily"]
    ):
        settled.load([event("opened", f"13:0{number}:00")])
        build(settled, "--select", model)
    build(settled, *DELIVERY)
    assert status(settled)["open_events"] == 3
    assert days(settled, "acme")["2025-11-02", "opened"] == 3
    assert_as_if_built_whole(settled, *DELIVERY)


def test_one_model_refreshed_alone_reaches_everything_downstream(
    settled: Warehouse,
) -> None:
    settled.load([event("opened", "13:00:00")])
    build(settled, "--full-refresh", "--select", "fct_message_events")
    assert status(settled)["open_events"] == 0
    build(settled, *DELIVERY)
    assert status(settled)["open_events"] == 1
    assert days(settled, "acme")["2025-11-02", "opened"] == 1
    assert_as_if_built_whole(settled, *DELIVERY)


@pytest.mark.parametrize(
    "change",
    [
        "add column is_of_old boolean",
        "drop column open_events",
        "alter column open_events type integer",
    ],
)
def test_a_mart_that_an_older_version_built_with_other_columns_is_made_again(
    settled: Warehouse, change: str
) -> None:
    held = settled.marts()
    with duckdb.connect(settled.path) as con:
        con.execute(f"alter table marts.fct_recipient_status {change}")
    build(settled, *DELIVERY)

    assert settled.marts() == held
    assert settled.rows(
        "select reason from ledger.builds where model = 'fct_recipient_status'"
        " order by change_number desc limit 1"
    ) == [{"reason": "its columns are others now"}]


def test_a_load_that_was_interrupted_counts_once_it_has_committed(
    settled: Warehouse,
) -> None:
    held = settled.marts()
    interrupted = settled.load([event("opened", "13:00:00")], committed=False)
    for arguments in ([], ["--full-refresh"]):
        build(settled, *arguments)
        assert settled.marts() == held
    settled.load([event("opened", "14:00:00")])  # a later load commits before it
    build(settled, *DELIVERY)
    assert status(settled)["open_events"] == 1
    settled.commit(interrupted)
    build(settled, *DELIVERY)
    row = status(settled)
    assert row["open_events"] == 2
    assert row["first_opened_at"] == at("2025-11-02T13:00:00")


def test_rows_of_an_interrupted_load_of_the_application_count_once_it_has_committed(
    settled: Warehouse,
) -> None:
    interrupted = settled.load(
        committed=False,
        accounts=[application("accounts", 0, reporting_timezone="Pacific/Apia")],
        emails=[application("emails", 0, account_id="bolt", newsletter_id=None)],
        email_recipients=[
            application("email_recipients", 1, message_id="m-new", member_id="bob"),
            {"email_id": "e1", "member_email": "di@x.example"},
        ],
    )
    settled.load(
        [
            event("unsubscribed", "13:00:00"),
            event("opened", email=None, recipient="bo@x.example", message_id="m-new"),
        ]
    )
    build(settled, *DELIVERY)
    settled.commit(interrupted)
    build(settled, *DELIVERY)
    assert status(settled, "di@x.example")["delivery_status"] == "sent"
    assert status(settled, "bo@x.example")["member_id"] == "bob"
    assert status(settled)["account_id"] == "bolt"
    assert_as_if_built_whole(settled, *DELIVERY)


def test_the_ledger_forgets_after_a_day_only_what_every_model_has_taken(
    settled: Warehouse,
) -> None:
    other = event("opened", email="e2", recipient="cy@y.example", domain=TWO)
    for opened, selection in (
        (event("opened", "13:00:00"), []),
        (other, ["--select", "+fct_recipient_status"]),
        (event("clicked", "13:00:00"), []),
    ):
        settled.load([opened])
        build(settled, *selection)
        with duckdb.connect(settled.path) as connection:
            connection.execute(
                "update ledger.builds set built_at = built_at - interval 2 day"
            )
    (forgotten,) = settled.rows("select through from ledger.trimmed")
    assert forgotten["through"] > 0
    assert_as_if_built_whole(settled)


# Without an application


def test_without_an_application_emails_and_accounts_are_read_from_the_events(
    settled: Warehouse,
) -> None:
    with_application = contents(settled)
    tables = ("accounts", "emails", "email_recipients")
    with duckdb.connect(settled.path) as connection:
        for table in tables:
            connection.execute(f"create table {table} as from raw.app_{table}")
            connection.execute(f"delete from raw.app_{table}")  # noqa: S608
    settled.load(
        settings={"domains": f'["{ONE}", "{TWO}"]', "timezone": "Asia/Kathmandu"}
    )
    build(settled, *DELIVERY, views=True)
    row = status(settled, "bo@x.example")
    assert (row["email_id"], row["account_id"]) == ("e1", ONE)
    assert row["delivery_status"] == "queued"
    assert row["sent_at"] == NOON
    assert days(settled, TWO) == {
        ("2025-11-02", "delivered"): 1,
        ("2025-11-02", "queued"): 1,
    }
    assert_as_if_built_whole(settled, *DELIVERY)

    with duckdb.connect(settled.path) as connection:
        for table in tables:
            connection.execute(f"insert into raw.app_{table} from {table}")
    build(settled, *DELIVERY, views=True)
    assert not differences(with_application, contents(settled))


def test_without_an_application_an_event_may_come_before_the_acceptance(
    warehouse: Warehouse,
) -> None:
    settings = {"domains": f'["{ONE}", "{TWO}"]'}
    warehouse.load([event("delivered", "12:00:05", domain=TWO)], settings=settings)
    build(warehouse, *DELIVERY, views=True)
    assert len(warehouse.mart("fct_unmatched_events")) == 1
    warehouse.load(
        [event("accepted", "12:00:00", recipient="Ann@x.example", domain=TWO)]
    )
    build(warehouse, *DELIVERY)
    assert warehouse.mart("fct_unmatched_events") == []
    (row,) = warehouse.mart("fct_recipient_status")
    assert row["delivery_status"] == "delivered"
    warehouse.load([event("accepted", "11:00:00", domain=TWO)])
    build(warehouse, *DELIVERY)
    (row,) = warehouse.mart("fct_recipient_status")
    assert (row["recipient"], row["account_id"]) == ("ann@x.example", TWO)


def test_without_an_application_an_email_of_two_domains_has_one_account(
    warehouse: Warehouse, zone_days: dict[int, pa.Table]
) -> None:
    warehouse.load_zones(zone_days[2025])
    warehouse.load(
        [
            event("accepted", domain=TWO),
            event("opened", domain=TWO),
            event("accepted", email=None, message_id="m", domain=TWO),
            event("accepted", email="e0", message_id="m", domain=TWO),
        ],
        settings={"domains": f'["{ONE}", "{TWO}"]'},
    )
    build(warehouse, *DELIVERY, views=True)
    bo = "bo@x.example"
    warehouse.load(
        [
            event("accepted", recipient=bo, domain=ONE),
            event("accepted", email=None, message_id="m", recipient=bo, domain=ONE),
        ]
    )
    build(warehouse, *DELIVERY)
    accounts = {
        (row["email_id"], row["account_id"])
        for row in warehouse.mart("fct_recipient_status")
    }
    assert accounts == {("e0", ONE), ("e1", ONE)}
    assert days(warehouse, ONE) == {
        ("2025-11-02", "opened"): 1,
        ("2025-11-02", "queued"): 5,
    }
    warehouse.load(settings={"domains": f'["{TWO}"]'})
    build(warehouse, *DELIVERY, views=True)
    assert_as_if_built_whole(warehouse, *DELIVERY)


# Where it runs


@pytest.mark.parametrize(
    ("zone", "threads"),
    [
        ("Asia/Kathmandu", 4),
        *([("America/New_York", 1), ("Pacific/Apia", 4), ("UTC", 2)] if PROOF else []),
    ],
)
def test_the_machines_own_zone_and_the_number_of_threads_change_nothing(
    settled: Warehouse, zone: str, threads: int
) -> None:
    settled.load(
        [
            event("opened", "2025-11-02T03:59:59.999999"),
            event("opened", "2025-11-02T04:00:00"),
            event("clicked", "2011-12-30T18:15:00"),
        ]
    )
    dbt = "from dbt.cli.main import cli; cli()"
    arguments = ["build", "--exclude-resource-type", "test", "--threads", str(threads)]
    arguments += ["--exclude-resource-type", "unit_test", "--full-refresh"]
    arguments += ["--exclude-resource-type", "seed", *DELIVERY]
    arguments += ["--target-path", str(settled.home / "target"), "--quiet"]
    subprocess.run(
        [sys.executable, "-c", dbt, *arguments],
        cwd=ROOT,
        env={**os.environ, "TZ": zone, "TALLYBOOK_HOME": str(plant(settled.home))},
        check=True,
    )
    elsewhere = contents(settled)
    build(settled, "--full-refresh", *DELIVERY)
    assert not differences(contents(settled), elsewhere)
    assert days(settled, "acme")["2025-11-01", "opened"] == 2
