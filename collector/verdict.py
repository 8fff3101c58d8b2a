"""What a verifier says of a request."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

Headers = Mapping[bytes, bytes]
"""By name in lower case; of one that comes twice the last."""

CLOCK_SKEW = 300
"""Seconds that a provider's clock may be ahead of ours."""


class Accepted(NamedTuple):
    """It is authentic.

    Attributes:
        once: What may come with one body only; empty where the signature covers the
            body.
    """

    once: bytes = b""


class Refused(NamedTuple):
    """It is not, or nobody can tell.

    Attributes:
        status: The HTTP status that tells the sender.
        reason: For metrics and logs: from a short list, never what was sent.
    """

    status: int
    reason: str


Verdict = Accepted | Refused


class Verifier(Protocol):
    """Tells a provider's requests from forged ones.

    Attributes:
        reads: The headers that it reads, in lower case.
    """

    @property
    def reads(self) -> Sequence[bytes]: ...  # noqa: D102 - an attribute

    def verify(self, headers: Headers, body: bytes, now: float) -> Verdict:
        """Judges a request.

        Args:
            headers: Its headers.
            body: Its bytes, as they were signed.
            now: Seconds since the epoch.
        """


class Unverified:
    """Takes everything, for `--insecure-local`."""

    reads = ()

    def verify(self, headers: Headers, body: bytes, now: float) -> Verdict:  # noqa: ARG002 - nobody is asked
        """Accepts it."""
        return Accepted()


def misses_window(timestamp: bytes, now: float, window: int) -> str:
    """Why a timestamp is not in the replay window; empty if it is.

    Args:
        timestamp: Whole seconds since the epoch.
        now: The present, in the same.
        window: Seconds that it may be old.
    """
    if not (timestamp.isdigit() and len(timestamp) <= 12):
        return "bad_timestamp"
    at = int(timestamp)
    if at < now - window:
        return "too_old"
    if at > now + CLOCK_SKEW:
        return "in_the_future"
    return ""
