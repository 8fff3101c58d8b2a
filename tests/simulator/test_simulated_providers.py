"""Mail of the same world, told by SendGrid and by Postmark in their own words."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from simulator.clock import SECOND, microseconds
from simulator.world import Spec, World

SPEC = Spec(
    seed=4,
    accounts=4,
    sendgrid_accounts=2,
    postmark_accounts=1,
    emails=32,
    recipients_per_email=180,
    without_email_id=0.4,
    unknown_names=0.01,
    unmatched=0,
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(SPEC)


def told(world: World, provider: str) -> list[dict[str, Any]]:
    return [
        json.loads(event.body)
        for domain in world.domains_of(provider)
        for event in world.events(domain)
    ]


def test_each_account_sends_through_one_provider(world: World) -> None:
    assert [len(world.domains_of(name)) for name in ("mailgun", "postmark")] == [1, 1]
    assert len(world.domains_of("sendgrid")) == 2
    assert world.domains == world.domains_of("mailgun")
    providers = {
        truth.account_id: truth.provider
        for truth in world.truth().recipients
        if truth.provider
    }
    assert list(providers.values()) == ["mailgun", "postmark", "sendgrid", "sendgrid"]


def test_sendgrid_tells_every_kind_of_event(world: World) -> None:
    names = {event["event"] for event in told(world, "sendgrid")}
    assert names >= {
        "processed", "deferred", "delivered", "bounce", "dropped", "open", "click",
        "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe",
    }  # fmt: skip
    types = {event.get("type") for event in told(world, "sendgrid")}
    assert types >= {"bounce", "blocked", "expired"}
    reasons = {e["reason"] for e in told(world, "sendgrid") if e["event"] == "dropped"}
    assert reasons == {
        "Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid",
        "Spam Content",
    }  # fmt: skip


def test_sendgrid_knows_only_whole_seconds_and_gives_each_event_an_id(
    world: World,
) -> None:
    ids = Counter(event["sg_event_id"] for event in told(world, "sendgrid"))
    assert set(ids.values()) == {1}
    for domain in world.domains_of("sendgrid"):
        for event in world.events(domain):
            body = json.loads(event.body)
            assert body["timestamp"] * SECOND == event.occurred_at
            assert body["event"] == event.name


def test_what_people_do_carries_only_sendgrids_own_id_of_the_message(
    world: World,
) -> None:
    lacking = {
        event["event"] for event in told(world, "sendgrid") if "smtp-id" not in event
    }
    assert lacking == {
        "open", "click", "spamreport", "unsubscribe", "group_unsubscribe",
        "group_resubscribe",
    }  # fmt: skip


def test_a_message_carries_the_applications_id_in_all_its_events_or_in_none(
    world: World,
) -> None:
    seen: dict[str, set[bool]] = defaultdict(set)
    for event in told(world, "sendgrid"):
        message = event["sg_message_id"].split(".recvd")[0]
        if event["category"] == ["newsletter"]:
            seen[message].add("email_id" in event)
    for event in told(world, "mailgun"):
        if event["event"] != "stored":
            message = event["message"]["headers"].get("message-id", "stray")
            seen[message].add("email-id" in event["user-variables"])
    for event in told(world, "postmark"):
        seen[event["MessageID"]].add("email-id" in event["Metadata"])
    assert all(len(ways) == 1 for ways in seen.values())
    assert {True} in seen.values()
    assert {False} in seen.values()


def test_each_id_of_sendgrids_leads_to_one_message_of_the_application(
    world: World,
) -> None:
    """As far as the link is learned from events that have both ids."""
    tables = {name: rows.to_pylist() for name, rows in world.app_tables().items()}
    known = {row["message_id"] for row in tables["email_recipients"]}
    known |= {row["provider_message_id"] for row in tables["email_batches"]}
    links: dict[str, set[str]] = defaultdict(set)
    for event in told(world, "sendgrid"):
        own, _, _ = event["sg_message_id"].partition(".recvd")
        own = own.split(".filter")[0]
        if own:
            links[own].add(event.get("smtp-id", "").strip("<>"))
    learned = {own: ids & known for own, ids in links.items()}
    assert all(len(ids) <= 1 for ids in learned.values())
    assert all(ids or own in known for own, ids in learned.items())
    assert sum(bool(ids) for ids in learned.values()) > 50


def test_postmark_tells_every_kind_of_event_with_the_time_under_its_own_name(
    world: World,
) -> None:
    names = {event["RecordType"] for event in told(world, "postmark")}
    assert names >= {"Delivery", "Bounce", "Open", "Click", "SubscriptionChange"}
    [domain] = world.domains_of("postmark")
    for event in world.events(domain):
        body = json.loads(event.body)
        [at] = [
            body[name]
            for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
            if name in body
        ]
        assert microseconds(datetime.fromisoformat(at)) == event.occurred_at


def test_sendgrid_tells_of_the_account_itself_without_mail_or_message() -> None:
    world = World(replace(SPEC, unmatched=0.01))
    told_of = [
        event
        for event in told(world, "sendgrid")
        if event["event"] == "account_status_change"
    ]
    assert len(told_of) == 2
    assert all(
        event.keys() == {"event", "sg_event_id", "timestamp", "type"}
        for event in told_of
    )


def test_no_two_of_postmarks_events_are_alike(world: World) -> None:
    """It gives them no id."""
    [domain] = world.domains_of("postmark")
    bodies = Counter(event.body for event in world.events(domain))
    assert set(bodies.values()) == {1}


def test_sendgrids_odd_items_are_dead_for_every_reason_or_are_kept() -> None:
    world = World(Spec(accounts=1, sendgrid_accounts=1, emails=4, hostile=0.2))
    [domain] = world.domains_of("sendgrid")
    bodies = {event.body.decode() for event in world.events(domain)}
    assert {odd.body for odd in world.truth().oddities} < bodies
    assert {odd.dead_letter_reason for odd in world.truth().dead_letters} == {
        "event_id_not_text", "event_not_an_object", "event_type_not_text",
        "bad_timestamp", "field_too_long", "missing_event_type", "missing_timestamp",
        "timestamp_out_of_range", "too_deep",
    }  # fmt: skip
    kinds = {odd.kind for odd in world.truth().oddities if not odd.dead_letter_reason}
    assert {"id missing", "id is a number", "recipient missing"} < kinds
