"""Publishing: the marts, in a file of their own, for people to open.

    warehouse.duckdb                         published/.analytics-N.duckdb
      marts.M ───────── rows whose keys ──────▶ marts.M
      ledger.M__changes  changed since then
      ledger.builds ──────────────────────────▶ tallybook.publication

What is done to one file (catch_up.py) happens in one transaction and out of
sight; only then does the file get the name that analysts open (shelf.py).
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tallybook.catch_up import Position, Table, catch_up, followed_through
from tallybook.errors import CannotRunError
from tallybook.marts import Mart
from tallybook.shelf import Shelf

_DYNAMIC_FILTERS = 5000
"""How many keys DuckDB looks for by name, skipping row groups without them."""

_DISK_TROUBLE = (
    OSError,
    duckdb.FatalException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
)


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes:
        path: The file that analysts open.
        published_at: When.
        tables: What was done to each table.
        rows_written: Rows written in all of them.
        seconds: How long it took.
    """

    path: Path
    published_at: datetime
    tables: tuple[Table, ...]
    rows_written: int
    seconds: float


def publish(
    home: Path, marts: tuple[Mart, ...], *, afresh: bool = False
) -> Publication:
    """Publishes the marts as the warehouse has them now.

    Killed at any moment, it leaves the file that was published before or the
    new one, and the next publication finds its way.

    Args:
        home: The state folder.
        marts: Name, description and kind of each mart.
        afresh: Whether to make a new file, and keep none that was published before:
            deleted rows stay in the bytes of a file.

    Returns:
        What was done.

    Raises:
        CannotRunError: There is no warehouse, another process has it open, or
            the folder can't be written.
    """
    begun = time.monotonic()
    now = datetime.now(UTC)
    folder = home / "published"
    try:
        shelf = Shelf(folder)
        if afresh:
            shelf.clear()
        with _open(home / "warehouse.duckdb") as con:
            path, held, since = _choose(con, shelf)
            try:
                tables, position = catch_up(con, marts, since, now)
                con.execute("checkpoint published")
            except _DISK_TROUBLE:
                shelf.discard(path)
                raise
        shown = shelf.show(path, position.change_number)
        shelf.tidy(path, held)
    except _DISK_TROUBLE as error:
        raise CannotRunError(
            f"Publishing to {folder} failed: {error}",
            "Make room on the disk, or the folder writable. Analysts still read "
            "what was published before.",
        ) from error
    return Publication(
        path=shown,
        published_at=now,
        tables=tables,
        rows_written=sum(table.rows for table in tables),
        seconds=time.monotonic() - begun,
    )


def _open(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the warehouse attached, to be read only."""
    if not warehouse.exists():
        raise CannotRunError(
            f"There is no warehouse yet at {warehouse}.",
            "Run `tallybook build` first.",
        )
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = false")
    con.execute(f"set dynamic_or_filter_threshold = {_DYNAMIC_FILTERS}")
    if not _attach(con, warehouse, "warehouse", "(read_only)"):
        raise CannotRunError(
            f"Another process has {warehouse} open for writing.",
            "Wait until it has ended; nobody but a run should open the warehouse.",
        )
    return con


def _choose(
    con: duckdb.DuckDBPyConnection, shelf: Shelf
) -> tuple[Path, set[Path], Position | None]:
    """Attaches a file that nobody has open: one that can follow, or a new one.

    Returns:
        The file; those that readers hold; where the file stands, None when
        everything has to be copied.
    """
    held = set()
    for path in shelf.standing_by():
        if not _attach(con, path, "published"):
            held.add(path)
            continue
        since = followed_through(con)
        if since:
            return path, held, since
        con.execute("detach published")
        shelf.discard(path)
    path = shelf.unused()
    _attach(con, path, "published")
    return path, held, None


def _attach(
    con: duckdb.DuckDBPyConnection, path: Path, name: str, options: str = ""
) -> bool:
    """Attaches a file; False when another process has it open."""
    quoted = str(path).replace("'", "''")
    try:
        con.execute(f"attach '{quoted}' as {name} {options}")
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            return False
        raise
    return True
