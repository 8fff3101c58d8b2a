"""From a provider's post to a row of raw: all of it, once, whoever is killed.

simulator ── HTTP ──▶ tallybook serve ──▶ inbox ──▶ extract ──▶ raw
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import duckdb
import psutil
import pytest
from door import Door
from provider_door import addresses, lasting_port, provider_door

from extract.pipeline import extract
from simulator import Simulator, Spec, serve
from simulator.clock import instant_of
from simulator.signing import SendGridKey
from simulator.world import World

PROOF = "TALLYBOOK_PROOF" in os.environ

KILLS = 100 if PROOF else 5

SPEC = Spec(
    seed=17,
    days=2,
    accounts=4,
    sendgrid_accounts=2,
    postmark_accounts=1,
    emails=160 if PROOF else 16,
    recipients_per_email=50,
    hostile=0.02,
)

UNTIDY = {
    "batch": 8,
    "connections": 4,
    "retry_ms": 5.0,
    "attempts": 1_000,
    "repeated": 0.05,
    "reordered": 0.3,
    "resets": 0.03,
    "unanswered": 0.03,
    "unread": 0.05,
}
"""Nothing is given up, and a tenth of what is taken is posted again."""

POSTED = ("accepted", "delivered", "failed", "opened", "clicked", "unsubscribed",
          "complained")  # fmt: skip
"""What Mailgun has webhooks for."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def rows(home: Path, sql: str) -> list[tuple[Any, ...]]:
    """What raw says."""
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute("set TimeZone = 'UTC'; use raw")
        return con.execute(sql).fetchall()


@contextmanager
def killed_reader() -> Iterator[None]:
    """A process that reads the inbox, and is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("reading.py")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            yield
            assert process.poll() is None
        finally:
            process.kill()


def moments(world: World, parts: int) -> list[datetime]:
    """Instants that part what is posted into so many parts of about one size."""
    stored = sorted(
        event.stored_at
        for provider in ("sendgrid", "mailgun", "postmark")
        for domain in world.domains_of(provider)
        for event in world.events(domain)
    )
    size = len(stored) // parts
    return [instant_of(stored[size * part]) for part in range(1, parts)]


@pytest.mark.proof
def test_all_that_was_answered_2xx_is_in_the_warehouse_once_whoever_is_killed(
    home: Path,
) -> None:
    world, chance, port = World(SPEC), random.Random(8), lasting_port()  # noqa: S311
    under_load = 0
    with serve(SPEC) as host:
        host.control(now=SPEC.begin)
        host.post(to=addresses(port), **UNTIDY)  # type: ignore[arg-type]
        for now in [*moments(world, KILLS), None]:
            with killed_reader(), provider_door(home, host, port) as door:
                host.control(now=now)
                under_load += kill_amid_posts(host, door, chance)
                time.sleep(chance.uniform(0, 0.4))
        with provider_door(home, host, port):
            told = host.wait_until_posted(300)
    extract(["inbox"])

    assert under_load > KILLS / 2
    assert told["given_up"] == 0
    assert told["answers"]["ConnectionRefusedError"] > 0
    check_all_is_there_once(home, world)


def kill_amid_posts(host: Simulator, door: Door, chance: random.Random) -> bool:
    """Kills the door when a random share of what waits is taken; whether more waits.

    The server that answers, and sometimes the process that stores before it.
    """
    told = host.posted()
    enough = told["acknowledged"] + chance.random() * told["pending"]
    until = time.monotonic() + 60
    while told["acknowledged"] < enough and told["pending"]:
        assert time.monotonic() < until, told
        told = host.posted()
    [storer] = psutil.Process(door.process.pid).children()
    if chance.random() < 0.5:
        storer.kill()
    door.process.kill()
    door.process.wait()
    psutil.wait_procs([storer], 30)
    return bool(host.posted()["pending"])


def check_all_is_there_once(home: Path, world: World) -> None:
    """Compares raw with all that the world's providers had to post."""
    for table in ("sendgrid_events", "mailgun_events", "postmark_events"):
        keys = rows(home, f"select event_key from {table}")  # noqa: S608 - our own
        assert len(keys) == len(set(keys)), table
    assert counted(home) == {
        key: count
        for key, count in world.truth().counts.items()
        if key[0] in world.domains and key[2] in POSTED
    }
    ids = [i for (i,) in rows(home, "select event_id from sendgrid_events")]
    kept = [
        event
        for domain in world.domains_of("sendgrid")
        for event in world.events(domain)
        if event.name
    ]
    nameless = {
        odd.event_id for odd in world.truth().oddities if odd.kind == "id missing"
    }
    assert len(ids) == len(kept)
    assert {event.event_id for event in kept} - set(ids) <= nameless
    [(count,)] = rows(home, "select count(*) from postmark_events")
    assert count == sum(
        len(world.log(domain)) for domain in world.domains_of("postmark")
    )
    dead = Counter(rows(home, "select source, reason from dead_letters"))
    assert dead == Counter(
        ("mailgun" if odd.domain in world.domains else "sendgrid", reason)
        for odd in world.truth().oddities
        if (reason := odd.dead_letter_reason)
    )
    check_accounts(home)


def counted(home: Path) -> Counter[tuple[Any, ...]]:
    """Mailgun's events by domain, UTC day and name."""
    return Counter(
        rows(
            home,
            "select domain, cast(occurred_at as date), event_name from mailgun_events",
        )
    )


def check_accounts(home: Path) -> None:
    """Every request's events were loaded, repeated or dead; and nothing else was."""
    assert (
        rows(home, "select * from requests where events <> loaded + repeated + dead")
        == []
    )
    [(loaded, dead)] = rows(home, "select sum(loaded), sum(dead) from requests")
    [(events, letters)] = rows(
        home,
        "select (select count(*) from sendgrid_events)"
        " + (select count(*) from mailgun_events)"
        " + (select count(*) from postmark_events),"
        " (select count(*) from dead_letters)",
    )
    assert (loaded, dead) == (events, letters)


def sendgrids(event_id: str, **more: Any) -> bytes:
    """An event of SendGrid's, in order unless it is spoilt."""
    event = {
        "email": "zoe@posta.example",
        "timestamp": 1_772_366_400,
        "event": "delivered",
        "sg_event_id": event_id,
        "sg_message_id": "m.recvd-5f",
    }
    return json.dumps({**event, **more}).encode()


def batch(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


WHOLE = {
    "invalid_json": b"[" + sendgrids("a") + b", {",
    "invalid_utf8": b"[" + sendgrids("b").replace(b"zoe", b"z\xff\xfe") + b"]",
    "empty_body": b" \r\n",
    "not_an_array": b'"a text"',
}
"""Bodies that can't be cut into events."""


def test_hostile_events_cost_no_good_neighbour_and_every_request_adds_up(
    home: Path,
) -> None:
    """Each oddity of the simulated world stands between two good events."""
    spec = replace(SPEC, emails=4, recipients_per_email=30, hostile=0.25)
    odd = [
        oddity
        for oddity in World(spec).truth().oddities
        if oddity.domain in World(spec).domains_of("sendgrid")
    ]
    key = SendGridKey(spec)
    with serve(spec) as host, provider_door(home, host) as door:
        address = addresses(door.port)["sendgrid"]
        for body in WHOLE.values():
            assert posted(address, body, key) == 204
        for number, oddity in enumerate(odd):
            good = sendgrids(f"before{number}"), sendgrids(f"after{number}")
            body = batch(good[0], oddity.body.encode(), good[1])
            assert posted(address, body, key) == 204
    extract(["inbox"])

    accounts = rows(
        home, "select events, loaded, repeated, dead from requests order by request_id"
    )
    assert accounts[: len(WHOLE)] == [(1, 0, 0, 1)] * len(WHOLE)
    assert accounts[len(WHOLE) :] == [
        (3, 2, 0, 1) if oddity.dead_letter_reason else (3, 3, 0, 0) for oddity in odd
    ]
    reasons = rows(
        home,
        "select reason, position from dead_letters order by request_id, position",
    )
    assert [reason for reason, _ in reasons[: len(WHOLE)]] == list(WHOLE)
    assert reasons[len(WHOLE) :] == [
        (oddity.dead_letter_reason, 1) for oddity in odd if oddity.dead_letter_reason
    ]
    assert len({oddity.dead_letter_reason for oddity in odd}) == 10
    ids = rows(home, "select event_id from sendgrid_events")
    good = {f"{place}{n}" for n in range(len(odd)) for place in ("before", "after")}
    assert good < {event_id for (event_id,) in ids}
    check_accounts(home)


def posted(address: str, body: bytes, key: SendGridKey) -> int:
    """Posts a signed body; the status of the answer."""
    headers = key.headers(body, int(time.time()))
    request = Request(address, body, headers)  # noqa: S310 - loopback
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        status: int = answer.status
    return status


def test_copies_of_mailguns_that_are_polled_and_received_are_one_event(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some come by webhook first, some by the poll, all by both."""
    spec = Spec(seed=3, days=1, accounts=2, emails=4, recipients_per_email=40)
    world = World(spec)
    end = instant_of(spec.ends_at) + timedelta(hours=2)
    with serve(spec) as host, provider_door(home, host) as door:
        monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", host.api_key)
        monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", ",".join(host.domains))
        monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", host.base_url)
        monkeypatch.setenv("SOURCES__MAILGUN__SINCE", spec.begin.isoformat())
        monkeypatch.setenv("TALLYBOOK_NOW", end.isoformat())
        host.control(now=moments(world, 2)[0])
        host.post(to={"mailgun": addresses(door.port)["mailgun"]})
        received = host.wait_until_posted()["acknowledged"]
        extract(["inbox"])
        host.control(now=None)
        extract(["mailgun"])
        received = host.wait_until_posted()["acknowledged"] - received
    [outcome] = extract(["inbox"])

    assert (outcome.loaded, outcome.repeated) == (0, received)
    assert received > 50
    lanes = dict(rows(home, "select lane, count(*) from mailgun_events group by lane"))
    assert lanes["webhook"] > 50
    assert lanes["latest"] > received
    assert counted(home) == world.truth().counts
    check_accounts(home)
