"""The published file as the report reads it: one session, read-only."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from tallybook.errors import CannotRunError
from tallybook.shelf import NAME

Row = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """One publication.

    Attributes:
        con: A session in it: what it sees stays, whatever is published meanwhile.
        home: The state folder.
        published_at: When it was published.
        built_at: When what it holds was built.
    """

    con: duckdb.DuckDBPyConnection
    home: Path
    published_at: datetime
    built_at: datetime

    def rows(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Row]:
        """A query's rows."""
        found = self.con.execute(sql, parameters)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def one(
        self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> Row:
        """The only row of a query that has one."""
        (row,) = self.rows(sql, parameters)
        return row


@contextmanager
def opened(home: Path) -> Iterator[Published]:
    """The file that analysts open, until the block ends.

    Args:
        home: The state folder.

    Raises:
        CannotRunError: There is none, or it isn't one that this version published.
    """
    path = home / "published" / NAME
    if not path.exists():
        raise CannotRunError(
            f"Nothing is published yet: there is no {path}.",
            "Run `tallybook run` first, or `tallybook demo` to see a report of "
            "simulated mail.",
        )
    try:
        with duckdb.connect(path, read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            at = con.execute(
                "select published_at, built_at from tallybook.publication"
            ).fetchone()
            if at is None:
                raise CannotRunError(f"{path} says nothing of itself.", _AGAIN)
            yield Published(con, home, *at)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise CannotRunError(
            f"{path} was published by another version: {_first_line(error)}.", _AGAIN
        ) from error
    except (duckdb.IOException, duckdb.SerializationException) as error:
        raise CannotRunError(
            f"{path} can't be read: {_first_line(error)}.", _AGAIN
        ) from error


_AGAIN = "Run `tallybook build`, then `tallybook publish`."


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".!")
