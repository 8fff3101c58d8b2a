"""What was received, from the inbox into raw: once, each with its account."""

from pathlib import Path

from bodies import NOON, SECOND, compact, enveloped, mailed, received, sent
from raw_reader import Raw

from extract.pipeline import Outcome, extract
from inbox import Inbox


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
