"""Dead letters as people ask for them: which there are, and to judge them again.

list   ──▶ the warehouse; while a run has it open, what was published last
replay ──▶ at once, or by the next tick of the run that lives
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from extract.pipeline import LoadError, Outcome, WarehouseBusyError
from extract.pipeline import replay as judge_again
from extract.replay_requests import ReplayRequests
from extract.replays import Wanted
from tallybook import status
from tallybook.errors import CannotRunError
from tallybook.lock import RunningError, only_run
from tallybook.shelf import NAME

_WAREHOUSE = """
    select
        letters.source,
        letters.reason,
        count(*) - count(replays.request_id) as waiting,
        count(replays.request_id) as replayed,
        max(letters.received_at) as newest,
        arg_max(left(letters.body, 200), letters.received_at) as excerpt
    from raw.dead_letters as letters
    left join raw.requests as replays
        on replays.lane = 'replay'
        and replays.request_id = 'replay:' || letters.dead_letter_key
    where coalesce(letters.reason = $reason, true)
        and coalesce(letters.source = $source, true)
        and coalesce(letters.received_at >= make_timestamptz($since), true)
    group by letters.source, letters.reason
    order by waiting desc, replayed desc, letters.source, letters.reason
"""

_PUBLISHED = """
    select
        source_name,
        reason,
        cast(sum(waiting) as bigint) as waiting,
        cast(sum(replayed) as bigint) as replayed,
        max(newest_received_at) as newest,
        null as excerpt
    from marts.ops_dead_letters
    where coalesce(reason = $reason, true)
        and coalesce(source_name = $source, true)
        and coalesce(newest_received_at >= make_timestamptz($since), true)
    group by source_name, reason
    order by waiting desc, replayed desc, source_name, reason
"""
"""Counted by the day, so of the first day a few may be older than `since`."""


@dataclass(frozen=True)
class Kind:
    """Dead letters of one source and reason.

    Attributes:
        source: Who sent them.
        reason: Why they are none of our events.
        waiting: Those that are not replayed.
        replayed: Those that are none any more.
        newest: Receipt of the newest.
        excerpt: How its text begins; None while a run has the warehouse open.
    """

    source: str
    reason: str
    waiting: int
    replayed: int
    newest: datetime
    excerpt: str | None


def look(home: Path, wanted: Wanted) -> tuple[Kind, ...]:
    """Which dead letters there are, the most first.

    Args:
        home: The state folder.
        wanted: Which of them.

    Raises:
        CannotRunError: Nothing has been run yet, or nothing can be read.
    """
    try:
        with only_run(home, "dead-letters list", patience=0):
            return _read(_warehouse(home), _WAREHOUSE, wanted)
    except RunningError:
        published = home / "published" / NAME
        if not published.exists():
            raise
        return _read(published, _PUBLISHED, wanted)


def replay(home: Path, wanted: Wanted) -> Outcome | None:
    """Judges them again, and loads what comes out.

    Args:
        home: The state folder.
        wanted: Which of them.

    Returns:
        What came of it; None if a run lives, whose next tick is to do it.

    Raises:
        CannotRunError: Nothing has been run yet, or the warehouse can't be loaded.
        OSError: The state folder can't be written.
    """
    try:
        with only_run(home, "dead-letters replay"):
            _warehouse(home)
            outcome = judge_again(wanted)
            status.note(home)
            return outcome
    except RunningError:
        ReplayRequests(home).ask(wanted)
        return None
    except (WarehouseBusyError, LoadError) as error:
        raise CannotRunError(str(error)) from error


def _warehouse(home: Path) -> Path:
    path = home / "warehouse.duckdb"
    if not path.exists():
        raise CannotRunError(
            f"Nothing has been run yet: there is no {path}.",
            "There are no dead letters before the first `tallybook run`.",
        )
    return path


def _read(path: Path, sql: str, wanted: Wanted) -> tuple[Kind, ...]:
    values = {
        "reason": wanted.reason,
        "source": wanted.source,
        "since": wanted.since,
    }
    try:
        with duckdb.connect(path, read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            rows = con.execute(sql, values).fetchall()
    except duckdb.CatalogException:
        return ()  # an older warehouse; the next run makes the tables
    except duckdb.IOException as error:
        raise CannotRunError(
            f"{path} can't be read: {error}",
            "If another process has it open, close it there.",
        ) from error
    return tuple(
        Kind(source, reason, waiting, replayed, newest.astimezone(UTC), excerpt)
        for source, reason, waiting, replayed, newest, excerpt in rows
    )
