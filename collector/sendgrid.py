"""SendGrid signs timestamp and raw body with ECDSA P-256 and SHA-256.

A signature is no identity: whoever has (r, s) can make (r, n - s), which verifies too,
and SendGrid itself sends again what it got no 2xx for. So a body that comes again is
taken; what repeats is taken out by extract.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from awscrt.crypto import EC  # type: ignore[import-untyped]
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from collector.settings import NotConfiguredError, SettingsError, texts, variable
from collector.verdict import Accepted, Headers, Refused, Verdict, misses_window

REPLAY_WINDOW = 25 * 3_600
"""Seconds; SendGrid tries again for 24 hours."""

SIGNATURE = b"x-twilio-email-event-webhook-signature"
TIMESTAMP = b"x-twilio-email-event-webhook-timestamp"

_KEYS = "sendgrid_public_keys"
_PEM_LINE = re.compile("-----[A-Z ]+-----")


class SendGrid:
    """Verifies against any of some keys.

    Args:
        keys: Two while one replaces the other.
    """

    reads = (SIGNATURE, TIMESTAMP)

    def __init__(self, keys: Sequence[EC]) -> None:
        """Keeps the keys."""
        self._keys = keys

    def verify(self, headers: Headers, body: bytes, now: float) -> Verdict:
        """Judges a request; see `Verifier`."""
        timestamp, encoded = headers.get(TIMESTAMP), headers.get(SIGNATURE)
        if not timestamp or not encoded:
            return Refused(401, "no_signature")
        if missed := misses_window(timestamp, now, REPLAY_WINDOW):
            return Refused(401, missed)
        try:
            signature = binascii.a2b_base64(encoded, strict_mode=True)
        except binascii.Error:
            return Refused(401, "bad_signature")
        digest = hashlib.sha256(timestamp)
        digest.update(body)
        signed = digest.digest()
        if any(key.verify(signed, signature) for key in self._keys):
            return Accepted()
        return Refused(401, "bad_signature")


def verifier() -> SendGrid:
    """The verifier that the settings ask for.

    Raises:
        NotConfiguredError: There is no key.
        SettingsError: A key is none.
    """
    keys = texts(_KEYS)
    if not keys:
        raise NotConfiguredError(f"set {variable(_KEYS)}")
    return SendGrid([public_key(key, place) for place, key in enumerate(keys, 1)])


def public_key(encoded: str, place: int = 1) -> EC:
    """Reads a key as SendGrid's settings show it.

    Args:
        encoded: Base64 of DER (SubjectPublicKeyInfo); the lines of PEM may be left on.
        place: Which of the list it is, for the error.

    Raises:
        SettingsError: It is no P-256 public key.
    """
    text = "".join(_PEM_LINE.sub("", encoded).split())
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise SettingsError(
            f"{variable(_KEYS)}: number {place} is no P-256 public key: copy the "
            "Verification Key from SendGrid's Mail Settings, Signed Event Webhook"
        )
    return EC.new_key_from_der_data(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
