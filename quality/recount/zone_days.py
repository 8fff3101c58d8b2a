"""The table of local days against the zones themselves, for the zones in use.

raw.time_zone_days ──▶ begins each day at its date's first instant? no gap between?
"""

from quality.recount.zones import local_date, zone
from quality.results import Cell, Result, instant
from quality.warehouse import Warehouse

_DAYS = """
select
    timezone, cast(local_date as varchar) as date, epoch_us(starts_at) as begins,
    epoch_us(ends_at) as ends
from warehouse.raw.time_zone_days
where timezone in (
        select reporting_timezone from warehouse.marts.fct_delivery_daily
        union
        select reporting_timezone from warehouse.marts.fct_reporting_rollups
    )
    and _dlt_load_id in (select load_id from warehouse.ledger.loads)
order by timezone, starts_at
"""


def recount(warehouse: Warehouse, result: Result) -> None:
    """Compares each interval with what `zoneinfo` says at both of its ends."""
    before: tuple[str, int] | None = None
    for row in warehouse.rows(_DAYS):
        name, date, begins, ends = (
            row[column] for column in ("timezone", "date", "begins", "ends")
        )
        where = {"timezone": name, "date": date}
        rows = (
            "select * from raw.time_zone_days"
            f" where timezone = '{name}' and local_date = date '{date}'"
        )
        result.compared += 1
        found = zone(name)
        if found is None:
            result.add(Cell(where, "timezone", "an IANA zone", name, rows=rows))
            continue
        for column, at, is_inside in (
            ("starts_at", begins, True),
            ("starts_at", begins - 1, False),
            ("ends_at", ends - 1, True),
            ("ends_at", ends, False),
        ):
            if (str(local_date(at, found)) == date) != is_inside:
                other = date if is_inside else f"not {date}"
                drawn = f"{local_date(at, found)} at {instant(at)}"
                result.add(Cell(where, column, other, drawn, rows=rows))
        if before is not None and before[0] == name and before[1] > begins:
            result.add(
                Cell(
                    where,
                    "starts_at",
                    f"not before {instant(before[1])}",
                    str(instant(begins)),
                    rows=rows,
                )
            )
        before = name, ends
