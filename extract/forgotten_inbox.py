"""Forgotten people in what was received: records that name them lose their bodies.

archive ──▶ records ──▶ body names somebody? ──▶ written again, without
segments that are not archived ──▶ named, to be waited for
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from extract.forgotten import Forgotten
from inbox import Inbox, Received, Record


def unarchived(home: Path, forgotten: Forgotten) -> Iterator[str]:
    """Segments with a record that names someone and that no reading has archived yet.

    Args:
        home: The state folder.
        forgotten: Who was forgotten.
    """
    named = dict[str, None]()
    for one in Inbox(home / "inbox").read({}):
        if isinstance(one, Received) and forgotten.is_named_in(one.record.body):
            named[one.place.segment] = None
    yield from named


def erase_archive(home: Path, forgotten: Forgotten) -> Iterator[str]:
    """Takes the bodies of requests that name someone out of the archive.

    Args:
        home: The state folder.
        forgotten: Who was forgotten.

    Yields:
        Names of the segments that were written again.

    Raises:
        OSError: There is no room, say; the segment is as it was.
    """
    archive = Inbox(home / "inbox").archive

    def without(record: Record) -> Record:
        named = forgotten.is_named_in(record.body)
        return msgspec.structs.replace(record, body=b"") if named else record

    for half_done in archive.folder.glob("*.new"):
        half_done.unlink()
    for name in archive.segments():
        if archive.rewrite(name, without):
            yield name
