"""How things stand, for one screen.

Asked of the warehouse itself while nobody writes to it; while a run does, what
the last run left in `status.json`. So that asking never stops a run, the run
lock is held for the moment in which the warehouse is open.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import duckdb
import msgspec

from extract.backfills import Backfill, Desk
from extract.home import SettingsError, now
from extract.mailgun_settings import SOURCE as MAILGUN
from extract.mailgun_settings import NotConfiguredError, mailgun_settings
from extract.places import RESOURCE as INBOX
from extract.waiting import Waiting, waiting
from tallybook.backfill import POLLED, told
from tallybook.builds import Build, last_build
from tallybook.errors import CannotRunError
from tallybook.files import replace_file
from tallybook.forget import requests
from tallybook.heart import Beat, last_beat
from tallybook.lock import Holder, RunningError, only_run
from tallybook.shelf import NAME

_T = TypeVar("_T")

_FEW_FAILURES = 3
"""Ticks in a row that may fail before it is told."""

_LONGEST_STEP = 6 * 3_600.0
"""Seconds that a step may take, a first build of years included."""


_LONGEST_SILENCE = timedelta(days=1)
"""After which somebody should look whether anything still runs at all."""


@dataclass(frozen=True)
class Lane:
    """A fetch lane and how far it has come.

    Attributes:
        source, domain, lane: Which one.
        began_at: When it last ran.
        window_begin: Where it began then.
        cursor: Where it begins next time.
        fetched_through: Everything before this instant was asked for and read.
        lag_seconds: How far that is behind the clock.
        outcome: How its last run ended: ok, cut_short, cancelled or failed.
        message: What was to be said about it.
        running: Whether it reads right now.
        is_caught_up: Whether it has read again all that latest has passed; then its
            lag only says how long nothing has happened.
    """

    source: str
    domain: str | None
    lane: str
    began_at: datetime | None
    window_begin: datetime | None
    cursor: datetime | None
    fetched_through: datetime | None
    lag_seconds: float | None
    outcome: str
    message: str
    running: bool = False
    is_caught_up: bool = False


@dataclass(frozen=True)
class Lateness:
    """How late events of a source reached the provider's log in the last week.

    Attributes:
        source: Its name.
        found: Events that only the missing lane found.
        measured: Those of them, and of what looks found, that could be measured.
        p50, p99, longest: Seconds; of the runs that measured any, the middle one's
            median, and the greatest.
        in_last_tenth: Measured events that came in the last tenth of the trust window.
    """

    source: str
    found: int
    measured: int
    p50: float | None
    p99: float | None
    longest: float | None
    in_last_tenth: int


@dataclass(frozen=True)
class Count:
    """How many of a kind, lately and ever.

    Attributes:
        what: The kind.
        last_day: Received in the last 24 hours.
        total: All of them.
    """

    what: str
    last_day: int
    total: int


@dataclass(frozen=True)
class Newest:
    """The newest event of a source."""

    source: str
    occurred_at: datetime


@dataclass(frozen=True)
class Problem:
    """Why a command could not do its work.

    Attributes:
        doing: The command.
        happened_at: When.
        problem: What it said.
    """

    doing: str
    happened_at: datetime
    problem: str


@dataclass(frozen=True)
class Pending:
    """A person who is still to be forgotten; who it is stands in the request alone.

    Attributes:
        asked_at: When it was asked for.
        state: How far it has come; `forget.Request` says what each means.
    """

    asked_at: datetime
    state: Literal["asked", "erased", "published"]


@dataclass(frozen=True)
class Status:
    """How things stand.

    Attributes:
        home: The state folder.
        as_of: When this was looked up.
        running: Who is at work now; then the rest is of `as_of`.
        problem: What stopped the last run, if it could not do its work.
        lanes: Each lane's last run.
        build: The last build of ours.
        changed_at: When a build, whoever ran it, last changed anything.
        published_at: When what analysts open was published.
        dead_letters: By reason.
        unmatched: Events that belong to no known email or recipient, by reason.
        newest: By source.
        lateness: By source.
        backfills: The newest one of each source.
        beat: What the process at work is doing; None if none is.
        inbox: What waits there now; None if nothing was ever received.
        forgets: Who is still to be forgotten.
        without_account: Events that count in delivery and are no account's.
    """

    home: str
    as_of: datetime
    running: Holder | None = None
    problem: Problem | None = None
    lanes: tuple[Lane, ...] = ()
    build: Build | None = None
    changed_at: datetime | None = None
    published_at: datetime | None = None
    dead_letters: tuple[Count, ...] = ()
    unmatched: tuple[Count, ...] = ()
    newest: tuple[Newest, ...] = ()
    lateness: tuple[Lateness, ...] = ()
    backfills: tuple[Backfill, ...] = ()
    beat: Beat | None = None
    inbox: Waiting | None = None
    forgets: tuple[Pending, ...] = ()
    without_account: int = 0

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is not well, in words; nothing when all is."""
        troubles = [
            f"{lane.source} {lane.domain or ''} failed: {lane.message}"
            for lane in self.lanes
            if lane.outcome == "failed"
        ]
        began = [
            lane.began_at
            for lane in self.lanes
            # A run of the inbox's is noted only when something was received.
            if lane.began_at and lane.source != INBOX
        ]
        if began and now() - max(began) > _LONGEST_SILENCE:
            troubles.append(
                f"nothing was read since {max(began):%Y-%m-%d %H:%M}: is the service "
                "or timer that runs `tallybook run` alive?"
            )
        waits = self.inbox.since if self.inbox else None
        if waits and datetime.now(UTC) - waits > _LONGEST_SILENCE:
            troubles.append(
                f"what was received waits to be loaded since {waits:%Y-%m-%d %H:%M}: "
                "is the service or timer that runs `tallybook run` alive?"
            )
        beat = self.beat
        if beat and beat.failing_since and beat.failures >= _FEW_FAILURES:
            troubles.append(
                f"the last {beat.failures} ticks failed, since "
                f"{beat.failing_since:%Y-%m-%d %H:%M}"
            )
        if beat and (datetime.now(UTC) - beat.since).total_seconds() > _LONGEST_STEP:
            troubles.append(
                f"the process at work has been at its step '{beat.step}' since "
                f"{beat.since:%Y-%m-%d %H:%M}: look at its log"
            )
        if self.build and not self.build.is_green:
            troubles.append("the last build did not pass, so it was not published")
        if self.problem:
            when = f"{self.problem.happened_at:%Y-%m-%d %H:%M}"
            troubles.append(
                f"`tallybook {self.problem.doing}` could not run at {when}: "
                f"{self.problem.problem}"
            )
        return tuple(troubles)


def status(home: Path) -> Status:
    """How things stand now, or stood when the run at work began.

    Args:
        home: The state folder.

    Raises:
        CannotRunError: Nothing has been run yet, or the warehouse can't be read.
    """
    try:
        with only_run(home, "status", patience=0):
            return look(home)
    except RunningError as error:
        noted = _noted(home)
        if noted is None:
            raise
        beat = error.holder and last_beat(home, error.holder.pid)
        return replace(
            noted,
            running=error.holder,
            published_at=_published_at(home) or noted.published_at,
            lanes=tuple(_by_now(lane, beat or None) for lane in noted.lanes),
            backfills=_backfills(home),
            beat=beat or None,
            inbox=waiting(home),
            forgets=_forgets(home),
        )


def look(home: Path) -> Status:
    """How things stand; the caller holds the run lock."""
    warehouse = home / "warehouse.duckdb"
    if not warehouse.exists():
        raise CannotRunError(
            f"Nothing has been run yet: there is no {warehouse}.",
            "Try `tallybook demo`, or `tallybook doctor` and then `tallybook run`.",
        )
    try:
        with duckdb.connect(warehouse, read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            clock = now()
            return Status(
                home=str(home),
                as_of=datetime.now(UTC),
                problem=_read(_problem_path(home), Problem),
                lanes=_lanes(con, clock),
                build=last_build(home),
                changed_at=_changed_at(con),
                published_at=_published_at(home),
                dead_letters=_dead_letters(con),
                unmatched=_unmatched(con),
                newest=_newest(con, clock),
                lateness=_lateness(con),
                backfills=_backfills(home),
                inbox=waiting(home),
                forgets=_forgets(home),
                without_account=_without_account(con),
            )
    except duckdb.IOException as error:
        raise CannotRunError(
            f"{warehouse} can't be read: {error}",
            "If another process has it open, close it there.",
        ) from error


def as_builtins(found: Status) -> dict[str, object]:
    """A status as programs read it: instants in ISO 8601, UTC."""
    backfills = [told(backfill) for backfill in found.backfills]
    return {**msgspec.to_builtins(found), "backfills": backfills}


def note(home: Path) -> None:
    """Leaves the status for whoever asks while the next run is at work.

    The caller has done its work, so what stopped an earlier one is forgotten.
    """
    _problem_path(home).unlink(missing_ok=True)
    replace_file(_path(home), msgspec.json.encode(look(home)))


def note_problem(home: Path, doing: str, problem: str) -> None:
    """Leaves what stopped a command for whoever asks later."""
    noted = Problem(doing, datetime.now(UTC), problem)
    # On a full disk nothing can be left behind; the command itself has said it.
    with suppress(OSError):
        replace_file(_problem_path(home), msgspec.json.encode(noted))


def _noted(home: Path) -> Status | None:
    return _read(_path(home), Status)


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _path(home: Path) -> Path:
    return home / "status.json"


def _problem_path(home: Path) -> Path:
    return home / "last_problem.json"


def _lanes(con: duckdb.DuckDBPyConnection, clock: datetime) -> tuple[Lane, ...]:
    lanes = [
        Lane(**row, lag_seconds=_seconds_since(row["fetched_through"], clock))
        for row in _named(
            con,
            """
            select distinct on (source, domain, lane)
                source, domain, lane, began_at, window_begin, cursor,
                case
                    when outcome = 'ok' then window_end
                    when lane = 'scheduled' then cursor
                    else greatest(cursor, max_by(window_end, began_at)
                        filter (where outcome = 'ok')
                        over (partition by source, domain, lane))
                end as fetched_through,
                outcome, coalesce(message, '') as message
            from raw.lane_runs
            order by source, domain, lane, began_at desc
            """,
        )
    ]
    with suppress(NotConfiguredError, SettingsError):
        # A domain that is no longer read has no lag.
        read = {domain.name for domain in mailgun_settings().domains}
        lanes = [one for one in lanes if one.source != MAILGUN or one.domain in read]
    latest = {(one.source, one.domain): one for one in lanes if one.lane == "latest"}
    return tuple(
        replace(one, is_caught_up=_has_caught_up(one, latest)) for one in lanes
    )


def _has_caught_up(lane: Lane, latest: dict[tuple[str, str | None], Lane]) -> bool:
    """Whether a missing lane stands where latest began; that goes on from there."""
    head = latest.get((lane.source, lane.domain))
    return bool(
        lane.lane == "missing"
        and lane.fetched_through
        and head
        and head.window_begin
        and lane.fetched_through >= head.window_begin
    )


def _seconds_since(then: datetime | None, clock: datetime) -> float | None:
    return (clock - then).total_seconds() if then else None


def _by_now(lane: Lane, beat: Beat | None) -> Lane:
    """A lane as it was noted, with what has become of it since."""
    lag = (
        (now() - lane.fetched_through).total_seconds() if lane.fetched_through else None
    )
    running = beat is not None and (beat.source, beat.domain, beat.lane) == (
        lane.source,
        lane.domain,
        lane.lane,
    )
    return replace(lane, lag_seconds=lag, running=running)


def _lateness(con: duckdb.DuckDBPyConnection) -> tuple[Lateness, ...]:
    columns = _rows(
        con,
        "select 1 from duckdb_columns() where schema_name = 'raw'"
        " and table_name = 'lane_runs' and column_name = 'late'",
    )
    if not columns:
        return ()  # an older warehouse; the next extract adds them
    return tuple(
        Lateness(*row)
        for row in _rows(
            con,
            """
            select
                source, cast(sum(events) as bigint), cast(sum(late) as bigint),
                median(lateness_p50), max(lateness_p99), max(lateness_max),
                cast(sum(late_in_last_tenth) as bigint)
            from raw.lane_runs
            where lane = 'missing' and began_at > ?
            group by source
            order by source
            """,
            datetime.now(UTC) - timedelta(days=7),
        )
    )


def _backfills(home: Path) -> tuple[Backfill, ...]:
    found = (Desk(home, source).look() for source in POLLED)
    return tuple(one for one in found if one)


def _forgets(home: Path) -> tuple[Pending, ...]:
    return tuple(Pending(one.asked_at, one.state) for one in requests(home))


def _without_account(con: duckdb.DuckDBPyConnection) -> int:
    """As the data test `every_event_has_an_account` counts them."""
    rows = _rows(
        con,
        "select count(*) from marts.fct_message_events"
        " where account_id is null and counts_in_delivery",
    )
    return int(rows[0][0]) if rows else 0


def _changed_at(con: duckdb.DuckDBPyConnection) -> datetime | None:
    rows = _rows(con, "select max(built_at) from ledger.builds")
    return rows[0][0] if rows else None


def _dead_letters(con: duckdb.DuckDBPyConnection) -> tuple[Count, ...]:
    """Those that are not replayed."""
    return _counts(
        con,
        "source || ': ' || reason",
        "raw.dead_letters as letters anti join raw.requests as replays"
        " on replays.request_id = 'replay:' || letters.dead_letter_key",
    )


def _unmatched(con: duckdb.DuckDBPyConnection) -> tuple[Count, ...]:
    return _counts(con, "reason", "marts.fct_unmatched_events")


def _counts(con: duckdb.DuckDBPyConnection, what: str, table: str) -> tuple[Count, ...]:
    rows = _rows(
        con,
        f"""
        select {what}, count(*) filter (where received_at > ?), count(*)
        from {table}
        group by 1
        order by 3 desc, 1
        """,  # noqa: S608 - our own names
        datetime.now(UTC) - timedelta(days=1),
    )
    return tuple(Count(*row) for row in rows)


def _newest(con: duckdb.DuckDBPyConnection, clock: datetime) -> tuple[Newest, ...]:
    """The newest event of each source.

    Looked for among the last days first: DuckDB skips the rest of a table that
    lies in the order of time.
    """
    newest = []
    for source in ("mailgun", "sendgrid", "client"):
        for since in (clock - timedelta(days=2), datetime.min.replace(tzinfo=UTC)):
            rows = _rows(
                con,
                f"select max(occurred_at) from raw.{source}_events"  # noqa: S608 - ours
                " where occurred_at >= ?",
                since,
            )
            if rows and rows[0][0]:
                newest.append(Newest(source, rows[0][0]))
                break
    return tuple(newest)


def _rows(
    con: duckdb.DuckDBPyConnection, sql: str, *parameters: datetime
) -> list[tuple]:  # type: ignore[type-arg] # whatever the query selects
    """Rows of a query; none while the table has not been made yet."""
    try:
        return con.execute(sql, parameters).fetchall()
    except duckdb.CatalogException:
        return []


def _named(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """The same, by the names of the columns."""
    rows = _rows(con, sql)
    names = [column[0] for column in con.description or []]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _published_at(home: Path) -> datetime | None:
    path = home / "published" / NAME
    try:
        with duckdb.connect(path, read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            rows = _rows(con, "select published_at from tallybook.publication")
        return rows[0][0] if rows else None
    except duckdb.IOException:
        # Not there, or open in a tool that lets no other in: then the file tells.
        return (
            datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
        )
