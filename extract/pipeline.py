"""Reads the configured sources in turn, and loads them with one dlt pipeline.

    packages of a run that was killed ──▶ app ──▶ mailgun ──▶ inbox ──▶ time_zones
                                           ╰───── each in packages, each once ──▶ raw

What a run did is told by its outcomes; one source's or domain's failure does not stop
the others. Only settings that make no sense do, and a warehouse that can't be opened.
"""

import gc
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Literal

import dlt
import duckdb
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.common.configuration.utils import get_resolved_traces
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from extract import app_tables, inbox, mailgun, provider_stats, replays, windows
from extract.app import app
from extract.app_locations import Period
from extract.app_sweep import Swept, app_sweep
from extract.arrivals import LANE, Arrivals
from extract.arrivals import SOURCE as INBOX
from extract.backfills import Desk
from extract.destination import once_only_duckdb
from extract.forgotten import Forgotten
from extract.home import SettingsError, home, now
from extract.http import Client, Patience, ProviderError
from extract.lanes import Ended, Lane, clock
from extract.mailgun_settings import SOURCE as MAILGUN
from extract.mailgun_settings import (
    MailgunSettings,
    NotConfiguredError,
    mailgun_settings,
)
from extract.places import places_of
from extract.replay_requests import ReplayRequests
from extract.replays import Replay, Wanted
from extract.rounds import Memory, Reading, Round, Rules
from extract.settings import number, setting, text, variable
from extract.source_settings import changed_settings, settings_of_received
from extract.time_zones import time_zones
from extract.warehouse import WarehouseBusyError, open_warehouse
from inbox import Inbox

__all__ = [
    "LoadError",
    "Memory",
    "NotConfiguredError",
    "Outcome",
    "Period",
    "Progress",
    "SettingsError",
    "Swept",
    "Wanted",
    "WarehouseBusyError",
    "check_mailgun",
    "extract",
    "replay",
    "settle",
    "sweep",
]

SOURCES = ("app", "mailgun", "inbox", "time_zones")
"""In the order in which they are read: what was sent is known before its events are,
and days are made for what is there."""

NAME = "tallybook"
DATASET = "raw"

_PROPERTY = re.compile(r"[A-Za-z0-9_.-]+")

KEPT_LOADS = 20
"""Folders of loads, for whoever wants to know what dlt did last."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_IMPATIENT = Patience(attempts=1)
"""For what can wait for another tick."""

dlt.config.register_provider(
    CustomLoaderDocProvider(
        NAME,
        lambda: {
            "runtime": {"dlthub_telemetry": False, "log_level": "CRITICAL"},
            "pipelines": {NAME: {"enable_runtime_trace": False}},
            "normalize": {"parquet_normalizer": {"add_dlt_load_id": True}},
            # Files live for a second; what compressing them costs is not won back.
            "data_writer": {"compression": "none"},
            # In turn: there is one writer, and memory for one row group.
            "load": {"workers": 1, "delete_completed_jobs": True},
        },
        supports_secrets=False,
    )
)


class LoadError(Exception):
    """The warehouse does not take what was read; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """How reading one source, or one domain of it, ended.

    Attributes:
        source: Its name.
        domain: The sending domain; None where a source has none.
        lane: The lane that read, empty where a source has none.
        window_begin: First instant asked for.
        window_end: First instant after what was asked for.
        cursor: Where the next run begins.
        events: Items read.
        loaded: Rows that are new in raw.
        repeated: Items that were there already.
        dead: Items that became dead letters.
        outcome: cut_short: stopped in good order before the window's end.
        message: What is to be said about it; what to do, if it failed.
    """

    source: str
    domain: str | None = None
    lane: str = ""
    window_begin: datetime | None = None
    window_end: datetime | None = None
    cursor: datetime | None = None
    events: int = 0
    loaded: int = 0
    repeated: int = 0
    dead: int = 0
    outcome: Ended | Literal["skipped"] = "ok"
    message: str = ""


@dataclass(frozen=True)
class Progress:
    """How far reading has come.

    Attributes:
        source: Its name.
        domain: The sending domain, if the source has domains.
        events: Items read so far.
        through: The last event read.
        window_begin: First instant asked for.
        window_end: First instant after what was asked for.
        lane: The lane that reads, empty where a source has none.
    """

    source: str
    domain: str | None
    events: int
    through: datetime | None
    window_begin: datetime | None
    window_end: datetime | None
    lane: str = ""


@dataclass(frozen=True)
class _Run:
    """What every source needs to be read."""

    pipeline: dlt.Pipeline
    warehouse: duckdb.DuckDBPyConnection
    forgotten: Forgotten
    everything: bool = False
    seconds: float | None = None
    memory: Memory = field(default_factory=Memory)
    on_progress: Callable[[Progress], None] = lambda _: None
    is_ending: Callable[[], bool] = lambda: False

    def load(self, source: DltSource) -> int:
        """Brings a source's data into raw, as one package.

        Returns:
            The number of rows, dlt's own aside.

        Raises:
            PipelineStepFailed: The source can't be read; nothing of it is kept.
            LoadError: It was read but can't be loaded; the next run tries again.
        """
        self.pipeline.extract(source, loader_file_format="parquet")
        return _load_extracted(self.pipeline)


def extract(
    sources: Sequence[str] = (),
    *,
    everything: bool = False,
    seconds: float | None = None,
    memory: Memory | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    is_ending: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Reads sources into the warehouse.

    Args:
        sources: Names of `SOURCES`; none for all of them.
        everything: Whether to read again from SINCE on; nothing is loaded twice.
        seconds: After which lanes stop in good order; None for no limit.
        memory: What this process knows from its last call; kept up to date.
        on_progress: Called while reading, from this thread.
        is_ending: Asked after each page whether the process is to end.

    Returns:
        One outcome for each source, or for each lane of it, in the order of reading.

    Raises:
        SettingsError: A name or a setting makes no sense.
        WarehouseBusyError: Another process has the warehouse open.
        LoadError: The warehouse does not take what was read.
    """
    if unknown := sorted(set(sources) - set(SOURCES)):
        raise SettingsError(
            f"there is no source {unknown[0]}: the sources are {', '.join(SOURCES)}"
        )
    now()  # a wrong clock is told before anything is opened
    readers = {
        "app": _app,
        "mailgun": _mailgun,
        "inbox": lambda run: chain(_inbox(run), _replays(run)),
        "time_zones": _time_zones,
    }
    with open_warehouse() as warehouse, _active_pipeline(warehouse) as pipeline:
        run = _Run(
            pipeline,
            warehouse,
            Forgotten.of(home()),
            everything,
            seconds,
            memory or Memory(),
            on_progress,
            is_ending,
        )
        _load_extracted(pipeline)  # of a run that was killed
        with _seldom_collecting_garbage():
            return [
                outcome
                for name in SOURCES
                if not sources or name in sources
                for outcome in readers[name](run)
            ]


def sweep(period: Period, *, even_many: bool = False) -> list[Swept]:
    """Marks what vanished from the application; `app_sweep` says how.

    Args:
        period: What is compared, of tables that have a time.
        even_many: Whether to believe an application that lost most of a table.

    Returns:
        What was found in each table, in the order of `app_tables.TABLES`.

    Raises:
        SettingsError: No application is configured.
        AppError: It can't be read; nothing was marked.
        WarehouseBusyError: Another process has the warehouse open.
        LoadError: The warehouse does not take what was found.
    """
    location = text("app", "location")
    if location is None:
        raise SettingsError(
            "there is no application to compare with: set "
            + variable("app", "location")
        )
    found: dict[str, Swept] = {}

    def note(swept: Swept) -> None:
        found[swept.table] = swept

    with open_warehouse() as warehouse, _active_pipeline(warehouse) as pipeline:
        run = _Run(pipeline, warehouse, Forgotten.of(home()))
        _load_extracted(pipeline)  # of a run that was killed
        source = app_sweep(
            location,
            warehouse,
            _app_queries(),
            period,
            note,
            even_many=even_many,
            forgotten=run.forgotten,
        )
        try:
            run.load(source)
        except PipelineStepFailed as error:
            raise app_tables.AppError(_cause(error)) from error
    return [found[table.name] for table in app_tables.TABLES]


def settle() -> None:
    """Loads what a killed run has left to load, and clears dlt's folder of rows.

    Where the pipeline stands is in the warehouse, and is taken from there again.

    Raises:
        WarehouseBusyError: Another process has the warehouse open.
        LoadError: The warehouse does not take what was read; it is kept.
    """
    folder, gone = home() / "dlt", home() / "dlt.gone"
    shutil.rmtree(gone, ignore_errors=True)
    with open_warehouse() as warehouse, _active_pipeline(warehouse) as pipeline:
        _load_extracted(pipeline)
    # At one stroke: half a folder would be no pipeline's.
    folder.rename(gone)
    shutil.rmtree(gone)
    with open_warehouse() as warehouse, _active_pipeline(warehouse):
        pass  # so that whoever asks what the inbox holds knows what was read


def replay(wanted: Wanted) -> Outcome:
    """Judges dead letters again, and loads what comes out.

    Args:
        wanted: Which ones.

    Raises:
        WarehouseBusyError: Another process has the warehouse open.
        LoadError: The warehouse does not take what was found.
    """
    with open_warehouse() as warehouse, _active_pipeline(warehouse) as pipeline:
        run = _Run(pipeline, warehouse, Forgotten.of(home()))
        _load_extracted(pipeline)  # of a run that was killed
        return _replay(run, wanted)


def check_mailgun() -> list[mailgun.Check]:
    """Reaches the provider for each domain, with one small request.

    Raises:
        NotConfiguredError: There is no key or no domain; the message says what to set.
        SettingsError: A setting makes no sense.
    """
    return mailgun.check(mailgun_settings())


def _app(run: _Run) -> Iterator[Outcome]:
    location = text("app", "location")
    if location is None:
        message = (
            f"app is skipped: set {variable('app', 'location')} to read the "
            "application's tables; without it, emails and recipients are derived from "
            "the events"
        )
        yield Outcome("app", outcome="skipped", message=message)
        return
    try:
        rows = run.load(
            app(
                location,
                run.warehouse,
                _app_queries(),
                everything=run.everything,
                forgotten=run.forgotten,
            )
        )
    except app_tables.AppError as error:
        yield Outcome("app", outcome="failed", message=str(error))
    except PipelineStepFailed as error:
        yield Outcome("app", outcome="failed", message=_cause(error))
    else:
        yield Outcome("app", events=rows, loaded=rows)


def _app_queries() -> dict[str, str]:
    """The configured SELECTs, by table."""
    return {
        table.name: str(query)
        for table in app_tables.TABLES
        if (query := setting("app", table.name, "query"))
    }


def _mailgun(run: _Run) -> Iterator[Outcome]:
    try:
        settings = mailgun_settings()
    except NotConfiguredError as error:
        yield Outcome("mailgun", outcome="skipped", message=str(error))
        return
    at, plausible = _microseconds(now()), _latest()
    hosts = {domain.name: domain.base_url for domain in settings.domains}
    with ExitStack() as stack:
        clients = {
            host: stack.enter_context(Client(host, mailgun.USER, settings.api_key))
            for host in sorted(set(hosts.values()))
        }
        current = stack.enter_context(
            Round(
                Rules(
                    MAILGUN,
                    tuple(hosts),
                    settings.trust_window,
                    settings.max_events,
                    settings.since,
                    run.everything,
                    run.seconds,
                ),
                now=at,
                stands=mailgun.stands(run.pipeline.state),
                memory=run.memory,
                desk=Desk(home(), MAILGUN),
                pages=lambda domain, window: mailgun.pages(
                    clients[hosts[domain]],
                    domain,
                    window,
                    plausible,
                    settings.api,
                    erase=lambda page: run.forgotten.page(
                        MAILGUN, page, settings.email_id_variables
                    ),
                ),
                warehouse=run.warehouse,
                on_page=lambda lane: run.on_progress(_progress(lane)),
                is_ending=run.is_ending,
            )
        )
        try:
            while current.has_more():
                changed = changed_settings(run.warehouse, MAILGUN, settings.for_models)
                run.load(mailgun.mailgun(current, changed, run.forgotten))
                current.loaded()
        except PipelineStepFailed as error:
            message = f"{_cause(error)}; what is not loaded is read again next time"
            yield Outcome(MAILGUN, outcome="failed", message=message)
        else:
            current.loaded()
        yield from map(_outcome, current.readings)
        if not run.is_ending():
            yield from _statistics(run, settings, at, current.readings)


def _statistics(
    run: _Run,
    settings: MailgunSettings,
    now: int,
    readings: Sequence[Reading],
) -> Iterator[Outcome]:
    """Asks for the provider's own counts of the domains that were read, now and then.

    They are for comparison only: one that can't be had is said, and stops nobody.
    """
    failed = {reading.domain for reading in readings if reading.ended == "failed"}
    answered = []
    for domain in settings.domains:
        asked = provider_stats.question(
            run.warehouse,
            domain.name,
            now,
            trust_window=settings.trust_window,
            since=settings.since,
            asked_at=run.memory.statistics_asked.get(domain.name),
        )
        if asked is None or domain.name in failed:
            continue
        run.memory.statistics_asked[domain.name] = now
        with Client(
            domain.base_url, mailgun.USER, settings.api_key, _IMPATIENT
        ) as client:
            try:
                answered.append(provider_stats.ask(client, asked, now))
            except ProviderError as error:
                yield Outcome(
                    MAILGUN,
                    domain.name,
                    "statistics",
                    outcome="skipped",
                    message=f"no statistics of {domain.name} to compare with: {error}",
                )
    if any(len(rows) for rows in answered):
        run.load(provider_stats.provider_stats(pa.concat_tables(answered)))


def _outcome(reading: Reading) -> Outcome:
    """How a lane's run ended, for whoever asked for it."""
    lane = reading.lane
    if lane is None:
        return Outcome(
            MAILGUN,
            reading.domain,
            "latest",
            outcome=reading.ended,
            message=reading.message,
        )
    return Outcome(
        lane.source,
        lane.domain,
        lane.name,
        _instant(lane.window.begin),
        _instant(lane.window.end),
        None if lane.cursor is None else _instant(lane.cursor),
        lane.tally.events + lane.tally.repeats + lane.tally.dead,
        lane.tally.events,
        lane.tally.repeats,
        lane.tally.dead,
        reading.ended,
        reading.message,
    )


def _progress(lane: Lane) -> Progress:
    return Progress(
        lane.source,
        lane.domain,
        lane.read,
        _instant(lane.reach.last),
        _instant(lane.window.begin),
        _instant(lane.window.end),
        lane.name,
    )


def _inbox(run: _Run) -> Iterator[Outcome]:
    kept = _kept()
    segments = Inbox(home() / "inbox")
    if not segments.folder.is_dir():
        message = "inbox is skipped: nothing was ever received (`tallybook serve`)"
        yield Outcome(INBOX, outcome="skipped", message=message)
        return
    changed = changed_settings(run.warehouse, INBOX, _client_settings(run))
    current = Arrivals(
        inbox=segments,
        places=places_of(run.pipeline.state),
        everything=run.everything,
        warehouse=run.warehouse,
        latest=_latest(),
        seconds=run.seconds,
        on_group=lambda reading: run.on_progress(_received(reading)),
        is_ending=run.is_ending,
        forgotten=run.forgotten,
    )
    ended, message = "ok", ""
    try:
        if changed is not None:
            run.load(inbox.inbox(inbox.Settings(changed)))
        while current.has_more():
            run.load(inbox.inbox(current, run.forgotten))
            current.loaded()
        current.loaded()  # what a run that was killed has left
        segments.archive.forget(datetime.now(UTC), kept)
    except PipelineStepFailed as error:
        ended = "failed"
        message = f"{_cause(error)}; what is not loaded is read again next time"
    except OSError as error:
        ended = "failed"
        message = (
            f"{error.filename or segments.folder}: {error.strerror}; what was read is "
            "loaded, and its segments are archived when there is room"
        )
    tally, window = current.tally, current.window
    yield Outcome(
        INBOX,
        lane=LANE if window or current.message else "",
        window_begin=_instant(window[0]) if window else None,
        window_end=_instant(window[1]) if window else None,
        cursor=_instant(window[1]) if window else None,
        events=current.read,
        loaded=tally.events,
        repeated=tally.repeats,
        dead=tally.dead,
        outcome="failed" if ended == "failed" else current.outcome or "ok",
        message="; ".join(filter(None, (message, current.message))),
    )


def _replays(run: _Run) -> Iterator[Outcome]:
    """What was asked for while this process, or another one, was at work."""
    requests = ReplayRequests(home())
    for path, wanted in requests.waiting().items():
        if run.is_ending():
            return
        yield _replay(run, wanted)
        requests.done(path)


def _replay(run: _Run, wanted: Wanted) -> Outcome:
    segments = Inbox(home() / "inbox")
    current = Replay(wanted, run.warehouse, segments, _latest(), run.forgotten)
    message = ""
    try:
        while current.has_more():
            run.load(inbox.inbox(current, run.forgotten))
    except PipelineStepFailed as error:
        message = f": then {_cause(error)}; what is left can be replayed again"
    tally = current.tally
    return Outcome(
        INBOX,
        lane=replays.LANE,
        events=tally.events + tally.repeats + tally.dead,
        loaded=tally.events,
        repeated=tally.repeats,
        dead=tally.dead,
        outcome="failed" if message else "ok",
        message=_judged_again(current) + message,
    )


def _judged_again(replayed: Replay) -> str:
    """What came of a replay, in words."""
    read = replayed.read
    if not read:
        return "no dead letter is waiting to be replayed"
    letters = "dead letter" if read == 1 else "dead letters"
    told = [
        f"{read:,} {letters} judged again",
        f"{replayed.mended:,} mended",
        *([f"{n:,} dead for another reason"] if (n := replayed.otherwise) else []),
        f"{read - replayed.mended - n:,} as before",
    ]
    return ", ".join(told)


def _latest() -> int:
    """Greatest plausible instant of an event."""
    return max(_microseconds(now()), clock()) + windows.DAY


def _kept() -> timedelta:
    return timedelta(days=number(INBOX, "keep_days", 1) or inbox.KEEP_DAYS)


def _account_property() -> str | None:
    told = text(INBOX, "account_property")
    if told and not _PROPERTY.fullmatch(told):
        raise SettingsError(
            f"{variable(INBOX, 'account_property')}: write a property's name, of "
            f"letters, digits, and . _ -: {told!r} is none"
        )
    return told


def check_received() -> None:
    """Reads the settings of what comes through the door.

    Raises:
        SettingsError: One makes no sense.
    """
    _kept()
    _account_property()
    for source in ("sendgrid", "postmark"):
        settings_of_received(source, ())


def _client_settings(run: _Run) -> dict[str, str]:
    """Which property of client events names the account; nothing if it always was so.

    Raises:
        SettingsError: It can't be one.
    """
    told = _account_property()
    name = told or inbox.ACCOUNT_PROPERTY
    known = run.warehouse.execute(
        "select 1 from raw.source_settings where source = ?", [INBOX]
    ).fetchall()
    return {"account_property": name} if told or known else {}


def _received(reading: Arrivals) -> Progress:
    first, last = reading.window or (None, None)
    return Progress(
        INBOX,
        None,
        reading.read,
        None if last is None else _instant(last),
        None if first is None else _instant(first),
        datetime.now(UTC),
        LANE,
    )


def _time_zones(run: _Run) -> Iterator[Outcome]:
    source = time_zones(run.warehouse)
    rows = 0 if source is None else run.load(source)
    yield Outcome("time_zones", events=rows, loaded=rows)


@contextmanager
def _active_pipeline(warehouse: duckdb.DuckDBPyConnection) -> Iterator[dlt.Pipeline]:
    """The pipeline, its state in step with the warehouse."""
    _tidy()
    pipeline = _pipeline(warehouse)
    try:
        pipeline.sync_destination()
        if not pipeline.has_pending_data and _is_ahead(pipeline, warehouse):
            # Its cursors are those of another warehouse: a newer one that an older
            # copy has replaced, or one that was removed. This one's own are taken.
            pipeline.drop()
            pipeline = _pipeline(warehouse)
            pipeline.sync_destination()
        yield pipeline
    finally:
        pipeline.deactivate()
        # dlt notes where it found each setting, for `Pipeline.run` to show and drop.
        get_resolved_traces().clear()


def _pipeline(warehouse: duckdb.DuckDBPyConnection) -> dlt.Pipeline:
    pipeline = dlt.pipeline(
        pipeline_name=NAME,
        pipelines_dir=str(home() / "dlt"),
        destination=once_only_duckdb(credentials=warehouse),
        dataset_name=DATASET,
    )
    if not pipeline.default_schema_name:
        # State goes into the package of the default schema. With Mailgun's, its
        # cursors lie in the same package as the events that they cover.
        pipeline.schemas.save_schema(dlt.Schema(MAILGUN))
        pipeline.default_schema_name = MAILGUN  # type: ignore[assignment]  # dlt says None
    return pipeline


def _tidy() -> None:
    """Removes what dlt leaves behind: one folder for each load, and half-read ones."""
    folder = home() / "dlt" / NAME
    loaded = sorted((folder / "load" / "loaded").glob("*"))
    unfinished = [
        path
        for path in (folder / "normalize").glob("*")
        if path.is_dir() and path.name != "extracted"
    ]
    for path in (*loaded[:-KEPT_LOADS], *unfinished):
        shutil.rmtree(path)


def _is_ahead(pipeline: dlt.Pipeline, warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether the pipeline's folder knows of loads that the warehouse does not hold."""
    if not pipeline.state.get("sources"):
        return False
    try:
        held = warehouse.execute(
            f"select max(version) from {DATASET}._dlt_pipeline_state"  # noqa: S608 - a constant
            " where pipeline_name = ?",
            [NAME],
        ).fetchone()
    except duckdb.CatalogException:
        held = None
    return held is None or held[0] is None or held[0] < pipeline.state["_state_version"]


def _load_extracted(pipeline: dlt.Pipeline) -> int:
    """Loads what has been read and isn't loaded yet; returns the number of rows."""
    try:
        normalized = pipeline.normalize()
        pipeline.load()
    except PipelineStepFailed as error:
        raise LoadError(
            f"what was read can't be loaded: {_cause(error)}; it is kept in "
            f"{home() / 'dlt'}, and the next run tries again"
        ) from error
    rows = normalized.row_counts if normalized else {}
    return sum(count for table, count in rows.items() if not table.startswith("_dlt"))


def _cause(error: BaseException) -> str:
    """What an error of dlt's is really about."""
    while isinstance(error, PipelineStepFailed) or error.__cause__ is not None:
        cause = error.exception if isinstance(error, PipelineStepFailed) else None
        error = cause or error.__cause__ or RuntimeError(str(error))
    return str(error)


@contextmanager
def _seldom_collecting_garbage() -> Iterator[None]:
    """Spares the collector from going through all modules again and again.

    Pages are freed by counting references; looking for cycles among what dlt and
    DuckDB have imported costs a third of the time of decoding.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _instant(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
