"""The whole way on simulated providers: nothing to set, nothing to sign up for.

Mailgun ◀────────── polled ─────────── extract ─▶ build ─▶ publish ─▶ answers
SendGrid ── signed ──▶ door ──▶ inbox ──╯
    │   clicks ──────▶ door
    ╰── twenty minutes later: late events, and only what they touch is rebuilt
"""

import os
import shutil
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from extract.home import ROOT
from tallybook import status
from tallybook.build import Dbt
from tallybook.demo_answers import QUESTIONS, answer
from tallybook.demo_page import ALLOWED, let_click, report_as_a_program, serving
from tallybook.demo_started import Posted, Providers, door, simulator
from tallybook.errors import CannotRunError
from tallybook.lock import only_run
from tallybook.marts import marts_in
from tallybook.publish import publish
from tallybook.report import report
from tallybook.run import build_and_note, build_status, read
from tallybook.say import GOOD, IDLE, Say, at

FIRST_LOOK = datetime(2026, 3, 11, 13, 57, tzinfo=UTC)
"""Eight minutes after the last mailing of the simulated fortnight."""

LATER = FIRST_LOOK + timedelta(minutes=20)

_WORLD = {
    "seed": "2",
    "begin": "2026-03-01T00:00:00+00:00",
    "accounts": "4",
    "sendgrid-accounts": "1",
    "late": "0.05",
}
_MARKER = ".demo"


def demo(say: Say) -> int:
    """Shows it all.

    Args:
        say: Tells what happens.

    Returns:
        Exit status: 0, or what the build's checks say.

    Raises:
        CannotRunError: TALLYBOOK_HOME is somebody's real state folder, or the
            simulator or the door does not start.
    """
    begun = time.monotonic()
    # A process that is ended in the ordinary way ends those that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    home = Path(os.environ.get("TALLYBOOK_HOME") or ROOT / ".tallybook" / "demo")
    home = home.absolute()
    with only_run(home, "demo"):
        _empty(home)
        with (
            simulator(home / "application", _WORLD) as providers,
            serving() as page,
            door(home, providers, page.origin, ALLOWED) as opened,
        ):
            _configure(home, providers)
            accounts = _accounts(home / "application")
            page.show(opened.url, accounts)
            say.line(
                f"[bold]A simulated Mailgun[/] at {providers.base_url}: two weeks of "
                f"mail from {len(providers.domains)} domains"
            )
            say.line(
                f"[bold]A door[/] at {opened.url}: a simulated SendGrid posts a "
                "fourth's events"
            )
            dbt = Dbt(home)
            before = Posted(0, 0, 0, 0)
            for title, clock in (
                ("First run", FIRST_LOOK),
                ("The next run: what is new, and what came late", LATER),
            ):
                say.line(f"\n[bold]{title}[/] ({at(clock)} UTC)")
                posted = providers.set_clock(clock, opened)
                say.line(_taken(before, posted), GOOD)
                if clock == LATER:
                    report_as_a_program(say, opened.url, accounts)
                    let_click(say, page.origin)
                before = posted
                read((), say)
                build = build_and_note(home, dbt, say)
                if not build.is_green:
                    say.unpublished()
                    return build_status(build)
                publication = publish(home, marts_in(dbt.manifest()))
                say.published(publication)
        status.note(home)
    with duckdb.connect(publication.path, read_only=True) as con:
        for question, sql in QUESTIONS.items():
            answer(say.console, con, question, sql)
    _report(say, home)
    _where_next(say, publication.path, time.monotonic() - begun)
    return 0


def _report(say: Say, home: Path) -> None:
    """The page to look at, if what draws it is installed."""
    say.line()
    try:
        say.reported(report(home))
    except CannotRunError as error:
        say.line(f"no report: {error.problem} {error.advice}", IDLE)


def _empty(home: Path) -> None:
    """Begins anew, but never on top of somebody's real state."""
    if (home / "warehouse.duckdb").exists() and not (home / _MARKER).exists():
        raise CannotRunError(
            f"TALLYBOOK_HOME={home} holds a warehouse that is not the demo's.",
            "Unset TALLYBOOK_HOME for the demo, or set it to an empty folder.",
        )
    (home / _MARKER).touch()
    for path in home.iterdir():
        if path.name in (_MARKER, "run.lock"):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _taken(before: Posted, posted: Posted) -> str:
    """What SendGrid has posted since."""
    posts = posted.posts - before.posts
    events = posted.acknowledged - before.acknowledged
    return (
        f"door sendgrid  {events:,} events in {posts:,} signed batches, each on disk "
        "before its 204"
    )


def _accounts(application: Path) -> dict[str, str]:
    """The reporting time zone of each account."""
    with duckdb.connect() as con:
        rows = con.execute(
            "select account_id, reporting_timezone from read_parquet(?) order by 1",
            [str(application / "accounts.parquet")],
        ).fetchall()
    return dict(rows)


def _configure(home: Path, providers: Providers) -> None:
    """Settings for this process alone, whatever the user's own are."""
    for name in [name for name in os.environ if name.startswith("SOURCES__")]:
        del os.environ[name]
    os.environ |= {
        "TALLYBOOK_HOME": str(home),
        "SOURCES__MAILGUN__API": "events",
        "SOURCES__MAILGUN__API_KEY": providers.api_key,
        "SOURCES__MAILGUN__BASE_URL": providers.base_url,
        "SOURCES__MAILGUN__DOMAINS": ",".join(providers.domains),
        "SOURCES__MAILGUN__SINCE": _WORLD["begin"],
        "SOURCES__MAILGUN__TRUST_WINDOW": "3600",
        "SOURCES__APP__LOCATION": str(home / "application"),
    }


def _where_next(say: Say, path: Path, seconds: float) -> None:
    here = Path.cwd()
    path = path.relative_to(here) if path.is_relative_to(here) else path
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    say.line(f"[bold]Look further[/]; all of this took {seconds:.0f} s")
    for what, how in (
        ("its report", f"{opener} {path.parent.parent / 'reports' / 'report.html'}"),
        ("the file", str(path)),
        ("open it", f"duckdb -readonly {path}"),
        ("what is in it", "show all tables;"),
        ("its columns", "from duckdb_columns() where schema_name = 'marts';"),
        ("its state", f"TALLYBOOK_HOME={path.parent.parent} tallybook status"),
        ("your own mail", "`tallybook doctor` says what to set"),
        ("how it works", "README.md and docs/"),
    ):
        # Whole, however long: a command that is broken can't be copied.
        say.console.print(f"  {what:<13}  {how}", soft_wrap=True)
