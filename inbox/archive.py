"""Segments that the warehouse holds, compressed and kept for a set time.

segment ──▶ .gz beside it ──▶ renamed ──▶ segment removed ──▶ … ──▶ forgotten
"""

import errno
import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from inbox.records import Frame, Gap, Record, encode, scan
from inbox.writer import sync_folder

KEPT = timedelta(days=30)
"""As long as the longest that a provider keeps its events."""

_SUFFIX = ".segment.gz"


class Archive:
    """Archived segments.

    Args:
        folder: Where they lie; made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        """Opens nothing yet."""
        self.folder = folder

    def take(self, segment: Path) -> None:
        """Compresses a segment, and removes it once that is on disk.

        Raises:
            OSError: There is no room, say; the segment stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(segment.stem, segment)
        segment.unlink()
        sync_folder(segment.parent)

    def segments(self) -> list[str]:
        """Names of the segments, the oldest first."""
        if not self.folder.is_dir():
            return []
        found = (path.name.removesuffix(_SUFFIX) for path in self._paths())
        return sorted(found)

    def size(self, name: str) -> int:
        """Bytes that a segment had before it was compressed.

        Args:
            name: As `segments` tells it.
        """
        with (self.folder / f"{name}{_SUFFIX}").open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(4), "little")

    def read(self, name: str) -> Iterator[Record]:
        """The records of a segment.

        Args:
            name: As `segments` tells it.

        Raises:
            OSError: It can't be read, or is spoilt.
        """
        for found in self.scan(name):
            if isinstance(found, Frame):
                yield found.record

    def rewrite(self, name: str, change: Callable[[Record], Record]) -> int:
        """Puts a segment with changed records in the place of another, at one stroke.

        Bytes that were no record go. How long it is kept stays as it was.

        Args:
            name: As `segments` tells it.
            change: Gives what is to be kept of a record.

        Returns:
            How many records are others now; nothing is written if none is.
        """
        changed, frames, size = 0, list[bytes](), 0
        for record in self.read(name):
            other = change(record)
            changed += other != record
            frame = b"".join(encode(other, name, size))
            frames.append(frame)
            size += len(frame)
        if changed:
            path = self.folder / f"{name}{_SUFFIX}"
            stat = path.stat()
            self._pack(name, BytesIO(b"".join(frames)), (stat.st_atime, stat.st_mtime))
        return changed

    def scan(self, name: str) -> Iterator[Frame | Gap]:
        """The same, with the places where they lay, and the gaps between them."""
        path = self.folder / f"{name}{_SUFFIX}"
        try:
            data = gzip.decompress(path.read_bytes())
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(errno.EIO, "spoilt on disk", str(path)) from error
        yield from scan(data, name)

    def forget(self, now: datetime, kept: timedelta = KEPT) -> int:
        """Removes segments that were archived too long ago.

        Args:
            now: The present, with a zone.
            kept: How long they are kept.

        Returns:
            How many went.
        """
        gone = 0
        for path in self._paths():
            since = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if now - since > kept:
                path.unlink()
                gone += 1
        return gone

    def _paths(self) -> list[Path]:
        return list(self.folder.glob(f"*{_SUFFIX}"))

    def _write(self, name: str, segment: Path) -> None:
        with segment.open("rb") as source:
            self._pack(name, source)

    def _pack(
        self, name: str, source: BinaryIO, times: tuple[float, float] | None = None
    ) -> None:
        new = self.folder / f"{name}.new"
        with new.open("wb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6) as packed:
                shutil.copyfileobj(source, packed, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        if times is not None:
            os.utime(new, times)
        new.rename(self.folder / f"{name}{_SUFFIX}")
        sync_folder(self.folder)
