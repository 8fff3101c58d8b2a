"""Backfills as people ask for them; `extract.backfills` keeps them."""

from datetime import UTC, datetime, timedelta

import msgspec

from extract.backfills import Backfill, Desk
from extract.home import SettingsError, bound, home, now
from extract.windows import HEAD_LAG

POLLED = ("mailgun",)
"""Sources with lanes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def schedule(source: str, since: str, until: str | None) -> Backfill:
    """Asks for a range; what is yet to come is not part of it.

    Args:
        source: Name of a polled source.
        since: Its first date (UTC) or instant, ISO 8601.
        until: The first date or instant after it; None for now.

    Raises:
        SettingsError: There is no such source, or an instant is none.
        BackfillError: One runs already, or the range is empty.
        OSError: The state folder can't be written.
    """
    head = now() - timedelta(microseconds=HEAD_LAG)
    end = head if until is None else min(bound("--until", until), head)
    begin = bound("--since", since)
    return _desk(source).schedule(_microseconds(begin), _microseconds(end))


def look(source: str) -> Backfill:
    """The newest one.

    Raises:
        SettingsError: There is no such source, or nothing was asked for.
    """
    found = _desk(source).look()
    if found is None:
        raise SettingsError(
            f"no backfill of {source} was asked for: `tallybook backfill schedule "
            f"{source} --since 2026-03-01T00:00:00Z` asks for one"
        )
    return found


def cancel(source: str) -> Backfill:
    """Ends it.

    Raises:
        SettingsError: There is no such source.
        BackfillError: There is nothing to cancel.
        OSError: The state folder can't be written.
    """
    return _desk(source).cancel()


def told(backfill: Backfill) -> dict[str, object]:
    """A backfill as programs read it: instants in ISO 8601, UTC."""
    return {
        **msgspec.to_builtins(backfill),
        "begin": _iso(backfill.begin),
        "end": _iso(backfill.end),
        "cursor": _iso(backfill.cursor),
        "stopped": {domain: _iso(at) for domain, at in backfill.stopped.items()},
    }


def _desk(source: str) -> Desk:
    if source not in POLLED:
        raise SettingsError(
            f"{source} can't be backfilled: the polled sources are {', '.join(POLLED)}"
        )
    return Desk(home(), source)


def _iso(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat()


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
