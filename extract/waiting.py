"""What the inbox holds that isn't loaded yet; asked without the warehouse."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from extract.places import places_in
from inbox import Damage, Inbox

MOST_COUNTED = 100_000
"""Requests; more are not counted one by one."""


@dataclass(frozen=True)
class Waiting:
    """What waits in the inbox.

    Attributes:
        segments: Files that are not archived.
        requests: Requests in them that wait, up to `MOST_COUNTED`.
        since: Receipt of the first of them.
        damaged: Places in them that can't be read.
        archived: Files in the archive.
    """

    segments: int
    requests: int
    since: datetime | None
    damaged: int
    archived: int


def waiting(home: Path) -> Waiting | None:
    """What waits now; None if nothing was ever received.

    Args:
        home: The state folder.
    """
    inbox = Inbox(home / "inbox")
    if not inbox.folder.is_dir():
        return None
    requests, damaged, oldest = 0, 0, None
    with suppress(OSError):  # archived this moment, say
        for one in islice(inbox.read(places_in(home).offsets), MOST_COUNTED):
            if isinstance(one, Damage):
                damaged += 1
            else:
                requests += 1
                oldest = oldest or one.record.received_at
    return Waiting(
        len(inbox.segments()),
        requests,
        None if oldest is None else datetime.fromtimestamp(oldest / 1_000_000, UTC),
        damaged,
        len(inbox.archive.segments()),
    )
