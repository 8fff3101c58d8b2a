"""Lets a world happen to a warehouse, and keeps what the oracle must know of it."""

import json
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from members_oracle import member_marts
from oracle import Known, Rows, marts, seed
from provider_oracle import Event
from reporting_oracle import reporting_marts
from warehouse import APP_KEYS, MARTS, Warehouse
from worlds import MORE_VOCABULARY, Build, Load, at

AS_JSON = ("tags", "user_variables")
WRITTEN_AT = "rebuilt_at"
"""Says when a row was written, which no oracle can know."""


class Replay:
    """One warehouse and what was written to it.

    Attributes:
        warehouse: The warehouse.
        known: What is committed so far.
        is_half_written: Whether rows of the application lie in raw whose load hasn't
            committed: then nothing is promised until it has.
    """

    def __init__(self, warehouse: Warehouse, zone_days: dict[int, pa.Table]) -> None:
        """Begins with an empty warehouse.

        Args:
            warehouse: Its raw tables are empty.
            zone_days: Local days by year, to load from.
        """
        self.warehouse = warehouse
        self.known = Known(vocabulary=[*seed("event_vocabulary"), *MORE_VOCABULARY])
        self._zone_days = zone_days
        self._waiting: list[tuple[Load, str]] = []
        self._has_new_settings = False  # a view's text depends on them

    @property
    def is_half_written(self) -> bool:
        return any(load.app or load.settings for load, _ in self._waiting)

    def write(self, load: Load, *, committed: bool) -> None:
        """Writes a load.

        Args:
            load: The load.
            committed: Whether it commits at once.
        """
        load_id = self.warehouse.load(
            load.events,
            settings=load.settings,
            committed=committed,
            committed_at=_committed_at(load),
            **load.app,
        )
        for name, rows in load.app.items():
            keys = APP_KEYS[name]
            held = getattr(self.known, name)
            for row in rows:
                key = [row[column] for column in keys]
                held[:] = [r for r in held if [r[column] for column in keys] != key]
                held.append(row)
        self.known.settings.update(load.settings)
        self._has_new_settings |= bool(load.settings)
        for year in set(load.years) - self.known.years:
            self.warehouse.load_zones(
                self._zone_days[year], committed_at=_committed_at(load)
            )
            self.known.years.add(year)
        if committed:
            self._take(load)
        else:
            self._waiting.append((load, load_id))

    def commit_before(self, build: int) -> None:
        """Commits what was interrupted and is finished by this build."""
        for load, load_id in list(self._waiting):
            if load.commits_before <= build:
                self.warehouse.commit(load_id, committed_at=_committed_at(load))
                self._waiting.remove((load, load_id))
                self._take(load)

    def build(self, build: Build) -> bool:
        """Builds; returns whether everything was built."""
        arguments = {
            "all": (),
            "tables": (),
            "whole": ("--full-refresh",),
            "part": ("--select", build.selection),
        }[build.mode]
        views = build.mode != "tables" or self._has_new_settings
        result = self.warehouse.build(*arguments, seeds=False, views=views)
        if build.mode != "part":
            self._has_new_settings = False
        errors = [
            f"{one.node.name}: {one.message}"
            for one in getattr(result.result, "results", [])
            if one.status == "error"
        ]
        # A part that leaves out the days of a new zone is refused, and says so.
        is_refused = build.mode == "part" and all(
            "select it as well" in error for error in errors
        )
        assert result.success or (errors and is_refused), result.exception or errors
        return build.mode != "part"

    def let_days_pass(self) -> None:
        """Two days: then the ledger forgets what every model has taken."""
        with duckdb.connect(self.warehouse.path) as connection:
            connection.execute(
                "update ledger.builds set built_at = built_at - interval 2 day"
            )

    def expected(self) -> dict[str, Rows]:
        """What the marts must hold."""
        known = self.known
        found = marts(known)
        return (
            found
            | member_marts(known, found)
            | reporting_marts(known.accounts, known.reporting_events, known.years)
        )

    def held(self) -> dict[str, Rows]:
        """What they hold, by grain; JSON as values."""
        return contents(self.warehouse)

    def _take(self, load: Load) -> None:
        self.known.events += [
            Event(
                provider=row.get("provider", "mailgun"),
                event_key=row["event_key"],
                domain=row["domain"],
                event_id=row["event_id"],
                name=row["event_name"],
                occurred_at=row["occurred_at"],
                received_at=row["received_at"],
                payload=row["payload"],
                loaded_at=_committed_at(load),
            )
            for row in load.events
        ]


def contents(warehouse: Warehouse) -> dict[str, Rows]:
    """What the marts hold, by grain; JSON as values, and not when it was written."""
    return {name: by_grain(name, rows) for name, rows in warehouse.marts().items()}


def by_grain(mart: str, rows: list[dict[str, Any]]) -> Rows:
    """Rows by the grain of their mart; JSON as values, and not when it was written."""
    found: Rows = {}
    for row in rows:
        for column in AS_JSON:
            if row.get(column) is not None:
                row[column] = json.loads(row[column])
        row.pop(WRITTEN_AT, None)
        grain = tuple(row[column] for column in MARTS[mart])
        assert grain not in found, f"{mart} has {grain} twice"
        found[grain] = row
    return found


def _committed_at(load: Load) -> datetime:
    return at("2025-11-05T00:00:00") + timedelta(hours=load.number)
