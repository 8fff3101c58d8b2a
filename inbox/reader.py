"""Reads segments from where the last reading stopped.

    places ──▶ segments, oldest first ──▶ records, each with the place after it
                        ╰── bytes that are no record ──▶ damage

Open segments are read as far as they are whole. Where reading stops is the caller's to
keep, together with what it made of the records; a segment that has been read to its
end, and can't grow any more, may then be archived.
"""

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from inbox.archive import Archive
from inbox.records import HEADER, LARGEST, Gap, Record, scan
from inbox.writer import SUFFIX

CHUNK = 2 * (LARGEST + HEADER.size)
"""Bytes read at once: at least one whole record."""


class Place(NamedTuple):
    """The first byte of a segment that has not been read."""

    segment: str
    offset: int


class Received(NamedTuple):
    """A record, and where reading goes on after it."""

    record: Record
    place: Place


class Damage(NamedTuple):
    """Bytes that are no record: torn at the end of a segment, or spoilt.

    Attributes:
        place: Where reading goes on after them.
        size: How many they are.
        is_torn: Whether nothing follows them: a request that was never answered.
    """

    place: Place
    size: int
    is_torn: bool


class Inbox:
    """The segments of a folder.

    Args:
        folder: The inbox; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        """Opens nothing yet."""
        self.folder = folder
        self.archive = Archive(folder / "archive")

    def segments(self) -> list[str]:
        """Names of all segments that are not archived, the oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.stem for path in self.folder.glob(f"*{SUFFIX}"))

    def read(self, places: Mapping[str, int]) -> Iterator[Received | Damage]:
        """What was received since.

        Args:
            places: Offsets by segment; a segment that isn't among them is new.

        Yields:
            Records in the order of their segments. Where a segment may still grow, its
            end is not judged: it is read again next time.
        """
        for name in self.segments():
            yield from self._read(name, places.get(name, 0))

    def retire(self, places: Mapping[str, int]) -> list[str]:
        """Archives segments that were read to their end and can't grow.

        Args:
            places: Offsets by segment, as they are kept beside what was read.

        Returns:
            Names of the segments that are archived now.
        """
        retired = []
        for name in self.segments():
            path = self._path(name)
            if _may_grow(path) or path.stat().st_size > places.get(name, 0):
                continue
            self.archive.take(path)
            retired.append(name)
        return retired

    def forgettable(self, names: Collection[str]) -> set[str]:
        """Those of some segments whose places need not be kept: they are gone."""
        return set(names).difference(self.segments())

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"

    def _read(self, name: str, offset: int) -> Iterator[Received | Damage]:
        path = self._path(name)
        # Asked before reading: a segment that ends here ends for good.
        is_whole = not _may_grow(path)
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while offset < size:
                data = os.pread(file.fileno(), CHUNK, offset)
                if not data:
                    return
                is_last = offset + len(data) >= size
                begun = offset
                for found in scan(data, name, offset):
                    if isinstance(found, Gap) and found.end == begun + len(data):
                        # What follows may complete it.
                        if is_last and is_whole:
                            place = Place(name, found.end)
                            yield Damage(place, found.end - found.begin, True)
                            offset = found.end
                        elif not is_last and found.begin == begun:
                            # One that begins in the first half would be whole.
                            offset = begun + CHUNK // 2
                            place = Place(name, offset)
                            yield Damage(place, offset - found.begin, False)
                        else:
                            offset = found.begin
                        break
                    offset = found.end
                    place = Place(name, found.end)
                    if isinstance(found, Gap):
                        yield Damage(place, found.end - found.begin, False)
                    else:
                        yield Received(found.record, place)
                if is_last:
                    return


def _may_grow(path: Path) -> bool:
    """Whether someone who is alive may still write to a segment."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
