"""`tallybook`: what it can be asked, and how it answers.

    arguments ─▶ the run lock ─▶ extract, build, publish, … ─▶ lines or JSON

Exit status: 0 good, 1 a check failed, 2 could not run.
"""
# ruff: noqa: PLC0415 - dlt and dbt take seconds to import, and help must not wait.

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from tallybook.errors import CannotRunError
from tallybook.say import Say

if TYPE_CHECKING:
    from extract.replays import Wanted
    from tallybook.forget import Report
    from tallybook.rebuild import Request

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for programs.")
]

app = typer.Typer(
    name="tallybook",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Exit(IntEnum):
    """Exit statuses, the worse the greater."""

    GOOD = 0
    CHECK_FAILED = 1
    COULD_NOT_RUN = 2


@app.callback(
    epilog="Exit status: 0 good, 1 a check failed, 2 could not run. "
    "State lies in TALLYBOOK_HOME (default: .tallybook in the repository)."
)
def tallybook() -> None:
    """A warehouse for messaging events whose numbers tally with the raw events.

    New here? `tallybook demo` needs no credentials and takes less than a minute.
    With an API key: `tallybook doctor` says what to set, `tallybook run` does it all.
    """


@app.command()
def demo() -> None:
    """Show it all on a simulated provider; no credentials needed."""
    with _speaking() as say:
        from tallybook.demo import demo as show

        status = show(say)
    raise typer.Exit(status)


@app.command()
def extract(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE"),
    ] = None,
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Read again from SINCE on; nothing is loaded twice."
        ),
    ] = False,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="Mark what vanished from app since SINCE, before UNTIL."
        ),
    ] = False,
    since: Annotated[
        str,
        typer.Option(metavar="SINCE", help="First date (UTC) or instant to sweep."),
    ] = "",
    until: Annotated[
        str,
        typer.Option(metavar="UNTIL", help="The first date or instant after it."),
    ] = "",
    even_many: Annotated[
        bool,
        typer.Option("--even-many", help="Sweep even if most of a table is gone."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read what is new from the sources into the warehouse.

    The sources are app, mailgun, inbox and time_zones; all of them when none is named.

    `tallybook extract app --sweep --since 2026-01-01 --until 2026-02-01` compares
    instead: rows of that time that the application deleted without a trace are
    marked as deleted, and rows that are there again are brought back. Tables
    without a time of their own (accounts, email_batches) are compared whole.
    """
    if sweep or since or until or even_many:
        if sources != ["app"] or everything or not (sweep and since and until):
            with _speaking(as_json):
                raise CannotRunError(
                    "--sweep, --since and --until belong together, with app alone.",
                    "As in `tallybook extract app --sweep --since 2026-01-01 --until "
                    "2026-02-01`; --even-many may be added.",
                )
        _sweep(since, until, even_many=even_many, as_json=as_json)
    with _working("extract", as_json) as (_, say):
        from tallybook.run import extract_status, read

        outcomes = read(sources or (), say, everything=everything)
    _answer(as_json, extract_status(outcomes), extract=outcomes)


def _sweep(since: str, until: str, *, even_many: bool, as_json: bool) -> NoReturn:
    """Compares with the application, instead of reading from it."""
    with _speaking(as_json):
        from extract.home import bound

        begin, end = bound("--since", since), bound("--until", until)
        if end <= begin:
            raise CannotRunError(
                f"--until {until} is not after --since {since}, so there is nothing "
                "to compare.",
                "Give the first date or instant after those that you mean.",
            )
    with _working("extract", as_json) as (_, say):
        from extract.pipeline import Period
        from tallybook.run import sweep, sweep_status

        swept = sweep(Period(begin, end), even_many=even_many)
        say.swept(swept)
    _answer(as_json, sweep_status(swept), sweep=swept)


@app.command()
def build(
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Rebuild every model whole.")
    ] = False,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build the days --from .. --to of --account again."
        ),
    ] = False,
    account: Annotated[
        str | None, typer.Option(metavar="ID", help="The account, with --rebuild.")
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", metavar="DATE", formats=["%Y-%m-%d"], help="First local date."
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            metavar="DATE",
            formats=["%Y-%m-%d"],
            help="Last local date, included.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --rebuild: only say what it concerns."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build and test the models: `dbt build` in this process.

    What has arrived decides what is built. --rebuild asks for days of one account
    besides: conversation events, rollups, daily delivery and client events; written
    is only what comes out otherwise than it stands.
    """
    with _working("build", as_json) as (home, say):
        from tallybook.rebuild import ask_for, scope_of

        request = _requested(rebuild, account, first, last, dry_run)
        if request and dry_run:
            scope = scope_of(home, request)
            say.scope(request, scope)
            _answer(as_json, Exit.GOOD, request=request, scope=scope)

        from tallybook.build import Dbt
        from tallybook.run import build_and_note, build_status

        if request:
            say.scope(request, ask_for(home, request))
        built = build_and_note(home, Dbt(home), say, full_refresh=full_refresh)
    _answer(as_json, build_status(built), build=built)


def _requested(
    rebuild: bool,
    account: str | None,
    first: datetime | None,
    last: datetime | None,
    dry_run: bool,
) -> "Request | None":
    """The days to build again, if they are asked for in full."""
    from tallybook.rebuild import Request

    if rebuild and account and first and last:
        return Request(account, first.date(), last.date())
    if rebuild or account or first or last or dry_run:
        raise CannotRunError(
            "--rebuild, --account, --from and --to go together.",
            "For example: tallybook build --rebuild --account acme"
            " --from 2026-03-01 --to 2026-03-08 --dry-run",
        )
    return None


@app.command(hidden=True)  # of no use without the extra [spark]: docs/scaling.md
def land(as_json: AsJson = False) -> None:
    """Write what was loaded to shared storage, as Parquet for Spark.

    TALLYBOOK_LAKE names the folder: file:///srv/lake, s3a://bucket/lake.
    """
    with _working("land", as_json) as (_, say):
        from tallybook.landing import land as land_all

        landed, lake = land_all()
        say.landed(landed, lake)
    _answer(as_json, Exit.GOOD, landed=landed)


@app.command()
def check(
    report: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML there."),
    ] = None,
    *,
    docs: Annotated[
        bool,
        typer.Option("--docs", help="Write Great Expectations' Data Docs."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Recount everything from the raw events.

    Needs the extra `check`: pip install 'tallybook[check]'. All of history, by a route
    of its own. A check that warns fails nothing. While `run --every` lives, it works
    between two ticks.
    """
    with _speaking(as_json) as say:
        from extract.home import home
        from tallybook.check import check as check_all
        from tallybook.check_screen import show
        from tallybook.lock import between_ticks

        with between_ticks(home(), "check"):
            checked = check_all(home(), say, with_docs=docs, report=report)
        show(say, checked)
    failed = checked.status == "failed"
    _answer(
        as_json,
        Exit.CHECK_FAILED if failed else Exit.GOOD,
        check=checked.as_json(),
    )


@app.command()
def run(
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Run again and again: 60s, 5m, 1h."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Extract, build, check and publish, once or for ever.

    A source that fails does not stop the others. A check that fails stops the
    publication: analysts keep the last state that passed. A backlog is read for a
    minute at a time, so that numbers move meanwhile.
    """
    if every is not None:
        _run_for_ever(_seconds(every), every, as_json)
    with _working("run", as_json) as (home, say):
        from tallybook.loop import HAND_OVER, Ending
        from tallybook.run import run as run_once

        ending = Ending()
        done = ending.by_signal(
            lambda: run_once(home, say, seconds=HAND_OVER, is_ending=ending.is_asked)
        )
    _answer(
        as_json,
        done.exit_status,
        extract=done.extract,
        build=done.build,
        publication=done.publication,
    )


backfill = typer.Typer(
    name="backfill",
    help="Read a range of the past once more; kept across restarts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(backfill)

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="mailgun")]


@backfill.command()
def schedule(
    source: Source,
    since: Annotated[
        str, typer.Option(metavar="SINCE", help="First date (UTC) or instant.")
    ],
    until: Annotated[
        str | None,
        typer.Option(metavar="UNTIL", help="The first date or instant after it; now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a range; the next tick begins to read it.

    A tick is one round of `tallybook run`. One at a time for a source. One that has
    not begun yet is replaced.
    """
    with _speaking(as_json) as say:
        from tallybook.backfill import schedule as ask_for
        from tallybook.backfill import told

        asked = ask_for(source, since, until)
        say.backfill(asked)
    _answer(as_json, Exit.GOOD, backfill=told(asked))


@backfill.command("status")
def backfill_status(source: Source, as_json: AsJson = False) -> None:
    """Show how far the newest backfill has come."""
    with _speaking(as_json) as say:
        from tallybook.backfill import look, told

        found = look(source)
        say.backfill(found)
    _answer(as_json, Exit.GOOD, backfill=told(found))


@backfill.command()
def cancel(source: Source, as_json: AsJson = False) -> None:
    """End it after the page in hand; what was read is kept."""
    with _speaking(as_json) as say:
        from tallybook.backfill import cancel as end
        from tallybook.backfill import told

        ended = end(source)
        say.backfill(ended)
    _answer(as_json, Exit.GOOD, backfill=told(ended))


dead_letters = typer.Typer(
    name="dead-letters",
    help="See what was received and is no event; judge it again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(dead_letters)

Reason = Annotated[
    str | None, typer.Option(metavar="REASON", help="Only those with this reason.")
]
Sender = Annotated[
    str | None,
    typer.Option("--source", metavar="SOURCE", help="Only those of this source."),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="SINCE", help="Only those received since a date (UTC) or instant."
    ),
]


@dead_letters.command("list")
def list_dead_letters(
    reason: Reason = None,
    source: Sender = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Show which there are, and how the newest of each kind begins."""
    with _speaking(as_json) as say:
        from extract.home import home
        from tallybook.dead_letters import look

        found = look(home(), _wanted(reason, source, since))
        say.dead_letters(found)
    _answer(as_json, Exit.GOOD, dead_letters=found)


@dead_letters.command("replay")
def replay_dead_letters(
    reason: Reason = None,
    source: Sender = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Judge them again, after a mend; what comes out is loaded, once.

    Events keep the time of their first receipt. While a run lives, its next tick
    does it.
    """
    with _speaking(as_json) as say:
        from extract.home import home
        from tallybook.dead_letters import replay

        outcome = replay(home(), _wanted(reason, source, since))
        say.replayed(outcome)
    is_failed = outcome is not None and outcome.outcome == "failed"
    _answer(
        as_json,
        Exit.COULD_NOT_RUN if is_failed else Exit.GOOD,
        replay=outcome,
        is_asked_for=outcome is None,
    )


def _wanted(reason: str | None, source: str | None, since: str | None) -> "Wanted":
    """Which dead letters somebody means."""
    from extract.home import bound
    from extract.replays import Wanted

    if since is None:
        return Wanted(reason, source)
    begin = bound("--since", since)
    whole = int(begin.replace(microsecond=0).timestamp())
    return Wanted(reason, source, whole * 1_000_000 + begin.microsecond)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="An address of this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65535, help="0: any that is free."),
    ] = 8080,
    *,
    insecure_local: Annotated[
        bool,
        typer.Option(
            "--insecure-local",
            help="Take sources that have no key unverified; on loopback only.",
        ),
    ] = False,
) -> None:
    """Receive webhooks and client events until SIGTERM or Ctrl-C.

    A request is answered 2xx once its bytes are on disk, whatever the warehouse does
    meanwhile; the next `tallybook run` reads them. docs/collector.md says how to let
    SendGrid, Mailgun and Postmark in, docs/client-events.md the same of apps and pages.
    """
    # Nothing here may import dlt, dbt or DuckDB: the door opens within a second.
    from collector.server import serve as serve_door
    from collector.settings import SettingsError

    say = Say(Console(stderr=True, highlight=False))
    try:
        serve_door(host, port, is_insecure=insecure_local)
    except SettingsError as error:
        say.problem(CannotRunError(str(error), f"{error.page} says what to set."))
        raise typer.Exit(Exit.COULD_NOT_RUN) from error
    except OSError as error:
        say.problem(
            CannotRunError(
                f"Can't listen on {host}:{port}: {error.strerror or error}.",
                "Give another --host or --port.",
            )
        )
        raise typer.Exit(Exit.COULD_NOT_RUN) from error


@app.command()
def publish(
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Even if the last build did not pass.")
    ] = False,
) -> None:
    """Bring the file that analysts open up to date.

    Written is only what has changed. A session that is open in the file keeps
    what it sees until it is closed, and stops nobody.
    """
    with _working("publish") as (home, say):
        from tallybook.build import Dbt
        from tallybook.builds import last_build
        from tallybook.forget import Forgetting
        from tallybook.marts import marts_in
        from tallybook.publish import publish as bring_up_to_date

        last = last_build(home)
        if last and not last.is_green and not anyway:
            raise CannotRunError(
                "The last build did not pass its checks, so it is not published.",
                "Run `tallybook build` to see what failed; `tallybook publish "
                "--anyway` publishes it as it is.",
            )
        forgetting = Forgetting(home)
        afresh = forgetting.must_publish and not forgetting.must_erase
        marts = marts_in(Dbt(home).manifest())
        say.published(bring_up_to_date(home, marts, afresh=afresh))
        if afresh:
            forgetting.erase()
            say.forgot(forgetting.finish(is_published=True))


@app.command()
def report(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="Instead of reports/report.html."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write what is published as one page to read, print or mail.

    Needs the extra `report`: pip install 'tallybook[report]'. It only reads the
    published file, so it may run at any time. Exit status 1 says that a cell differs.
    """
    with _speaking(as_json) as say:
        from extract.home import home
        from tallybook.report import report as write

        written = write(home(), output)
        say.reported(written)
    _answer(
        as_json,
        Exit.CHECK_FAILED if written.differing else Exit.GOOD,
        report=written,
    )


@app.command()
def forget(
    address: Annotated[str, typer.Argument(metavar="ADDRESS")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what there is of them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a person out of every file, and keep them out.

    Their rows stay, with a token in place of the address, so that every count still
    tallies; the warehouse and what is published are written anew without them. While a
    run is at work, its next tick does it.
    """
    if dry_run:
        with _speaking(as_json) as say:
            from extract.home import home
            from tallybook.forget import look
            from tallybook.lock import between_ticks

            with between_ticks(home(), "forget"):
                found = look(home(), address)
            say.would_forget(address, found)
        _answer(as_json, Exit.GOOD, found=found)
    with _speaking(as_json) as say:
        from extract.home import home as home_of
        from tallybook.forget import ask
        from tallybook.lock import RunningError

        asked = ask(home_of(), address)
        try:
            report, exit_status = _forget(home_of(), say)
        except RunningError:
            say.asked_to_forget()
            _answer(as_json, Exit.GOOD, asked_at=asked.asked_at)
    _answer(as_json, exit_status, forgot=report)


def _forget(home: Path, say: Say) -> "tuple[Report | None, int]":
    """Carries out what is asked for, if no run is at work."""
    from tallybook import status
    from tallybook.lock import only_run

    with only_run(home, "forget"):
        from tallybook.build import Dbt
        from tallybook.heart import Heart
        from tallybook.run import finish, finish_status, read

        read(("inbox",), say)  # what is archived can be written anew
        build, _, report = finish(home, say, Dbt(home), Heart(home))
        status.note(home)
    return report, finish_status(build, report)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show on one screen whether all is well.

    While a run is at work the figures are those that the last one left.
    """
    with _speaking(as_json) as say:
        from extract.home import home
        from tallybook.status import as_builtins
        from tallybook.status import status as look
        from tallybook.status_screen import show

        found = look(home())
        show(say.console, found)
    _answer(
        as_json,
        Exit.CHECK_FAILED if found.troubles else Exit.GOOD,
        status=as_builtins(found),
        troubles=found.troubles,
    )


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what is missing or wrong, and what to do."""
    with _speaking(as_json) as say:
        from tallybook.doctor import examine

        findings = []
        for finding in examine():
            say.found(finding)
            findings.append(finding)
        bad = any(finding.state == "bad" for finding in findings)
    _answer(as_json, Exit.CHECK_FAILED if bad else Exit.GOOD, findings=findings)


def _run_for_ever(every: float, said: str, as_json: bool) -> NoReturn:
    """Ticks until SIGTERM or Ctrl-C."""
    with _speaking(as_json):
        import msgspec

        from extract.home import home
        from tallybook.lock import only_run
        from tallybook.log_lines import LogLines
        from tallybook.loop import Ending, run_for_ever

        def write(line: str) -> None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        lines = LogLines((lambda _: None) if as_json else write)
        if as_json:
            lines.ticked = lambda done, seconds: write(  # type: ignore[method-assign]
                msgspec.json.encode(
                    {"seconds": seconds, "exit_status": done.exit_status, "run": done},
                    enc_hook=str,
                ).decode()
            )
        ending = Ending()
        with only_run(home(), f"run --every {said}"):
            ending.by_signal(
                lambda: run_for_ever(home(), every, lines, ending, _in_words)
            )
    raise typer.Exit(Exit.GOOD)


def _seconds(text: str) -> float:
    """A stretch of time with its unit, like 60s, 5m, 1h."""
    units = {"s": 1, "m": 60, "h": 3_600}
    number, unit = text[:-1], text[-1:]
    if text.isdecimal():
        raise typer.BadParameter(
            f"{text} has no unit: write {text}s, {text}m or {text}h"
        )
    if unit not in units or not number.isdecimal() or int(number) < 1:
        raise typer.BadParameter(f"{text} is no time: write one like 60s, 5m or 1h")
    return float(int(number) * units[unit])


def main() -> None:
    """The entry of the `tallybook` script."""
    # A log that can't be written, on a full disk, is no reason for tracebacks.
    logging.raiseExceptions = False
    app()


@contextmanager
def _working(doing: str, as_json: bool = False) -> Iterator[tuple[Path, Say]]:
    """The run lock, and a status left behind for whoever asks later."""
    with _speaking(as_json) as say:
        from extract.home import SettingsError, home
        from tallybook import status
        from tallybook.lock import only_run

        with only_run(home(), doing):
            try:
                yield home(), say
                status.note(home())
            except (SettingsError, CannotRunError, OSError) as error:
                status.note_problem(home(), doing, _in_words(error).problem)
                raise


@contextmanager
def _speaking(as_json: bool = False) -> Iterator[Say]:
    """Somebody who tells people, not programs; turns expected errors into words."""
    from extract.backfills import BackfillError
    from extract.home import SettingsError

    # A file or a pipe has no width unless somebody gives one: its lines stay whole.
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 1_000
    say = Say(Console(quiet=as_json, width=width, highlight=False))
    try:
        yield say
    except (SettingsError, BackfillError, CannotRunError, OSError) as error:
        say.end()
        told = _in_words(error)
        if as_json:
            _answer(
                as_json, Exit.COULD_NOT_RUN, problem=told.problem, advice=told.advice
            )
        Say(Console(stderr=True, width=width, highlight=False)).problem(told)
        raise typer.Exit(Exit.COULD_NOT_RUN) from error
    finally:
        say.end()


def _in_words(error: Exception) -> CannotRunError:
    """What an expected error is for a person: what happened, where, what to do."""
    if isinstance(error, CannotRunError):
        return error
    if not isinstance(error, OSError):
        return CannotRunError(str(error))
    at = f" at {error.filename}" if error.filename else ""
    return CannotRunError(
        f"{error.strerror or error}{at}.",
        "Make room on the disk, or the folder writable, and run it again.",
    )


def _answer(as_json: bool, exit_status: int, **parts: object) -> NoReturn:
    """Ends the command; a program gets what was found as one JSON object."""
    if as_json:
        import msgspec

        answer = {**parts, "exit_status": exit_status}
        sys.stdout.write(msgspec.json.encode(answer, enc_hook=str).decode() + "\n")
    raise typer.Exit(exit_status)
