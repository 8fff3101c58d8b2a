"""What the stand-ins post to webhooks: signed, in batches, until it is taken."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Any

import pytest
from webhooks import Got, webhook

from simulator import Simulator, Spec, serve
from simulator.clock import HOUR, SECOND, instant_of
from simulator.knobs import PostKnobs, turned
from simulator.outbox import Outbox
from simulator.world import World

SPEC = Spec(
    seed=5,
    days=2,
    accounts=2,
    sendgrid_accounts=1,
    emails=4,
    recipients_per_email=20,
    late=0.1,
)
QUICK = {"retry_ms": 1.0}


@pytest.fixture
def running() -> Iterator[Simulator]:
    with serve(SPEC) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def bodies() -> dict[str, Counter[str]]:
    """All that each provider has to post."""
    return {provider: in_the_log(provider) for provider in ("sendgrid", "mailgun")}


def in_the_log(provider: str, until: float = inf) -> Counter[str]:
    world = World(SPEC)
    return Counter(
        json.dumps(json.loads(event.body))
        for domain in world.domains_of(provider)
        for event in world.events(domain)
        if event.stored_at <= until and event.name not in {"stored", "rejected"}
    )


def told(got: list[Got]) -> Counter[str]:
    """The events of some requests."""
    return Counter(json.dumps(event) for request in got for event in request.events)


def test_sendgrid_posts_every_event_once_in_signed_batches(
    running: Simulator, bodies: dict[str, Counter[str]]
) -> None:
    with webhook(lambda _: 204) as (address, got):
        running.post(to={"sendgrid": address}, batch=30)
        counts = running.wait_until_posted()

    assert told(got) == bodies["sendgrid"]
    assert counts["acknowledged"] == bodies["sendgrid"].total()
    assert counts["answers"] == {"204": len(got)}
    assert all(request.is_sendgrids(running.sendgrid_public_key) for request in got)
    sizes = [len(request.events) for request in got]
    assert max(sizes[:-1]) <= 30
    assert len(set(sizes)) > 3


def test_mailgun_posts_one_event_at_a_time_signed_with_a_new_token(
    running: Simulator, bodies: dict[str, Counter[str]]
) -> None:
    with webhook(lambda _: 200) as (address, got):
        running.post(to={"mailgun": address})
        running.wait_until_posted()

    assert told(got) == bodies["mailgun"]
    assert all(request.is_mailguns(running.mailgun_signing_key) for request in got)
    tokens = {json.loads(request.body)["signature"]["token"] for request in got}
    assert len(tokens) == len(got)


def test_providers_post_side_by_side() -> None:
    world = World(SPEC)
    to = dict.fromkeys(("sendgrid", "mailgun"), "http://127.0.0.1:1/")
    batches = Outbox(world).take(PostKnobs(to=to, batch=1), world.last_stored_at)

    early = batches[: len(batches) // 4]
    assert {batch.provider for batch in early} == {"sendgrid", "mailgun"}
    assert len({batch.number for batch in batches}) == len(batches)


def test_a_changed_body_or_another_key_does_not_verify(running: Simulator) -> None:
    with webhook(lambda _: 200) as (address, got):
        running.post(to={"sendgrid": address})
        running.wait_until_posted()

    request = got[0]
    reordered = json.dumps(request.events).encode()
    assert not Got(request.path, request.headers, reordered).is_sendgrids(
        running.sendgrid_public_key
    )
    with serve(Spec(seed=6, emails=1, recipients_per_email=1)) as other:
        assert not request.is_sendgrids(other.sendgrid_public_key)


def test_only_what_is_stored_by_the_clock_is_posted_and_the_rest_as_it_moves(
    running: Simulator,
) -> None:
    middle = SPEC.begins_at + 20 * HOUR
    running.control(now=instant_of(middle))
    with webhook(lambda _: 200) as (address, got):
        running.post(to={"sendgrid": address})
        running.wait_until_posted()
        early = told(got)
        running.control(now=None)
        running.wait_until_posted()

    assert early == in_the_log("sendgrid", until=middle)
    assert early < told(got) == in_the_log("sendgrid")


def test_a_post_that_is_not_taken_comes_again_as_it_was(running: Simulator) -> None:
    with webhook(lambda number: 503 if number < 5 else 204) as (address, got):
        running.post(to={"sendgrid": address}, connections=1, **QUICK)
        counts = running.wait_until_posted()

    assert counts["answers"]["503"] == 5
    assert len({(request.body, *request.headers.values()) for request in got[:6]}) == 1
    assert told(got[5:]) == told(got[6:]) + told(got[:1])


@pytest.mark.parametrize("mishap", ["resets", "unanswered", "unread"])
def test_mishaps_on_the_way_lose_nothing(
    running: Simulator, bodies: dict[str, Counter[str]], mishap: str
) -> None:
    with webhook(lambda _: 200) as (address, got):
        running.post(to={"sendgrid": address}, batch=10, **{mishap: 0.3}, **QUICK)
        counts = running.wait_until_posted()

    assert counts["answers"][mishap] > 5
    assert counts["given_up"] == 0
    arrived = told(got)
    assert arrived.keys() == bodies["sendgrid"].keys()
    if mishap == "resets":
        assert arrived == bodies["sendgrid"]
    if mishap == "unread":
        assert arrived.total() > bodies["sendgrid"].total()


def test_repeats_and_reorderings_change_the_order_and_leave_nothing_out(
    running: Simulator, bodies: dict[str, Counter[str]]
) -> None:
    with webhook(lambda _: 200) as (address, got):
        running.post(
            to={"sendgrid": address}, repeated=0.2, reordered=0.5, connections=1
        )
        running.wait_until_posted()

    arrived = told(got)
    assert arrived.keys() == bodies["sendgrid"].keys()
    assert set(arrived.values()) == {1, 2}
    times = [event["timestamp"] for request in got for event in request.events]
    early = sum(after < before for before, after in pairwise(times))
    assert early > 0.2 * len(times)


def test_late_retries_were_signed_within_the_providers_patience(
    running: Simulator,
) -> None:
    with webhook(lambda _: 200) as (address, got):
        running.post(to={"sendgrid": address}, batch=5, late_retries=0.5)
        running.wait_until_posted()

    ages = [
        time.time() - int(request.headers["x-twilio-email-event-webhook-timestamp"])
        for request in got
    ]
    assert 0.3 < sum(age > 600 for age in ages) / len(ages) < 0.7
    assert max(ages) < 24 * HOUR // SECOND + 60
    assert all(request.is_sendgrids(running.sendgrid_public_key) for request in got)


def test_what_nobody_takes_is_given_up_after_so_many_attempts(
    running: Simulator, bodies: dict[str, Counter[str]]
) -> None:
    with webhook(lambda _: 500) as (address, got):
        running.post(to={"sendgrid": address}, attempts=3, **QUICK)
        counts = running.wait_until_posted()

    assert counts["given_up"] == bodies["sendgrid"].total()
    assert counts["acknowledged"] == 0
    assert set(Counter(request.body for request in got).values()) == {3}


def test_mailgun_tries_no_more_after_a_406(running: Simulator) -> None:
    with webhook(lambda _: 406) as (address, got):
        running.post(to={"mailgun": address}, **QUICK)
        counts = running.wait_until_posted()

    assert counts["given_up"] == len(got)
    assert counts["answers"] == {"406": len(got)}


@pytest.mark.parametrize(
    "mistake",
    [
        {"resets": 2},
        {"batch": 0},
        {"to": {"nobody": "http://127.0.0.1:1/"}},
        {"to": {"sendgrid": "127.0.0.1:8080"}},
        {"speed": 1},
    ],
)
def test_a_knob_that_makes_no_sense_is_refused(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"resets|batch|nobody|write 127|speed"):
        turned(PostKnobs(), json.dumps(mistake).encode())


def test_a_knob_that_the_process_refuses_is_told_to_whoever_turns_it(
    running: Simulator,
) -> None:
    with pytest.raises(ValueError, match="resets is a share"):
        running.post(resets=2)
