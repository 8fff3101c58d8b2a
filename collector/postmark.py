"""Postmark signs nothing: its requests are known by the URL that it was given.

The path secret, and a user and a password where the URL has them
(https://user:password@host/webhooks/postmark/secret).
"""

import base64
import hmac
from collections.abc import Sequence

from collector.settings import SettingsError, texts, variable
from collector.verdict import Accepted, Headers, Refused, Verdict

_CREDENTIALS = "postmark_credentials"


class Postmark:
    """Verifies against any of some credentials.

    Args:
        credentials: Each `user:password`; none if the path secret is enough.
    """

    reads = (b"authorization",)

    def __init__(self, credentials: Sequence[str]) -> None:
        """Keeps them as they come."""
        self._expected = [base64.b64encode(given.encode()) for given in credentials]

    def verify(self, headers: Headers, body: bytes, now: float) -> Verdict:  # noqa: ARG002 - it signs neither
        """Judges a request; see `Verifier`."""
        if not self._expected:
            return Accepted()
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        known = [hmac.compare_digest(given, expected) for expected in self._expected]
        if scheme.lower() == b"basic" and any(known):
            return Accepted()
        return Refused(401, "bad_credentials" if given else "no_credentials")


def verifier() -> Postmark:
    """The verifier that the settings ask for.

    Raises:
        SettingsError: Credentials lack their colon.
    """
    credentials = texts(_CREDENTIALS)
    if not all(":" in given for given in credentials):
        raise SettingsError(f'{variable(_CREDENTIALS)}: write ["user:password"]')
    return Postmark(credentials)
