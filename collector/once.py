"""Remembers what may come with one body only, through restarts.

    (key, body's hash, when) ──▶ SQLite in the inbox's folder ──▶ forgotten in time

It lies on disk and not in memory, since a provider's retries go on for hours. It holds
hashes only.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

_NAME = "once.sqlite"
_CACHE_KB = 4_096
_AT_ONCE = 5_000
"""Rows that are forgotten at a time: others wait meanwhile."""

_SCHEMA = """
    create table if not exists once (
        key blob primary key, body blob not null, at integer not null
    ) without rowid;
    create index if not exists once_at on once (at);
"""


class Seen(NamedTuple):
    """What came, and with which body.

    Attributes:
        key: What may come with one body only.
        body: The body's hash.
    """

    key: bytes
    body: bytes


class Once:
    """The memory; used by one thread.

    Args:
        folder: Where its file lies.
        kept: Seconds that it is to remember.
    """

    def __init__(self, folder: Path, kept: float) -> None:
        """Opens nothing yet."""
        self._folder = folder
        self._kept = kept
        self._opened: sqlite3.Connection | None = None

    def body_of(self, key: bytes) -> bytes | None:
        """The hash of the body that a key came with; None if it never came.

        Raises:
            OSError: It can't be read.
            sqlite3.Error: The same.
        """
        asked = self._connection().execute("select body from once where key = ?", [key])
        found = asked.fetchone()
        return found[0] if found else None

    def remember(self, seen: Iterable[Seen], now: float) -> None:
        """Writes down what came; on disk when it returns.

        Raises:
            OSError: It can't be written.
            sqlite3.Error: The same.
        """
        rows = [(key, body, int(now)) for key, body in seen]
        if rows:
            with self._connection() as connection:
                connection.executemany(
                    "insert or ignore into once values (?, ?, ?)", rows
                )

    def forget(self, now: float) -> None:
        """Forgets what is too old to come again.

        Raises:
            sqlite3.Error: It can't be written.
        """
        if self._opened is not None:
            with self._opened as connection:
                connection.execute(
                    "delete from once where key in"
                    " (select key from once where at < ? order by at limit ?)",
                    [int(now - self._kept), _AT_ONCE],
                )

    def close(self) -> None:
        """Closes the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._opened = _open(self._folder / _NAME)
        return self._opened


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(f"pragma cache_size = -{_CACHE_KB}")
        with closing(connection.cursor()) as cursor:
            cursor.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection
