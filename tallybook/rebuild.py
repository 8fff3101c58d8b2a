"""Days of an account that an operator wants built again.

    build --rebuild ──▶ ledger.requested_days ──▶ the lists of touched days ──▶ marts

A request draws a number as a load does, and each mart takes it once; so it is an
ordinary build that follows it, which writes only what comes out otherwise.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from tallybook.errors import CannotRunError

MARTS = ("fct_reporting_rollups", "fct_delivery_daily", "fct_client_events_daily")
"""Marts of account-days."""


@dataclass(frozen=True)
class Request:
    """Which days are to be built again.

    Attributes:
        account_id: Of which account.
        first: First local date.
        last: Last local date, included.
    """

    account_id: str
    first: date
    last: date


@dataclass(frozen=True)
class Scope:
    """What a request would build again in one mart.

    Attributes:
        mart: Its name.
        days: Days that have rows now.
        rows: Rows that they have.
    """

    mart: str
    days: int
    rows: int


def scope_of(home: Path, request: Request) -> tuple[Scope, ...]:
    """What is there now of the requested days; changes nothing.

    Raises:
        CannotRunError: There is nothing to build again, or no such account.
    """
    with _open(home, request) as con:
        return tuple(_scope(con, mart, request) for mart in MARTS)


def ask_for(home: Path, request: Request) -> tuple[Scope, ...]:
    """Writes a request down for the next build; the caller holds the lock.

    Returns:
        What is there now of the requested days.

    Raises:
        CannotRunError: There is nothing to build again, or no such account.
    """
    with _open(home, request) as con:
        con.execute(
            """
            insert into ledger.requested_days
            select nextval('ledger.change_numbers'), ?, ?, ?, current_timestamp
            """,
            [request.account_id, request.first, request.last],
        )
        return tuple(_scope(con, mart, request) for mart in MARTS)


def _open(home: Path, request: Request) -> duckdb.DuckDBPyConnection:
    """The warehouse, in which the account is known."""
    if request.last < request.first:
        raise CannotRunError(
            f"--to {request.last} lies before --from {request.first}.",
            "Both days belong to the range; write the earlier one as --from.",
        )
    path = home / "warehouse.duckdb"
    if not path.exists():
        raise CannotRunError(
            f"There is no warehouse yet at {path}.", "Run `tallybook build` first."
        )
    con = duckdb.connect(path)
    con.execute("set TimeZone = 'UTC'")
    try:
        known = con.execute(
            """
            select 1 from raw.app_accounts where account_id = $account_id
            union all
            select 1 from marts.fct_delivery_daily where account_id = $account_id
            limit 1
            """,
            {"account_id": request.account_id},
        ).fetchone()
    except duckdb.CatalogException as error:
        con.close()
        raise CannotRunError(
            "Nothing was built yet, so nothing can be built again.",
            "Run `tallybook build` first.",
        ) from error
    if not known:
        con.close()
        raise CannotRunError(
            f"There is no account {request.account_id}.",
            "The accounts are those of raw.app_accounts; without an application, "
            "the sending domains.",
        )
    return con


def _scope(con: duckdb.DuckDBPyConnection, mart: str, request: Request) -> Scope:
    found = con.execute(
        f"""
        select count(distinct date), count(*)
        from marts.{mart}
        where account_id = ? and date between ? and ?
        """,  # noqa: S608 - a name of ours
        [request.account_id, request.first, request.last],
    ).fetchall()
    return Scope(mart, *found[0])
