"""Whatever is sent: no crash, no 5xx, no memory that grows, no neighbour that waits."""

import gzip
import os
import random
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from door import (
    MAILGUN,
    MAILGUN_KEY,
    POSTMARK,
    SENDGRID,
    Door,
    SendGridSender,
    door,
    mailgun_body,
    wait_for,
)

MIB = 1024 * 1024

RANDOM_BODIES = 100_000 if os.environ.get("TALLYBOOK_PROOF") else 3_000


@contextmanager
def connected(opened: Door) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", opened.port), 60)) as sender:
        yield sender


def sent(opened: Door, request: bytes) -> bytes:
    """What a raw request gets, until the door closes or falls silent."""
    with connected(opened) as sender:
        sender.sendall(request)
        return told(sender)


def told(sender: socket.socket) -> bytes:
    """What comes until the door closes or falls silent."""
    received = b""
    sender.settimeout(1)
    try:
        while chunk := sender.recv(MIB):
            received += chunk
            sender.settimeout(0.3)
    except (TimeoutError, ConnectionError):
        pass
    return received


def request(body: bytes, *headers: str, path: str = POSTMARK) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers]
    if not any(line.lower().startswith(("content-l", "transfer")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


def test_methods_paths_and_secrets_are_told_apart(opened: Door) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
        assert opened.ask(method, SENDGRID)[0] == 405
    for path in (
        *("/", "/webhooks", "/webhooks/sendgrid", "/webhooks/sendgrid/"),
        *(SENDGRID + "/", SENDGRID + "x", SENDGRID[:-1], SENDGRID.upper()),
        "/webhooks/other/sendgrid-secret",
        # A secret opens its own source only.
        "/webhooks/sendgrid/mailgun-secret",
        "/webhooks/mailgun/sendgrid-secret",
        "/webhooks/sendgrid/%00%ff%F0%9F%98%80",
        "/webhooks/sendgrid/" + "x" * 5_000,
    ):
        assert opened.post(path, b"[]") == 404, path
    assert opened.ask("GET", "/healthz")[::2] == (200, "ok\n")
    assert opened.post("/healthz", b"") == 405


def test_a_body_may_be_4_mib_and_not_a_byte_more(opened: Door) -> None:
    assert opened.post(POSTMARK, b"x" * 4 * MIB) == 204
    assert opened.post(POSTMARK, b"x" * (4 * MIB + 1)) == 413
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    chunked = "Transfer-Encoding: chunked"
    assert status(sent(opened, request(chunk * 64 + b"0\r\n\r\n", chunked))) == 204
    answer = sent(opened, request(chunk * 64 + b"1\r\nx\r\n0\r\n\r\n", chunked))
    assert status(answer) == 413
    # The length alone is enough: nothing need be sent.
    assert status(sent(opened, request(b"", "Content-Length: 4194305"))) == 413


def test_bombs_stop_at_the_limit_and_what_is_no_encoding_is_refused(
    opened: Door,
) -> None:
    for encode in (gzip.compress, zlib.compress, bare_deflate):
        name = "gzip" if encode is gzip.compress else "deflate"
        for body, expected in (
            (encode(b'{"RecordType": "Open"}'), 204),
            (encode(b"x" * 4 * MIB), 204),
            (encode(b"x" * (4 * MIB + 1)), 413),
            (encode(b"\0" * 300 * MIB), 413),
            (encode(b"{}")[:-1], 400),
            (encode(b"{}") + b"x", 400),
            (b"", 400),
            (b"no such thing", 400),
        ):
            headers = {"Content-Encoding": name}
            assert opened.post(POSTMARK, body, headers) == expected, (name, body[:20])
    for name in ("br", "zstd", "gzip, gzip", "gzip,br", "x" * 1_000):
        assert opened.post(POSTMARK, b"{}", {"Content-Encoding": name}) == 415
    assert opened.post(POSTMARK, b"{}", {"Content-Encoding": "Identity"}) == 204
    twice = gzip.compress(gzip.compress(b"{}"))
    lines = request(twice, "Content-Encoding: gzip", "Content-Encoding: br")
    assert status(sent(opened, lines)) == 415


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def test_inflated_is_what_is_stored_and_what_is_verified(
    opened: Door, sender: SendGridSender
) -> None:
    body = b'[{"event":"open","sg_event_id":"inflated"}]'
    headers = {**sender.signed(body), "Content-Encoding": "gzip"}
    assert opened.post(SENDGRID, gzip.compress(body), headers) == 204
    assert opened.bodies()[-1] == body


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 400, 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (request(b"", "Content-Length: -1"), 400),
        (request(b"", "Content-Length: 99999999999999999999999"), 400),
        (request(b"{}", "Content-Length: 2", "Content-Length: 3"), 400),
        (request(b"zz\r\n", "Transfer-Encoding: chunked"), 400),
        (request(b"{}", "Bad Name: x"), 400),
        (request(b"{}", "Name: a\0b"), 400),
        (b"POST " + POSTMARK.encode() + b"\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST * HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (request(b"", "Long: " + "x" * 20_000), 431),
        (request(b"", *(f"Name-{n}: x" for n in range(5_000))), 431),
        (request(b"", path="/" + "x" * 20_000), 431),
        (b"POST / HTTP/1.1\r\nEndless: " + b"x" * 100_000, 431),
        (b"x" * 100_000, 400),
        (request(b"{}", "Upgrade: websocket", "Connection: Upgrade"), 204),
        (request(b"{}", "Expect: 100-continue"), 100),
    ],
)
def test_what_is_no_good_request_is_refused_and_the_next_sender_is_served(
    opened: Door, given: bytes, expected: int
) -> None:
    assert status(sent(opened, given)) == expected
    assert opened.post(POSTMARK, b"{}") == 204


def test_requests_that_come_together_are_answered_one_after_the_other(
    opened: Door,
) -> None:
    together = request(b"1") + request(b"", path="/nobody") + request(b"22")
    answer = sent(opened, together)
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [204, 404, 204]
    assert opened.bodies()[-2:] == [b"1", b"22"]


def test_slow_senders_are_told_so_and_keep_nobody_waiting(tmp_path: Path) -> None:
    whole = request(b"x" * 10)
    with door(tmp_path / "home", changes="server.PATIENCE = 0.5") as opened:
        for begun, expected in (
            (b"", 0),  # connected, and says nothing
            (whole[:1], 408),
            (whole[:-11], 408),
            (whole[:-5], 408),
            (request(b"a\r\n123", "Transfer-Encoding: chunked"), 408),
            (whole + whole[:20], 204),
        ):
            with connected(opened) as slow:
                slow.sendall(begun)
                begin = time.monotonic()
                assert opened.post(POSTMARK, b"quick") == 204
                slow.settimeout(30)
                answer = b""
                while chunk := slow.recv(1_000):
                    answer += chunk
                # Seconds after which a test is stuck, not a promise.
                assert time.monotonic() - begin < 25
            assert status(answer) == expected
            if expected == 204:
                assert answer.count(b"HTTP/1.1 408") == 1
        assert set(opened.bodies()) == {b"quick", b"x" * 10}
        assert opened.counted("waiting_bytes") == 0


def test_who_sends_a_byte_now_and_then_is_slow_as_well(tmp_path: Path) -> None:
    with (
        door(tmp_path / "home", changes="server.PATIENCE = 0.5") as opened,
        connected(opened) as slow,
    ):
        slow.sendall(request(b"", "Content-Length: 1000"))
        slow.settimeout(0.05)
        answer = b""
        for _ in range(500):
            try:
                slow.sendall(b"x")
                answer += slow.recv(1_000)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if answer:
                break
        assert status(answer) == 408
        assert opened.bodies() == []


def test_too_many_connections_are_told_to_come_again(tmp_path: Path) -> None:
    with door(tmp_path / "home", changes="server.MOST_CONNECTIONS = 20") as opened:
        idle = [socket.create_connection(("127.0.0.1", opened.port)) for _ in range(20)]
        assert opened.post(POSTMARK, b"one too many") == 503
        for connection in idle:
            connection.close()
        wait_for(lambda: opened.post(POSTMARK, b"room again") == 204)
        assert opened.bodies() == [b"room again"]


def test_bodies_that_wait_are_bounded_and_their_senders_come_again(
    tmp_path: Path,
) -> None:
    """As long as the disk doesn't answer, requests gather: up to a limit."""
    go = tmp_path / "go"
    with door(
        tmp_path / "home",
        changes=f"""
import inbox.writer as writer, os, pathlib, time
sync = os.fdatasync
def slow(file):
    while not pathlib.Path({str(go)!r}).exists():
        time.sleep(0.01)
    sync(file)
writer.os.fdatasync = slow
""",
    ) as opened:
        body = b"x" * 4 * MIB
        with ThreadPoolExecutor(40) as senders:
            asked = [
                senders.submit(opened.ask, "POST", POSTMARK, body) for _ in range(40)
            ]
            try:
                wait_for(lambda: sum(one.done() for one in asked) == 24)
                wait_for(lambda: opened.counted("waiting_bytes") == 64 * MIB)
            finally:
                go.touch()
        refused = [one.result() for one in asked if one.result()[0] == 503]
        assert all(headers["retry-after"] == "30" for _, headers, _ in refused)
        assert sorted(one.result()[0] for one in asked) == [204] * 16 + [503] * 24
        assert len(opened.bodies()) == 16
        assert opened.counted("waiting_bytes") == 0


def test_many_at_once_are_each_answered_and_stored_once(
    opened: Door, sender: SendGridSender
) -> None:
    before = len(opened.bodies())

    def send(number: int) -> None:
        for place in range(20):
            body = b'[{"event":"open","sg_event_id":"%d-%d"}]' % (number, place)
            assert opened.post(SENDGRID, body, sender.signed(body)) == 204
            assert opened.post(SENDGRID, body + b" ", sender.signed(body)) == 401
            assert opened.post(MAILGUN, mailgun_body(MAILGUN_KEY, number)) == 204

    with ThreadPoolExecutor(20) as senders:
        for done in [senders.submit(send, number) for number in range(20)]:
            done.result()
    new = opened.bodies()[before:]
    assert len(new) == 800
    assert len(set(new)) == 800


@pytest.mark.proof
def test_random_bodies_get_no_5xx_and_each_that_got_204_is_stored(
    tmp_path: Path, sender: SendGridSender
) -> None:
    """Over four connections; what is authentic is random too."""
    counts: dict[int, int] = {}
    kept: list[bytes] = []
    lock = threading.Lock()
    with door(
        tmp_path / "home",
        sendgrid_public_keys=sender.public_key,
        mailgun_signing_keys=MAILGUN_KEY,
    ) as opened:
        process = psutil.Process(opened.process.pid)

        def send(number: int) -> None:
            chance = random.Random(number)  # noqa: S311
            with connected(opened) as connection:
                for _ in range(RANDOM_BODIES // 4):
                    body, given, wire = random_request(chance, sender)
                    connection.sendall(wire)
                    answer = b""
                    while b"\r\n\r\n" not in answer:
                        chunk = connection.recv(MIB)
                        assert chunk, given
                        answer += chunk
                    head, _, rest = answer.partition(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2]
                    missing = int(length.split(b"\r\n")[0] or 0) - len(rest)
                    while missing > 0:
                        missing -= len(connection.recv(MIB))
                    with lock:
                        code = status(answer)
                        counts[code] = counts.get(code, 0) + 1
                        if code == 204:
                            kept.append(body)

        with ThreadPoolExecutor(4) as senders:
            for done in [senders.submit(send, number) for number in range(4)]:
                done.result()
        assert process.is_running()
        assert sum(counts.values()) == RANDOM_BODIES // 4 * 4
        assert set(counts) == {204, 400, 401, 406, 413, 415}
        assert sorted(opened.bodies()) == sorted(kept)
        assert opened.counted("stored_records_total") == len(kept)


def random_request(
    chance: random.Random, sender: SendGridSender
) -> tuple[bytes, str, bytes]:
    """A body, what it is, and the request that brings it."""
    pieces = (
        *(b"[", b"]", b"{", b"}", b'"', b":", b",", b"null", b"1e999", b"\\u0000"),
        *(b"\\ud800", b"\xff", b"\xef\xbb\xbf", b'"event"', b'"signature"', b"\0"),
        b'{"signature":{"timestamp":"1","token":"t","signature":"s"}}',
    )
    body = (
        chance.randbytes(chance.randrange(300))
        if chance.random() < 0.3
        else b"".join(chance.choices(pieces, k=chance.randrange(60)))
    )
    kind = chance.choice(("sendgrid", "mailgun", "postmark", "signed", "sealed"))
    headers: list[str] = []
    path = {"mailgun": MAILGUN, "sealed": MAILGUN, "postmark": POSTMARK}.get(
        kind, SENDGRID
    )
    if kind == "sealed":
        body = mailgun_body(MAILGUN_KEY, "here").replace(b'"here"', body)
    if kind in {"signed", "sendgrid"}:
        signed = sender.signed(body if kind == "signed" else body + b"?")
        headers += [f"{name}: {value}" for name, value in signed.items()]
    wire = body
    encoding = chance.choices(("", "gzip", "deflate", "br"), (6, 1, 1, 1))[0]
    if encoding:
        headers.append(f"Content-Encoding: {encoding}")
        wire = (gzip.compress if encoding == "gzip" else zlib.compress)(body)
        spoilt = chance.random()
        if spoilt < 0.2:
            wire = wire[: chance.randrange(len(wire))]
        elif spoilt < 0.25:
            wire = zlib.compress(b"\0" * 5 * MIB, 1)
    if chance.random() < 0.2:
        parts = [wire[at : at + 50] for at in range(0, len(wire), 50)]
        wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        headers.append("Transfer-Encoding: chunked")
        wire += b"0\r\n\r\n"
    return body, f"{kind} {encoding} {body!r}", request(wire, *headers, path=path)
