"""How the stand-in behaves, changed from outside while it runs."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TypedDict, TypeVar
from urllib.parse import urlsplit

import msgspec

AnyKnobs = TypeVar("AnyKnobs", "Knobs", "PostKnobs")

_SHARES = (
    "too_many_requests",
    "server_errors",
    "resets",
    "truncated",
    "repeated",
    "reordered",
)


class KnobSettings(TypedDict, total=False):
    """Any of the knobs, by name."""

    now: datetime | None
    retention_days: float | None
    too_many_requests: float
    retry_after: int
    server_errors: float
    resets: float
    truncated: float
    repeated: float
    reordered: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the stand-in behaves.

    Attributes:
        now: The simulated clock: what is stored later is not seen yet, and what
            happened `retention_days` before it is gone. None: after everything, so
            that all is seen.
        retention_days: How long events are kept; None: for ever.
        too_many_requests: Share of requests that are answered 429.
        retry_after: Seconds, in the Retry-After of a 429.
        server_errors: Share of requests that are answered 500.
        resets: Share of requests during which the connection breaks.
        truncated: Share of requests whose answer ends in the middle.
        repeated: Share of a page's items that the next page serves again.
        reordered: Share of pages whose items are shuffled.
        latency_ms: Milliseconds before every answer.

    Raises:
        ValueError: A share is not one, or `now` has no zone.
    """

    now: datetime | None = None
    retention_days: float | None = None
    too_many_requests: float = 0.0
    retry_after: int = 1
    server_errors: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    repeated: float = 0.0
    reordered: float = 0.0
    latency_ms: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what makes no sense."""
        _check_shares(self, _SHARES)
        if self.now is not None and self.now.tzinfo is None:
            raise ValueError("now has no zone: write it as 2026-03-01T00:00:00+00:00")
        if self.latency_ms < 0 or self.retry_after < 0:
            raise ValueError("latency_ms and retry_after must not be negative")


POSTING = ("mailgun", "postmark", "sendgrid")
"""Providers that post to webhooks."""

_POST_SHARES = (
    "repeated",
    "reordered",
    "resets",
    "unanswered",
    "unread",
    "late_retries",
)


class PostSettings(TypedDict, total=False):
    """Any of the knobs of what is posted, by name."""

    to: dict[str, str]
    batch: int
    connections: int
    attempts: int
    retry_ms: float
    repeated: float
    reordered: float
    resets: float
    unanswered: float
    unread: float
    late_retries: float


@dataclass(frozen=True, slots=True)
class PostKnobs:
    """How the stand-in posts events to webhooks.

    Attributes:
        to: Address by provider (`sendgrid`, …); what has none is kept until
            it has one.
        batch: Most events of a post, where the provider batches; each is of 1 to so
            many.
        connections: Posts that are under way at once.
        attempts: After so many a post is given up.
        retry_ms: Milliseconds before the second attempt; doubled each time, up to 2 s.
        repeated: Share of events that are posted again in another post.
        reordered: Share of events that change places with each other.
        resets: Share of attempts that break off in the middle of the body.
        unanswered: Share of attempts that break off before the answer.
        unread: Share of attempts whose answer comes, but is lost on its way.
        late_retries: Share of posts that were signed hours ago, as when earlier
            attempts failed.

    Raises:
        ValueError: A share is not one, or a number is too small.
    """

    to: dict[str, str] = field(default_factory=dict)
    batch: int = 100
    connections: int = 2
    attempts: int = 12
    retry_ms: float = 50.0
    repeated: float = 0.0
    reordered: float = 0.0
    resets: float = 0.0
    unanswered: float = 0.0
    unread: float = 0.0
    late_retries: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what makes no sense."""
        _check_shares(self, _POST_SHARES)
        strangers = self.to.keys() - POSTING
        if strangers:
            raise ValueError(f"nobody posts as {', '.join(sorted(strangers))}")
        for address in self.to.values():
            parts = urlsplit(address)
            if parts.scheme != "http" or not (parts.hostname and parts.port):
                raise ValueError(f"to: write {address} as http://127.0.0.1:8080/path")
        if min(self.batch, self.connections, self.attempts) < 1 or self.retry_ms < 0:
            raise ValueError("batch, connections and attempts must be at least 1")


def turned(knobs: AnyKnobs, settings: bytes) -> AnyKnobs:
    """These knobs, some of them turned.

    Args:
        knobs: As they are.
        settings: A JSON object of knobs by name; the others stay.

    Raises:
        ValueError: It is no such object.
    """
    now = asdict(knobs)
    try:
        new = msgspec.json.decode(settings, type=dict[str, object])
        result = msgspec.convert({**now, **new}, type(knobs))
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    unknown = new.keys() - now.keys()
    if unknown:
        raise ValueError(f"no such knob: {', '.join(sorted(unknown))}")
    return result


def _check_shares(knobs: object, names: tuple[str, ...]) -> None:
    for name in names:
        if not 0 <= getattr(knobs, name) <= 1:
            raise ValueError(f"{name} is a share: between 0 and 1")
