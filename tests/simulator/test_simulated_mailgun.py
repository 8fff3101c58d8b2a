"""The stand-in answers as Mailgun documents it, and misbehaves when told to."""

import socket
import time
from collections import Counter
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.client import IncompleteRead
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from simulator_client import Client

from simulator import Spec, serve
from simulator.clock import DAY, SECOND, instant_of, utc_day
from simulator.stats import COUNTED
from simulator.world import Event, World

ALL_TIME = {"begin": 0, "ascending": "yes"}


@pytest.fixture
def log(world: World, client: Client) -> list[Event]:
    """What the client's domain has logged, in order."""
    return list(world.events(client.domain))


def ids(items: list[Any]) -> list[str]:
    return [item["id"] for item in items]


def logged_ids(events: list[Event]) -> list[str]:
    return [event.event_id for event in events]


def seconds(at: int) -> str:
    return f"{at // SECOND}.{at % SECOND:06d}"


@pytest.mark.parametrize("limit", [7, 100, 300])
def test_the_pages_have_every_event_once_and_in_order(
    client: Client, log: list[Event], limit: int
) -> None:
    pages = list(client.pages(**ALL_TIME, limit=limit))
    assert ids([item for page in pages for item in page]) == logged_ids(log)
    assert {len(page) for page in pages[:-1]} == {limit}


def test_items_are_served_byte_for_byte(client: Client, log: list[Event]) -> None:
    _, body = client.ask(f"/v3/{client.domain}/events?begin=0&ascending=yes&limit=3")
    assert body.startswith(b'{"items":[' + b",".join(e.body for e in log[:3]) + b"]")


def test_descending_pages_are_the_same_events_backwards(
    client: Client, log: list[Event]
) -> None:
    items = client.items(ascending="no", limit=50)
    assert ids(items) == logged_ids(log)[::-1]


def test_first_last_and_previous_lead_where_they_say(
    client: Client, log: list[Event]
) -> None:
    first = client.page(**ALL_TIME, limit=10)
    second = client.follow(first["paging"]["next"])
    assert client.follow(second["paging"]["previous"])["items"] == first["items"]
    assert client.follow(second["paging"]["first"])["items"] == first["items"]
    last = client.follow(second["paging"]["last"])
    assert ids(last["items"]) == logged_ids(log)[-10:]
    assert client.follow(last["paging"]["next"])["items"] == []
    assert client.follow(first["paging"]["previous"])["items"] == []


def test_the_window_has_its_begin_and_not_its_end(
    client: Client, log: list[Event]
) -> None:
    begin, end = log[10], log[40]
    window = {"begin": seconds(begin.occurred_at), "end": seconds(end.occurred_at)}
    assert ids(client.items(**window)) == logged_ids(log[10:40])


def test_begin_and_end_may_be_rfc_2822_dates(client: Client, log: list[Event]) -> None:
    noon = instant_of(log[len(log) // 2].occurred_at).replace(microsecond=0)
    later = noon + timedelta(hours=3)
    as_dates = {"begin": format_datetime(noon), "end": format_datetime(later)}
    as_seconds = {"begin": noon.timestamp(), "end": later.timestamp()}
    items = client.items(**as_dates)
    assert items
    assert items == client.items(**as_seconds)


def test_only_the_names_that_were_asked_for_come(
    client: Client, log: list[Event]
) -> None:
    wanted = ["opened", "complained", "delivered"]
    items = client.items(**ALL_TIME, limit=30, event=" OR ".join(wanted))
    assert ids(items) == [event.event_id for event in log if event.name in wanted]


@pytest.mark.parametrize(
    "query",
    [
        {"begin": "yesterday", "ascending": "yes"},
        {"begin": "1e300", "ascending": "yes"},
        {"begin": "1772323200000", "ascending": "yes"},
        {"begin": 10, "end": 10, "ascending": "yes"},
        {"begin": 20, "end": 10, "ascending": "yes"},
        {"begin": 0},
        {"begin": 0, "ascending": "yes", "limit": 301},
        {"begin": 0, "ascending": "yes", "recipient": "a@b.example"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    client: Client, query: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="message"):
        client.page(**query)


def test_a_wrong_key_is_refused(client: Client) -> None:
    path = f"/v3/{client.domain}/events?begin=0&ascending=yes"
    for headers in ({}, {"Authorization": "Basic YXBpOndyb25n"}):
        response, _ = client.ask(path, headers)
        assert response.status == 401


def test_an_unknown_domain_page_or_token_is_refused(client: Client) -> None:
    assert client.ask("/v3/nobody.example/events")[0].status == 404
    assert client.ask(f"/v3/{client.domain}/unsubscribes")[0].status == 404
    assert client.ask(f"/v3/{client.domain}/events/WzFd")[0].status == 400


def test_an_event_is_seen_once_the_clock_has_passed_its_storing(
    client: Client, world: World, log: list[Event]
) -> None:
    now = log[len(log) // 2].occurred_at
    client.running.control(now=instant_of(now))
    stored = [event for event in log if event.stored_at <= now]
    assert ids(client.items(**ALL_TIME)) == logged_ids(stored)
    missing = [e for e in log if e.occurred_at <= now < e.stored_at]
    assert missing
    client.running.control(now=instant_of(world.last_stored_at))
    assert len(client.items(**ALL_TIME)) == len(log)


def test_a_later_page_has_what_was_stored_meanwhile_after_it_and_not_before(
    client: Client, log: list[Event]
) -> None:
    now = log[len(log) // 2].occurred_at
    client.running.control(now=instant_of(now))
    page = client.page(**ALL_TIME, limit=10)
    place = logged_ids(log).index(page["items"][-1]["id"])
    client.running.control(now=None)
    rest = client.follow(page["paging"]["next"])["items"]
    assert ids(rest) == logged_ids(log)[place + 1 : place + 11]


def test_the_end_of_the_pages_goes_on_when_more_was_stored(
    client: Client, log: list[Event]
) -> None:
    now = log[len(log) // 2].occurred_at
    client.running.control(now=instant_of(now))
    page = client.page(**ALL_TIME, limit=300)
    while page["items"]:
        page = client.follow(page["paging"]["next"])
    client.running.control(now=None)
    more = client.follow(page["paging"]["next"])["items"]
    assert more
    assert ids(more)[-1] not in logged_ids([e for e in log if e.stored_at <= now])


def test_events_older_than_the_retention_are_gone(
    client: Client, world: World, log: list[Event]
) -> None:
    client.running.control(retention_days=2)
    kept = [e for e in log if e.occurred_at >= world.last_stored_at - 2 * DAY]
    assert 0 < len(kept) < len(log)
    assert ids(client.items(**ALL_TIME)) == logged_ids(kept)


def test_the_asked_share_is_answered_429_with_a_time_to_wait(client: Client) -> None:
    client.running.control(too_many_requests=0.5, retry_after=3)
    path = f"/v3/{client.domain}/events?begin=0&ascending=yes"
    answers = [client.ask(path)[0] for _ in range(60)]
    refused = [answer for answer in answers if answer.status == 429]
    assert 15 <= len(refused) <= 45
    assert {answer.headers["Retry-After"] for answer in refused} == {"3"}
    assert {answer.status for answer in answers} == {200, 429}


def test_the_asked_share_is_answered_500(client: Client) -> None:
    client.running.control(server_errors=1)
    assert client.ask(f"/v3/{client.domain}/events?begin=0")[0].status == 500


def test_a_truncated_answer_ends_in_the_middle(client: Client) -> None:
    client.running.control(truncated=1)
    with pytest.raises(IncompleteRead) as broken:
        client.page(**ALL_TIME)
    assert broken.value.partial.startswith(b'{"items":[')
    assert broken.value.expected


def test_a_reset_breaks_the_connection(client: Client) -> None:
    client.running.control(resets=1)
    with pytest.raises(ConnectionResetError):
        client.page(**ALL_TIME)


def test_latency_delays_every_answer(client: Client) -> None:
    client.running.control(latency_ms=80)
    begun = time.perf_counter()
    client.page(**ALL_TIME, limit=1)
    assert time.perf_counter() - begun >= 0.08


def test_repeats_are_items_of_the_page_before_and_nothing_is_lost(
    client: Client, log: list[Event]
) -> None:
    client.running.control(repeated=0.3)
    pages = [ids(page) for page in client.pages(**ALL_TIME, limit=40)]
    served = Counter(event_id for page in pages for event_id in page)
    assert set(served) == set(logged_ids(log))
    assert sum(served.values()) > 1.1 * len(log)
    assert max(map(len, pages)) <= 40
    for before, page in pairwise(pages):
        assert set(page) & set(before)


def test_pages_end_even_if_everything_is_repeated(
    client: Client, log: list[Event]
) -> None:
    client.running.control(repeated=1)
    served = client.items(**ALL_TIME, limit=300, event="clicked")
    assert set(ids(served)) == {e.event_id for e in log if e.name == "clicked"}


def test_reordering_shuffles_within_a_page_only(
    client: Client, log: list[Event]
) -> None:
    client.running.control(reordered=1)
    pages = [ids(page) for page in client.pages(**ALL_TIME, limit=50)]
    for number, page in enumerate(pages):
        right = logged_ids(log[number * 50 : number * 50 + 50])
        assert sorted(page) == sorted(right)
        assert page != right


def test_statistics_equal_truth(client: Client, world: World) -> None:
    last = instant_of(world.last_stored_at)
    query = "&".join(f"event={name}" for name in COUNTED)
    query += f"&start={world.spec.begin.timestamp()}&end={last.timestamp()}"
    told = client.json(f"/v3/{client.domain}/stats/total?{query}")
    counts: Counter[tuple[Any, str]] = Counter()
    for day in told["stats"]:
        date = datetime.strptime(day["time"], "%a, %d %b %Y 00:00:00 %Z").date()  # noqa: DTZ007 - a date
        for name in COUNTED:
            total = day[name].get("total")
            if name == "failed":
                total = sum(part["total"] for part in day[name].values())
            counts[date, name] += total
    assert +counts == {
        (day, name): count
        for (domain, day, name), count in world.truth().counts.items()
        if domain == client.domain and name in COUNTED
    }


def test_statistics_count_what_is_stored_by_now(
    client: Client, log: list[Event]
) -> None:
    now = log[len(log) // 2].occurred_at
    client.running.control(now=instant_of(now))
    told = client.json(f"/v3/{client.domain}/stats/total?event=opened")
    counted = sum(day["opened"]["total"] for day in told["stats"])
    first = utc_day(now) - timedelta(days=7)
    assert counted == sum(
        event.name == "opened"
        and event.stored_at <= now
        and utc_day(event.occurred_at) >= first
        for event in log
    )


def test_the_door_tells_what_was_asked_and_answered(client: Client) -> None:
    before = client.running.counts()
    client.page(**ALL_TIME, limit=5)
    client.ask(f"/v3/{client.domain}/events", headers={})
    after = client.running.counts()
    assert after["requests"]["events"] - before["requests"].get("events", 0) == 2
    assert after["answers"]["401"] - before["answers"].get("401", 0) == 1
    assert after["items_served"] - before["items_served"] == 5


@pytest.mark.parametrize(
    "knobs", [{"nonsense": 1}, {"repeated": 2}, {"now": "soon"}, {"latency_ms": -1}]
)
def test_a_knob_that_can_not_be_turned_is_refused_and_changes_nothing(
    client: Client, knobs: dict[str, Any]
) -> None:
    before = client.running.counts()["knobs"]
    with pytest.raises(ValueError, match=next(iter(knobs))):
        client.running.control(**knobs)
    assert client.running.counts()["knobs"] == before


def test_the_same_mishaps_come_again_with_the_same_seed() -> None:
    def statuses() -> list[int]:
        spec = Spec(emails=1, recipients_per_email=3, accounts=1)
        with serve(spec, too_many_requests=0.3, server_errors=0.3) as running:
            again = Client(running)
            path = f"/v3/{again.domain}/events?begin=0&ascending=yes"
            return [again.ask(path)[0].status for _ in range(30)]

    assert statuses() == statuses()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 505),
        (b"GET /" + b"x" * 20_000, 431),
        (b"POST /control HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /control HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", 413),
        (b"POST /control HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(
    client: Client, sent: bytes, status: int
) -> None:
    parts = urlsplit(client.running.base_url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
        line.sendall(sent)
        received = b"".join(iter(lambda: line.recv(4_096), b""))
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


def test_requests_sent_at_once_are_answered_one_after_another(client: Client) -> None:
    parts = urlsplit(client.running.base_url)
    request = b"GET /control HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /control HTTP/1.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
        line.sendall(request * 1_500 + last)
        received = b"".join(iter(lambda: line.recv(65_536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 1_501


def test_links_stay_on_the_host_that_was_asked(client: Client) -> None:
    port = urlsplit(client.running.base_url).port
    local = Client(client.running, f"http://localhost:{port}")
    page = local.page(**ALL_TIME, limit=5)
    assert local.follow(page["paging"]["next"])["items"]
    local.close()
