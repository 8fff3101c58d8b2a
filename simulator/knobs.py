"""How the stand-in behaves, changed from outside while it runs."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypedDict

import msgspec

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
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share: between 0 and 1")
        if self.now is not None and self.now.tzinfo is None:
            raise ValueError("now has no zone: write it as 2026-03-01T00:00:00+00:00")
        if self.latency_ms < 0 or self.retry_after < 0:
            raise ValueError("latency_ms and retry_after must not be negative")

    def turned(self, settings: bytes) -> "Knobs":
        """These knobs, some of them turned.

        Args:
            settings: A JSON object of knobs by name; the others stay.

        Raises:
            ValueError: It is no such object.
        """
        try:
            new = msgspec.json.decode(settings, type=dict[str, object])
            turned = msgspec.convert({**asdict(self), **new}, Knobs)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        unknown = new.keys() - KnobSettings.__annotations__.keys()
        if unknown:
            raise ValueError(f"no such knob: {', '.join(sorted(unknown))}")
        return turned
