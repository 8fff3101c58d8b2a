"""From bytes to events and dead letters, at once and one by one."""

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailgun_host import NOON, compact, event, page

from extract.decode import (
    DEEPEST,
    LONGEST_ID,
    DeadLetter,
    NotAPageError,
    Page,
    PageReader,
    Shape,
    dead_letter_key,
    judge,
    microseconds,
    outline,
)

SHAPE = Shape("id", "event", "timestamp", "severity")
LATEST = 2_000_000_000 * 1_000_000


def read(*items: Any) -> Page:
    """A page of these items, read."""
    return PageReader(SHAPE).read(outline(page(items)), LATEST)


def reasons(*items: Any) -> list[str]:
    """Why these items are dead letters."""
    return [letter.reason for letter in read(*items).dead]


def nested(levels: int) -> bytes:
    """An event of so many levels."""
    return b'{"id":"deep","event":"opened","timestamp":%d,"x":%s}' % (
        NOON,
        b"[" * (levels - 1) + b"]" * (levels - 1),
    )


def test_honest_page_becomes_typed_events_with_their_bodies_as_sent() -> None:
    bodies = [
        compact(event("a", NOON + 0.25, recipient="zoë@example.com")),
        b'{ "id" : "b", "event":"failed","timestamp": 1.7724e9,"severity":"permanent"}',
    ]

    found = read(*bodies)

    assert found.events.ids == ["a", "b"]
    assert found.events.names == ["delivered", "failed"]
    assert found.events.occurred_at == [
        NOON * 1_000_000 + 250_000,
        1_772_400_000_000_000,
    ]
    assert found.events.severities == [None, "permanent"]
    assert found.events.positions == [0, 1]
    assert found.events.bodies == bodies
    assert (found.dead, found.total) == ([], 2)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"event": "opened", "timestamp": NOON}, "missing_id"),
        (event(""), "missing_id"),
        ({**event("a"), "id": None}, "missing_id"),
        ({**event("a"), "id": {"x": 1}}, "event_id_not_text"),
        ({**event("a"), "id": ["x"]}, "event_id_not_text"),
        ({**event("a"), "id": True}, "event_id_not_text"),
        (event("x" * (LONGEST_ID + 1)), "field_too_long"),
        ({"id": "a", "timestamp": NOON}, "missing_event_type"),
        (event("a", event=None), "missing_event_type"),
        (event("a", event=7), "event_type_not_text"),
        (event("a", event={"name": "opened"}), "event_type_not_text"),
        (event("a", event="x" * 201), "field_too_long"),
        ({"id": "a", "event": "opened"}, "missing_timestamp"),
        (event("a", None), "missing_timestamp"),
        (event("a", ""), "missing_timestamp"),
        (event("a", "noon"), "bad_timestamp"),
        (event("a", "1_772_366_400"), "bad_timestamp"),
        (event("a", "NaN"), "bad_timestamp"),
        (event("a", True), "bad_timestamp"),
        (event("a", {"seconds": 1}), "bad_timestamp"),
        (event("a", 0), "timestamp_out_of_range"),
        (event("a", -1.5), "timestamp_out_of_range"),
        (event("a", NOON * 1000), "timestamp_out_of_range"),
        (event("a", 1e300), "timestamp_out_of_range"),
        (event("a", "1e400"), "timestamp_out_of_range"),
        (event("a", "1e99999999999999999999"), "timestamp_out_of_range"),
        (event("a", "-1e400"), "timestamp_out_of_range"),
        (b'{"id":"a","event":"x","timestamp":1e999}', "timestamp_out_of_range"),
        (b'{"id":"a","event":"x","timestamp":' + b"9" * 5000 + b"}", "bad_or_far"),
        (b'"a"', "event_not_an_object"),
        (b'["a"]', "event_not_an_object"),
        (b"7", "event_not_an_object"),
        (b"null", "event_not_an_object"),
        (b'{"id":"a","event":"x","timestamp":NaN}', "invalid_json"),
        (b"oops", "invalid_json"),
        (b'{"id":"a" "event"}', "invalid_json"),
        (b'{"id":"\xff","event":"x","timestamp":1}', "invalid_utf8"),
        (nested(DEEPEST + 1), "too_deep"),
        (nested(100_000), "too_deep"),
    ],
)
def test_item_that_is_no_event_is_a_dead_letter_and_its_neighbours_load(
    item: Any, reason: str
) -> None:
    found = read(event("before"), item, event("after", NOON + 1))

    if reason == "bad_or_far":
        reason = "timestamp_out_of_range"
    assert [(d.position, d.reason) for d in found.dead] == [(1, reason)]
    assert found.events.ids == ["before", "after"]
    assert found.events.positions == [0, 2]
    assert found.total == 3


def test_dead_letter_keeps_its_body_as_text_that_every_engine_stores() -> None:
    [letter] = read(b'{"id":"\xff\x00"}').dead

    assert letter.body == '{"id":"\ufffd\ufffd"}'


def test_id_that_is_a_number_is_kept_as_its_exact_text() -> None:
    found = read(
        b'{"id":10000000000000000000000001,"event":"x","timestamp":1772366400}'
    )

    assert found.events.ids == ["10000000000000000000000001"]
    assert found.warnings == {"an id that is a number": 1}


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            b'{"id":"a","event":"delivered","event":"clicked","timestamp":1772366400}',
            b'{"id":"a","event":"clicked","timestamp":1772366400}',
        ),
        (
            b'{"id":"a","event":"x","timestamp":1772366400,'
            b'"user-variables":{"k":1.50,"k":{"z":2,"z":3}}}',
            b'{"id":"a","event":"x","timestamp":1772366400,'
            b'"user-variables":{"k":{"z":3}}}',
        ),
        (
            b'{"id":"a","event":"x","timestamp":1772366400,"tags":[{"k":1,"k" :1.0}]}',
            b'{"id":"a","event":"x","timestamp":1772366400,"tags":[{"k":1.0}]}',
        ),
    ],
)
def test_key_that_comes_twice_is_written_once_with_its_last_value(
    body: bytes, kept: bytes
) -> None:
    found = read(event("before"), body)

    assert found.events.bodies == [compact(event("before")), kept]
    assert found.events.names[1] == json.loads(kept)["event"]
    assert found.warnings == {"a key twice": 1}


@pytest.mark.parametrize("escape", [rb"\u003a", rb"\u003A", rb"\u0022:", b" : "])
def test_key_that_comes_twice_is_found_whatever_else_is_written_differently(
    escape: bytes,
) -> None:
    # What is written differently adds to what the second `k` takes away.
    body = (
        rb'{"id":"a","event":"x","timestamp":1772366400,"t":"%s","k":1.50,"k" :1}'
        % escape
    )

    assert read(body).warnings == {"a key twice": 1}


def test_half_of_a_surrogate_pair_is_replaced_and_a_whole_pair_stays() -> None:
    body = (
        rb'{"id":"a\ud800","event":"x","timestamp":1772366400,'
        rb'"t":"\ud83d\ude00 \\ud800 \udc00"}'
    )

    found = read(body)

    assert found.events.ids == ["a\ufffd"]
    assert found.events.bodies == [
        rb'{"id":"a\ufffd","event":"x","timestamp":1772366400,'
        rb'"t":"\ud83d\ude00 \\ud800 \ufffd"}'
    ]
    assert found.warnings == {"half of a surrogate pair": 1}


def test_nul_is_replaced_in_typed_columns_and_stays_in_the_body() -> None:
    body = rb'{"id":"a\u0000","event":"x","timestamp":1772366400}'

    found = read(body)

    assert found.events.ids == ["a\ufffd"]
    assert found.events.bodies == [body]


def test_event_of_as_many_levels_as_are_allowed_is_kept() -> None:
    assert read(nested(DEEPEST)).events.ids == ["deep"]


def test_byte_order_mark_is_taken_off() -> None:
    outlined = outline(b"\xef\xbb\xbf" + page([event("a")]))

    assert PageReader(SHAPE).read(outlined, LATEST).events.ids == ["a"]


@pytest.mark.parametrize("item", [b"{}", b"oops", nested(100_000), rb'"\ud800"'])
def test_page_tells_where_it_leads_whatever_it_holds(item: bytes) -> None:
    outlined = outline(page([item, item], "http://host/next"))

    assert outlined.next_page == "http://host/next"
    assert [bytes(body) for body in outlined.bodies] == [item, item]


def test_page_without_items_tells_so() -> None:
    assert outline(page([])).bodies == []
    assert outline(b'{"items":[ ]}').bodies == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b'"items"',
        b"{}",
        b'{"items":{}}',
        b'{"items":null}',
        b'{"items":[{"id":"a"',
        b'{"items":[]} {"items":[]}',
        b'{"items":[],"paging":{"next":7}}',
    ],
)
def test_what_has_no_list_of_items_is_no_page(body: bytes) -> None:
    with pytest.raises(NotAPageError):
        outline(body)


@given(
    seconds=st.integers(1_000_000_000, 1_999_999_999),
    fraction=st.text("0123456789", max_size=18),
)
def test_timestamp_rounds_as_its_decimal_text_says(seconds: int, fraction: str) -> None:
    text = f"{seconds}.{fraction}" if fraction else str(seconds)
    exact = Decimal(text) * 1_000_000  # 28 digits hold all of them
    expected = int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))

    as_number = b'{"id":"a","event":"x","timestamp":%s}' % text.encode()
    assert microseconds(text) == expected
    assert read(as_number).events.occurred_at == [expected]
    assert read(event("a", text)).events.occurred_at == [expected]


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2033, 1, 1))  # noqa: DTZ001 - UTC below
)
def test_float_as_a_provider_writes_it_is_never_off_by_a_microsecond(
    at: datetime,
) -> None:
    since = at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    micros = since.days * 86_400_000_000 + since.seconds * 1_000_000
    micros += since.microseconds

    assert read(event("a", micros / 1_000_000)).events.occurred_at == [micros]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=8,
)


@given(
    st.lists(
        values
        | st.fixed_dictionaries(
            {},
            optional={
                "id": values | st.just("a"),
                "event": values | st.just("opened"),
                "timestamp": values | st.just(NOON) | st.just(f"{NOON}.5"),
                "severity": values,
                "x": values,
            },
        ),
        max_size=4,
    )
)
def test_reading_at_once_and_one_by_one_give_the_same(items: list[Any]) -> None:
    bodies = [json.dumps(item).encode() for item in items]

    found = read(*bodies)

    events, dead, warnings = judge(bodies, SHAPE, LATEST)
    assert (found.events, found.dead, found.warnings) == (events, dead, warnings)
    assert len(found.events) + len(found.dead) == found.total == len(items)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_a_page_or_no_page(body: bytes) -> None:
    inside = b'{"items":[%s]}' % body
    for whole in (body, inside):
        try:
            outlined = outline(whole)
        except NotAPageError:
            continue
        found = PageReader(SHAPE).read(outlined, LATEST)
        assert len(found.events) + len(found.dead) == found.total


def test_dead_letters_key_tells_apart_all_that_makes_it_one() -> None:
    letter = DeadLetter(0, "missing_id", "{}")
    keys = {
        dead_letter_key("mailgun", "a.example", letter),
        dead_letter_key("mailgun", "b.example", letter),
        dead_letter_key("sendgrid", "a.example", letter),
        dead_letter_key("mailgun", "a.example", letter._replace(reason="too_deep")),
        dead_letter_key("mailgun", "a.example", letter._replace(body="[]")),
    }

    assert len(keys) == 5
    moved = letter._replace(position=9)
    assert dead_letter_key("mailgun", "a.example", moved) in keys
