"""The client against a host that misbehaves in every way it knows."""

import gzip
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from mailgun_host import Answer, Host

from extract.http import Client, NotUnderstoodError, Patience, ProviderError

QUICK = Patience(attempts=3, first_wait=0.01, longest_wait=0.3)
SECRET = "key-0123456789"  # noqa: S105 - nobody's


@pytest.fixture
def client(host: Host) -> Client:
    return Client(host.base_url, "api", SECRET, QUICK)


def test_connection_is_kept_alive_and_carries_the_key(
    host: Host, client: Client
) -> None:
    host.script = [Answer(b'{"a":1}')]

    answers = [client.get("/v3/x", json.loads, {"limit": "1"}) for _ in range(5)]

    assert answers == [{"a": 1}] * 5
    assert len({request.connection for request in host.requests}) == 1
    assert {request.path for request in host.requests} == {"/v3/x?limit=1"}
    assert {request.headers["authorization"] for request in host.requests} == {
        "Basic YXBpOmtleS0wMTIzNDU2Nzg5"
    }


@pytest.mark.parametrize(
    "broken",
    [
        Answer(status=429),
        Answer(status=500),
        Answer(status=502),
        Answer(status=503),
        Answer(status=504),
        Answer(status=408),
        Answer(reset=True),
        Answer(b'{"a":1}', cut_at=3),
        Answer(b'{"a":1}', cut_at=0),
        Answer(b"<html>busy</html>"),
        Answer(gzip.compress(b'{"a":1}')[:15], headers={"content-encoding": "gzip"}),
    ],
)
def test_what_passes_is_asked_for_again(
    host: Host, client: Client, broken: Answer
) -> None:
    host.script = [broken, broken, Answer(b'{"a":1}')]

    assert client.get("/v3/x", json.loads) == {"a": 1}
    assert len(host.requests) == 3


@pytest.mark.parametrize("cut_at", [0, 3])
def test_part_of_an_answer_is_never_taken_for_the_whole(
    host: Host, client: Client, cut_at: int
) -> None:
    host.script = [Answer(b"whole", cut_at=cut_at), Answer(b"whole")]

    assert client.get("/v3/x", bytes) == b"whole"


def test_answer_without_end_is_refused(
    host: Host, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extract.http.LARGEST_ANSWER", 1_000)
    host.script = [
        Answer(b"x" * 1_001),
        Answer(gzip.compress(b"x" * 1_001), headers={"content-encoding": "gzip"}),
        Answer(b"x" * 1_000),
    ]

    for _ in range(2):
        with pytest.raises(ProviderError, match="more than 1,000 bytes"):
            client.get("/v3/x", len)
    assert client.get("/v3/x", len) == 1_000


def test_compressed_answer_is_unpacked(host: Host, client: Client) -> None:
    host.script = [
        Answer(gzip.compress(b'{"a":1}'), headers={"content-encoding": "gzip"})
    ]

    assert client.get("/v3/x", json.loads) == {"a": 1}


def test_patience_ends(host: Host, client: Client) -> None:
    host.script = [Answer(status=503)]

    with pytest.raises(ProviderError, match=r"answered 503.*next run"):
        client.get("/v3/x", json.loads)
    assert len(host.requests) == QUICK.attempts


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_host_that_says_how_long_to_wait_is_waited_for(
    host: Host, client: Client, kind: str
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)
    header = "0.2" if kind == "seconds" else format_datetime(soon, usegmt=True)
    host.script = [
        Answer(status=429, headers={"retry-after": header}),
        Answer(b'{"a":1}'),
    ]

    begun = time.monotonic()
    client.get("/v3/x", json.loads)

    # The date is farther off than a wait may be long.
    least = 0.2 if kind == "seconds" else QUICK.longest_wait
    assert least <= time.monotonic() - begun < least + 0.5


@pytest.mark.parametrize("header", ["soon", "-5", "nan", "", "1e400"])
def test_odd_retry_after_does_no_harm(host: Host, client: Client, header: str) -> None:
    host.script = [
        Answer(status=429, headers={"retry-after": header}),
        Answer(b'{"a":1}'),
    ]

    begun = time.monotonic()
    client.get("/v3/x", json.loads)

    assert time.monotonic() - begun < QUICK.longest_wait + 0.5


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check the API key"),
        (403, "may read"),
        (404, "EU and US are different hosts"),
        (400, "see its documentation"),
        (301, "set the host itself"),
        (307, "set the host itself"),
    ],
)
def test_refusal_says_what_to_do_and_is_not_asked_again(
    host: Host, client: Client, status: int, advice: str
) -> None:
    elsewhere = {"location": f"{host.base_url}/elsewhere"}
    host.script = [Answer(status=status, headers=elsewhere), Answer(b"{}")]

    with pytest.raises(ProviderError, match=advice):
        client.get("/v3/x", json.loads)
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/v3/x",
        "https://{netloc}/v3/x",
        "http://{netloc}@127.0.0.1:1/v3/x",
        "http://localhost:{port}/v3/x",
        "//127.0.0.1:1/v3/x",
        "ftp://{netloc}/x",
        "http://{netloc}.example/x",
        "http://[/x",
        "http://127.0.0.1:port/x",
        "",
    ],
)
def test_no_other_host_is_ever_asked(host: Host, client: Client, address: str) -> None:
    netloc = host.base_url.removeprefix("http://")
    elsewhere = address.format(netloc=netloc, port=netloc.partition(":")[2])

    with pytest.raises(ProviderError, match="another host"):
        client.get(elsewhere, json.loads)
    assert host.requests == []


def test_address_of_the_same_host_is_followed(host: Host, client: Client) -> None:
    host.script = [Answer(b'{"a":1}')]

    assert client.get(f"{host.base_url}/v3/x/next", json.loads) == {"a": 1}


def test_answer_that_is_never_understood_is_handed_on(
    host: Host, client: Client
) -> None:
    host.script = [Answer(b"<html>busy</html>")]

    with pytest.raises(NotUnderstoodError) as caught:
        client.get("/v3/x", json.loads)
    assert caught.value.body == b"<html>busy</html>"
    assert len(host.requests) == QUICK.attempts


def test_host_that_is_not_there_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(ProviderError, match=r"can't be reached.*refused"):
        Client(base_url, "api", SECRET, QUICK).get("/v3/x", json.loads)


@pytest.mark.parametrize(
    "answer",
    [Answer(status=401), Answer(status=500), Answer(b"?"), Answer(reset=True)],
)
def test_no_message_holds_the_key_or_an_address_in_full(
    host: Host, client: Client, answer: Answer
) -> None:
    host.script = [answer]

    with pytest.raises(ProviderError) as caught:
        client.get("/v3/x", json.loads, {"page": "token"})
    told: Any = caught.value
    while told is not None:
        for secret in (SECRET, "YXBpOmtleS0wMTIzNDU2Nzg5", "token"):
            assert secret not in str(told)
        told = told.__cause__


def test_closing_ends_a_wait(host: Host) -> None:
    patient = Client(host.base_url, "api", SECRET, Patience(5, 60.0, 60.0))
    host.script = [Answer(status=500)]
    patient.close()

    begun = time.monotonic()
    with pytest.raises(ProviderError):
        patient.get("/v3/x", json.loads)
    assert time.monotonic() - begun < 5
