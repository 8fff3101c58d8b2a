"""A crowded world for both engines: everything collides, and then it changes.

```
worlds() ─────────────┬─▶ first load: mail of three providers, conversations, clients
reporting_worlds() ───┘   second load: late events, another zone, deleted rows
```
"""

import json
from datetime import datetime, timedelta
from typing import Any, TypeVar

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from reporting_worlds import reporting_worlds, zone_days
from warehouse import Warehouse
from worlds import DOMAINS, Load, World, at, worlds

HOUR = timedelta(hours=1)
HOURS = range(0, 72, 5)
"""When clients tell something."""

Drawn = TypeVar("Drawn")
Row = dict[str, Any]

MOVED, LEFT = "account-0", "account-1"
"""Of those with conversations: the account that moves, and the one that is deleted."""


def drawn(strategy: st.SearchStrategy[Drawn], number: int) -> Drawn:
    """One of the things that a strategy draws, always the same."""
    found: list[Drawn] = []

    @seed(number)
    @settings(
        max_examples=4,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Drawn) -> None:
        found.append(value)

    draw()
    return found[-1]  # the first ones are the simplest


class Crowd:
    """Two loads, and the local days that they need.

    Attributes:
        loads: What is there at first, and what comes later.
        days: Local days by year.
    """

    def __init__(self, number: int) -> None:
        """Draws them.

        Args:
            number: Which of many.
        """
        mail = drawn(worlds().filter(_is_of_an_application), number)
        talk = drawn(reporting_worlds(), number)
        early, late = [], []
        for world in (mail, talk):
            loads = [load for build in world.builds for load in build.loads]
            early += loads[: len(loads) // 2]
            late += loads[len(loads) // 2 :]
        years = sorted({year for load in early + late for year in load.years})
        self.loads = [_merged(0, early, years), _merged(1, late, years)]
        self._change_much()
        zones = {
            row["reporting_timezone"]
            for load in self.loads
            for row in load.app["accounts"]
        }
        self.days = zone_days(sorted(zones, key=str), years)

    def _change_much(self) -> None:
        """Sees to it that the second load holds what is asked for by name."""
        # A changed setting would build everything whole.
        self.loads[0].settings.update(self.loads[1].settings)
        self.loads[1].settings.clear()
        first, second = (load.app for load in self.loads)
        written = at("2034-01-01T00:00:00")
        talking = {row["event_id"]: row for row in first["reporting_events"]}
        gone = next(r for r in talking.values() if r["deleted_at"] is None)
        addressed = first["email_recipients"][0]
        first.setdefault("notifications", []).append(second["notifications"][0])
        first["accounts"] += [
            _account("acme", "America/New_York", DOMAINS[0]),
            _account("bolt", "Asia/Kathmandu", DOMAINS[1]),
            _account("odd", "UTC", " News.Example "),
        ]
        first["email_recipients"].append(
            {**addressed, "member_email": " Ä.Odd@X.com ", "message_id": " <odd@x> "}
        )
        second["accounts"] += [
            _account("acme", "America/New_York", DOMAINS[0]),
            _account("bolt", "America/Santiago", DOMAINS[1]),
            _account(MOVED, "Pacific/Apia"),
            _account(LEFT, "America/Havana", deleted_at=written),
        ]
        second["reporting_events"].append(
            {**gone, "updated_at": written, "deleted_at": written}
        )
        second["email_recipients"].append(
            {**addressed, "updated_at": written, "deleted_at": written}
        )


def _account(
    account_id: str,
    timezone: str,
    domain: str | None = None,
    deleted_at: datetime | None = None,
) -> Row:
    return {
        "account_id": account_id,
        "reporting_timezone": timezone,
        "sending_domain": domain,
        "updated_at": at("2034-01-01T00:00:00"),
        "deleted_at": deleted_at,
    }


def _is_of_an_application(world: World) -> bool:
    loads = [load for build in world.builds for load in build.loads]
    names = {name for load in loads[: len(loads) // 2] for name in load.app}
    return {"accounts", "emails", "email_recipients", "members"} <= names


def _merged(number: int, loads: list[Load], years: list[int]) -> Load:
    """Several loads as one; a later row of the same key comes last."""
    merged = Load(number, number, [], {}, {}, years)
    for load in loads:
        merged.events.extend(load.events)
        merged.settings.update(load.settings)
        for name, rows in load.app.items():
            merged.app.setdefault(name, []).extend(rows)
    return merged


def load_the_rest(warehouse: Warehouse, number: int) -> None:
    """Loads what no oracle knows of: client events, and how far lanes have read.

    Args:
        warehouse: Where to.
        number: 0 for what is there at first, 1 for what comes later.
    """
    load_id = warehouse.load(committed=False)
    begin = at("2025-11-01T00:00:00") + timedelta(days=number)
    tables = {
        "client_events": [
            {
                **_client_event(f"client-{number}-{hour}", begin + hour * HOUR),
                "received_at": begin,
                "request_id": f"{'posted' if place > 1 else 'replay-dead'}-{number}",
            }
            for place, hour in enumerate(HOURS)
        ],
        "lane_runs": [
            _lane_run(lane, begin + hour * HOUR, f"{number}-{hour}")
            for lane in ("latest", "missing")
            for hour in (1, 30)
        ],
        "provider_stats": [
            {
                "domain": "mg.one.example",
                "day": (begin + timedelta(days=day)).date(),
                "event_name": name,
                "count": 3 + number,
                "as_of": begin + timedelta(days=5),
            }
            for day in ((0, 1) if number else (0,))
            for name in ("delivered", "opened")
        ],
        "requests": [
            _request(f"posted-{number}", begin, loaded=len(HOURS) - 2),
            _request(f"replay-dead-{number}", begin, loaded=2),
            _request(f"broken-{number}", begin, dead=2),
        ],
        "dead_letters": [
            {
                "dead_letter_key": f"dead-{key}",
                "source": "inbox",
                "received_at": begin,
                "reason": "no JSON",
                "request_id": f"broken-{number}",
                "position": 0,
                "body": "{",
            }
            for key in (number, f"{number}-b")
        ],
    }
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("delete from raw.provider_stats")
        for table, rows in tables.items():
            connection.register("arrived", pa.Table.from_pylist(rows))
            connection.execute(
                f"insert into raw.{table} by name"  # noqa: S608 - our own names
                f" select *, '{load_id}' as _dlt_load_id from arrived"
            )
    warehouse.commit(load_id)


def _client_event(key: str, occurred_at: datetime) -> Row:
    account = [{"account_id": MOVED}, {"account_id": "nobody"}, {}][hash_of(key) % 3]
    payload = {"event": "seen", "properties": account, "dropped": hash_of(key) % 4}
    return {
        "event_key": key,
        "event_name": ["seen", "left"][hash_of(key) % 2],
        "occurred_at": occurred_at,
        "received_at": occurred_at,
        "via": "beacon",
        "position": 0,
        "payload": json.dumps(payload),
    }


def _request(request_id: str, at: datetime, *, loaded: int = 0, dead: int = 0) -> Row:
    return {
        "request_id": request_id,
        "source": "inbox",
        "lane": "replay" if request_id.startswith("replay") else "received",
        "received_at": at,
        "events": loaded + dead,
        "loaded": loaded,
        "repeated": 0,
        "dead": dead,
    }


def hash_of(key: str) -> int:
    """A number for a text, the same in every process."""
    return sum(key.encode())


def _lane_run(lane: str, ended_at: datetime, run_id: str) -> Row:
    return {
        "run_id": f"{lane}-{run_id}",
        "source": "mailgun",
        "domain": "mg.one.example",
        "lane": lane,
        "began_at": ended_at,
        "ended_at": ended_at + timedelta(seconds=2),
        "window_begin": ended_at - timedelta(days=3),
        "window_end": ended_at,
        "cursor": ended_at,
        "events": 7,
        "repeats": 1,
        "dead": 0,
        "unhandled": 0,
        "late": 1,
        "late_in_last_tenth": 0,
        "lateness_p50": 1.5,
        "lateness_p99": 9.25,
        "lateness_max": 11.0,
        "outcome": "ok",
    }
