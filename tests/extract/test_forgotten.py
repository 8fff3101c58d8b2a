"""Who was forgotten is recognised wherever they are named, and nobody else is."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract import app_rows
from extract.app_tables import TABLES
from extract.decode import PageReader, outline
from extract.erased import KEPT, erase_event, kept_names
from extract.forgotten import LIST, Forgotten, recipient_key
from extract.mailgun import SHAPE

ANN = "ann@example.com"
WHO = Forgotten().and_([ANN, "änne.o'neil+x@bücher.example"], ["member-1"])
TOKEN = WHO.token(ANN)


@pytest.mark.parametrize(
    "text",
    [
        ANN,
        "Ann@EXAMPLE.com",
        '"Doe, Ann" <ann@example.com>',
        "mailto:ann@example.com?subject=x",
        "https://x.example/?to=ann@example.com&b=1",
        "https://x.example/?to%3Dann%40example.com",
        "to=ann%40example.com.",
        '{"to": "\\u003cann\\u0040example.com\\u003e"}',
        '{"text": "no such person:\\nann@example.com\\n"}',
        "Änne.O'Neil+x@BÜCHER.example",
        "x@y.example,ann@example.com",
        "ann@example.com-1",
        "ann@example.com.1795600000-a",
        "ann@example.com_2",
    ],
)
def test_an_address_is_found_however_it_stands_in_a_text(text: str) -> None:
    assert WHO.is_named_in(text)
    assert WHO.is_named_in(text.encode())
    assert not WHO.is_named_in(str(WHO.instead_of(text)))


@pytest.mark.parametrize(
    "text",
    [
        "joann@example.com",
        "jo.ann@example.com",
        "jo+ann@example.com",
        "jo-ann@example.com",
        "ann@example.com.au",
        "ann@example.community",
        "ann@example.com-shop.org",
        "ann@example.com-1.org",
        "ann@sub.example.com",
        "ann at example.com",
        "",
    ],
)
def test_another_address_is_not_taken_for_it(text: str) -> None:
    assert not WHO.is_named_in(text)
    assert WHO.instead_of(text) is None
    assert WHO.scrub(text) == text


@given(
    st.text(st.characters(codec="ascii", exclude_characters="@%\\")),
    st.text(st.characters(codec="ascii", exclude_characters="@%\\")),
)
def test_whoever_stands_around_it_only_the_address_is_replaced(
    before: str, after: str
) -> None:
    text = f"{before} {ANN} {after}"

    assert WHO.scrub(text) == f"{before} {TOKEN} {after}"
    assert WHO.is_named_in(json.dumps([text]))


def test_what_follows_it_in_an_id_stays() -> None:
    for after in ("-1", ".2-x", "_3", "%2D4", "-1 ann@example.com"):
        replaced = after.replace(ANN, str(TOKEN))
        assert WHO.scrub(ANN + after) == f"{TOKEN}{replaced}"


@given(st.text(min_size=1))
def test_a_key_is_the_one_that_the_models_make(address: str) -> None:
    [(key,)] = duckdb.execute("select lower(trim(?))", [address]).fetchall()

    assert recipient_key(address) == key


def test_spellings_have_tokens_of_their_own_and_one_key() -> None:
    spellings = [ANN, "Ann@example.com", "ANN@example.com", " ann@example.com"]
    tokens = [str(WHO.token(each)) for each in spellings]

    assert len(set(tokens)) == len(spellings)
    assert {recipient_key(token) for token in tokens} == {TOKEN}
    assert all(WHO.token(token) is None for token in tokens)


def test_another_state_folder_has_other_tokens(tmp_path: Path) -> None:
    WHO.write(tmp_path)

    assert Forgotten.of(tmp_path) == WHO
    assert Forgotten().and_([ANN]).token(ANN) != TOKEN
    assert (tmp_path / LIST).stat().st_mode & 0o077 == 0
    assert b"ann" not in (tmp_path / LIST).read_bytes()
    assert not Forgotten.of(tmp_path / "elsewhere")


def mailgun(**fields: object) -> bytes:
    event = {"event": "opened", "id": "1", "timestamp": 1772366400.25, **fields}
    return json.dumps(event).encode()


@pytest.mark.parametrize("name", ["account_id", "tenant"])
@pytest.mark.parametrize("source", ["client", "spade", "flume", "beacon"])
def test_a_clients_event_stays_its_accounts_by_whatever_name(
    source: str, name: str
) -> None:
    body = json.dumps(
        {
            "id": "1",
            "event": "signed_up",
            "at": 1.5,
            "dropped": 2,
            "properties": {name: "7", "email": ANN, "plan": "Ann's own"},
        }
    )
    with duckdb.connect() as warehouse:
        warehouse.execute("create schema raw")
        warehouse.execute(
            "create table raw.source_settings (source text, name text, value text)"
        )
        if name != "account_id":
            warehouse.execute(
                "insert into raw.source_settings"
                " values ('inbox', 'account_property', ?)",
                [name],
            )
        names = kept_names(warehouse)[source]

    assert json.loads(erase_event(source, body.encode(), WHO, names)) == {
        "id": "1",
        "event": "signed_up",
        "at": 1.5,
        "dropped": 2,
        "properties": {name: "7"},
    }


def test_only_what_models_decide_by_is_left_of_their_event() -> None:
    body = mailgun(
        recipient="Ann@example.com",
        severity="permanent",
        ip="203.0.113.9",
        message={"headers": {"message-id": "1@x", "to": f"Ann Doe <{ANN}>"}},
        **{
            "delivery-status": {"code": 550, "message": "no Ann here"},
            "client-info": {"bot": "", "user-agent": "Firefox"},
            "user-variables": {"email-id": "e1", "name": "Ann"},
        },
    )

    assert json.loads(erase_event("mailgun", body, WHO, ["email-id"])) == {
        "event": "opened",
        "id": "1",
        "timestamp": 1772366400.25,
        "severity": "permanent",
        "recipient": WHO.token("Ann@example.com"),
        "message": {"headers": {"message-id": "1@x"}},
        "delivery-status": {"code": 550},
        "client-info": {"bot": ""},
        "user-variables": {"email-id": "e1"},
    }


def test_the_event_of_somebody_else_keeps_all_that_does_not_name_them() -> None:
    body = mailgun(
        message={"headers": {"to": f"bob@example.com, {ANN}", "message-id": "1@x"}},
        url="https://example.com",
        note=["about", f"Ann <{ANN}>"],
    )

    left = json.loads(erase_event("mailgun", body, WHO))

    assert left["recipient"] == "bob@example.com"
    assert left["url"] == "https://example.com"
    assert left["message"]["headers"]["message-id"] == "1@x"
    assert left["note"][0] == "about"
    assert not WHO.is_named_in(json.dumps(left))
    assert "Ann" not in json.dumps(left)


@pytest.mark.parametrize("source", [*KEPT, "of somebody new"])
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
        | st.sampled_from([ANN, f"<{ANN}>", f"x@y.z, {ANN}", "550 5.1.1 gone"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *(
                            "recipient",
                            "email",
                            "Recipient",
                            "Email",
                            "event",
                            "reason",
                        ),
                        *("message", "headers", "to", "properties", "url_offset", ANN),
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_an_event_is_it_is_json_that_names_nobody(
    source: str, event: object
) -> None:
    left = erase_event(source, json.dumps(event).encode(), WHO, ["email-id"])

    assert not WHO.is_named_in(left)
    assert isinstance(json.loads(left), dict) or not isinstance(event, dict)


def test_a_page_that_names_nobody_keeps_its_very_bodies() -> None:
    items = [
        mailgun(id=str(number), recipient="bob@example.com") for number in range(3)
    ]
    read = PageReader(SHAPE).read(
        outline(b'{"items": [' + b",".join(items) + b"]}"), 2**60
    )
    bodies = list(read.events.bodies)

    WHO.page("mailgun", read, [])

    assert all(a is b for a, b in zip(read.events.bodies, bodies, strict=True))


def test_an_id_that_holds_the_address_holds_the_token_then() -> None:
    page = b'{"items": [' + mailgun(id=f"open:{ANN}:1", recipient=ANN) + b"]}"
    read = PageReader(SHAPE).read(outline(page), 2**60)
    keys = [f"mailgun:2026-03-01:open:{ANN}:1"]

    WHO.page("mailgun", read, [], keys)

    assert read.events.ids == [f"open:{TOKEN}:1"]
    assert keys == [f"mailgun:2026-03-01:open:{TOKEN}:1"]


def test_the_applications_rows_lose_address_and_id() -> None:
    [members] = [table for table in TABLES if table.name == "members"]
    rows = pa.table(
        {
            "member_id": ["member-1", "member-2", "member-3"],
            "account_id": ["a", "a", None],
            "email": ["old@example.com", "Ann@example.com", "bob@example.com"],
        }
    )

    def batches() -> Iterator[pa.Table]:
        with duckdb.connect() as con:
            yield from app_rows.typed([rows], members, app_rows.session(con))

    (left,) = WHO.rows(batches(), members)

    assert left.schema == app_rows.schema(members)
    assert left["email"].to_pylist() == [
        "old@example.com",
        WHO.token("Ann@example.com"),
        "bob@example.com",
    ]
    assert left["member_id"].to_pylist() == [
        WHO.member("member-1"),
        Forgotten(WHO.secret, WHO.people).and_([], ["member-2"]).member("member-2"),
        "member-3",
    ]


def test_rows_that_were_erased_already_stay_as_they_are() -> None:
    [members] = [table for table in TABLES if table.name == "members"]
    rows = pa.table(
        {"member_id": ["m"], "account_id": ["a"], "email": ["Ann@example.com"]}
    )
    with duckdb.connect() as con:
        (once,) = WHO.rows(
            app_rows.typed([rows], members, app_rows.session(con)), members
        )
    (twice,) = WHO.rows(iter([once]), members)

    assert once["member_id"].to_pylist() != ["m"]
    assert twice.equals(once)
