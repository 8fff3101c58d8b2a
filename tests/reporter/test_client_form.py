"""What is kept of a client's body: what is allowed, and of the rest no byte."""

import base64
import json
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.body import BodyError
from collector.client_form import MOST_EVENTS, SOURCES, keep

ALLOWED = {"clicked": frozenset({"where", "account_id"})}
CLICKED = {"event": "clicked", "properties": {"where": "here"}}
FORM = "application/x-www-form-urlencoded"


def kept(source: str, body: bytes, content_type: str = "") -> list[Any]:
    form = json.loads(keep(source, content_type, body, ALLOWED).stored)
    assert form["sha256"] == sha256(body).hexdigest()
    return list(form["items"])


def reasons(source: str, body: bytes, content_type: str = "") -> list[str]:
    return [item["dead"]["reason"] for item in kept(source, body, content_type)]


def data(value: bytes) -> bytes:
    return b"data=" + quote_plus(value).encode()


def spade(value: Any) -> bytes:
    return data(base64.b64encode(json.dumps(value).encode()))


def test_only_allowed_properties_are_kept_and_the_others_counted() -> None:
    private = "5f1c9d"
    event = {
        "event": "clicked",
        "properties": {"where": "here", "email": private, private: 1, "account_id": 7},
        "id": "a",
        "at": 1_764_038_065.25,
        "extra": {"more": private},
    }
    found = keep("spade", FORM, spade([event, {**event, "event": "typed"}]), ALLOWED)

    assert private.encode() not in found.stored
    assert json.loads(found.stored)["items"] == [
        {
            "event": {
                "event": "clicked",
                "properties": {"where": "here", "account_id": 7},
                "dropped": 3,
                "id": "a",
                "at": 1_764_038_065.25,
            }
        },
        {
            "event": {
                "event": "typed",
                "properties": {},
                "dropped": 5,
                "id": "a",
                "at": 1_764_038_065.25,
            }
        },
    ]
    assert (found.events, found.dropped, found.dead) == (2, 8, {})


TEXT = json.dumps([{"event": "clicked", "properties": {"where": "~~~???>>>"}}]).encode()
STANDARD = base64.b64encode(TEXT)
assert b"+" in STANDARD
assert b"/" in STANDARD


@pytest.mark.parametrize(
    ("source", "content_type", "body"),
    [
        ("spade", FORM, data(STANDARD)),
        ("spade", "", b"data=" + STANDARD),  # its + is a blank to a form
        ("spade", "", b"v=1&data=" + STANDARD.rstrip(b"=") + b"&x="),
        ("spade", "text/plain", b"data=" + base64.urlsafe_b64encode(TEXT)),
        ("flume", FORM, data(TEXT)),
        ("beacon", "text/plain;charset=UTF-8", TEXT),
        ("beacon", "application/json", b"\xef\xbb\xbf" + TEXT),
        ("beacon", "", TEXT),
        ("beacon", FORM, data(TEXT)),
        ("beacon", f"{FORM};charset=UTF-8", data(STANDARD)),
        ("beacon", "text/plain", data(STANDARD)),
        (
            "beacon",
            "multipart/form-data; boundary=----x1",
            b'------x1\r\nContent-Disposition: form-data; name="v"\r\n\r\n1\r\n'
            b'------x1\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
            + TEXT
            + b"\r\n------x1--\r\n",
        ),
    ],
)
def test_every_known_wire_form_is_read(
    source: str, content_type: str, body: bytes
) -> None:
    [item] = kept(source, body, content_type)
    assert item["event"]["properties"] == {"where": "~~~???>>>"}


def test_a_form_with_two_data_fields_loads_both() -> None:
    other = {"event": "clicked", "properties": {"where": "there"}}
    body = spade(CLICKED) + b"&" + spade([other, CLICKED])
    places = [item["event"]["properties"]["where"] for item in kept("spade", body)]
    assert places == ["here", "there", "here"]


BODIES = [
    ("spade", b"", "empty_body"),
    ("spade", b"x=1", "no_data_field"),
    ("spade", TEXT, "no_data_field"),
    ("spade", b"data=", "empty_body"),
    ("spade", b"data=%%%", "bad_base64"),
    ("spade", b"data=abcde", "bad_base64"),
    ("spade", data("ü".encode()), "bad_base64"),
    ("spade", data(base64.b64encode(b"secret")), "invalid_json"),
    ("spade", data(base64.b64encode(b'{"a":"\xff"}')), "invalid_utf8"),
    ("flume", data(b"{secret}"), "invalid_json"),
    ("flume", data(b'{"event":"clicked","x":NaN}'), "invalid_json"),
    ("flume", data(b'{"event":"clicked","x":%s}' % (b"9" * 9_999)), "invalid_json"),
    ("beacon", b"", "empty_body"),
    ("beacon", b"\xffsecret", "invalid_utf8"),
    ("beacon", b"[" * 100_000, "too_deep"),
    ("beacon", TEXT[:-1], "invalid_json"),
]


@pytest.mark.parametrize(("source", "body", "reason"), BODIES)
def test_of_a_body_that_cant_be_read_length_and_hash_are_kept(
    source: str, body: bytes, reason: str
) -> None:
    [item] = kept(source, body)
    assert item["dead"]["reason"] == reason
    assert set(item["dead"]) == {"reason", "length", "sha256"}
    if source == "beacon":
        assert item["dead"]["length"] == len(body)
        assert item["dead"]["sha256"] == sha256(body).hexdigest()


ITEMS: list[tuple[Any, str]] = [
    ("secret", "event_not_an_object"),
    (None, "event_not_an_object"),
    ([], "event_not_an_object"),
    ({"properties": {"where": "secret"}}, "missing_event_name"),
    ({"event": None}, "missing_event_name"),
    ({"event": ""}, "missing_event_name"),
    ({"event": 7}, "event_type_not_text"),
    ({"event": {"secret": 1}}, "event_type_not_text"),
    ({"event": "secret" * 50}, "field_too_long"),
    ({**CLICKED, "properties": ["secret"]}, "properties_not_an_object"),
    ({**CLICKED, "properties": "secret"}, "properties_not_an_object"),
    ({**CLICKED, "id": {"secret": 1}}, "event_id_not_text"),
    ({**CLICKED, "id": True}, "event_id_not_text"),
    ({**CLICKED, "id": "secret" * 50}, "field_too_long"),
    ({**CLICKED, "at": ["secret"]}, "bad_timestamp"),
    ({**CLICKED, "at": "secret" * 50}, "field_too_long"),
]


@pytest.mark.parametrize(("item", "reason"), ITEMS)
def test_what_is_no_event_leaves_nothing_of_itself_and_its_neighbours_stay(
    item: Any, reason: str
) -> None:
    found = keep("spade", FORM, spade([CLICKED, item, CLICKED]), ALLOWED)

    first, dead, second = json.loads(found.stored)["items"]
    assert first == second
    assert first["event"]["properties"] == {"where": "here"}
    assert dead["dead"]["reason"] == reason
    assert b"secret" not in found.stored
    assert (found.events, found.dead) == (2, {reason: 1})


def test_a_property_that_is_too_deep_kills_its_event_only() -> None:
    deep: Any = "bottom"
    for _ in range(300):
        deep = [deep]
    body = spade([{**CLICKED, "properties": {"where": deep}}, CLICKED])
    first, second = kept("spade", body)
    assert first["dead"]["reason"] == "too_deep"
    assert "event" in second


def test_odd_text_and_numbers_are_stored_as_every_engine_reads_them() -> None:
    text = (
        rb'{"event":"clicked","event":"clicked","properties":'
        rb'{"where":"a\ud800b","where":"c\udc00\ud83d\ude00","account_id":1e999}}'
    )
    [item] = kept("flume", data(text))
    assert item["event"]["properties"] == {
        "where": "c\ufffd\U0001f600",
        "account_id": "1e999",
    }


def test_nobody_sends_a_million_items_in_one_body() -> None:
    body = b"[" + b"1," * MOST_EVENTS + b"1]"
    with pytest.raises(BodyError, match="too_many_events"):
        keep("beacon", "", body, ALLOWED)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SOURCES),
    st.sampled_from(["", "text/plain", FORM, "multipart/form-data; boundary=x"]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    st.booleans(),
)
def test_whatever_comes_is_read_and_what_is_stored_is_json(
    source: str, content_type: str, body: bytes, is_form: bool
) -> None:
    if is_form:
        body = urlencode({"data": body}).encode()
    items = kept(source, body, content_type)
    assert all(set(item) in ({"event"}, {"dead"}) for item in items)
