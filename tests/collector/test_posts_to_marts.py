"""Two days of posts, untidy and late, come to what the simulated world decided.

simulator ── HTTP ──▶ tallybook serve ──▶ inbox ──▶ extract ──▶ build, part by part
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from provider_door import addresses, provider_door

from extract.pipeline import extract
from simulator import Spec, serve
from simulator.app import write_app
from simulator.clock import instant_of
from simulator.world import World
from tallybook.build import Dbt
from tests.parsed import plant
from tests.truths import differences, instant, maybe

PROOF = "TALLYBOOK_PROOF" in os.environ

PARTS = 12 if PROOF else 2
"""Builds, each of what came since the one before."""

SPEC = Spec(
    seed=29,
    days=2,
    accounts=3,
    sendgrid_accounts=2,
    postmark_accounts=1,
    emails=60 if PROOF else 12,
    recipients_per_email=40,
    batched=0.4,
    without_email_id=0.3,
    late=0.3,
    late_minutes=600.0,
    late_rows=0.2,
    unknown_names=0.02,
    unmatched=0.03,
    conversations=0,
)
"""Most mail is known only by a link that other events teach, often hours later."""

UNTIDY = {"batch": 20, "repeated": 0.1, "reordered": 1.0, "unread": 0.05}

NOT_COMPARED = ("rebuilt_at", "checked_at", "as_of")
"""Columns that say when something was built."""


@pytest.mark.proof
def test_what_comes_untidily_comes_to_what_was_decided_and_to_what_one_build_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, home, app = World(SPEC), tmp_path / "home", tmp_path / "app"
    monkeypatch.setenv("TALLYBOOK_HOME", str(home))
    monkeypatch.setenv("SOURCES__APP__LOCATION", str(app))
    dbt = Dbt(plant(home))
    with serve(SPEC) as host, provider_door(home, host) as door:
        for now in (*moments(world), None):
            host.control(now=now)
            host.post(to=addresses(door.port), **UNTIDY)  # type: ignore[arg-type]
            assert host.wait_until_posted()["given_up"] == 0
            write_app(world.app_tables(), app, known_by=now)
            outcomes = extract(["app", "inbox", "time_zones"])
            assert {outcome.outcome for outcome in outcomes} == {"ok"}
            build = dbt.build()
            assert build.is_green, (build.errors, build.failures)
            assert "fct_recipient_status" in {one.model for one in build.rebuilt}

    check_statuses(home, world)
    check_unmatched(home, world)
    check_links(home)
    in_parts = marts(home)
    whole = dbt.build(full_refresh=True)
    assert whole.is_green, (whole.errors, whole.failures)
    for mart, rows in marts(home).items():
        assert in_parts[mart] == rows, mart


def moments(world: World) -> list[datetime]:
    """When to build, but for the last time: about as much has come since each."""
    stored = sorted(
        event.stored_at
        for provider in ("sendgrid", "postmark")
        for domain in world.domains_of(provider)
        for event in world.events(domain)
    )
    size = len(stored) // PARTS
    return [instant_of(stored[size * part]) for part in range(1, PARTS)]


def asked(home: Path, sql: str) -> list[dict[str, Any]]:
    """What the warehouse says."""
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        found = con.execute(sql)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def check_statuses(home: Path, world: World) -> None:
    """Every recipient has the status that was decided."""
    held = {
        (row["email_id"], row["recipient"]): row
        for row in asked(home, "from marts.fct_recipient_status")
    }
    occurred_at = {
        row["event_key"]: row["occurred_at"]
        for row in asked(home, "from marts.fct_message_events")
    }
    truths = world.truth().recipients
    assert len(held) == len(truths)
    for truth in truths:
        row = held[truth.email_id, truth.recipient]
        assert differences(row, truth) == {}, truth
        assert occurred_at.get(row["failure_event_key"]) == maybe(truth.failure_at)


def check_unmatched(home: Path, world: World) -> None:
    """Exactly the events that belong to nothing are unmatched."""
    assert sorted(
        (row["occurred_at"], row["reason"])
        for row in asked(home, "from marts.fct_unmatched_events")
    ) == sorted(
        (instant(lost.occurred_at), lost.reason) for lost in world.truth().unmatched
    )


def check_links(home: Path) -> None:
    """Events matched in each way, and some by a link that came after them.

    Or the rest would prove little.
    """
    methods = asked(
        home,
        "select match_method, count(*) as events from marts.fct_message_events"
        " where provider = 'sendgrid' and match_method is not null group by all",
    )
    assert len(methods) >= 3
    assert min(row["events"] for row in methods) > 5
    [early] = asked(
        home,
        "select count(*) as events from marts.fct_message_events as opens"
        " where event_type = 'opened' and provider = 'sendgrid'"
        " and email_id is not null and not exists ("
        " from marts.fct_message_events as earlier"
        " where earlier.provider_message_id = opens.provider_message_id"
        " and earlier.message_id is not null"
        " and earlier.received_at <= opens.received_at)",
    )
    assert early["events"] > 5


def marts(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All marts, but for when they were built."""
    found = {}
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as con:
        for (mart,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
            " and table_name <> 'dim_time_zone_days'"
        ).fetchall():
            sql = (
                "select columns(lambda name: name not in"  # noqa: S608 - its own names
                f" {NOT_COMPARED}) from marts.{mart} order by all"
            )
            found[mart] = con.execute(sql).fetchall()
    return found
