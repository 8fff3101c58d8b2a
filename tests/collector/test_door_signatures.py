"""Who is let in: the providers' own test vectors, and all that only looks like them."""

import base64
import json
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from door import (
    MAILGUN,
    MAILGUN_KEY,
    OLD_MAILGUN_KEY,
    POSTMARK,
    SENDGRID,
    Door,
    SendGridSender,
    door,
    mailgun_body,
    sendgrid_headers,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.sendgrid import SIGNATURE, TIMESTAMP, public_key
from collector.sendgrid import SendGrid as SendGridVerifier
from collector.verdict import Accepted, Refused, Verdict

HOUR = 3_600

# Published in the tests of SendGrid's own libraries (sendgrid-python and others,
# test_eventwebhook); the line end belongs to the body.
PUBLISHED_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpV"
    "KS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
PUBLISHED_SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh8"
    "9M15TluLtEZtM="
)
PUBLISHED_TIMESTAMP = "1600112502"
PUBLISHED_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-'
    b'5F5FC76C-9.0","smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",'
    b'"timestamp":1600112492}]\r\n'
)

# Published in the tests of Mailgun's own library (mailgun-php, WebhookTest).
MAILGUN_PUBLISHED_KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"
MAILGUN_PUBLISHED = {
    "timestamp": "1403645220",
    "token": "5egbgr1vjgqxtrnp65xfznchgdccwh5d6i09vijqi3whgowmn6",
    "signature": "9cfc5c41582e51246e73c88d34db3af0a3a2692a76fbab81492842f000256d33",
}
MAILGUN_PUBLISHED_BAD = "owyldpe6nxhmrn78epljl6bj0orrki1u3d2v5e6cnlmmuox8jr"


def test_sendgrids_published_vector_is_let_in_and_nothing_near_it(
    tmp_path: Path,
) -> None:
    headers = sendgrid_headers(PUBLISHED_TIMESTAMP, PUBLISHED_SIGNATURE)
    re_encoded = json.dumps(json.loads(PUBLISHED_BODY)).encode()
    with door(
        tmp_path / "home",
        changes=f"clock = lambda: {PUBLISHED_TIMESTAMP}.0",
        sendgrid_public_keys=PUBLISHED_KEY,
    ) as opened:
        assert opened.post(SENDGRID, PUBLISHED_BODY, headers) == 204
        assert opened.post(SENDGRID, PUBLISHED_BODY.strip(), headers) == 401
        assert opened.post(SENDGRID, re_encoded, headers) == 401
        later = sendgrid_headers("1600112503", PUBLISHED_SIGNATURE)
        assert opened.post(SENDGRID, PUBLISHED_BODY, later) == 401
        assert opened.bodies() == [PUBLISHED_BODY]


def test_mailguns_published_vector_is_let_in_and_its_bad_one_is_not(
    tmp_path: Path,
) -> None:
    good = json.dumps({"signature": MAILGUN_PUBLISHED, "event-data": {}}).encode()
    bad = good.replace(
        MAILGUN_PUBLISHED["token"].encode(), MAILGUN_PUBLISHED_BAD.encode()
    )
    with door(
        tmp_path / "home",
        changes="clock = lambda: 1403645220.0 + 60",
        mailgun_signing_keys=MAILGUN_PUBLISHED_KEY,
    ) as opened:
        assert opened.post(MAILGUN, bad) == 406
        assert opened.post(MAILGUN, good) == 204
        assert opened.bodies() == [good]


def test_a_signature_that_openssl_made_is_let_in(tmp_path: Path) -> None:
    """The tests' own senders sign with the library that the door verifies with."""

    def openssl(*arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(
            ["openssl", *arguments], input=given, capture_output=True, check=True
        ).stdout

    key = tmp_path / "key.pem"
    key.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    public = openssl("ec", "-in", str(key), "-pubout", "-outform", "DER")
    body, timestamp = b'[{"event":"open"}]', str(int(time.time()))
    signature = openssl(
        "dgst", "-sha256", "-sign", str(key), given=timestamp.encode() + body
    )
    headers = sendgrid_headers(timestamp, base64.b64encode(signature).decode())
    with door(
        tmp_path / "home", sendgrid_public_keys=base64.b64encode(public).decode()
    ) as opened:
        assert opened.post(SENDGRID, body, headers) == 204


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def integer(number: int, padding: int = 0) -> bytes:
    """As DER has it; with more zeros before it than it needs, as DER has it not."""
    held = bytes(padding) + number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(held)]) + held


@settings(max_examples=300, deadline=None)
@given(
    body=st.binary(max_size=40),
    times=st.tuples(st.integers(-1, 1), st.integers(-1, 1)),
    negates=st.booleans(),
    padding=st.integers(0, 3),
    flipped=st.none() | st.integers(0, 70 * 8),
    cut=st.integers(0, 2),
    behind=st.binary(max_size=2),
)
def test_two_libraries_judge_a_signature_alike(
    body: bytes,
    times: tuple[int, int],
    negates: bool,
    padding: int,
    flipped: int | None,
    cut: int,
    behind: bytes,
) -> None:
    """Good ones, the same in other words, of other numbers, spoilt and torn ones."""
    sender, now = SendGridSender(), time.time()
    signed = sender.signed(body, now)
    timestamp = signed["X-Twilio-Email-Event-Webhook-Timestamp"].encode()
    r, s = decode_dss_signature(
        base64.b64decode(signed["X-Twilio-Email-Event-Webhook-Signature"])
    )
    s = ORDER - s if negates else s
    numbers = integer(abs(r + times[0] * ORDER), padding) + integer(
        abs(s + times[1] * ORDER)
    )
    forged = bytearray(bytes([0x30, len(numbers)]) + numbers)
    if flipped is not None:
        forged[flipped // 8 % len(forged)] ^= 1 << flipped % 8
    signature = bytes(forged[: len(forged) - cut]) + behind
    key = load_der_public_key(base64.b64decode(sender.public_key))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(signature, timestamp + body, ec.ECDSA(SHA256()))
    except InvalidSignature:
        expected: Verdict = Refused(401, "bad_signature")
    else:
        expected = Accepted()
    headers = {SIGNATURE: base64.b64encode(signature), TIMESTAMP: timestamp}
    verifier = SendGridVerifier([public_key(sender.public_key)])
    assert verifier.verify(headers, body, now) == expected


def test_both_keys_of_a_rotation_are_good_and_a_third_is_not(
    opened: Door, sender: SendGridSender, old_sender: SendGridSender
) -> None:
    body = b'[{"event":"processed"}]'
    assert opened.post(SENDGRID, body, old_sender.signed(body)) == 204
    assert opened.post(SENDGRID, body, sender.signed(body)) == 204
    assert opened.post(SENDGRID, body, SendGridSender().signed(body)) == 401
    for key, status in ((OLD_MAILGUN_KEY, 204), (MAILGUN_KEY, 204), ("other", 406)):
        assert opened.post(MAILGUN, mailgun_body(key, {})) == status


def test_what_the_server_verifies_for_a_slow_storer_is_judged_the_same(
    tmp_path: Path, sender: SendGridSender
) -> None:
    """Signatures and bodies that came before, some sixty requests at once."""
    with door(
        tmp_path / "home",
        changes="""
import os, time
verify, server_pid = storer.Storer.verify, os.getpid()
def slow(self, asked, body):
    is_server = os.getpid() == server_pid
    with (home() / "verified").open("a") as told:
        print("server" if is_server else "storer", file=told)
    if not is_server:
        time.sleep(0.1)
    return verify(self, asked, body)
storer.Storer.verify = slow
home().mkdir()
""",
        sendgrid_public_keys=sender.public_key,
        mailgun_signing_keys=MAILGUN_KEY,
    ) as opened:

        def ask(number: int) -> None:
            body = b'[{"number":%d}]' % number
            token = f"token-{number}"
            mail = mailgun_body(MAILGUN_KEY, {"number": number}, token=token)
            other = mailgun_body(MAILGUN_KEY, {"number": -number}, token=token)
            assert opened.post(SENDGRID, body, sender.signed(body)) == 204
            assert opened.post(SENDGRID, body + b" ", sender.signed(body)) == 401
            assert opened.post(MAILGUN, mail) == 204
            assert opened.post(MAILGUN, mail) == 204
            assert opened.post(MAILGUN, other) == 406
            assert opened.post(MAILGUN, mailgun_body("other", {})) == 406

        with ThreadPoolExecutor(60) as senders:
            list(senders.map(ask, range(1, 61)))
        verified = Counter((opened.home / "verified").read_text().split())
        assert verified.total() == 60 * 6
        assert verified["server"] > 0
        assert verified["storer"] > 0
        assert len(opened.bodies()) == 60 * 2


def test_late_retries_come_in_and_what_is_older_or_from_the_future_does_not(
    opened: Door, sender: SendGridSender
) -> None:
    body, now = b'[{"event":"delivered"}]', time.time()
    for age, status in (
        *((24 * HOUR, 204), (25 * HOUR + 60, 401)),
        *((-60, 204), (-HOUR, 401)),
    ):
        assert opened.post(SENDGRID, body, sender.signed(body, now - age)) == status
    for age, status in (
        *((8 * HOUR, 204), (9 * HOUR + 60, 406)),
        *((-60, 204), (-HOUR, 406)),
    ):
        late = mailgun_body(MAILGUN_KEY, {"age": age}, now - age)
        assert opened.post(MAILGUN, late) == status


def test_sendgrids_body_that_comes_again_is_stored_again(
    opened: Door, sender: SendGridSender
) -> None:
    body = b'[{"event":"open","sg_event_id":"again"}]'
    headers = sender.signed(body)
    name = "X-Twilio-Email-Event-Webhook-Signature"
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(base64.b64decode(headers[name]))
    other = base64.b64encode(encode_dss_signature(r, order - s)).decode()

    assert opened.post(SENDGRID, body, headers) == 204
    assert opened.post(SENDGRID, body, headers) == 204
    assert opened.post(SENDGRID, body, {**headers, name: other}) == 204

    assert opened.bodies().count(body) == 3


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        ("", ""),
        ("{now}", ""),
        ("", "{good}"),
        ("{now}", "not base64!"),
        ("{now}", "AAAA"),
        ("{now}", "{good}{good}"),
        ("{now}.0", "{good}"),
        ("-{now}", "{good}"),
        (" {now}", "{good}x"),
        ("1e9", "{good}"),
        ("\u0661\u0666", "{good}"),
        ("9" * 400, "{good}"),
        ("{now}", "A" * 8_000),
    ],
)
def test_what_only_looks_like_a_sendgrid_signature_is_refused(
    opened: Door, sender: SendGridSender, timestamp: str, signature: str
) -> None:
    body = b'[{"event":"open"}]'
    good = sender.signed(body)["X-Twilio-Email-Event-Webhook-Signature"]
    now = str(int(time.time()))
    headers = sendgrid_headers(
        timestamp.format(now=now).encode("utf-8").decode("latin-1"),
        signature.format(good=good),
    )
    stored = len(opened.bodies())
    assert opened.post(SENDGRID, body, headers) == 401
    assert len(opened.bodies()) == stored


def test_where_timestamp_ends_and_the_rest_begins_cannot_be_moved(
    opened: Door, sender: SendGridSender
) -> None:
    """Both are signed joined, without anything between them."""
    now = str(int(time.time()))
    body = b"7[]"
    signed = sender.signed(body, float(now))
    moved = {**signed, "X-Twilio-Email-Event-Webhook-Timestamp": now + "7"}
    assert opened.post(SENDGRID, b"[]", moved) == 401

    good = json.loads(mailgun_body(MAILGUN_KEY, {"n": 1}, float(now), "1234abc"))
    assert opened.post(MAILGUN, json.dumps(good).encode()) == 204
    good["signature"] |= {"timestamp": now[:-1], "token": now[-1] + "1234abc"}
    assert opened.post(MAILGUN, json.dumps(good).encode()) == 406


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"signature":null}',
        b'{"signature":{"timestamp":null,"token":[],"signature":{}}}',
        b'{"signature":{"timestamp":"1","token":"\xff","signature":""}}',
        b'{"signature":{"timestamp":1e400,"token":"x","signature":"y"}}',
        b'{"signature":' * 5_000,
        b"signature=x&token=y&timestamp=1",
        b"\x00" * 1_000,
    ],
)
def test_what_only_looks_like_a_mailgun_body_is_refused(
    opened: Door, body: bytes
) -> None:
    assert opened.post(MAILGUN, body) == 406


def test_mailguns_authentic_body_that_is_no_good_is_kept_for_extract_to_judge(
    opened: Door,
) -> None:
    """The signature doesn't cover the body, so it can be read where JSON can't."""
    good = mailgun_body(MAILGUN_KEY, "here")
    deep = b'{"event-data": ' + b"[" * 9_000 + b"]" * 9_000 + b", "
    for spoilt in (
        deep + mailgun_body(MAILGUN_KEY, 1)[1:],
        mailgun_body(MAILGUN_KEY, 2)[:-1],
        mailgun_body(MAILGUN_KEY, 3).replace(b": 3}", b': "\xff"}'),
        b"\xef\xbb\xbf" + mailgun_body(MAILGUN_KEY, 4),
        good + b" trailing",
    ):
        assert opened.post(MAILGUN, spoilt) == 204
        assert opened.bodies()[-1] == spoilt


def test_mailguns_signature_comes_with_one_body_only(opened: Door) -> None:
    alarms = "requests_total{" + ",".join(
        ['source="mailgun"', 'status="406"', 'reason="replayed_with_another_body"}']
    )
    before = opened.counted(alarms)
    body = mailgun_body(MAILGUN_KEY, {"id": "first"})
    forged = body.replace(b"first", b"other")

    assert opened.post(MAILGUN, body) == 204
    assert opened.post(MAILGUN, forged) == 406
    assert opened.post(MAILGUN, body) == 204

    assert opened.bodies().count(body) == 1
    assert forged not in opened.bodies()
    assert opened.counted(alarms) == before + 1
    assert "alarm: a signature came again with another body" in opened.log.read_text()


def test_what_came_with_a_signature_is_remembered_through_restarts(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    bodies = [mailgun_body(MAILGUN_KEY, {"id": f"first-{n}"}) for n in range(3)]
    with door(home, mailgun_signing_keys=MAILGUN_KEY) as opened:
        assert [opened.post(MAILGUN, body) for body in bodies] == [204] * 3
        opened.process.kill()
        opened.process.wait()
    with door(home, mailgun_signing_keys=MAILGUN_KEY) as opened:
        for body in bodies:
            assert opened.post(MAILGUN, body.replace(b"first", b"other")) == 406
            assert opened.post(MAILGUN, body) == 204
        assert opened.bodies() == bodies


def test_what_is_too_old_to_come_again_is_forgotten(tmp_path: Path) -> None:
    from collector.once import Once, Seen

    once = Once(tmp_path, kept=100)
    once.remember([Seen(b"old", b"1"), Seen(b"older", b"2")], now=1_000)
    once.remember([Seen(b"new", b"3")], now=1_050)
    once.forget(now=1_101)
    assert [once.body_of(key) for key in (b"old", b"older", b"new")] == [
        None,
        None,
        b"3",
    ]
    once.close()


def test_postmark_is_known_by_its_path_and_by_credentials_if_there_are_any(
    tmp_path: Path, opened: Door
) -> None:
    assert opened.post(POSTMARK, b'{"RecordType":"Open"}') == 204

    def basic(given: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(given.encode()).decode()}

    with door(
        tmp_path / "home", postmark_credentials='["old:one, two", "new:p:ü"]'
    ) as other:
        for headers, status in (
            (basic("old:one, two"), 204),
            (basic("new:p:ü"), 204),
            (basic("new:p"), 401),
            (basic(""), 401),
            ({}, 401),
            ({"Authorization": "Bearer x"}, 401),
            ({"Authorization": "Basic \xff"}, 401),
        ):
            assert other.post(POSTMARK, b"{}", headers) == status
        assert len(other.bodies()) == 2


def test_a_record_says_who_sent_it_for_which_domain_and_when(opened: Door) -> None:
    begun = time.time_ns() // 1_000
    body = mailgun_body(MAILGUN_KEY, {"id": "dated"})
    assert opened.post(MAILGUN, body) == 204
    [record] = [one for one in opened.records() if one.body == body]
    assert (record.source, record.domain) == ("mailgun", "mail.example.com")
    assert begun <= record.received_at <= time.time_ns() // 1_000
    assert all(
        record.domain == "" for record in opened.records() if record.source != "mailgun"
    )
