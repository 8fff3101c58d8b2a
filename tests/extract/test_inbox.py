"""What was received, from the inbox into raw: once, each with its account."""

import gzip
import os
import random
import time
from pathlib import Path

import duckdb
import pytest
from bodies import NOON, SECOND, compact, enveloped, mailed, marked, received, sent
from mailgun_host import Host
from raw_reader import Raw

from extract import arrivals
from extract.pipeline import Outcome, Progress, extract
from extract.places import places_in
from inbox import Inbox, Record, Writer, new_request_id


def read() -> Outcome:
    """Reads the inbox."""
    [outcome] = extract(["inbox"])
    return outcome


def test_each_providers_events_become_rows_with_their_first_receipt(
    home: Path, raw: Raw
) -> None:
    [batch] = received(home, "sendgrid", compact([sent("a"), sent("b", event="open")]))
    [one] = received(home, "mailgun", enveloped(mailed("c", NOON + 0.25)))
    [mark] = received(
        home,
        "postmark",
        b'{"RecordType":"Bounce","ID":4323372036854775807,"Type":"HardBounce",'
        b'"BouncedAt":"2026-03-01T12:00:00.1234567Z"}',
        domain="p.example",
    )

    outcome = read()

    assert (outcome.outcome, outcome.events, outcome.loaded) == ("ok", 4, 4)
    assert raw.rows(
        "select event_key, event_id, event_name, epoch_us(occurred_at),"
        " epoch_us(received_at), request_id, position, domain"
        " from sendgrid_events order by position"
    ) == [
        (
            f"sendgrid:2026-03-01:{name}",
            name,
            event,
            NOON * SECOND,
            NOON * SECOND + 123_456,
            batch,
            position,
            None,
        )
        for position, (name, event) in enumerate([("a", "delivered"), ("b", "open")])
    ]
    assert raw.row(
        "select event_key, domain, epoch_us(occurred_at), lane, request_id, payload"
        " from mailgun_events"
    ) == (
        "mailgun:d.example:2026-03-01:c",
        "d.example",
        NOON * SECOND + 250_000,
        "webhook",
        one,
        compact(mailed("c", NOON + 0.25)).decode(),
    )
    assert raw.row(
        "select event_id, epoch_us(occurred_at), request_id, domain"
        " from postmark_events"
    ) == ("4323372036854775807", NOON * SECOND + 123_457, mark, "p.example")
    assert raw.rows("select source, name, value from source_settings order by 1") == [
        ("mailgun", "domains", '["d.example"]'),
        ("postmark", "domains", '["p.example"]'),
    ]
    assert raw.rows(
        "select source, lane, events, loaded, repeated, dead from requests order by 1"
    ) == [
        ("mailgun", "webhook", 1, 1, 0, 0),
        ("postmark", "webhook", 1, 1, 0, 0),
        ("sendgrid", "webhook", 2, 2, 0, 0),
    ]
    assert raw.row(
        "select source, lane, outcome, events, delivered, opened, permanent_failures,"
        " unhandled from lane_runs"
    ) == ("inbox", "webhook", "ok", 4, 2, 1, 1, 0)


def test_what_is_loaded_is_archived_and_read_no_more(home: Path, raw: Raw) -> None:
    received(home, "sendgrid", compact([sent("a")]))
    read()
    inbox = Inbox(home / "inbox")

    assert inbox.segments() == []
    assert len(inbox.archive.segments()) == 1
    assert (read().events, read().lane) == (0, "")
    assert raw.row("select count(*) from lane_runs") == (1,)


def test_what_comes_again_is_repeated_within_a_load_and_across_loads(
    home: Path, raw: Raw
) -> None:
    batch = compact([sent("a"), sent("a"), sent("b")])
    received(home, "sendgrid", batch, batch)
    first = read()
    received(home, "sendgrid", compact([sent("b"), sent("c")]), at=NOON + 86_000)
    second = read()

    assert (first.loaded, first.repeated) == (2, 4)
    assert (second.loaded, second.repeated) == (1, 1)
    assert raw.rows("select event_id from sendgrid_events order by 1") == [
        ("a",),
        ("b",),
        ("c",),
    ]
    assert raw.rows(
        "select events, loaded, repeated from requests order by request_id"
    ) == [(3, 2, 1), (3, 0, 3), (2, 1, 1)]


@pytest.mark.parametrize("first", ["polled", "received"])
def test_polled_and_received_copies_of_an_event_are_one_row(
    mailgun: Host, home: Path, raw: Raw, first: str
) -> None:
    event = mailed("one", NOON + 0.25)
    mailgun.pages([event])
    received(home, "mailgun", enveloped(event), at=NOON + 5)

    sources = ["mailgun", "inbox"] if first == "polled" else ["inbox", "mailgun"]
    for source in sources:
        extract([source])

    lane = "latest" if first == "polled" else "webhook"
    assert raw.row("select event_key, domain, lane, payload from mailgun_events") == (
        "mailgun:d.example:2026-03-01:one",
        "d.example",
        lane,
        compact(event).decode(),
    )
    assert raw.row("select sum(events), sum(loaded), sum(repeated) from requests") in (
        (2, 1, 1),
        (3, 1, 2),  # missing reads it a second time
    )


def test_a_torn_tail_is_told_and_is_no_failure(home: Path, raw: Raw) -> None:
    received(home, "sendgrid", compact([sent("a")]), compact([sent("b")]))
    [segment] = (home / "inbox").glob("*.segment")
    os.truncate(segment, segment.stat().st_size - 7)

    outcome = read()

    assert (outcome.outcome, outcome.loaded) == ("ok", 1)
    assert "torn" in outcome.message
    assert "never answered" in outcome.message
    assert raw.row("select outcome, message from lane_runs") == ("ok", outcome.message)
    assert Inbox(home / "inbox").segments() == []
    assert read().events == 0


def test_spoilt_bytes_are_a_failure_and_their_segment_is_kept(
    home: Path, raw: Raw
) -> None:
    received(home, "sendgrid", *(compact([sent(one)]) for one in "abc"))
    [segment] = (home / "inbox").glob("*.segment")
    content = segment.read_bytes()
    spoilt = content.replace(b'"sg_event_id":"b"', b'"sg_event_id":"x"')
    segment.write_bytes(spoilt)

    outcome = read()

    assert (outcome.outcome, outcome.loaded) == ("failed", 2)
    assert "spoilt" in outcome.message
    assert segment.stem in outcome.message
    assert raw.row("select outcome from lane_runs") == ("failed",)
    assert raw.rows("select event_id from sendgrid_events") == [("a",), ("c",)]
    archive = Inbox(home / "inbox").archive
    [kept] = archive.folder.iterdir()
    assert gzip.decompress(kept.read_bytes()) == spoilt


def test_a_tail_that_is_torn_where_nothing_else_is_new_is_noted_once(
    home: Path, raw: Raw
) -> None:
    received(home, "sendgrid", compact([sent("a")]))
    [segment] = (home / "inbox").glob("*.segment")
    os.truncate(segment, 10)

    assert (read().lane, read().lane) == ("webhook", "")
    assert raw.row("select events, outcome from lane_runs") == (0, "ok")


def test_an_open_segment_is_read_as_far_as_it_goes(home: Path, raw: Raw) -> None:
    writer = Writer(home / "inbox")

    def arrives(event_id: str) -> None:
        at = NOON * SECOND
        body = compact([sent(event_id)])
        writer.append([Record(new_request_id(at), "sendgrid", "", at, body)])

    arrives("a")
    assert read().loaded == 1
    arrives("b")
    assert read().loaded == 1
    assert len(Inbox(home / "inbox").segments()) == 1
    writer.close()
    assert read().loaded == 0
    assert Inbox(home / "inbox").segments() == []
    assert raw.row("select count(*) from requests") == (2,)


def test_places_of_segments_that_are_gone_are_forgotten(home: Path) -> None:
    for n in range(4):
        received(home, "sendgrid", compact([sent(f"{n}")]), at=NOON + n)
        read()

    assert len(places_in(home).offsets) == 1


def test_a_long_reading_is_loaded_in_parts(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "ROW_GROUP", 5)
    monkeypatch.setattr(arrivals, "MANY", 2)
    received(home, "sendgrid", *(compact([sent(f"{n:02}")]) for n in range(23)))

    outcome = read()

    assert (outcome.outcome, outcome.loaded) == ("ok", 23)
    [loads] = raw.row("select count(distinct _dlt_load_id) from sendgrid_events")
    assert loads == 4
    assert raw.row("select count(*), sum(events) from lane_runs") == (1, 23)


def test_reading_hands_over_when_its_time_is_up_and_goes_on(
    home: Path, raw: Raw
) -> None:
    received(home, "sendgrid", *(compact([sent(one)]) for one in "abc"))

    [first] = extract(["inbox"], seconds=0.0)
    [second] = extract(["inbox"])

    assert (first.outcome, first.loaded) == ("cut_short", 1)
    assert (second.outcome, second.loaded) == ("ok", 2)
    assert raw.rows("select outcome from lane_runs order by run_id") == [
        ("cut_short",),
        ("ok",),
    ]


def test_reading_ends_when_the_process_is_to_end(home: Path) -> None:
    received(home, "sendgrid", *(compact([sent(one)]) for one in "abc"))
    told: list[Progress] = []

    [outcome] = extract(["inbox"], is_ending=lambda: True, on_progress=told.append)

    assert (outcome.outcome, outcome.loaded) == ("cut_short", 1)
    assert [(one.source, one.lane, one.events) for one in told] == [
        ("inbox", "webhook", 1)
    ]


def test_a_segment_that_cannot_be_read_is_told_and_stops_nobody(
    home: Path, raw: Raw
) -> None:
    received(home, "sendgrid", compact([sent("a")]), at=NOON)
    folder = home / "inbox" / f"{(NOON + 1) * SECOND:016}-00000000.segment"
    folder.mkdir()

    outcomes = extract(["inbox", "time_zones"])

    assert [one.outcome for one in outcomes] == ["failed", "ok"]
    assert "can't be read" in outcomes[0].message
    assert raw.row("select count(*) from sendgrid_events") == (1,)


def test_archived_segments_are_forgotten_after_the_days_that_are_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(home, "sendgrid", compact([sent("a")]))
    read()
    [segment] = (home / "inbox" / "archive").iterdir()
    two_days_ago = time.time() - 2 * 86_400
    os.utime(segment, (two_days_ago, two_days_ago))

    read()
    assert segment.exists()
    monkeypatch.setenv("SOURCES__INBOX__KEEP_DAYS", "1")
    read()
    assert not segment.exists()


def test_a_restored_warehouse_gets_what_it_lacks_from_the_archive(
    home: Path, raw: Raw
) -> None:
    writer = Writer(home / "inbox")

    def arrives(event_id: str) -> None:
        at = NOON * SECOND
        body = compact([sent(event_id), {"id": event_id}])
        writer.append([Record(new_request_id(at), "sendgrid", "", at, body)])
        read()

    arrives("before")
    older = raw.path.read_bytes()
    arrives("in the same segment")
    writer.close()
    arrives("in a segment after it")
    writer.close()
    read()
    everything = raw.rows(
        "select event_key, request_id from sendgrid_events order by 1"
    )
    requests = raw.rows("select request_id, loaded, dead from requests order by 1")
    raw.path.write_bytes(older)

    outcome = read()

    assert (outcome.loaded, outcome.dead) == (2, 2)
    assert (
        raw.rows("select event_key, request_id from sendgrid_events order by 1")
        == everything
    )
    assert (
        raw.rows("select request_id, loaded, dead from requests order by 1") == requests
    )
    assert read().events == 0


def test_reading_the_archive_again_may_be_cut_short_anywhere(
    home: Path, raw: Raw
) -> None:
    for n in range(3):
        bodies = (compact([sent(f"{n}{one}")]) for one in "abc")
        received(home, "sendgrid", *bodies, at=NOON + 60 * n)
    read()
    raw.path.unlink()

    loaded = [extract(["inbox"], seconds=0.0)[0].loaded for _ in range(12)]

    assert sum(loaded) == raw.row("select count(*) from sendgrid_events")[0] == 9
    assert max(loaded) < 9


def test_all_reads_the_archive_again_and_loads_nothing_twice(
    home: Path, raw: Raw
) -> None:
    received(home, "sendgrid", compact([sent("a")]), compact([sent("b")]))
    read()
    with duckdb.connect(str(raw.path)) as warehouse:
        warehouse.execute("delete from raw.sendgrid_events where event_id = 'b'")
        warehouse.execute("delete from raw.requests where request_id like '%1.123456%'")

    [outcome] = extract(["inbox"], everything=True)

    assert (outcome.events, outcome.loaded) == (1, 1)
    assert raw.rows("select event_id from sendgrid_events order by 1") == [
        ("a",),
        ("b",),
    ]


@pytest.mark.proof
def test_random_bodies_are_all_accounted_for(home: Path, raw: Raw) -> None:
    chance = random.Random(7)  # noqa: S311
    whole = {
        "sendgrid": compact([sent("a"), sent("b")]),
        "mailgun": enveloped(mailed("m")),
        "postmark": compact(marked()),
        "spade": b"data=e30=",
    }
    count = 100_000 if "TALLYBOOK_PROOF" in os.environ else 1_500
    writer = Writer(home / "inbox", largest=1_000_000)
    records = []
    for n in range(count):
        source = chance.choice(list(whole))
        body = bytearray(whole[source])
        for _ in range(chance.randrange(5)):
            at = chance.randrange(len(body) + 1)
            body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
        if n % 3 == 0:
            body = bytearray(chance.randbytes(chance.randrange(60)))
        at = NOON * SECOND + n
        records.append(Record(new_request_id(at), source, "", at, bytes(body)))
    for begin in range(0, count, 500):
        writer.append(records[begin : begin + 500])
    writer.close()

    outcome = read()

    assert outcome.outcome == "ok"
    assert outcome.events == outcome.loaded + outcome.repeated + outcome.dead
    assert raw.row(
        "select count(*), count(distinct request_id), sum(events), sum(loaded),"
        " sum(repeated), sum(dead) from requests"
    ) == (
        count,
        count,
        outcome.events,
        outcome.loaded,
        outcome.repeated,
        outcome.dead,
    )
    rows = " union all ".join(
        f"select event_key, request_id from {table}_events"  # noqa: S608 - ours
        for table in ("sendgrid", "mailgun", "postmark")
    )
    assert raw.row(f"select count(*), count(distinct event_key) from ({rows})") == (  # noqa: S608
        outcome.loaded,
        outcome.loaded,
    )
    assert raw.row("select count(*) from dead_letters") == (outcome.dead,)
    wrong = raw.rows(
        f"select request_id from requests left join"  # noqa: S608
        f" (select request_id, count(*) as n from ({rows}) group by all) using"
        " (request_id) where loaded <> coalesce(n, 0)"
    )
    assert wrong == []
    assert read().events == 0
