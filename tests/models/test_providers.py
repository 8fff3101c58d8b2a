"""What is said of each provider's events, and how the ids of a message are learned."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from mail import NOON, ONE, Row
from proof import DELIVERY, PROOF, assert_as_if_built_whole, build
from warehouse import Warehouse


@pytest.fixture
def warehouses(built: Path, tmp_path: Path) -> Callable[[], Warehouse]:
    """Gives a warehouse of nothing, as often as it is asked."""
    homes = (tmp_path / str(number) for number in count())
    return lambda: Warehouse(next(homes), like=built)


PROVIDERS = ("mailgun", "sendgrid", "postmark")

SENDGRID_SAYS: list[tuple[str, Row, tuple[str, str | None, str | None]]] = [
    ("processed", {}, ("queued", None, None)),
    ("deferred", {}, ("deferred", "temporary", None)),
    ("delivered", {}, ("delivered", None, None)),
    ("bounce", {"type": "bounce"}, ("bounced", "permanent", None)),
    ("bounce", {"type": "blocked"}, ("bounced", "temporary", "blocked")),
    ("bounce", {"type": "expired"}, ("bounced", "temporary", "timed_out")),
    ("bounce", {}, ("bounced", "temporary", None)),
    ("dropped", {"reason": "Bounced Address"}, ("rejected", "permanent", "bounced")),
    (
        "dropped",
        {"reason": "Unsubscribed Address"},
        ("rejected", "permanent", "unsubscribed"),
    ),
    (
        "dropped",
        {"reason": "Spam Reporting Address"},
        ("rejected", "permanent", "spam"),
    ),
    ("dropped", {"reason": "Invalid"}, ("rejected", "permanent", "invalid")),
    ("dropped", {"reason": "Spam Content"}, ("rejected", "permanent", "spam")),
    ("dropped", {"reason": "Who knows"}, ("rejected", "permanent", "other")),
    ("open", {}, ("opened", None, None)),
    ("click", {}, ("clicked", None, None)),
    ("spamreport", {}, ("complained", None, None)),
    ("unsubscribe", {}, ("unsubscribed", None, None)),
    ("group_unsubscribe", {}, ("unsubscribed", None, None)),
    ("group_resubscribe", {}, ("subscribed", None, None)),
    ("account_status_change", {}, ("unknown", None, None)),
    ("levitated", {}, ("unknown", None, None)),
]
"""What PROVIDERS.md says of SendGrid: name, members, type, severity, reject reason."""


def sendgrid(name: str, key: str, **payload: Any) -> Row:
    """An event of SendGrid's to Ann, as it lies in raw."""
    return {
        "provider": "sendgrid",
        "event_key": key,
        "event_name": name,
        "domain": ONE,
        "occurred_at": NOON,
        "payload": {"email": "ann@x.example"} | payload,
    }


def emails(warehouse: Warehouse) -> dict[str, tuple[str | None, str | None]]:
    """The email of each event, and what told it."""
    return {
        row["event_key"]: (row["email_id"], row["match_method"])
        for row in warehouse.mart("fct_message_events")
    }


def ann(email_id: str, message_id: str | None) -> Row:
    """The application's row of an email to Ann."""
    return {
        "email_id": email_id,
        "member_email": "ann@x.example",
        "message_id": message_id,
    }


def test_all_providers_events_have_the_same_columns_in_the_same_order(
    warehouse: Warehouse,
) -> None:
    first, *others = (
        warehouse.rows(f"describe staging.stg_{provider}__events")
        for provider in PROVIDERS
    )
    for other in others:
        assert [(one["column_name"], one["column_type"]) for one in other] == [
            (one["column_name"], one["column_type"]) for one in first
        ]


def test_each_of_sendgrids_names_is_called_what_it_means(warehouse: Warehouse) -> None:
    warehouse.load(
        sendgrid(name, str(number), **payload)
        for number, (name, payload, _) in enumerate(SENDGRID_SAYS)
    )
    build(warehouse, *DELIVERY)
    found = {
        int(row["event_key"]): (
            row["event_type"],
            row["severity"],
            row["reject_reason"],
        )
        for row in warehouse.mart("fct_message_events")
    }
    assert found == {n: said for n, (_, _, said) in enumerate(SENDGRID_SAYS)}
    (unknown,) = (
        one
        for one in warehouse.test("--select", "every_event_name_is_known").result
        if one.node.name == "every_event_name_is_known"
    )
    assert (unknown.status, unknown.failures) == ("warn", 1)


def test_an_open_before_and_one_after_the_event_that_teaches_its_id_are_matched(
    warehouse: Warehouse,
) -> None:
    warehouse.load(
        [sendgrid("open", "before", sg_message_id="P.recvd-1")],
        emails=[{"email_id": "e1"}],
        email_recipients=[ann("e1", "M@mg")],
    )
    build(warehouse, *DELIVERY)
    assert emails(warehouse) == {"before": (None, None)}
    teaching = {"smtp-id": "<M@mg>", "sg_message_id": "P.filter-2"}
    warehouse.load([sendgrid("processed", "teaching", **teaching)])
    build(warehouse, *DELIVERY)
    warehouse.load([sendgrid("click", "after", sg_message_id="P")])
    build(warehouse, *DELIVERY)
    assert emails(warehouse) == {
        "before": ("e1", "provider_message_id"),
        "teaching": ("e1", "message_id"),
        "after": ("e1", "provider_message_id"),
    }
    assert_as_if_built_whole(warehouse, *DELIVERY)


def test_a_row_that_is_written_last_heals_what_was_taught_long_ago(
    warehouse: Warehouse,
) -> None:
    teaching = {"smtp-id": "<M@mg>", "sg_message_id": "P.filter-2"}
    warehouse.load(
        [
            sendgrid("processed", "teaching", **teaching),
            sendgrid("open", "open", sg_message_id="P"),
        ],
        accounts=[{"account_id": "acme", "reporting_timezone": "UTC"}],
    )
    build(warehouse, *DELIVERY)
    assert set(emails(warehouse).values()) == {(None, None)}
    warehouse.load(emails=[{"email_id": "e1"}], email_recipients=[ann("e1", "M@mg")])
    build(warehouse, *DELIVERY)
    assert emails(warehouse)["open"] == ("e1", "provider_message_id")
    warehouse.load(email_recipients=[ann("e1", "other")])
    build(warehouse, *DELIVERY)
    assert set(emails(warehouse).values()) == {(None, None)}
    assert_as_if_built_whole(warehouse, *DELIVERY)


def test_an_unknown_message_id_goes_on_to_the_providers_an_unknown_own_id_does_not(
    warehouse: Warehouse,
) -> None:
    ids = {"smtp-id": "<made-by-the-api>", "sg_message_id": "P.filter-2"}
    warehouse.load(
        [
            sendgrid("delivered", "goes-on", **ids),
            sendgrid("delivered", "stays", **ids, **{"email-id": "gone"}),
        ],
        emails=[{"email_id": "e1"}],
        email_batches=[{"provider_message_id": "P", "email_id": "e1"}],
        email_recipients=[ann("e1", None)],
    )
    build(warehouse, *DELIVERY)
    assert emails(warehouse) == {
        "goes-on": ("e1", "provider_message_id"),
        "stays": (None, None),
    }
    (lost,) = warehouse.mart("fct_unmatched_events")
    assert (lost["event_key"], lost["reason"]) == ("stays", "unknown_email")


def test_an_id_that_is_taught_anew_stands_for_the_first_email_by_name(
    warehouse: Warehouse,
) -> None:
    warehouse.load(
        [
            sendgrid("processed", "one", **{"smtp-id": "<M2>", "sg_message_id": "P"}),
            sendgrid("open", "open", sg_message_id="P"),
        ],
        emails=[{"email_id": "e1"}, {"email_id": "e2"}],
        email_recipients=[ann("e1", "M1"), ann("e2", "M2")],
    )
    build(warehouse, *DELIVERY)
    assert emails(warehouse)["open"][0] == "e2"
    again = {"smtp-id": "<M1>", "sg_message_id": "P"}
    warehouse.load([sendgrid("processed", "another", **again)])
    build(warehouse, *DELIVERY)
    assert emails(warehouse)["open"][0] == "e1"
    assert_as_if_built_whole(warehouse, *DELIVERY)


@pytest.mark.parametrize("domain", [ONE, None])
def test_without_an_application_sendgrid_and_postmark_tell_what_was_sent(
    warehouse: Warehouse, domain: str | None
) -> None:
    processed = {"smtp-id": "<M>", "sg_message_id": "P"}
    postmark = {"provider": "postmark", "domain": domain, "occurred_at": NOON}
    warehouse.load(
        [
            sendgrid("processed", "processed", **processed) | {"domain": domain},
            sendgrid("open", "open", sg_message_id="P") | {"domain": domain},
            {
                **postmark,
                "event_key": "bounce",
                "event_name": "Bounce",
                "payload": {
                    "MessageID": "U",
                    "Email": "bo@x.example",
                    "Type": "HardBounce",
                },
            },
            {
                **postmark,
                "event_key": "change",
                "event_name": "SubscriptionChange",
                "payload": {"Recipient": "bo@x.example", "SuppressSending": True},
            },
        ],
        settings={"sendgrid.domains": f'["{ONE}"]'},
    )
    build(warehouse, *DELIVERY, views=True)
    found = {
        row["recipient"]: (
            row["email_id"],
            row["account_id"],
            row["delivery_status"],
            row["engagement_status"],
        )
        for row in warehouse.mart("fct_recipient_status")
    }
    assert found == {
        "ann@x.example": ("M", domain, "queued", "opened"),
        "bo@x.example": ("U", domain, "bounced", "none"),
    }
    (lost,) = warehouse.mart("fct_unmatched_events")
    assert (lost["event_key"], lost["reason"]) == ("change", "no_id")
    assert_as_if_built_whole(warehouse, *DELIVERY)


def test_without_an_application_a_message_is_one_email_whichever_ids_its_events_have(
    warehouses: Callable[[], Warehouse],
) -> None:
    ids = {"smtp-id": "<M>", "sg_message_id": "P.filter-2"}
    sent = [
        sendgrid("processed", "both", **ids),
        sendgrid("bounce", "own", sg_message_id="P", type="bounce"),
        sendgrid("deferred", "given", sg_message_id="P", **{"email-id": "e1"}),
    ]
    orders = list(permutations(sent))
    for events in orders if PROOF else orders[::5]:
        warehouse = warehouses()
        warehouse.load(settings={"sendgrid.domains": f'["{ONE}"]'})
        build(warehouse, *DELIVERY, views=True)
        for event in events:
            warehouse.load([event])
            build(warehouse, *DELIVERY)
        (row,) = warehouse.mart("fct_recipient_status")
        assert (row["email_id"], row["message_id"], row["delivery_status"]) == (
            "e1",
            "M",
            "bounced",
        )
        (email,) = warehouse.mart("fct_email_performance")
        assert (email["sent"], email["failed_permanently"]) == (1, 1)
    assert_as_if_built_whole(warehouse, *DELIVERY)


def test_postmarks_reactivation_lifts_what_is_of_its_stream_and_no_dead_address(
    warehouse: Warehouse,
) -> None:
    bo = {"MessageID": "U", "MessageStream": "outbound"}
    said = [
        ("Bounce", bo | {"Email": "bo@x.example", "Type": "HardBounce"}),
        *(
            (
                "SubscriptionChange",
                bo | {"Recipient": "bo@x.example", "SuppressSending": suppresses},
            )
            for suppresses in (True, False)
        ),
    ]
    warehouse.load(
        [
            {
                "provider": "postmark",
                "event_key": str(number),
                "event_name": name,
                "domain": ONE,
                "occurred_at": NOON + timedelta(minutes=number),
                "payload": payload,
            }
            for number, (name, payload) in enumerate(said)
        ],
        settings={"postmark.domains": f'["{ONE}"]'},
    )
    build(warehouse, *DELIVERY, views=True)
    lifted = {
        (row["reason"], row["scope"]): row["lifted_at"] is not None
        for row in warehouse.mart("fct_suppressions")
    }
    assert lifted == {
        ("bounced", "all"): False,
        ("unsubscribed", "group:outbound"): True,
    }
