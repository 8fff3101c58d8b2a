"""Where lanes stand, as the pipeline's state keeps it: committed with the rows.

    cursors:  {latest: {domain: instant}, missing: {…}}
    began:    {domain: instant}                           where latest began first
    backfill: {id: …, stopped: {domain: instant}}

Instants are ISO 8601 text with microseconds, for whoever has to look into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from extract.windows import SECOND, LaneName, Stand


@dataclass
class Stands:
    """Where the lanes of one source stand.

    Attributes:
        domains: By name.
        backfill_id: Of the backfill that was read last; empty if none was.
        backfill: Where it stopped, by domain.
    """

    domains: dict[str, Stand] = field(default_factory=dict)
    backfill_id: str = ""
    backfill: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Stands":
        """Reads a resource's state."""
        cursors = state.get("cursors", {})
        latest, missing = (cursors.get(lane, {}) for lane in ("latest", "missing"))
        began = state.get("began", {})
        backfill = state.get("backfill", {})
        return cls(
            {
                domain: Stand(
                    _microseconds(began.get(domain)),
                    _microseconds(latest.get(domain)),
                    _microseconds(missing.get(domain)),
                )
                for domain in {*latest, *missing, *began}
            },
            backfill.get("id", ""),
            {
                domain: at
                for domain, text in backfill.get("stopped", {}).items()
                if (at := _microseconds(text)) is not None
            },
        )

    def write(self, state: dict[str, Any]) -> None:
        """Writes a resource's state; domains that are read no longer stay in it."""
        cursors = state.setdefault("cursors", {})
        for domain, stand in self.domains.items():
            for where, at in (
                (cursors.setdefault("latest", {}), stand.latest),
                (cursors.setdefault("missing", {}), stand.missing),
                (state.setdefault("began", {}), stand.first_begin),
            ):
                if at is not None:
                    where[domain] = _iso(at)
        if self.backfill_id:
            stopped = {domain: _iso(at) for domain, at in self.backfill.items()}
            state["backfill"] = {"id": self.backfill_id, "stopped": stopped}

    def stand(self, domain: str) -> Stand:
        """Where a domain's lanes stand."""
        return self.domains.get(domain, Stand())

    def move(
        self, domain: str, lane: LaneName, cursor: int | None, first_begin: int
    ) -> None:
        """Takes in where a lane has come to.

        Args:
            domain: Whose.
            lane: Its name.
            cursor: Where it begins next; None if it read nothing.
            first_begin: Where latest began for the first time.
        """
        stand = replace(self.stand(domain), first_begin=first_begin)
        if cursor is not None and lane == "scheduled":
            self.backfill[domain] = cursor
        elif cursor is not None and lane == "latest":
            stand = replace(stand, latest=cursor)
        elif cursor is not None:
            stand = replace(stand, missing=cursor)
        self.domains[domain] = stand


def _iso(at: int) -> str:
    seconds, rest = divmod(at, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).isoformat()


def _microseconds(text: str | None) -> int | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return int(at.replace(microsecond=0).timestamp()) * SECOND + at.microsecond
