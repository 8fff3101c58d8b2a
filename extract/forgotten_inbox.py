"""Forgotten people in what was received: their events are erased there, too.

archive ──▶ records ──▶ events that name somebody ──▶ erased, where they stood
╰── can't be told apart ──▶ the body goes
segments that are not archived ──▶ told, to be waited for
"""

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
import msgspec

from extract.arrivals import PROVIDERS
from extract.erased import erase_event, kept_names
from extract.forgotten import Forgotten
from extract.received import UnusableBodyError
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


def naming(home: Path, forgotten: Forgotten) -> Iterator[str]:
    """Files of the inbox that name someone, by their paths in the state folder.

    Args:
        home: The state folder.
        forgotten: Who is looked for.
    """
    for name in unarchived(home, forgotten):
        yield f"inbox/{name}.segment"
    archive = Inbox(home / "inbox").archive
    for name in archive.segments():
        with suppress(OSError):  # spoilt on disk: nobody can read it
            if any(forgotten.is_named_in(one.body) for one in archive.read(name)):
                yield f"inbox/archive/{name}"


def erase_archive(home: Path, forgotten: Forgotten) -> Iterator[str]:
    """Takes people out of archived requests; everybody else's events stay.

    Args:
        home: The state folder, with a warehouse that nobody has open.
        forgotten: Who was forgotten.

    Yields:
        Names of the segments that were written again.

    Raises:
        OSError: There is no room, say; the segment is as it was.
    """
    archive = Inbox(home / "inbox").archive
    for half_done in archive.folder.glob("*.new"):
        half_done.unlink()
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as warehouse:
        variables = kept_names(warehouse)

    def without(record: Record) -> Record:
        if not forgotten.is_named_in(record.body):
            return record
        body = _erased(record, forgotten, variables)
        # Blanks at its end keep the places of the records that follow.
        return msgspec.structs.replace(record, body=body.ljust(len(record.body)))

    for name in archive.segments():
        try:
            if archive.rewrite(name, without):
                yield name
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            continue  # spoilt on disk: nobody can read it


def _erased(
    record: Record, forgotten: Forgotten, variables: Mapping[str, Sequence[str]]
) -> bytes:
    """A body that names nobody."""
    provider, body = PROVIDERS.get(record.source), record.body
    try:
        items = provider.items(body).items if provider else ()
    except UnusableBodyError:
        items = ()
    for item in items:
        if forgotten.is_named_in(item):
            erased = erase_event(
                record.source, item, forgotten, variables[record.source]
            )
            body = body.replace(item, erased, 1)
    return b"" if forgotten.is_named_in(body) else body
