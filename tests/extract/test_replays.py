"""Dead letters, judged again after a mend: once, with their first receipt."""

import json
from pathlib import Path

import pytest
from bodies import NOON, SECOND, compact, enveloped, mailed, received, sent
from killed import COMMITTED, KILLS, READ, die
from mailgun_host import Host
from raw_reader import Raw

from extract import arrivals, decode
from extract.home import home as state_folder
from extract.pipeline import Wanted, extract, replay
from extract.received import Decoder
from extract.replay_requests import ReplayRequests
from inbox import Inbox

ACCOUNTS = "select sum(events - loaded - repeated - dead) from requests"


def waiting(raw: Raw) -> int:
    """Dead letters that are not replayed."""
    count: int
    [count] = raw.row(
        "select count(*) from dead_letters where 'replay:' || dead_letter_key"
        " not in (select request_id from requests)"
    )
    return count


def test_after_a_mend_a_dead_letter_is_loaded_once_with_its_first_receipt(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = compact([sent("a"), sent("b", event="deferred!"), sent("c")])
    received(home, "sendgrid", batch, domain="D.example")
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        before.setattr(decode, "LONGEST_ID", 100)
        extract(["inbox"])
    letters = raw.rows("select * from dead_letters")

    first = replay(Wanted())
    again = replay(Wanted())

    assert (len(letters), first.loaded, first.dead) == (3, 3, 0)
    assert (again.events, waiting(raw)) == (0, 0)
    assert raw.rows("select * from dead_letters") == letters
    assert raw.rows(
        "select event_id, epoch_us(received_at), position, domain, request_id ="
        " 'replay:' || (select dead_letter_key from dead_letters d"
        " where d.position = e.position) from sendgrid_events e order by 1"
    ) == [
        (name, NOON * SECOND + 123_456, n, "d.example", True)
        for n, name in enumerate("abc")
    ]
    assert raw.row(ACCOUNTS) == (0,)
    assert raw.row(
        "select count(*), min(epoch_us(received_at)), sum(loaded) from requests"
        " where lane = 'replay'"
    ) == (3, NOON * SECOND + 123_456, 3)


def test_without_a_mend_nothing_is_replayed(home: Path, raw: Raw) -> None:
    received(home, "sendgrid", b"", b"[{", compact([{}, sent("a")]), b"\xff")
    received(home, "mailgun", b"{}", enveloped(mailed("")), at=NOON + 60)
    extract(["inbox"])

    outcome = replay(Wanted())

    assert (outcome.events, outcome.loaded) == (0, 0)
    assert outcome.message == "6 dead letters judged again, 0 mended, 6 as before"
    assert waiting(raw) == 6


def test_a_body_that_could_not_be_split_is_split_after_the_mend(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = compact([sent("a"), {**sent("b"), "timestamp": None}, sent("c")])
    received(home, "sendgrid", body)
    with monkeypatch.context() as before:
        before.setattr("extract.received.MOST_ITEMS", 2)
        extract(["inbox"])
    assert raw.rows("select reason, position from dead_letters") == [
        ("too_many_events", 0)
    ]

    outcome = replay(Wanted())

    assert (outcome.events, outcome.loaded, outcome.dead) == (3, 2, 1)
    assert raw.rows("select reason, position from dead_letters order by 1") == [
        ("missing_timestamp", 1),
        ("too_many_events", 0),
    ]
    assert waiting(raw) == 1
    assert replay(Wanted()).events == 0


def test_exact_bytes_come_from_the_archive_where_the_text_has_lost_some(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = b'[{"sg_event_id":"a","event":"open","timestamp":%d,"n":"Zo\xeb"}]' % NOON
    received(home, "sendgrid", latin)
    extract(["inbox"])
    assert raw.row("select reason from dead_letters") == ("invalid_utf8",)
    assert replay(Wanted()).loaded == 0

    readable = decode._readable
    monkeypatch.setattr(
        decode,
        "_readable",
        lambda body, odd: readable(body.decode("latin-1").encode(), odd),
    )
    replay(Wanted())

    [payload] = raw.row("select payload from sendgrid_events")
    assert json.loads(payload)["n"] == "Zoë"


def test_what_nobody_could_decode_is_replayed_when_somebody_can(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(home, "postmark", b'{"RecordType":"Open","ReceivedAt":"2026-03-01T12Z"}')
    providers = dict(arrivals.PROVIDERS)
    unknown: dict[str, Decoder] = {
        name: one for name, one in providers.items() if name != "postmark"
    }
    with monkeypatch.context() as before:
        before.setattr(arrivals, "PROVIDERS", unknown)
        extract(["inbox"])
    assert raw.row("select reason from dead_letters") == ("unknown_source",)

    assert replay(Wanted(source="sendgrid")).events == 0
    assert replay(Wanted(source="postmark", reason="unknown_source")).loaded == 1


def test_polled_dead_letters_are_replayed_for_their_domain(
    mailgun: Host, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailgun.pages([mailed("polled"), mailed("fine", event="opened")])
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["mailgun"])
    assert raw.row("select reason from dead_letters") == ("field_too_long",)
    [first] = raw.row("select epoch_us(received_at) from dead_letters")

    outcome = replay(Wanted())

    assert (outcome.loaded, waiting(raw)) == (1, 0)
    assert raw.row(
        "select event_key, epoch_us(received_at), lane, position from mailgun_events"
        " where event_id = 'polled'"
    ) == ("mailgun:d.example:2026-03-01:polled", first, "replay", 0)


def test_what_is_dead_for_another_reason_is_not_called_mended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeless = {**sent("b", event="deferred!"), "timestamp": None}
    received(home, "sendgrid", compact([sent("a", event="deferred!"), timeless, {}]))
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["inbox"])

    outcome = replay(Wanted())
    again = replay(Wanted())

    assert (outcome.loaded, outcome.dead) == (1, 1)
    assert outcome.message == (
        "3 dead letters judged again, 1 mended, 1 dead for another reason, 1 as before"
    )
    assert again.message == "2 dead letters judged again, 0 mended, 2 as before"


def test_an_event_that_has_come_otherwise_meanwhile_is_not_doubled(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(home, "mailgun", enveloped(mailed("a")))
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["inbox"])
    received(home, "mailgun", enveloped(mailed("a")), at=NOON + 60)
    extract(["inbox"])

    outcome = replay(Wanted())

    assert (outcome.events, outcome.loaded, outcome.repeated) == (1, 0, 1)
    assert raw.row("select count(*) from mailgun_events") == (1,)
    assert waiting(raw) == 0


def test_since_reason_and_source_choose(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        received(home, "sendgrid", compact([sent("old")]))
        received(home, "sendgrid", compact([sent("new")]), at=NOON + 60)
        received(home, "mailgun", enveloped(mailed("a")), at=NOON + 60)
        extract(["inbox"])

    assert replay(Wanted(reason="bad_page")).events == 0
    assert replay(Wanted("field_too_long", "sendgrid", (NOON + 1) * SECOND)).events == 1
    assert raw.rows("select event_id from sendgrid_events") == [("new",)]
    assert waiting(raw) == 2


@pytest.mark.parametrize("kill", [KILLS[READ], KILLS[COMMITTED]])
def test_a_request_is_carried_out_by_the_next_run_though_one_is_killed(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch, kill: str
) -> None:
    received(home, "sendgrid", compact([sent("a")]))
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["inbox"])
    requests = ReplayRequests(state_folder())
    requests.ask(Wanted())

    die("inbox", kill)
    assert len(requests.waiting()) == 1
    outcomes = extract(["inbox"])

    assert [one.lane for one in outcomes] == ["", "replay"]
    assert not requests.waiting()
    assert raw.rows(
        "select event_id, request_id like 'replay:%' from sendgrid_events"
    ) == [("a", True)]
    assert raw.row(ACCOUNTS) == (0,)
    assert raw.row("select count(*) from requests where lane = 'replay'") == (1,)
    assert Inbox(home / "inbox").segments() == []


def test_a_replay_that_fails_is_told_and_stops_nobody(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(home, "sendgrid", compact([sent("a")]))
    with monkeypatch.context() as before:
        before.setattr(decode, "LONGEST_NAME", 8)
        extract(["inbox"])
    requests = ReplayRequests(state_folder())
    requests.ask(Wanted())

    with monkeypatch.context() as broken:
        broken.setattr("extract.arrivals.take_new", lambda *_: [99])
        outcomes = extract(["inbox", "time_zones"])

    assert [one.outcome for one in outcomes] == ["ok", "failed", "ok"]
    assert "can be replayed again" in outcomes[1].message
    assert not requests.waiting()
    assert replay(Wanted()).loaded == 1
    assert raw.row(ACCOUNTS) == (0,)
