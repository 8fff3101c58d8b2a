"""Received = loaded + repeated + dead letters: for each request, and for each day.

raw.requests ──▶ its own account, and the rows that are really there
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

from quality.results import Cell, Result
from quality.warehouse import Warehouse

EVENT_TABLES = ("mailgun_events", "sendgrid_events", "postmark_events", "client_events")

_COMMITTED = "_dlt_load_id in (select load_id from warehouse.ledger.loads)"
_DAY = 86_400 * 1_000_000
_PARTS = ("events", "loaded", "repeated", "dead")


def recount(warehouse: Warehouse, result: Result) -> None:
    """Compares what each request says of itself with the rows that came with it."""
    events = _rows_by_request(
        warehouse,
        [table for table in EVENT_TABLES if warehouse.has("raw", table)],
    )
    dead = _rows_by_request(warehouse, ["dead_letters"])
    days: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for request in warehouse.rows(
        "select request_id, source, events, loaded, repeated, dead,"
        " epoch_us(received_at) as received_at"
        f" from warehouse.raw.requests where {_COMMITTED} order by received_at"
    ):
        name = request["request_id"]
        there = {"rows": events.pop(name, 0), "dead rows": dead.pop(name, 0)}
        _compare(request, there, result)
        day = days[request["source"], request["received_at"] // _DAY]
        day.update({part: request[part] for part in _PARTS})
        day.update(there)
    for (source, number), day in sorted(days.items()):
        date = datetime.fromtimestamp(number * 86_400, UTC).date()
        _compare_day(source, str(date), day, result)
    for name in sorted({*events, *dead}):
        result.add(
            Cell(
                {"request_id": name},
                "request",
                "a request that brought them",
                f"{events.get(name, 0) + dead.get(name, 0)} rows of none",
                rows=_rows_of("request_id", name),
                # A migration may have written them; the tallies hold all the same.
                severity="warn",
            )
        )


def _compare(request: dict[str, Any], there: dict[str, int], result: Result) -> None:
    where = {"source": request["source"], "request_id": request["request_id"]}
    rows = _rows_of("request_id", request["request_id"])
    checks = (
        ("received", request["events"], sum(request[part] for part in _PARTS[1:])),
        ("loaded", request["loaded"], there["rows"]),
        ("dead", request["dead"], there["dead rows"]),
    )
    for what, expected, actual in checks:
        result.compared += 1
        if expected != actual:
            result.add(
                Cell(
                    where,
                    what,
                    str(expected),
                    str(actual),
                    float(actual - expected),
                    rows,
                )
            )


def _compare_day(source: str, date: str, day: Counter[str], result: Result) -> None:
    """What a day received is in the warehouse, known already, or dead."""
    result.compared += 1
    accounted = day["rows"] + day["repeated"] + day["dead rows"]
    if day["events"] != accounted:
        result.add(
            Cell(
                {"source": source, "date": date},
                "received",
                str(day["events"]),
                str(accounted),
                float(accounted - day["events"]),
                f"select * from raw.requests where source = '{source}'"
                f" and received_at >= timestamptz '{date} 00:00:00+00'"
                f" and received_at < timestamptz '{date} 00:00:00+00' + interval 1 day",
            )
        )


def _rows_by_request(warehouse: Warehouse, tables: list[str]) -> dict[str, int]:
    """How many rows each request brought."""
    parts = " union all ".join(
        f"select request_id from warehouse.raw.{table} where {_COMMITTED}"
        for table in tables
    )
    return dict(
        warehouse.con.execute(
            f"select request_id, count(*) from ({parts}) group by request_id"
        ).fetchall()
    )


def _rows_of(column: str, value: str) -> str:
    return f"select * from raw.requests where {column} = '{value}'"
