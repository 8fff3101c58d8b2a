"""The real door for clients: who may come in, how much, and what is stored."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from served import Served

from collector.client_events import LARGEST, Rate
from collector.client_settings import clients
from collector.settings import SettingsError

PAGE = "https://app.example.com"
CLICKED = b'[{"event":"clicked","properties":{"where":"here","email":"5f1c"},"id":"a"}]'


@contextmanager
def serving(home: Path, settings: Mapping[str, object]) -> Iterator[Served]:
    served = Served(home, settings)
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = {
        "COLLECTOR__ALLOWED_PROPERTIES": {"clicked": ["where"]},
        "COLLECTOR__ALLOWED_ORIGINS": [PAGE],
        "COLLECTOR__CLIENT_KEYS": ["old-key", "new-key"],
    }
    with serving(tmp_path_factory.mktemp("door"), settings) as served:
        yield served


def test_what_is_answered_204_is_in_the_inbox(door: Served) -> None:
    before = len(door.records())
    assert door.post("/beacon?key=new-key", CLICKED).status == 204
    assert door.post("/beacon?key=new-key", b"{nonsense").status == 204

    (source, form), (_, dead) = door.records()[before:]
    assert source == "beacon"
    assert form["items"] == [
        {
            "event": {
                "event": "clicked",
                "properties": {"where": "here"},
                "dropped": 1,
                "id": "a",
            }
        }
    ]
    assert dead["items"][0]["dead"]["reason"] == "invalid_json"
    for segment in (door.home / "inbox").glob("*.segment"):
        assert b"5f1c" not in segment.read_bytes()
        assert b"nonsense" not in segment.read_bytes()


def test_what_was_dropped_is_counted_and_nothing_of_it_told(door: Served) -> None:
    dropped = 'client_properties_dropped_total{source="spade"}'
    dead = 'client_dead_total{source="spade",reason="bad_base64"}'
    before = door.metrics()
    body = b"data=eyJldmVudCI6ImNsaWNrZWQiLCJwcm9wZXJ0aWVzIjp7IjVmMWMiOjF9fQ"
    door.post("/spade?key=old-key", body)
    door.post("/spade?key=old-key", b"data=%%")
    after = door.metrics()
    assert after[dropped] - before.get(dropped, 0) == 1
    assert after[dead] - before.get(dead, 0) == 1
    assert b"5f1c" not in door.ask("GET", "/metrics").body


def test_a_page_is_known_by_its_origin(door: Served) -> None:
    answered = door.post("/beacon", CLICKED, origin=PAGE)
    assert answered.status == 204
    assert answered.headers["access-control-allow-origin"] == PAGE
    assert answered.headers["vary"] == "origin"

    for other in ("https://evil.example", "null", f"{PAGE}.evil.example", f"{PAGE}:1"):
        refused = door.post("/beacon?key=new-key", CLICKED, origin=other)
        assert refused.status == 403, other
        assert "access-control-allow-origin" not in refused.headers


def test_a_preflight_is_answered_for_known_pages_only(door: Served) -> None:
    for path in ("/spade", "/flume", "/beacon"):
        told = door.ask("OPTIONS", path, headers={"origin": PAGE})
        assert told.status == 204
        assert told.headers["access-control-allow-origin"] == PAGE
        assert told.headers["access-control-allow-methods"] == "POST"
        assert told.headers["access-control-allow-headers"] == "content-type"
    refused = door.ask("OPTIONS", "/spade", headers={"origin": "https://evil.example"})
    assert refused.status == 403


@pytest.mark.parametrize("query", ["", "?key=", "?key=wrong", "?key=%FF", "?old-key"])
def test_who_is_no_page_needs_a_key(door: Served, query: str) -> None:
    before = len(door.records())
    assert door.post(f"/beacon{query}", CLICKED).status == 401
    assert len(door.records()) == before


def test_too_much_is_refused_before_it_is_read(door: Served) -> None:
    large = b" " * (LARGEST + 1)
    assert door.post("/beacon?key=new-key", large).status == 413
    many = b"[" + b"1," * 5_000 + b"1]"
    assert door.post("/beacon?key=new-key", many).status == 413
    assert door.ask("GET", "/beacon").status == 405


def test_the_script_is_served(door: Served) -> None:
    found = door.ask("GET", "/client.js")
    assert found.status == 200
    assert found.headers["content-type"].startswith("text/javascript")
    assert len(found.body) < 8 * 1024


def test_a_browser_that_has_the_script_gets_it_once(door: Served) -> None:
    tag = door.ask("GET", "/client.js").headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        found = door.ask("GET", "/client.js", headers={"if-none-match": known})
        assert (found.status, found.body, found.headers["etag"]) == (304, b"", tag)
        assert found.headers["cache-control"] == "public, max-age=3600"
        assert found.headers["access-control-allow-origin"] == "*"
    for other in ('"other"', ""):
        asked = door.ask("GET", "/client.js", headers={"if-none-match": other})
        assert (asked.status, len(asked.body) > 0) == (200, True)


def test_without_a_key_the_loopback_door_takes_programs_but_no_pages(
    tmp_path: Path,
) -> None:
    allowed = {"COLLECTOR__ALLOWED_PROPERTIES": {"clicked": ["where"]}}
    with serving(tmp_path, allowed) as door:
        assert door.post("/beacon", CLICKED).status == 204
        assert door.post("/beacon", CLICKED, origin=PAGE).status == 403


def test_more_than_the_rate_is_told_to_come_again(tmp_path: Path) -> None:
    settings = {"COLLECTOR__CLIENT_KEYS": ["k"], "COLLECTOR__CLIENT_RATE": 1}
    with serving(tmp_path, settings) as door:
        answers = [door.post("/beacon?key=k", CLICKED) for _ in range(40)]
    refused = [answer for answer in answers if answer.status != 204]
    assert {answer.status for answer in refused} == {429}
    assert all("retry-after" in answer.headers for answer in refused)
    assert len(door.records()) == 40 - len(refused)


def test_the_rate_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("collector.client_events.monotonic", lambda: now[0])
    rate = Rate(2)
    assert [rate.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] += 1
    assert [rate.take() for _ in range(3)] == [True, True, False]
    now[0] += 3_600
    assert [rate.take() for _ in range(21)] == [True] * 20 + [False]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_PROPERTIES", "[1]"),
        ("ALLOWED_PROPERTIES", '{"clicked": "where"}'),
        ("ALLOWED_PROPERTIES", "{"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "app.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com/page"),
        ("CLIENT_RATE", "many"),
        ("CLIENT_RATE", "0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"COLLECTOR__{name}", value)
    with pytest.raises(SettingsError, match=f"COLLECTOR__{name}"):
        clients()


def test_unset_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLLECTOR__ALLOWED_PROPERTIES", raising=False)
    assert not clients().allowed
    monkeypatch.setenv("COLLECTOR__ALLOWED_PROPERTIES", json.dumps({"a": ["b"]}))
    assert clients().allowed == {"a": {"b"}}
