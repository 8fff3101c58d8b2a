"""Appends records to segments; what it returns from is on disk.

    records ──▶ write ──▶ fdatasync ──▶ acknowledged
                  ╰── fails ──▶ this segment is given up, the next goes to a new one

A writer never appends to a segment in which a write failed, nor to one that it found:
a reader may have gone past the place. It holds a lock on its segment for as long as it
may write to it, which a dead process doesn't hold. So a reader can tell a segment that
may still grow from one that ends here.
"""

import fcntl
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, time_ns

from inbox.records import Record, encode

SUFFIX = ".segment"

LARGEST_SEGMENT = 64 * 1024 * 1024
"""Bytes after which the next record goes to a new segment."""

OLDEST_SEGMENT = 300.0
"""Seconds after which it does."""


class Writer:
    """Writes one segment after the other; one thread at a time.

    Args:
        folder: The inbox; made when it isn't there.
        largest: Bytes of a segment.
        oldest: Seconds that a segment is written to.
    """

    def __init__(
        self,
        folder: Path,
        largest: int = LARGEST_SEGMENT,
        oldest: float = OLDEST_SEGMENT,
    ) -> None:
        """Opens nothing yet."""
        self._folder = folder
        self._largest = largest
        self._oldest = oldest
        self._file: int | None = None
        self._name = ""
        self._made: Path | None = None
        self._size = 0
        self._opened_at = 0.0

    def append(self, records: Sequence[Record]) -> None:
        """Writes some records and waits until they are on disk, all by one sync.

        Raises:
            OSError: They may not be. Whoever sent them is to send them again.
            ValueError: One is too large; none was written.
        """
        if not records:
            return
        self.rotate()
        try:
            if self._file is None:
                self._open()
            assert self._file is not None  # noqa: S101 - for mypy: _open has set it
            pieces: list[bytes] = []
            size = self._size
            for record in records:
                frame = encode(record, self._name, size)
                pieces += frame
                size += sum(map(len, frame))
            rest = memoryview(b"".join(pieces))
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fdatasync(self._file)
            self._publish()
        except BaseException:
            self._give_up()
            raise
        self._size = size

    def rotate(self) -> None:
        """Closes a segment that is large or old; to be called now and then."""
        if self._file is not None and (
            self._size >= self._largest or monotonic() - self._opened_at >= self._oldest
        ):
            self.close()

    def close(self) -> None:
        """Ends the segment; the next record goes to a new one."""
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError):  # what was acknowledged is on disk already
                os.close(file)

    def _open(self) -> None:
        """Makes a segment that nobody sees yet."""
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            sync_folder(self._folder.parent)
        name = f"{time_ns() // 1_000:016}-{secrets.token_hex(4)}"
        made = self._folder / f"{name}.new"
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._file, self._name, self._made = file, name, made
        self._size, self._opened_at = 0, monotonic()
        fcntl.flock(file, fcntl.LOCK_EX)

    def _publish(self) -> None:
        """Gives a segment its name, once it is locked and holds something.

        A disk that is full would else be littered: a segment for each attempt.
        """
        if self._made is not None:
            self._made.rename(self._made.with_suffix(SUFFIX))
            self._made = None
            sync_folder(self._folder)

    def _give_up(self) -> None:
        self.close()
        if self._made is not None:
            with suppress(OSError):
                self._made.unlink()
            self._made = None


def sync_folder(folder: Path) -> None:
    """Waits until a folder's names are on disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
