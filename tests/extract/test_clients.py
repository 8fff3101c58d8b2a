"""Client events, from what the collector stored into raw: each once."""

import base64
import json
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from bodies import NOON, SECOND, received
from raw_reader import Raw

from collector.client_form import keep
from extract.erased import erase_event
from extract.pipeline import Outcome, SettingsError, Wanted, extract, replay

ALLOWED = {"clicked": frozenset({"account_id"})}
FORM = "application/x-www-form-urlencoded"


def stored(*items: Any, source: str = "beacon") -> bytes:
    """What the collector makes of a request with these items."""
    body = json.dumps(items).encode()
    if source == "spade":
        body = b"data=" + base64.urlsafe_b64encode(body)
    return keep(source, FORM if source == "spade" else "", body, ALLOWED).stored


def clicked(event_id: str = "", at: float | None = None, **more: Any) -> dict[str, Any]:
    told = {"event": "clicked", "properties": {"account_id": "7", "secret": 1}, **more}
    if event_id:
        told["id"] = event_id
    if at is not None:
        told["at"] = at
    return told


def read() -> Outcome:
    [outcome] = extract(["inbox"])
    return outcome


def test_an_event_is_a_row_with_its_own_instant_else_that_of_receipt(
    home: Path, raw: Raw
) -> None:
    events = clicked("a", NOON - 60.000001), clicked("b", str(NOON)), clicked("c")
    [request] = received(home, "spade", stored(*events, source="spade"))

    outcome = read()
    assert (outcome.message, outcome.loaded) == ("", 3)
    assert raw.rows(
        "select event_key, event_name, epoch_us(occurred_at), via, request_id, position"
        " from client_events order by position"
    ) == [
        *(
            (
                f"client:2026-03-01:{name}",
                "clicked",
                *(at, "spade", request, position),
            )
            for position, (name, at) in enumerate(
                [
                    ("a", (NOON - 60) * SECOND - 1),
                    ("b", NOON * SECOND),
                    ("c", NOON * SECOND + 123_456),
                ]
            )
        )
    ]
    payload = json.loads(raw.row("select payload from client_events limit 1")[0])
    assert payload["properties"] == {"account_id": "7"}
    assert payload["dropped"] == 1
    assert raw.row("select unhandled, events from lane_runs") == (0, 3)


def test_an_event_that_is_sent_again_by_any_way_is_repeated(
    home: Path, raw: Raw
) -> None:
    late = NOON - 3 * 86_400
    received(home, "beacon", stored(clicked("a", NOON), clicked("b", late)))
    received(home, "spade", stored(clicked("a", NOON), source="spade"), at=NOON + 1)
    first = read()
    received(home, "flume", stored(clicked("b", late), clicked("c", NOON)), at=NOON + 2)
    second = read()
    assert (first.loaded, first.repeated) == (2, 1)
    assert (second.loaded, second.repeated) == (1, 1)
    assert raw.row("select count(*), count(distinct event_key) from client_events") == (
        *(3, 3),
    )


def test_without_an_id_a_batch_and_the_place_in_it_tell_events_apart(
    home: Path, raw: Raw
) -> None:
    # What is dropped tells them apart as well: nothing is left of it in raw.
    one, other = clicked(properties={"x": 1}), clicked(properties={"x": 2})
    received(home, "beacon", stored(one, one), stored(other), stored(one, one))
    assert (read().loaded, read().repeated) == (3, 0)
    assert raw.row("select sum(repeated) from requests") == (2,)


def test_a_batch_that_comes_again_after_midnight_is_repeated(
    home: Path, raw: Raw
) -> None:
    """Without an instant of its own, its day is that of receipt."""
    midnight = NOON + 12 * 3_600
    body = stored(clicked(), clicked("own-id"))
    received(home, "beacon", body, at=midnight - 5)
    received(home, "beacon", body, at=midnight + 5)
    together = read()
    received(home, "beacon", body, at=midnight + 9)
    later = read()
    assert (together.loaded, together.repeated) == (2, 2)
    assert (later.loaded, later.repeated) == (0, 2)
    assert raw.row("select count(*) from client_events") == (2,)


@pytest.mark.parametrize("order", list(permutations(["beacon", "spade", "flume"])))
def test_by_whichever_ways_an_event_comes_around_midnight_it_is_one(
    home: Path, order: tuple[str, ...]
) -> None:
    """Nor does it matter whether the later copy is read first."""
    midnight = NOON + 12 * 3_600
    form = "spade"
    for seconds, source in zip((-5, 5, 9), order, strict=True):
        body = stored(clicked("own-id"), source=form)
        received(home, source, body, at=midnight + seconds)
    outcome = read()
    received(home, order[0], stored(clicked("own-id"), clicked()), at=midnight - 3)
    again = read()
    assert (outcome.loaded, outcome.repeated) == (1, 2)
    assert (again.loaded, again.repeated) == (1, 1)


def test_an_event_whose_later_copy_was_read_first_is_repeated(
    home: Path,
) -> None:
    midnight = NOON + 12 * 3_600
    received(home, "flume", stored(clicked("a")), at=midnight + 5)
    first = read()
    received(home, "spade", stored(clicked("a")), at=midnight - 5)
    second = read()
    assert (first.loaded, second.loaded, second.repeated) == (1, 0, 1)


@pytest.mark.parametrize("resent_first", [False, True])
def test_a_dead_letter_without_an_id_and_its_resend_are_one_event(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch, resent_first: bool
) -> None:
    """Two that differ in what was dropped, or in their places, are two."""
    one, other = (clicked(at=900_000_000, properties={"x": x}) for x in (1, 2))
    bodies = stored(one, one), stored(other)
    received(home, "beacon", *bodies)
    read()
    assert raw.row("select count(*) from dead_letters") == (3,)
    received(home, "beacon", *bodies, at=NOON + 9)
    assert (read().dead, raw.row("select count(*) from dead_letters")) == (0, (3,))

    monkeypatch.setattr("extract.clients.EARLIEST", 0)
    if not resent_first:
        replay(Wanted())
    received(home, "beacon", *bodies, at=NOON + 19)
    read()
    replay(Wanted())
    assert raw.row("select count(*), count(distinct event_key) from client_events") == (
        *(3, 3),
    )


def test_ids_that_no_column_can_hold_stay_apart(home: Path) -> None:
    ids = ["\ud800", "\ud801", "a\0", "a\ufffd", "\ufffd", "a\ud800", "a\0"]
    body = stored(*(clicked(one, NOON) for one in ids))
    received(home, "beacon", body)
    outcome = read()
    assert (outcome.loaded, outcome.repeated, outcome.dead) == (6, 1, 0)


def test_what_is_dead_and_differs_in_half_a_surrogate_pair_stays_apart(
    home: Path,
) -> None:
    received(home, "beacon", stored({"a": "\ud800"}, {"a": "\ud801"}))
    assert read().dead == 2


def test_one_id_on_two_days_spoils_no_key(home: Path, raw: Raw) -> None:
    """Whoever forges ids gets two events, not a build that fails."""
    received(home, "beacon", stored(clicked("a", NOON), clicked("a", NOON - 86_400)))
    assert read().loaded == 2
    assert raw.row("select count(distinct event_key) from client_events") == (2,)


def test_what_is_no_event_is_a_dead_letter_and_its_neighbours_load(
    home: Path, raw: Raw
) -> None:
    bad = [
        {"properties": {"secret": "5f1c"}},
        clicked("late", NOON * 1_000),
        clicked("odd", "soon"),  # type: ignore[arg-type]
        clicked("huge", 10**150),
    ]
    received(home, "beacon", stored(clicked("a", NOON), *bad, clicked("b\0", NOON)))
    received(home, "beacon", keep("beacon", "", b"5f1c", ALLOWED).stored, at=NOON + 9)
    received(home, "beacon", b"not what a collector stores", at=NOON + 19)

    outcome = read()

    hashed = f"sha256:{sha256(b'b' + bytes(1)).hexdigest()}"
    assert (outcome.loaded, outcome.dead) == (2, 6)
    assert raw.rows("select event_key from client_events order by 1") == [
        ("client:2026-03-01:a",),
        (f"client:2026-03-01:{hashed}",),
    ]
    letters = raw.rows("select reason, position, body from dead_letters order by 1, 2")
    assert [(reason, position) for reason, position, _ in letters] == [
        ("bad_timestamp", 3),
        ("invalid_json", 0),
        ("invalid_json", 0),
        ("missing_event_name", 1),
        ("timestamp_out_of_range", 2),
        ("timestamp_out_of_range", 4),
    ]
    assert not any("5f1c" in body for *_, body in letters)
    missing = json.loads(letters[3][2])
    assert set(missing) == {"reason", "length", "sha256"}


def test_a_replay_leaves_what_was_never_kept_and_mends_what_can_be(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = clicked("old", 900_000_000)
    received(home, "beacon", stored({"no": "name"}, old))
    read()
    assert raw.row("select count(*) from dead_letters") == (2,)

    unmended = replay(Wanted())
    monkeypatch.setattr("extract.clients.EARLIEST", 0)
    mended = replay(Wanted())

    assert (unmended.loaded, mended.loaded) == (0, 1)
    assert raw.row("select event_key from client_events") == ("client:1998-07-09:old",)
    assert raw.row("select count(*) from dead_letters") == (2,)


def test_the_models_are_told_which_property_names_the_account(
    home: Path, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    property_in_raw = "select value from source_settings where source = 'inbox'"
    received(home, "beacon", stored(clicked("a", NOON)))
    read()
    assert raw.rows(property_in_raw) == []

    monkeypatch.setenv("SOURCES__INBOX__ACCOUNT_PROPERTY", "tenant")
    read()
    assert raw.rows(property_in_raw) == [("tenant",)]

    monkeypatch.delenv("SOURCES__INBOX__ACCOUNT_PROPERTY")
    read()
    assert raw.rows(property_in_raw) == [("account_id",)]

    monkeypatch.setenv("SOURCES__INBOX__ACCOUNT_PROPERTY", "it's")
    with pytest.raises(SettingsError, match="SOURCES__INBOX__ACCOUNT_PROPERTY"):
        read()


def test_of_a_forgotten_persons_event_what_is_counted_stays() -> None:
    class Ann:
        """Who was forgotten."""

        def instead_of(self, text: str) -> str | None:
            return "token" if "ann@example.com" in text else None

        def scrub(self, text: str) -> str:
            return text.replace("ann@example.com", "token")

    told = {
        "event": "clicked",
        "properties": {"account_id": "7", "email": "ann@example.com"},
        "dropped": 2,
        "id": "a",
        "at": 1.5,
    }
    body = json.dumps(told).encode()
    left = json.loads(erase_event("client", body, Ann(), ["account_id"]))
    assert left == {**told, "properties": {"account_id": "7"}}
