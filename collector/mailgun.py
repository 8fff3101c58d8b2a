"""Mailgun signs timestamp and token with HMAC-SHA256, and not the body.

    {"signature": {"timestamp", "token", "signature"}, "event-data": {…}}

So whoever has seen one request could send any body with its signature. Hence timestamp
and token may come with one body only: the same one again is a retry, another is a
forgery.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence

import msgspec

from collector.settings import NotConfiguredError, texts, variable
from collector.verdict import Accepted, Headers, Refused, Verdict, misses_window

REPLAY_WINDOW = 9 * 3_600
"""Seconds; Mailgun tries again for 8 hours."""

_KEYS = "mailgun_signing_keys"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Signature(msgspec.Struct):
    timestamp: str | int
    token: str
    signature: str


class _Body(msgspec.Struct):
    signature: _Signature


_BODY = msgspec.json.Decoder(_Body)
_SIGNATURE = msgspec.json.Decoder(_Signature)

_SOMEWHERE = re.compile(rb'"signature"\s{0,64}:\s{0,64}(\{[^{}]{0,2000}\})')
"""A signature in a body that is no JSON, or nested too deep to be read."""

_PLACES = 4
"""How many of them are tried."""


class Mailgun:
    """Verifies against any of some keys.

    Args:
        keys: HTTP webhook signing keys; two while one replaces the other.
    """

    reads = ()

    def __init__(self, keys: Sequence[str]) -> None:
        """Keeps the keys."""
        self._keys = [key.encode() for key in keys]

    def verify(self, headers: Headers, body: bytes, now: float) -> Verdict:  # noqa: ARG002 - the signature is in the body
        """Judges a request; see `Verifier`."""
        verdict: Verdict = Refused(406, "no_signature")
        for found in _signatures(body):
            verdict = self._judge(found, now)
            if isinstance(verdict, Accepted):
                break
        return verdict

    def _judge(self, found: _Signature, now: float) -> Verdict:
        timestamp = str(found.timestamp).encode()
        signed = timestamp + found.token.encode()
        given = found.signature.encode()
        if missed := misses_window(timestamp, now, REPLAY_WINDOW):
            return Refused(406, missed)
        for key in self._keys:
            expected = hmac.new(key, signed, hashlib.sha256).hexdigest().encode()
            if hmac.compare_digest(expected, given):
                # Both together: where one ends and the other begins isn't signed.
                return Accepted(hashlib.sha256(signed).digest()[:16])
        return Refused(406, "bad_signature")


def _signatures(body: bytes) -> Iterator[_Signature]:
    """The signature of a body.

    Since it doesn't cover the body, it is as good wherever it stands: what can't be
    read as JSON may be authentic all the same, and is extract's to judge.
    """
    try:
        yield _BODY.decode(body.removeprefix(_BYTE_ORDER_MARK)).signature
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        for place, found in enumerate(_SOMEWHERE.finditer(body)):
            if place == _PLACES:
                return
            try:
                yield _SIGNATURE.decode(found[1])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue


def verifier() -> Mailgun:
    """The verifier that the settings ask for.

    Raises:
        NotConfiguredError: There is no key.
        SettingsError: The list of keys is none.
    """
    keys = texts(_KEYS)
    if not keys:
        raise NotConfiguredError(f"set {variable(_KEYS)}")
    return Mailgun(keys)
