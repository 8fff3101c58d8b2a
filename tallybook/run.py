"""One run: extract ──▶ forget ──▶ build, with its tests ──▶ publish what is green.

A source that fails keeps what it brought, and the others are built all the
same. A test that fails stops only the publication.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from extract.app_tables import AppError
from extract.pipeline import (
    LoadError,
    Memory,
    Outcome,
    Period,
    Progress,
    Swept,
    WarehouseBusyError,
    extract,
)
from extract.pipeline import sweep as sweep_app
from tallybook.build import Dbt
from tallybook.builds import Build, note
from tallybook.errors import CannotRunError
from tallybook.forget import Forgetting, Report
from tallybook.heart import Heart
from tallybook.marts import marts_in
from tallybook.publish import Publication, publish


class Listener(Protocol):
    """Whoever tells people how a run goes."""

    def extracting(self, progress: Progress) -> None:
        """Called while sources are read."""

    def extracted(self, outcomes: Sequence[Outcome]) -> None:
        """Called when all have been read."""

    def building(self, done: int, nodes: int) -> None:
        """Called when the build begins, and after each node of dbt's."""

    def built(self, build: Build) -> None:
        """Called when everything is built and tested."""

    def published(self, publication: Publication) -> None:
        """Called when analysts can read it."""

    def unpublished(self) -> None:
        """Called when a check has failed."""

    def forgot(self, report: Report) -> None:
        """Called when somebody was to be forgotten."""


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        extract: How each source was read.
        build: What was built; None when the process was asked to end before.
        publication: What was published; None when a check failed.
        forgot: What forgetting people did; None when nobody was to be.
    """

    extract: tuple[Outcome, ...]
    build: Build | None
    publication: Publication | None
    forgot: Report | None = None

    @property
    def exit_status(self) -> int:
        """The worst of what happened: 1 a check failed, 2 something could not run."""
        built = finish_status(self.build, self.forgot) if self.build else 0
        return max(extract_status(self.extract), built)


def run(
    home: Path,
    listener: Listener,
    *,
    dbt: Dbt | None = None,
    memory: Memory | None = None,
    heart: Heart | None = None,
    seconds: float | None = None,
    is_ending: Callable[[], bool] = lambda: False,
) -> Run:
    """Runs once; the caller holds the lock.

    Args:
        home: The state folder.
        listener: Told of each step.
        dbt: The project, if it was read before.
        memory: What this process knows from its last run.
        heart: Notes each step for those who ask.
        seconds: Of reading, after which what there is is built; None for no limit.
        is_ending: Whether the process was asked to end. Then reading stops after the
            page in hand, and nothing is built; a build and a publication are finished.

    Returns:
        What came of it.

    Raises:
        SettingsError: A setting makes no sense.
        CannotRunError: A step could not begin.
    """
    dbt, heart = dbt or Dbt(home), heart or Heart(home)
    heart.at("extract")
    outcomes = read(
        (),
        listener,
        memory=memory,
        heart=heart,
        seconds=seconds,
        is_ending=is_ending,
    )
    if is_ending():
        return Run(outcomes, None, None)
    build, publication, forgot = finish(home, listener, dbt, heart)
    return Run(outcomes, build, publication, forgot)


def finish(
    home: Path, listener: Listener, dbt: Dbt, heart: Heart
) -> tuple[Build, Publication | None, Report | None]:
    """Builds and publishes what was read, without those who are to be forgotten.

    Raises:
        SettingsError: A setting makes no sense.
        CannotRunError: A step could not begin.
    """
    forgetting = Forgetting(home)
    if forgetting.is_needed:
        heart.at("forget")
        forgetting.erase()
    heart.at("build")
    build = build_and_note(home, dbt, listener)
    publication = None
    if build.is_green:
        heart.at("publish")
        publication = publish(
            home, marts_in(dbt.manifest()), afresh=forgetting.must_publish
        )
        listener.published(publication)
    else:
        listener.unpublished()
    if not forgetting.is_needed:
        return build, publication, None
    report = forgetting.finish(is_published=publication is not None)
    listener.forgot(report)
    return build, publication, report


def read(
    sources: Sequence[str],
    listener: Listener,
    *,
    everything: bool = False,
    memory: Memory | None = None,
    heart: Heart | None = None,
    seconds: float | None = None,
    is_ending: Callable[[], bool] = lambda: False,
) -> tuple[Outcome, ...]:
    """Reads sources; all of them when none is named.

    Args:
        sources: Their names.
        listener: Told how it goes.
        everything: Whether to read all since SINCE once more.
        memory: What this process knows from its last run.
        heart: Notes what is being read.
        seconds: After which to stop in good order; None for no limit.
        is_ending: Whether the process was asked to end.

    Raises:
        SettingsError: A name or a setting makes no sense.
        CannotRunError: The warehouse is in use, or does not take what was read.
    """

    def on_progress(progress: Progress) -> None:
        if heart is not None:
            heart.reads(progress.source, progress.domain or "", progress.lane)
        listener.extracting(progress)

    try:
        outcomes = extract(
            sources,
            everything=everything,
            seconds=seconds,
            memory=memory,
            on_progress=on_progress,
            is_ending=is_ending,
        )
    except (WarehouseBusyError, LoadError) as error:
        raise CannotRunError(str(error)) from error
    listener.extracted(outcomes)
    return tuple(outcomes)


def sweep(period: Period, *, even_many: bool = False) -> tuple[Swept, ...]:
    """Marks what vanished from the application.

    Raises:
        SettingsError: No application is configured.
        CannotRunError: It can't be read, the warehouse is in use or does not take
            what was found, or there was nothing at all to compare with.
    """
    try:
        swept = sweep_app(period, even_many=even_many)
    except (AppError, WarehouseBusyError, LoadError) as error:
        raise CannotRunError(str(error), "Nothing was marked.") from error
    if all(one.outcome == "skipped" for one in swept):
        raise CannotRunError(
            "The application has none of the tables, so nothing was compared or"
            f" marked: {swept[0].message}.",
            "Check that SOURCES__APP__LOCATION is the place that it should be.",
        )
    return tuple(swept)


def build_and_note(
    home: Path, dbt: Dbt, listener: Listener, *, full_refresh: bool = False
) -> Build:
    """Builds, and writes down what came of it for those who ask later."""
    listener.building(0, 0)
    build = dbt.build(full_refresh=full_refresh, on_progress=listener.building)
    note(home, build)
    listener.built(build)
    return build


def extract_status(outcomes: Sequence[Outcome]) -> int:
    """Exit status of reading sources: 2 if one of them failed."""
    return 2 if any(outcome.outcome == "failed" for outcome in outcomes) else 0


def sweep_status(swept: Sequence[Swept]) -> int:
    """Exit status of a sweep: 2 if it did not believe what it found."""
    return 2 if any(one.outcome == "refused" for one in swept) else 0


def finish_status(build: Build, report: Report | None) -> int:
    """Exit status of building, and of forgetting: 1 if someone is named still."""
    return max(build_status(build), 1 if report and report.traces else 0)


def build_status(build: Build) -> int:
    """Exit status of a build: 1 if a test failed, 2 if something can't be built."""
    if build.errors:
        return 2
    return 1 if build.failures else 0
