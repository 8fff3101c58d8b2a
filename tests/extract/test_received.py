"""From received bytes to events and dead letters, whatever the bytes are."""

import json
import os
import random
from typing import Any

import pytest
from bodies import NOON, compact, enveloped, mailed, marked, sent
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.arrivals import PROVIDERS, decode
from extract.decode import DEEPEST, LONGEST_ID, LONGEST_NAME
from extract.received import Decoded
from inbox import Record

LATEST = 2_000_000_000 * 1_000_000

PROOF = "TALLYBOOK_PROOF" in os.environ

GOOD = {
    "sendgrid": [sent("good-1"), sent("good-2")],
    "mailgun": mailed("good-1"),
    "postmark": marked(),
}


def decoded(source: str, body: bytes, domain: str = "") -> Decoded:
    """A body of a provider, read."""
    return decode(Record("r", source, domain, NOON * 1_000_000, body), LATEST)


def reasons(source: str, body: bytes) -> list[str]:
    """Why it, or some of it, is dead."""
    return [letter.reason for letter in decoded(source, body).page.dead]


def nested(levels: int) -> bytes:
    """An event of SendGrid's of so many levels."""
    return b'{"sg_event_id":"deep","event":"open","timestamp":%d,"x":%s}' % (
        NOON,
        b"[" * (levels - 1) + b"]" * (levels - 1),
    )


ITEMS: list[tuple[bytes, str]] = [
    (b'"text"', "event_not_an_object"),
    (b"17", "event_not_an_object"),
    (b"null", "event_not_an_object"),
    (b"[]", "event_not_an_object"),
    (b"{nonsense}", "invalid_json"),
    (b'{"event":"open","timestamp":1,"x":01}', "invalid_json"),
    (b'{"event":"\xff\xfe"}', "invalid_utf8"),
    (b'{"event":"open","x":"\xed\xa0\x80"}', "invalid_utf8"),
    (nested(DEEPEST + 1), "too_deep"),
    (compact({**sent("a"), "event": None}), "missing_event_type"),
    (compact({**sent("a"), "event": ""}), "missing_event_type"),
    (compact({"sg_event_id": "a", "timestamp": NOON}), "missing_event_type"),
    (compact({**sent("a"), "event": 7}), "event_type_not_text"),
    (compact({**sent("a"), "event": ["open"]}), "event_type_not_text"),
    (compact({**sent("a"), "event": "x" * (LONGEST_NAME + 1)}), "field_too_long"),
    (compact({**sent("a"), "sg_event_id": {"x": 1}}), "event_id_not_text"),
    (compact({**sent("a"), "sg_event_id": ["x"]}), "event_id_not_text"),
    (compact({**sent("a"), "sg_event_id": True}), "event_id_not_text"),
    (compact(sent("x" * (LONGEST_ID + 1))), "field_too_long"),
    (compact({"event": "open", "sg_event_id": "a"}), "missing_timestamp"),
    (compact({**sent("a"), "timestamp": None}), "missing_timestamp"),
    (compact({**sent("a"), "timestamp": "soon"}), "bad_timestamp"),
    (compact({**sent("a"), "timestamp": [NOON]}), "bad_timestamp"),
    (compact({**sent("a"), "timestamp": True}), "bad_timestamp"),
    (compact({**sent("a"), "timestamp": 0}), "timestamp_out_of_range"),
    (compact({**sent("a"), "timestamp": -NOON}), "timestamp_out_of_range"),
    (compact({**sent("a"), "timestamp": NOON * 1000}), "timestamp_out_of_range"),
    (b'{"event":"open","timestamp":1e400}', "timestamp_out_of_range"),
    (b'{"event":"open","timestamp":%s}' % (b"9" * 9_999), "timestamp_out_of_range"),
]


@pytest.mark.parametrize(("item", "reason"), ITEMS)
def test_what_is_no_event_is_a_dead_letter_and_its_neighbours_load(
    item: bytes, reason: str
) -> None:
    first, second = map(compact, GOOD["sendgrid"])

    found = decoded("sendgrid", b"[%s,%s, %s ]" % (first, item, second))

    assert found.page.events.ids == ["good-1", "good-2"]
    assert found.page.events.positions == [0, 2]
    [letter] = found.page.dead
    assert (letter.position, letter.reason) == (1, reason)
    assert letter.body == item.decode("utf-8", "replace")
    assert found.page.total == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b" \r\n", "empty_body"),
        (b"\xef\xbb\xbf", "empty_body"),
        (b'"text"', "not_an_array"),
        (b"null", "not_an_array"),
        (b"3", "not_an_array"),
        (b"event=open", "invalid_json"),
        (b'[{"event":"open"', "invalid_json"),
        (b"[1,2]]", "invalid_json"),
        (b"[" * 2_000_000, "invalid_json"),
        (b'["' + b'\\"' * 1_000_000, "invalid_json"),
        (b'[\\"' + b'\\"' * 1_000_000 + b"\\", "invalid_json"),
        (b"\xff\xfe[\x00]\x00", "invalid_utf8"),
    ],
)
def test_body_that_cannot_be_split_is_one_dead_letter(body: bytes, reason: str) -> None:
    page = decoded("sendgrid", body).page

    assert (page.total, len(page.events)) == (1, 0)
    assert [letter.reason for letter in page.dead] == [reason]


def test_brackets_without_end_that_close_are_one_item_too_deep() -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    assert reasons("sendgrid", body) == ["too_deep"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b"[]", "event_not_an_object"),
        (b'{"event-data":7}', "event_not_an_object"),
        (b'{"event-data":[{}]}', "event_not_an_object"),
        (b'{"signature":{}}', "missing_id"),
        (b'{"event-data":{}', "invalid_json"),
        (b"timestamp=1&token=2", "invalid_json"),
        (enveloped(mailed("")), "missing_id"),
        (enveloped({**mailed("a"), "id": None}), "missing_id"),
        (enveloped({**mailed("a"), "timestamp": "noon"}), "bad_timestamp"),
    ],
)
def test_mailguns_request_that_holds_no_event_is_a_dead_letter(
    body: bytes, reason: str
) -> None:
    page = decoded("mailgun", body).page
    assert [letter.reason for letter in page.dead] == [reason]
    assert (page.total, len(page.events)) == (1, 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_body"),
        (b"[{}]", "event_not_an_object"),
        (b"{", "invalid_json"),
        (compact({**marked(), "RecordType": None}), "missing_event_type"),
        (compact({**marked(), "DeliveredAt": "yesterday"}), "bad_timestamp"),
        (compact({**marked(), "DeliveredAt": "2026-03-01T12:00:00"}), "bad_timestamp"),
        (compact({**marked(), "DeliveredAt": NOON}), "bad_timestamp"),
        (compact({**marked(), "DeliveredAt": "2026-03-01Z" * 99}), "bad_timestamp"),
        (
            compact({**marked(), "DeliveredAt": "1999-12-31T23:59:59.9999999Z"}),
            None,
        ),
        (
            compact({**marked(), "DeliveredAt": "1999-12-31T23:59:59.9999994Z"}),
            "timestamp_out_of_range",
        ),
        (compact({"RecordType": "Delivery"}), "missing_timestamp"),
        (compact({**marked(), "ID": {"x": 1}}), "event_id_not_text"),
    ],
)
def test_postmarks_request_that_holds_no_event_is_a_dead_letter(
    body: bytes, reason: str | None
) -> None:
    found = decoded("postmark", body).page
    assert [letter.reason for letter in found.dead] == ([reason] if reason else [])
    assert found.total == 1


@pytest.mark.parametrize(
    ("body", "warnings"),
    [
        (compact(sent("a")), {"one object instead of an array"}),
        (b"\xef\xbb\xbf" + compact([sent("a")]), {"a byte order mark"}),
        (compact([{**sent("a"), "sg_event_id": 7}]), {"an id that is a number"}),
        (compact([{**sent("a"), "event": "o\0pen"}]), {"NUL in a name or id"}),
        (
            b'[{"sg_event_id":"a","event":"open","timestamp":%d,"x":"\\ud800"}]' % NOON,
            {"half of a surrogate pair"},
        ),
        (
            b'[{"sg_event_id":"b","event":"open","timestamp":%d,"event":"click"}]'
            % NOON,
            {"a key twice"},
        ),
        (compact([sent("a", event="newly invented")]), set()),
        (compact([{"sg_event_id": "a", "event": "open", "timestamp": NOON}]), set()),
    ],
)
def test_what_is_odd_is_kept_and_said(body: bytes, warnings: set[str]) -> None:
    page = decoded("sendgrid", body).page

    assert (len(page.events), page.dead) == (1, [])
    assert set(page.warnings) == warnings
    text = page.events.bodies[0].decode()
    assert len(json.loads(text)) == len(json.loads(text, object_pairs_hook=list))


def test_of_a_key_that_comes_twice_the_last_one_wins() -> None:
    body = b'[{"sg_event_id":"a","event":"open","timestamp":%d,"event":"click"}]' % NOON
    events = decoded("sendgrid", body).page.events
    assert events.names == ["click"]
    assert b"open" not in events.bodies[0]


def test_an_event_without_an_id_is_known_by_what_it_says() -> None:
    one = {"event": "open", "timestamp": NOON, "n": 1.50, "s": "é", "list": [1, {}]}
    same = (
        b'[{ "list":[1, {}],"s":"\\u00e9","timestamp":%d, "event":"open","n":1.5}]'
        % NOON
    )
    other = {**one, "n": 1.51}

    keys = [
        decoded("sendgrid", body).keys
        for body in (compact([one]), same, compact([other]))
    ]

    assert keys[0] == keys[1] != keys[2]


def test_postmarks_number_says_nothing_without_its_type() -> None:
    bounce = marked("Bounce", "BouncedAt", ID=42)
    complaint = marked("SpamComplaint", "BouncedAt", ID=42)

    found = [decoded("postmark", compact(one)) for one in (bounce, complaint)]

    assert [one.page.events.ids for one in found] == [["42"], ["42"]]
    assert found[0].keys != found[1].keys
    assert not found[0].page.warnings


@pytest.mark.parametrize(
    ("event", "domain", "expected"),
    [
        (mailed("a"), "", "d.example"),
        (mailed("a"), "P.example", "p.example"),
        ({**mailed("a"), "message": {"headers": {}}}, "", ""),
        ({**mailed("a"), "message": 7}, "", ""),
        (
            mailed("a", message={"headers": {"message-id": "<1@D.Example>"}}),
            "",
            "d.example",
        ),
        (mailed("a", message={"headers": {"message-id": "@" + "x" * 300}}), "", ""),
    ],
)
def test_a_received_event_of_mailguns_belongs_to_its_path_or_its_message_id(
    event: dict[str, Any], domain: str, expected: str
) -> None:
    found = decoded("mailgun", enveloped(event), domain)
    assert found.domain == expected
    assert found.keys == [f"mailgun:{expected}:2026-03-01:a"]


def test_what_nobody_can_decode_yet_is_kept_whole() -> None:
    page = decoded("spade", b"data=e30=").page
    assert [tuple(letter) for letter in page.dead] == [
        (0, "unknown_source", "data=e30=")
    ]


MEMBERS = (
    *("event", "timestamp", "sg_event_id", "id", "event-data", "message", "headers"),
    *("message-id", "RecordType", "ID", "BouncedAt", "Type"),
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([NOON, str(NOON), "2026-03-01T12:00:00.1234567Z", "open"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(MEMBERS) | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


def dumped(value: Any) -> bytes:
    """As hostile as `json` writes it: NaN, halves of pairs as escapes."""
    return json.dumps(value).encode()


BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(dumped),
    st.lists(JSON | st.sampled_from(GOOD["sendgrid"]), max_size=4).map(dumped),
    # A byte of something whole is another one.
    st.tuples(JSON.map(dumped), st.integers(0, 10_000), st.binary(max_size=2)).map(
        lambda t: t[0][: t[1] % len(t[0])] + t[2] + t[0][t[1] % len(t[0]) + 1 :]
    ),
)


def check(source: str, body: bytes) -> None:
    """Nothing raises, nothing vanishes, and every engine can store what came out."""
    found = decoded(source, body)
    page = found.page
    assert page.total == len(page.events) + len(page.dead)
    assert len(found.keys) == len(page.events)
    for text in (*found.keys, *page.events.names, *page.events.ids, found.domain):
        assert "\0" not in text
        text.encode()
    for event in page.events.bodies:
        assert isinstance(json.loads(event.decode()), dict)
    for letter in page.dead:
        assert "\0" not in letter.body


@pytest.mark.proof
@settings(max_examples=20_000 if PROOF else 300, deadline=None)
@given(st.sampled_from([*PROVIDERS, "spade"]), BODIES)
def test_any_bytes_are_events_and_dead_letters_and_nothing_raises(
    source: str, body: bytes
) -> None:
    check(source, body)


@pytest.mark.proof
def test_random_bodies_raise_nothing_and_lose_nothing() -> None:
    chance = random.Random(5)  # noqa: S311
    whole = [compact(GOOD["sendgrid"]), enveloped(mailed("a")), compact(marked())]
    for _ in range(100_000 if PROOF else 2_000):
        body = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(6)):
            at = chance.randrange(len(body))
            body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
            body = body or bytearray(b"[")
        check(chance.choice(list(PROVIDERS)), bytes(body))
