"""A simulated world knows what became of each message, because it decided it."""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pytest
from proof import DELIVERY, build
from warehouse import APP_KEYS, Warehouse

from extract.time_zones import local_days
from simulator.world import Event, Spec, World
from tests.truths import EPOCH, differences, instant, maybe

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))

SPEC = Spec(
    seed=23,
    accounts=5,
    sendgrid_accounts=1,
    postmark_accounts=1,
    emails=150 if PROOF else 30,
    recipients_per_email=60,
    late=0.2,
    late_rows=0.2,
    id_reuse=0.02,
    unknown_names=0.02,
    unmatched=0.03,
)
"""Untidier than life, so that a small world has some of everything."""


@cache
def world() -> World:
    return World(SPEC)


@cache
def days() -> pa.Table:
    """The local days of the world's accounts."""
    zones = world().app_tables()["accounts"]["reporting_timezone"]
    (found,) = local_days([SPEC.begin.year])
    return found.filter(pc.is_in(found["timezone"], value_set=zones.combine_chunks()))


def events() -> Iterator[tuple[str, str, Event]]:
    """All events with provider and domain, in the order in which they could come."""
    yield from sorted(
        (
            (provider, domain, event)
            for provider in ("mailgun", "sendgrid", "postmark")
            for domain in world().domains_of(provider)
            for event in world().events(domain)
        ),
        key=lambda found: found[2].stored_at,
    )


def raw(provider: str, domain: str, event: Event) -> dict[str, Any]:
    """An event as it lies in raw; what was posted came by a secret of its domain."""
    occurred_at = instant(event.occurred_at)
    key = f"{domain}:{occurred_at:%Y-%m-%d}:{event.event_id}"
    return {
        "provider": provider,
        "event_key": key,
        "domain": domain,
        "event_id": event.event_id,
        "event_name": event.name,
        "occurred_at": occurred_at,
        "received_at": instant(event.stored_at),
        "payload": event.body.decode(),
    }


@pytest.fixture(scope="module", params=[1, 12 if PROOF else 4], ids="{} loads".format)
def built_world(
    request: pytest.FixtureRequest,
    unbuilt: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Warehouse:
    """The world in a warehouse, loaded and built in one go or in several.

    Each load brings what was stored by then, in the order of arrival, and what the
    application had written by then.
    """
    warehouse = Warehouse(tmp_path_factory.mktemp("world"), like=unbuilt)
    warehouse.load_zones(days())
    arrived = list(events())
    size = len(arrived) // request.param + 1
    written = EPOCH
    for begin in range(0, len(arrived), size):
        part = arrived[begin : begin + size]
        is_last = begin + size >= len(arrived)
        until = (
            datetime.max.replace(tzinfo=UTC)
            if is_last
            else instant(part[-1][2].stored_at)
        )
        warehouse.load(
            [raw(*arrived_event) for arrived_event in part],
            **{
                name: known.filter(
                    (pc.field("updated_at") > written)
                    & (pc.field("updated_at") <= until)
                )
                for name, known in world().app_tables().items()
                if name in APP_KEYS
            },
        )
        written = until
        build(warehouse, *DELIVERY, views=begin == 0)
    return warehouse


def test_every_recipient_has_the_status_that_was_decided(
    built_world: Warehouse,
) -> None:
    held = {
        (row["email_id"], row["recipient"]): row
        for row in built_world.mart("fct_recipient_status")
    }
    occurred_at = {
        row["event_key"]: row["occurred_at"]
        for row in built_world.mart("fct_message_events")
    }
    truths = world().truth().recipients
    assert len(held) == len(truths)
    for truth in truths:
        row = held[truth.email_id, truth.recipient]
        assert differences(row, truth) == {}, truth
        failure = row["failure_event_key"]
        assert (failure and failure.split(":")[-1]) == truth.failure_event_id
        assert occurred_at.get(failure) == maybe(truth.failure_at)


def test_exactly_the_events_that_belong_to_nothing_are_unmatched(
    built_world: Warehouse,
) -> None:
    held = {
        (row["event_key"].split(":")[-1], row["domain"], row["occurred_at"]): row[
            "reason"
        ]
        for row in built_world.mart("fct_unmatched_events")
    }
    assert held == {
        (lost.event_id, lost.domain, instant(lost.occurred_at)): lost.reason
        for lost in world().truth().unmatched
    }
    assert set(held.values()) == {"no_id", "unknown_email", "unknown_recipient"}


def test_every_event_is_counted_on_its_day_once(built_world: Warehouse) -> None:
    held: Counter[tuple[str, date, str]] = Counter(
        (row["domain"], row["occurred_at"].date(), row["provider_event_name"])
        for row in built_world.mart("fct_message_events")
    )
    assert held == world().truth().counts


def test_the_days_of_all_accounts_add_up_to_the_events_that_count(
    built_world: Warehouse,
) -> None:
    (counting,) = built_world.rows(
        "select count(*) filter (where counts_in_delivery) as events"
        " from marts.fct_message_events"
    )
    daily = sum(row["events"] for row in built_world.mart("fct_delivery_daily"))
    assert daily == counting["events"]


def test_a_whole_build_writes_recipients_in_the_order_of_time(
    built_world: Warehouse,
) -> None:
    """Else those of a day lie everywhere, and each minute would read all of them."""
    assert built_world.build("--full-refresh", "--select=fct_recipient_status").success
    written = built_world.rows(
        "select sent_at, email_id from marts.fct_recipient_status order by rowid"
    )
    times = [(row["sent_at"], row["email_id"]) for row in written if row["sent_at"]]
    assert times == sorted(times)
    assert len(times) > 1_000
