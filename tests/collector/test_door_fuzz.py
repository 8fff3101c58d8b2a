"""Bytes that nobody thought of: inflating and verifying end in a verdict, always."""

import asyncio
import gzip
import zlib
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector import body as bodies
from collector import mailgun, postmark, sendgrid
from collector.body import BodyError, Held, Room, expected, read
from collector.verdict import Accepted, Refused

Chunks = list[bytes]

NOW = 1_700_000_000.0


def received(chunks: Chunks, encoding: bytes, room: Room) -> bytes | int:
    """What comes of a body that comes in chunks; a status if nothing does."""
    coming = iter(chunks or [b""])
    left = len(chunks or [b""])

    async def receive() -> MutableMapping[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(coming), "more_body": left > 0}

    async def whole() -> bytes:
        with Held(room) as held:
            inflater = expected({b"content-encoding": encoding})
            found = await read(receive, inflater, held)
            assert room.held == len(found)
            return found

    try:
        return asyncio.run(whole())
    except BodyError as refused:
        return refused.status
    finally:
        assert room.held == 0


@st.composite
def cut(draw: st.DrawFn, whole: bytes) -> Chunks:
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [
        whole[begin:end]
        for begin, end in zip([0, *places], [*places, len(whole)], strict=True)
    ]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 1_000)


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODERS = {
    b"": bytes,
    b"identity": bytes,
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"Deflate": bare,
}


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=300), st.integers(0, 3_000).map(lambda n: b"x" * n)),
    st.sampled_from(sorted(ENCODERS)),
    st.data(),
)
def test_a_body_is_the_same_however_it_is_cut_and_never_larger_than_it_may_be(
    body: bytes, encoding: bytes, data: st.DataObject
) -> None:
    chunks = data.draw(cut(ENCODERS[encoding](body)))
    found = received(chunks, encoding, Room())
    assert found == (body if len(body) <= 1_000 else 413)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"gzip", b"deflate", b"Deflate"]),
    st.integers(0, 400),
    st.integers(1, 255),
    st.data(),
)
def test_a_spoilt_encoding_is_refused_or_inflates_to_what_fits(
    body: bytes, encoding: bytes, place: int, flip: int, data: st.DataObject
) -> None:
    spoilt = bytearray(ENCODERS[encoding](body))
    spoilt[place % len(spoilt)] ^= flip
    found = received(data.draw(cut(bytes(spoilt))), encoding, Room())
    assert found in {400, 413} or len(found) <= 1_000  # type: ignore[arg-type]


@given(st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=6))
def test_where_there_is_no_room_a_body_is_refused_and_holds_nothing(
    chunks: Chunks,
) -> None:
    size = sum(map(len, chunks))
    room = Room(size=500)
    found = received(chunks, b"", room)
    if size > 1_000:
        assert found in {413, 503}
    else:
        assert found == (b"".join(chunks) if size <= 500 else 503)


SEAL = b'{"timestamp":"1700000000","token":"t","signature":"s"}'
PIECES = st.sampled_from(
    [
        *(b'{"signature":' + SEAL + b"}", b'"signature":' + SEAL, SEAL),
        *(b'"signature"', b":", b"{", b"}", b"[", b"]", b",", b'"', b"\\u0000"),
        *(b"\\ud800", b"\xff", b"\xef\xbb\xbf", b"\0", b"1e999", b"-", b" " * 70),
        b'{"timestamp":99999999999999999999,"token":"\\ud800","signature":""}',
    ]
)


@settings(max_examples=1_000, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=20).map(b"".join)))
@example(b'{"signature":' * 100_000)
@example(b"[" * 200_000)
@example((b'"signature":' + b" " * 64) * 10_000)
@example((b'"signature":{' + b"x" * 2_000) * 1_000)
def test_no_mailgun_body_is_authentic_by_chance(body: bytes) -> None:
    verdict = mailgun.Mailgun(["key"]).verify({}, body, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.status == 406


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(st.binary(max_size=30), st.just(b"1700000000")),
    st.one_of(st.binary(max_size=120), st.binary(max_size=80).map(zlib.compress)),
    st.binary(max_size=50),
)
def test_no_sendgrid_request_is_authentic_by_chance(
    timestamp: bytes, signature: bytes, body: bytes
) -> None:
    key = sendgrid.public_key(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flp"
        "VKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
    )
    headers = {sendgrid.TIMESTAMP: timestamp, sendgrid.SIGNATURE: signature}
    verdict = sendgrid.SendGrid([key]).verify(headers, body, NOW)
    assert isinstance(verdict, Refused)
    assert verdict.status == 401


@given(st.binary(max_size=60))
def test_no_postmark_credentials_are_right_by_chance(given_: bytes) -> None:
    judge = postmark.Postmark(["user:password"])
    for value in (given_, b"Basic " + given_):
        verdict = judge.verify({b"authorization": value}, b"", NOW)
        assert isinstance(verdict, Refused)
    right = {b"authorization": b"basic dXNlcjpwYXNzd29yZA=="}
    assert isinstance(judge.verify(right, b"", NOW), Accepted)
