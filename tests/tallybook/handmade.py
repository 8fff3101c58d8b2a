"""A small warehouse made by hand, with the ledger that the macros would keep.

Its contents after build N are a function of N and the edits alone, so that a
test can say what a published file has to show. As a script it builds and
publishes without end, to be killed:

    python handmade.py HOME
"""
# ruff: noqa: S311, S608 - made-up rows, and names of our own.

import random
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import duckdb

from tallybook.marts import Mart
from tallybook.publish import publish

MARTS = (
    Mart("fct_events", True, "One row for each event.", {"kind": "What happened."}),
    Mart("fct_days", True, "One row for each day.", {}),
    Mart("ops_lanes", False, "", {"note": "It's here."}),
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

Row = tuple[object, ...]
Contents = dict[str, list[Row]]

COLUMNS = {
    "fct_events": "event_key varchar, occurred_at timestamptz, kind varchar",
    "fct_days": "account_id varchar, date date, events bigint",
    "ops_lanes": "note varchar",
}
GRAIN = {"fct_events": 1, "fct_days": 2}
LISTED = {"fct_events": 2, "fct_days": 2}
"""How many of its first columns are a table's key, and what the ledger lists."""


class Warehouse:
    """The file, its rows in Python, and the number of its last build."""

    def __init__(self, home: Path) -> None:
        self.path = home / "warehouse.duckdb"
        self.rows: dict[str, dict[Row, Row]] = {"fct_events": {}, "fct_days": {}}
        self.note = "nothing yet"
        self.number = 0
        home.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(self.path) as con:
            con.execute("create schema if not exists marts")
            con.execute("create schema if not exists ledger")
            for table, columns in COLUMNS.items():
                con.execute(f"create table if not exists marts.{table} ({columns})")
            for table, listed in LISTED.items():
                columns = ", ".join(COLUMNS[table].split(", ")[:listed])
                con.execute(
                    f"create table if not exists ledger.{table}__changes "
                    f"(change_number bigint, {columns})"
                )
            con.execute(
                """
                create table if not exists ledger.trimmed (through bigint);
                create table if not exists ledger.builds (
                    change_number bigint, model varchar, mode varchar, reason varchar,
                    invocation_id varchar, built_at timestamptz
                );
                create or replace view ledger.rebuilds as
                select model, change_number, reason, built_at as rebuilt_at
                from ledger.builds where mode = 'whole'
                """
            )

    def build(
        self,
        rows: dict[str, dict[Row, Row | None]],
        whole: frozenset[str] = frozenset(),
        note: str = "",
    ) -> int:
        """Changes rows (None removes one) and lists their keys, as a build does.

        Tables in `whole` are made anew: their changes are not listed.
        """
        self.number += 1
        self.note = note
        with duckdb.connect(self.path) as con:
            con.begin()
            for table, edits in rows.items():
                mine = self.rows[table]
                listed: list[Row] = []
                for key, row in edits.items():
                    listed += [mine.pop(key)] if key in mine else []
                    if row is not None:
                        mine[key] = row
                        listed.append(row)
                if table in whole:
                    con.execute(
                        f"create or replace table marts.{table} ({COLUMNS[table]})"
                    )
                    con.execute(f"delete from ledger.{table}__changes")
                    _insert(con, f"marts.{table}", list(mine.values()))
                else:
                    grain = _names(table)[: GRAIN[table]]
                    same = " and ".join(
                        f"m.{n} is not distinct from e.{n}" for n in grain
                    )
                    con.execute(
                        f"create or replace temp table edited as "
                        f"select {', '.join(grain)} from marts.{table} limit 0"
                    )
                    _insert(con, "edited", list(edits))
                    con.execute(
                        f"delete from marts.{table} m using edited e where {same}"
                    )
                    _insert(
                        con, f"marts.{table}", [row for row in edits.values() if row]
                    )
                    _insert(
                        con,
                        f"ledger.{table}__changes",
                        [(self.number, *row[: LISTED[table]]) for row in listed],
                    )
                con.execute(
                    "insert into ledger.builds values (?, ?, ?, '', ?, now())",
                    [
                        self.number,
                        table,
                        "whole" if table in whole else "touched",
                        f"invocation-{self.number}",
                    ],
                )
            con.execute(
                "create or replace table marts.ops_lanes as select ? as note", [note]
            )
            con.commit()
        return self.number

    def contents(self) -> Contents:
        """What a file published now has to show."""
        return {
            **{table: in_order(rows.values()) for table, rows in self.rows.items()},
            "ops_lanes": [(self.note,)],
        }


def shown(path: Path) -> tuple[int, Contents]:
    """Up to which build a published file goes, and its rows."""
    with duckdb.connect(path, read_only=True) as con:
        return shown_by(con)


def shown_by(con: duckdb.DuckDBPyConnection) -> tuple[int, Contents]:
    con.execute("set TimeZone = 'UTC'")
    tables = con.execute(
        "select table_name from duckdb_tables() where schema_name = 'marts'"
    ).fetchall()
    ((number,),) = con.execute(
        "select change_number from tallybook.publication"
    ).fetchall()
    return number, {
        table: in_order(con.execute(f"from marts.{table}").fetchall())
        for (table,) in tables
    }


def event(key: int, minute: int, kind: str | None) -> tuple[Row, Row]:
    row = (f"event-{key}", NOON + timedelta(minutes=minute), kind)
    return row[:1], row


def some_edits(number: int) -> dict[str, dict[Row, Row | None]]:
    """The edits of build N: always the same ones."""
    chance = random.Random(number)
    events: dict[Row, Row | None] = {}
    days: dict[Row, Row | None] = {}
    for _ in range(chance.randrange(1, 40)):
        key = (f"event-{chance.randrange(200)}",)
        at = NOON + timedelta(days=chance.randrange(9))
        events[key] = (*key, at, str(number)) if chance.random() < 0.7 else None
        account = chance.choice(["a", "b", None])
        day = (account, (NOON + timedelta(days=chance.randrange(9))).date())
        days[day] = (*day, number) if chance.random() < 0.7 else None
    return {"fct_events": events, "fct_days": days}


def _names(table: str) -> list[str]:
    return [column.split()[0] for column in COLUMNS[table].split(", ")]


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        con.execute(
            f"insert into {table} values {', '.join([one] * len(rows))}", values
        )


def in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=repr)


def build_and_publish_without_end(home: Path) -> None:
    """Says on a line of its own what it does, for whoever will kill it."""
    warehouse = Warehouse(home)
    with duckdb.connect(warehouse.path) as con:
        ((done,),) = con.execute(
            "select coalesce(max(change_number), 0) from ledger.builds"
        ).fetchall()
    for number in count(1):
        edits = some_edits(number)
        if number <= done:
            for table, rows in edits.items():
                for key, row in rows.items():
                    warehouse.rows[table].pop(key, None)
                    if row is not None:
                        warehouse.rows[table][key] = row
            warehouse.number = number
            continue
        whole = frozenset({"fct_days"} if number % 7 == 0 else ())
        warehouse.build(edits, whole, note=str(number))
        print(f"built {number}", flush=True)
        publish(home, MARTS)
        print(f"published {number}", flush=True)


if __name__ == "__main__":
    build_and_publish_without_end(Path(sys.argv[1]))
