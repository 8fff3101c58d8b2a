"""A world repeats by its seed, and what it calls true can be read from its events."""

import json
from collections import Counter, defaultdict
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from typing import Any

import pytest

from simulator.clock import DAY, MINUTE, microseconds, utc_day
from simulator.world import Spec, World

SMALL = Spec(days=3, accounts=2, emails=4, recipients_per_email=30, hostile=0.3)
ENGAGEMENT = ["none", "opened", "clicked", "unsubscribed", "complained"]


def served(world: World) -> list[tuple[str, Any]]:
    return [
        (domain, event) for domain in world.domains for event in world.events(domain)
    ]


def test_the_same_recipe_gives_the_same_world_byte_for_byte() -> None:
    one, two = World(SMALL), World(SMALL)
    assert served(one) == served(two)
    assert one.truth() == two.truth()
    assert one.app_tables() == two.app_tables()


def test_another_seed_gives_another_world() -> None:
    one, two = World(SMALL), World(replace(SMALL, seed=SMALL.seed + 1))
    assert served(one) != served(two)
    assert one.app_tables() != two.app_tables()


def test_a_log_is_in_order_of_time_and_then_id(world: World) -> None:
    for domain in world.domains:
        order = [(event.occurred_at, event.event_id) for event in world.events(domain)]
        assert order == sorted(order)


def test_counts_in_truth_equal_counting_the_log() -> None:
    world = World(SMALL)
    counted = Counter(
        (domain, utc_day(event.occurred_at), event.name)
        for domain, event in served(world)
        if event.name
    )
    assert dict(counted) == world.truth().counts


def test_bodies_are_about_as_long_as_mailguns(world: World) -> None:
    lengths = [len(event.body) for _, event in served(world)]
    assert 1_000 <= sum(lengths) / len(lengths) <= 1_250


def test_a_body_says_what_its_record_says(world: World) -> None:
    for _, event in served(world):
        body = json.loads(event.body)
        assert body["id"] == event.event_id
        assert body["event"] == event.name
        assert round(body["timestamp"] * 1_000_000) == event.occurred_at


def test_an_id_is_unique_within_a_day_and_some_return_on_another() -> None:
    world = World(replace(SMALL, days=8, emails=20, hostile=0, id_reuse=0.2))
    for domain in world.domains:
        events = list(world.events(domain))
        by_day = [(event.occurred_at // DAY, event.event_id) for event in events]
        assert len(set(by_day)) == len(events)
        assert len({event_id for _, event_id in by_day}) < 0.95 * len(events)


@pytest.mark.parametrize("days", [1, 3, 30])
def test_everything_happens_within_the_worlds_days(days: int) -> None:
    spec = replace(SMALL, days=days, recipients_per_email=100)
    times = [event.occurred_at for _, event in served(World(spec))]
    assert spec.begins_at <= min(times)
    assert max(times) < spec.ends_at


def test_the_asked_share_of_events_is_stored_late_and_out_of_order() -> None:
    spec = replace(SMALL, late=0.1, late_minutes=40, recipients_per_email=300)
    events = [event for _, event in served(World(spec))]
    delays = [event.stored_at - event.occurred_at for event in events]
    assert min(delays) > 0
    assert max(delays) <= 40 * MINUTE
    assert 0.06 < sum(delay > MINUTE for delay in delays) / len(delays) < 0.14


def test_timestamps_are_text_when_asked_for() -> None:
    world = World(replace(SMALL, hostile=0, text_timestamps=1))
    for _, event in served(world):
        timestamp = json.loads(event.body)["timestamp"]
        assert isinstance(timestamp, str)
        assert round(float(timestamp) * 1_000_000) == event.occurred_at


def test_every_fate_and_every_kind_of_event_occurs(world: World) -> None:
    recipients = world.truth().recipients
    assert {recipient.delivery_status for recipient in recipients} == {
        "sent", "queued", "deferred", "delivered", "bounced", "rejected",
    }  # fmt: skip
    assert {recipient.engagement_status for recipient in recipients} == set(ENGAGEMENT)
    names = {name for _, _, name in world.truth().counts}
    assert names >= {
        "accepted", "rejected", "delivered", "failed", "opened", "clicked",
        "unsubscribed", "complained", "stored",
    }  # fmt: skip


def test_truth_agrees_with_a_reading_of_the_events(world: World) -> None:
    lives = Matcher(world).lives()
    for recipient in world.truth().recipients:
        read = reading(lives[recipient.email_id, recipient.recipient])
        decided = asdict(recipient)
        assert {name: decided[name] for name in read} == read


def test_events_called_unmatched_match_nothing_and_all_others_match() -> None:
    world = World(replace(SMALL, hostile=0, unmatched=0.1))
    matcher = Matcher(world)
    unmatched = {
        (event.domain, event.event_id, event.occurred_at): event.reason
        for event in world.truth().unmatched
    }
    assert set(unmatched.values()) == {"no_id", "unknown_email", "unknown_recipient"}
    for domain, event in served(world):
        body = json.loads(event.body)
        key = domain, event.event_id, event.occurred_at
        is_matched = matcher.match(body) in matcher.recipients
        assert is_matched == (key not in unmatched and event.name != "stored")


def test_every_reason_for_a_dead_letter_occurs_in_a_hostile_world() -> None:
    reasons = {odd.dead_letter_reason for odd in World(SMALL).truth().dead_letters}
    assert reasons == {
        "event_id_not_text", "event_not_an_object", "event_type_not_text",
        "bad_timestamp", "field_too_long", "missing_event_type", "missing_id",
        "missing_timestamp", "timestamp_out_of_range", "too_deep",
    }  # fmt: skip


def test_oddities_stand_in_the_log_as_truth_has_them_and_harm_no_neighbour() -> None:
    world = World(SMALL)
    truth = world.truth()
    bodies = Counter((domain, event.body.decode()) for domain, event in served(world))
    odd = Counter((odd.domain, odd.body) for odd in truth.oddities)
    assert odd <= bodies
    assert set(odd.values()) == {1}
    for domain in world.domains:
        log = world.log(domain)
        page = bytes(log.bodies(0, len(log)))
        assert len(json.loads(b"[%b]" % page)) == len(log)
    orderly = World(replace(SMALL, hostile=0)).truth()
    assert len(orderly.recipients) == len(truth.recipients)
    assert not orderly.oddities


def test_an_oddity_that_is_kept_counts_and_a_dead_letter_does_not() -> None:
    truth = World(SMALL).truth()
    kept = [odd for odd in truth.oddities if odd.dead_letter_reason is None]
    assert {odd.event_name for odd in kept} == {"opened", "clicked"}
    assert all(odd.event_name == "" for odd in truth.dead_letters)
    numbers = [odd for odd in kept if odd.kind == "id is a number"]
    assert all(f'"id":{odd.event_id},' in odd.body for odd in numbers)


@pytest.mark.parametrize(
    "mistake",
    [
        {"begin": datetime(2026, 3, 1)},  # noqa: DTZ001 - the mistake
        {"days": 0},
        {"accounts": 0},
        {"late": -0.1},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(mistake))):
        Spec(**mistake)


def test_lives_take_place_where_the_recipe_says() -> None:
    begin = datetime(2011, 12, 29, tzinfo=UTC)
    spec = replace(SMALL, begin=begin, days=2)
    days = {utc_day(event.occurred_at) for _, event in served(World(spec))}
    assert days <= {begin.date(), (begin + timedelta(days=1)).date()}
    assert microseconds(begin) == spec.begins_at


class Matcher:
    """Matches events to the application's rows as SEMANTICS, section 2 says."""

    def __init__(self, world: World) -> None:
        tables = {name: rows.to_pylist() for name, rows in world.app_tables().items()}
        self._world = world
        self._emails = {row["email_id"] for row in tables["emails"]}
        self._messages = {
            row["provider_message_id"]: row["email_id"]
            for row in tables["email_batches"]
        }
        self.recipients = set()
        for row in tables["email_recipients"]:
            self.recipients.add((row["email_id"], row["member_email"]))
            if row["message_id"]:
                self._messages[row["message_id"]] = row["email_id"]

    def match(self, body: dict[str, Any]) -> tuple[str | None, str]:
        headers = body["message"]["headers"]
        email_id = body["user-variables"].get("email-id")
        if email_id is None:
            email_id = self._messages.get(headers.get("message-id"))
        elif email_id not in self._emails:
            email_id = None
        [(_, to)] = getaddresses([headers["to"]])
        return email_id, body.get("recipient", to)

    def lives(self) -> dict[tuple[str | None, str], list[dict[str, Any]]]:
        """Events of each email and recipient, by time."""
        lives = defaultdict(list)
        for _, event in served(self._world):
            body = json.loads(event.body)
            if body["event"] != "stored":
                body["at"] = event.occurred_at
                lives[self.match(body)].append(body)
        return lives


def reading(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What events come to, worked out from them alone (SEMANTICS, section 3)."""

    def times(name: str, **fields: str) -> list[int]:
        return [
            event["at"]
            for event in events
            if event["event"] == name and fields.items() <= event.items()
        ]

    opens, clicks = times("opened"), times("clicked")
    people = [
        event["at"]
        for event in events
        if event["event"] == "opened" and not event["client-info"].get("bot")
    ]
    failures = [event for event in events if event["event"] == "failed"]
    permanent = [each for each in failures if each.get("severity") == "permanent"]
    suppressed = [each for each in permanent if "suppress" in each["reason"]]
    read = {
        "queued_at": min(times("accepted"), default=None),
        "delivered_at": min(times("delivered"), default=None),
        "first_opened_at": min(opens, default=None),
        "last_opened_at": max(opens, default=None),
        "first_human_opened_at": min(people, default=None),
        "first_clicked_at": min(clicks, default=None),
        "unsubscribed_at": min(times("unsubscribed"), default=None),
        "complained_at": min(times("complained"), default=None),
        "failed_at": min(
            times("failed", severity="permanent") + times("rejected"), default=None
        ),
        "open_events": len(opens),
        "click_events": len(clicks),
        "deferrals": len(failures) - len(permanent),
    }
    if times("rejected") or suppressed:
        status = "rejected"
    elif permanent:
        status = "bounced"
    elif times("delivered"):
        status = "delivered"
    elif failures:
        status = "deferred"
    else:
        status = "queued" if times("accepted") else "sent"
    proven = bool(times("delivered") or opens or clicks or times("complained"))
    reached = [
        step
        for step, name in enumerate(ENGAGEMENT)
        if any(event["event"] == name for event in events)
    ]
    read |= {
        "delivery_status": status,
        "is_delivered": proven and status not in {"bounced", "rejected"},
        "engagement_status": ENGAGEMENT[max(reached, default=0)],
    }
    if permanent or failures:
        told = permanent[0] if permanent else failures[-1]
        result = told["delivery-status"]
        text = result["message"] or result["description"]
        enhanced = result.get("enhanced-code")
        read |= {
            "failure_severity": told.get("severity", "temporary"),
            "failure_code": result["code"],
            "failure_enhanced_code": enhanced,
            "failure_message": text[:2_000] or f"Error {enhanced or result['code']}",
            "failure_event_id": told["id"],
            "failure_at": told["at"],
        }
    return read
