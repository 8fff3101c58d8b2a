"""The whole way on simulated providers: nothing to set, nothing to sign up for.

Mailgun ◀────────── polled ─────────── extract ─▶ build ─▶ publish ─▶ answers
SendGrid ── signed ──▶ door ──▶ inbox ──╯
    ╰── twenty minutes later: late events, and only what they touch is rebuilt
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast
from urllib.request import Request, urlopen

import duckdb
import msgspec
from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from extract.home import ROOT
from tallybook import status
from tallybook.build import Dbt
from tallybook.errors import CannotRunError
from tallybook.lock import only_run
from tallybook.marts import marts_in
from tallybook.publish import publish
from tallybook.run import build_and_note, build_status, read
from tallybook.say import GOOD, Say, at

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
QUESTIONS = {
    "What did we hear from whom? (Mailgun is polled, SendGrid posts to our door.)": """\
select
    provider,
    count(*) as events,
    count(distinct email_id) as emails,
    count(distinct recipient_key) as people,
    count(*) filter (where event_type = 'delivered') as delivered,
    count(*) filter (where event_type = 'opened') as opened
from marts.fct_message_events
group by provider
order by provider""",
    "Who never got the email that failed most, and why?": """\
select
    recipient,
    delivery_status,
    failure_code as code,
    left(failure_message, 60) as failure_message
from marts.fct_recipient_status
where not is_delivered and failure_message is not null
    and email_id = (
        select email_id
        from marts.fct_email_performance
        order by failed_permanently desc, email_id
        limit 1
    )
order by recipient
limit 6""",
    "Which domains bounce most?": """\
select
    split_part(recipient_key, '@', 2) as domain,
    count(*) as sent,
    count(*) filter (where bounce_class is not null) as bounced,
    round(100.0 * bounced / sent, 1) as percent
from marts.fct_recipient_status
group by domain
order by bounced desc, domain
limit 5""",
    "Which emails have more machine than human opens?": """\
select
    subject,
    count(*) filter (where is_machine) as by_machine,
    count(*) filter (where not is_machine) as by_human
from marts.fct_message_events
inner join marts.fct_email_performance using (email_id)
where event_type = 'opened'
group by email_id, subject
having by_machine > by_human
order by by_machine - by_human desc, email_id
limit 5""",
    "How many conversations did the bot hand over, by each account's own day?": """\
select
    account_id,
    timezone,
    date,
    hours,
    count as handed_over
from marts.fct_reporting_rollups
inner join marts.dim_time_zone_days using (date)
where timezone = reporting_timezone
    and metric = 'bot_handoffs_count' and dimension_type = 'account'
    and date between '2026-03-07' and '2026-03-09'
order by account_id, date""",
    "How many different ones in the whole time? (Days can't be added up.)": """\
select account_id, sum(count) as sum_of_days, any_value(handoffs) as handed_over
from marts.fct_reporting_rollups
inner join marts.handoffs_between('2026-03-01', '2026-03-14')
    using (account_id, dimension_type, dimension_id)
where metric = 'bot_handoffs_count' and dimension_type = 'account'
group by account_id
order by account_id""",
}
"""What analysts ask; each SELECT runs in the published file as it stands here."""

_LISTENING = re.compile(r"listening on (http://\S+)")
_MARKER = ".demo"
_PATIENCE = 10.0


@dataclass(frozen=True)
class _Posted:
    """What SendGrid has posted so far; events, but for `posts`."""

    posts: int
    acknowledged: int
    pending: int
    given_up: int


@dataclass(frozen=True)
class _Providers:
    base_url: str
    api_key: str
    domains: list[str]
    posting_domains: dict[str, list[str]]
    sendgrid_public_key: str

    @property
    def sendgrid_domain(self) -> str:
        """The domain whose mail goes through SendGrid."""
        [domain] = self.posting_domains["sendgrid"]
        return domain

    def set_clock(self, now: datetime, door: str) -> _Posted:
        """Lets providers tell what they have stored by then, and us ask up to then.

        Args:
            now: The simulated clock.
            door: Where SendGrid is to post.

        Returns:
            What SendGrid has posted, once nothing is left to post.

        Raises:
            CannotRunError: The door doesn't take it.
        """
        os.environ["TALLYBOOK_NOW"] = now.isoformat()
        self._ask("control", {"now": now})
        self._ask("posts", {"to": {"sendgrid": door}})
        until = time.monotonic() + _PATIENCE
        while True:
            told = msgspec.json.decode(self._ask("posts"), type=_Posted)
            if told.given_up or time.monotonic() > until:
                raise CannotRunError("The door does not take what SendGrid posts.")
            if not told.pending:
                return told
            time.sleep(0.02)

    def _ask(self, door: str, settings: object = None) -> bytes:
        body = None if settings is None else msgspec.json.encode(settings)
        request = Request(f"{self.base_url}/{door}", body)  # noqa: S310 - loopback
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            told: bytes = answer.read()
        return told


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
            _simulator(home / "application") as providers,
            _door(home, providers) as door,
        ):
            _configure(home, providers)
            say.line(
                f"[bold]A simulated Mailgun[/] at {providers.base_url}: two weeks of "
                f"mail from {len(providers.domains)} domains"
            )
            say.line(
                f"[bold]A door[/] at {door.partition('/webhooks')[0]}: a simulated "
                "SendGrid posts a fourth's events"
            )
            dbt = Dbt(home)
            before = _Posted(0, 0, 0, 0)
            for title, clock in (
                ("First run", FIRST_LOOK),
                ("The next run: what is new, and what came late", LATER),
            ):
                say.line(f"\n[bold]{title}[/] ({at(clock)} UTC)")
                posted = providers.set_clock(clock, door)
                say.line(_taken(before, posted), GOOD)
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
            _answer(say.console, con, question, sql)
    _where_next(say, publication.path, time.monotonic() - begun)
    return 0


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


def _taken(before: _Posted, posted: _Posted) -> str:
    """What SendGrid has posted since."""
    posts = posted.posts - before.posts
    events = posted.acknowledged - before.acknowledged
    return (
        f"door sendgrid  {events:,} events in {posts:,} signed batches, each on disk "
        "before its 204"
    )


@contextmanager
def _ended_with_the_block(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Ends a process that this one started, whatever happens meanwhile."""
    with process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def _simulator(application: Path) -> Iterator[_Providers]:
    """Providers in a process of their own."""
    world = [word for name, value in _WORLD.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "simulator", "--app-folder", str(application)]
    # Its stdin is its lifeline: should this process die, it ends by itself.
    process = subprocess.Popen(  # noqa: S603 - our own module
        [*command, *world], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with _ended_with_the_block(process):
        ready = cast("IO[bytes]", process.stdout).readline()
        if not ready:
            raise CannotRunError(
                "The simulated providers did not start.",
                "See above for their own words; `python -m simulator` shows more.",
            )
        yield msgspec.json.decode(ready, type=_Providers)


@contextmanager
def _door(home: Path, providers: _Providers) -> Iterator[str]:
    """`tallybook serve` in a process of its own, on a port that is free.

    Yields:
        The address that SendGrid is to be given.
    """
    secret = secrets.token_urlsafe(24)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COLLECTOR__")
    } | {
        "TALLYBOOK_HOME": str(home),
        "COLLECTOR__SECRETS": msgspec.json.encode(
            {secret: f"sendgrid:{providers.sendgrid_domain}"}
        ).decode(),
        "COLLECTOR__SENDGRID_PUBLIC_KEYS": providers.sendgrid_public_key,
    }
    log = home / "logs" / "door.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tallybook", "serve", "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.DEVNULL, stderr=stderr, env=environment, cwd=ROOT
        )
    with _ended_with_the_block(process):
        until = time.monotonic() + _PATIENCE
        while not (found := _LISTENING.search(log.read_text("utf-8"))):
            if process.poll() is not None or time.monotonic() > until:
                raise CannotRunError(
                    "The door did not open.", f"Its own words are in {log}."
                )
            time.sleep(0.02)
        yield f"{found[1]}/webhooks/sendgrid/{secret}"


def _configure(home: Path, providers: _Providers) -> None:
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


def _answer(
    console: Console, con: duckdb.DuckDBPyConnection, question: str, sql: str
) -> None:
    """One question, the SELECT that answers it, and what it says."""
    result = con.execute(sql)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, kind, *_ in result.description or []:
        is_number = kind in ("BIGINT", "DOUBLE", "HUGEINT")
        table.add_column(name, justify="right" if is_number else "left")
    for row in result.fetchall():
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(f"\n[bold]{question}[/]")
    console.print(Syntax(sql, "sql", background_color="default", word_wrap=True))
    console.print(table)


def _where_next(say: Say, path: Path, seconds: float) -> None:
    say.line(f"[bold]Look further[/]; all of this took {seconds:.0f} s")
    for what, how in (
        ("the file", str(path)),
        ("open it", f"duckdb -readonly {path}"),
        ("what is in it", "show all tables;"),
        ("its columns", "from duckdb_columns() where schema_name = 'marts';"),
        ("its state", f"TALLYBOOK_HOME={path.parent.parent} tallybook status"),
        ("your own mail", "`tallybook doctor` says what to set"),
        ("how it works", "README.md and docs/"),
    ):
        say.line(f"  {what:<13}  {how}")
