"""How providers sign what they post."""

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from simulator.spec import Spec

_LARGEST_KEY = 1 << 255


class SendGridKey:
    """An ECDSA key on P-256, the same for the same seed.

    Attributes:
        public: What the receiver is to know: DER in base64, as SendGrid shows it.
    """

    def __init__(self, spec: Spec) -> None:
        """Makes the key."""
        number = spec.random("sendgrid key").randrange(1, _LARGEST_KEY)
        self._key = ec.derive_private_key(number, ec.SECP256R1())
        der = self._key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        self.public = base64.b64encode(der).decode()

    def headers(self, body: bytes, at: int) -> dict[str, str]:
        """The headers of a signed body.

        Args:
            body: As it is sent.
            at: Epoch seconds.
        """
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        signature = self._key.sign(str(at).encode() + body, algorithm)
        return {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(
                signature
            ).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
        }


class MailgunKey:
    """A webhook signing key, the same for the same seed.

    Attributes:
        secret: What both sides know.
    """

    def __init__(self, spec: Spec) -> None:
        """Makes the key."""
        self.secret = f"{spec.random('mailgun signing key').getrandbits(128):032x}"

    def signature(self, token: str, at: int) -> dict[str, str]:
        """The member `signature` of a post.

        Args:
            token: 50 characters, another for each post.
            at: Epoch seconds.
        """
        signed = hmac.new(self.secret.encode(), f"{at}{token}".encode(), hashlib.sha256)
        return {
            "token": token,
            "timestamp": str(at),
            "signature": signed.hexdigest(),
        }
