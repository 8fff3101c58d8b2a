"""What a person reads while a command works and when it is done.

Plain lines, one thing each; on a terminal with colours, and a bar where one
has to wait. Nothing here decides anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from tallybook.builds import Build, Finding, Rebuilt
from tallybook.errors import CannotRunError

if TYPE_CHECKING:
    from extract.backfills import Backfill
    from extract.lake import Landed
    from extract.pipeline import Outcome, Swept
    from extract.pipeline import Progress as Reading
    from tallybook.dead_letters import Kind
    from tallybook.doctor import Finding as Diagnosis
    from tallybook.forget import Found, Report
    from tallybook.publish import Publication
    from tallybook.rebuild import Request, Scope
    from tallybook.report import Report as Page

GOOD, MIND, BAD, IDLE = "[green]✓[/]", "[yellow]![/]", "[red]✗[/]", "[dim]-[/]"

_MOST_ACCOUNTS = 8

_LONGEST = 240
"""Characters of a message; all of it is in `--json` and in dbt's log."""

_EXCERPT = 60
"""Characters of what was sent."""

_MARKS = {
    "ok": GOOD,
    "cut_short": MIND,
    "failed": BAD,
    "skipped": IDLE,
    "refused": BAD,
    "cancelled": MIND,
}


class Say:
    """Tells how a run goes; a `run.Listener`.

    Attributes:
        console: Where it is said.
    """

    def __init__(self, console: Console) -> None:
        """Says nothing yet.

        Args:
            console: Where to say it; a quiet one says nothing.
        """
        self.console = console
        self._bars = self._no_bars()
        self._tasks: dict[str, TaskID] = {}

    def line(self, text: str = "", mark: str = "", indent: int = 0) -> None:
        """One line; on a terminal its rest hangs under its first words."""
        if not mark:
            self.console.print(text)
        elif not self.console.is_terminal:
            self.console.print(f"{' ' * indent}{mark} {text}", soft_wrap=True)
        else:
            self._hang(indent + 1, mark, text)

    def extracting(self, progress: "Reading") -> None:
        """Moves the bar of a source or domain."""
        whole = seconds_between(progress.window_begin, progress.window_end)
        done = seconds_between(progress.window_begin, progress.through)
        self._move(
            progress.domain or progress.source,
            done,
            whole or None,
            f"{progress.events:,} events"
            + (f", through {at(progress.through)}" if progress.through else ""),
        )

    def extracted(self, outcomes: "Sequence[Outcome]") -> None:
        """How each source was read."""
        self.end()
        for outcome in outcomes:
            text = f"{_whose(outcome)}  {_read(outcome)}"
            self.line(escape(text), _MARKS[outcome.outcome])

    def swept(self, swept: "Sequence[Swept]") -> None:
        """What a sweep found in each table."""
        for one in swept:
            self.line(escape(f"{one.table}  {_found(one)}"), _MARKS[one.outcome])

    def landed(self, landed: "Landed", lake: str) -> None:
        """What a landing has written."""
        rows = sum(landed.rows.values())
        self.line(
            escape(f"{landed.loads:,} new loads are at {lake}: {rows:,} rows")
            if landed.loads
            else escape(f"nothing new for {lake}"),
            GOOD,
        )

    def building(self, done: int, nodes: int) -> None:
        """Moves the bar of the build."""
        note = f"{done} of {nodes}" if nodes else "reading the models"
        self._move("building", done, nodes or None, note)

    def checking(self, name: str) -> None:
        """Shows which check is at work."""
        self._move("checking", 0.0, None, name)

    def built(self, build: Build) -> None:
        """What was rebuilt and why, and which tests passed."""
        self.end()
        marts = [one for one in build.rebuilt if not one.model.startswith("int_")]
        self.line(
            f"built {build.models} models in {build.seconds:.1f} s"
            + ("" if marts else ": nothing new"),
            BAD if build.errors else GOOD,
        )
        width = max((len(one.model) for one in marts), default=0)
        for one in marts:
            self.line(f"{one.model:<{width}}  {_written(one)}", " ", indent=2)
            for line in _days_of_accounts(one):
                self.line(line, " ", indent=4)
        self.line(tests(build), verdict(build))
        for finding in (*build.errors, *build.failures):
            self.line(said(finding), BAD, indent=2)
        for finding in build.warnings:
            self.line(said(finding), MIND, indent=2)

    def scope(self, request: "Request", scope: "Sequence[Scope]") -> None:
        """Which days somebody wants built again, and what they hold now."""
        days = (request.last - request.first).days + 1
        self.line(
            escape(
                f"{request.account_id}: {counted(days, 'local day')}, "
                f"{request.first} to {request.last}, to be built again"
            ),
            IDLE,
        )
        for one in scope:
            self.line(
                f"{one.mart} has {counted(one.rows, 'row')} on "
                f"{counted(one.days, 'day')} of them",
                " ",
                indent=2,
            )

    def published(self, publication: "Publication") -> None:
        """Where analysts find it."""
        whole = sum(table.mode == "whole" for table in publication.tables)
        self.line(
            f"published {counted(publication.rows_written, 'row')} in "
            f"{publication.seconds:.1f} s"
            + (f" ({counted(whole, 'table')} whole)" if whole else "")
            + f": {escape(str(publication.path))}",
            GOOD,
        )

    def reported(self, page: "Page") -> None:
        """Where the page is, and what stands at its top."""
        if page.differing:
            tally = f"{page.differing:,} of {counted(page.compared, 'cell')} differ"
        else:
            tally = f"{counted(page.compared, 'cell')} checked, none differs"
        mark = BAD if page.differing else GOOD if page.compared else MIND
        self.line(f"report: {tally}: {escape(str(page.path))}", mark)

    def unpublished(self) -> None:
        """Why there is nothing new for analysts."""
        self.line("not published: analysts keep the last state that passed", IDLE)

    def would_forget(self, address: str, found: "Found") -> None:
        """What there is of a person."""
        if not (found.rows or found.made_again or found.segments):
            self.line(f"nothing names {escape(address)}", IDLE)
        for table, rows in found.rows.items():
            self.line(f"{table}: {counted(rows, 'row')} to be erased", IDLE)
        if found.made_again:
            self.line(f"to be made again: {', '.join(found.made_again)}", IDLE)
        for segment in found.segments:
            self.line(f"{segment}: to be written again", IDLE)
        self._tell_others(found.other_addresses)

    def asked_to_forget(self) -> None:
        """Who will do it."""
        self.line("asked for: the next tick of the run at work carries it out", MIND)

    def forgot(self, report: "Report") -> None:
        """What forgetting did, and what is left of it."""
        for table, rows in report.rows.items():
            self.line(f"{table}: {counted(rows, 'row')} erased", GOOD)
        for segment in report.segments:
            self.line(f"inbox/archive/{segment}: written again", GOOD)
        for file in report.removed:
            self.line(f"{escape(file)}: removed", GOOD)
        for wait in report.waits_for:
            self.line(f"waits for {escape(wait)}", MIND)
        for trace in report.traces:
            self.line(f"{escape(trace)} still names them: tell the developers", BAD)
        self._tell_others(report.other_addresses)
        if report.is_done:
            self.line(f"forgotten, and found nowhere: {', '.join(report.tokens)}", GOOD)

    def _tell_others(self, addresses: int) -> None:
        if addresses:
            self.line(
                f"the same member has {addresses} more in the application's tables; "
                "forget each of them, too, if they are the same person",
                MIND,
            )

    def found(self, finding: "Diagnosis") -> None:
        """What the doctor found, and what to do about it."""
        mark = {"good": GOOD, "mind": MIND, "bad": BAD}[finding.state]
        what, message = escape(finding.what), escape(finding.message)
        advice = f"[bold]{escape(finding.advice)}[/]" if finding.advice else ""
        if self.console.is_terminal:
            self._hang(17, f"{mark} {what}", f"{message}\n{advice}".strip())
        else:
            self.line(f"{what}: {message.rstrip('.')}. {advice}".rstrip(" ."), mark)

    def backfill(self, one: "Backfill") -> None:
        """How far a backfill has come."""
        begin, end, cursor = (
            at(datetime.fromtimestamp(when / 1_000_000, UTC))
            for when in (one.begin, one.end, one.cursor)
        )
        marks = {"read": GOOD, "cancelled": IDLE, "cancelling": MIND}
        how = {
            "waiting": "waits for the next tick of `tallybook run`",
            "running": f"runs, and has come to {cursor}",
            "cancelling": f"ends at the next page; it has come to {cursor}",
            "read": "is read",
            "cancelled": f"was cancelled at {cursor}; what was read is kept",
        }
        self.line(
            f"backfill of {escape(one.source)} from {begin} to {end} {how[one.state]}",
            marks.get(one.state, MIND),
        )

    def dead_letters(self, kinds: "Sequence[Kind]") -> None:
        """Which there are; what was sent is shown as text, whatever it holds."""
        if not kinds:
            self.line("there are no dead letters", GOOD)
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("source", "reason"):
            table.add_column(name, overflow="fold")
        for name in ("waiting", "replayed"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("newest (UTC)", no_wrap=True)
        table.add_column("begins", overflow="ellipsis", no_wrap=True)
        for kind in kinds:
            table.add_row(
                Text(printable(kind.source)),
                Text(printable(kind.reason)),
                f"{kind.waiting:,}",
                f"{kind.replayed:,}",
                at(kind.newest),
                Text(printable(kind.excerpt or "")[:_EXCERPT]),
            )
        with self.console.capture() as drawn:
            self.console.print(table)
        for line in drawn.get().splitlines():
            # A table fills its lines with spaces, which a file needn't have.
            self.console.out(line.rstrip(), highlight=False)

    def replayed(self, outcome: "Outcome | None") -> None:
        """What came of judging dead letters again."""
        if outcome is None:
            self.line("a run is at work: its next tick, or the next run, does it", MIND)
            return
        brought = f": {_read(replace(outcome, message=''))}" if outcome.events else ""
        self.line(escape(outcome.message + brought), _MARKS[outcome.outcome])
        if outcome.loaded:
            self.line("`tallybook run`, or `build`, takes them in", " ")

    def problem(self, error: CannotRunError) -> None:
        """What stopped the command."""
        self.end()
        self.line(escape(error.problem), BAD)
        if error.advice:
            self.line(escape(error.advice), " ")

    def _move(self, name: str, done: float, whole: float | None, note: str) -> None:
        if name not in self._tasks:
            self._bars.start()
            self._tasks[name] = self._bars.add_task(escape(name), note="")
        self._bars.update(self._tasks[name], completed=done, total=whole, note=note)

    def _no_bars(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=self.console.quiet or not self.console.is_terminal,
        )

    def _hang(self, width: int, first: str, text: str) -> None:
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=width, justify="right" if width < 8 else "left")
        row.add_column(overflow="fold")
        row.add_row(first, text)
        self.console.print(row)

    def end(self) -> None:
        """Takes the bars away, if there are any."""
        # New ones each time: bars that are started again wipe what was said since.
        self._bars.stop()
        self._bars = self._no_bars()
        self._tasks.clear()


def at(instant: datetime | None) -> str:
    """An instant as people read it, in UTC."""
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else "-"


def printable(text: str) -> str:
    """Text that can do nothing to a terminal: what isn't printable is escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )


def counted(number: int, thing: str) -> str:
    """A number with its thing, in the plural where it takes one."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def lasting(seconds: float) -> str:
    """A stretch of time, as exact as anybody needs it."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def seconds_between(begin: datetime | None, end: datetime | None) -> float:
    """Seconds from one instant to another; 0 when one is missing."""
    return (end - begin).total_seconds() if begin and end else 0.0


def tests(build: Build) -> str:
    """How many tests passed, in words."""
    parts = [
        f"{counted(build.passed, 'test')} passed",
        *(f"{len(each)} {word}" for each, word in _not_passed(build) if each),
        *([f"{build.skipped} skipped"] if build.skipped else []),
    ]
    return ", ".join(parts)


def verdict(build: Build) -> str:
    """The mark of a build."""
    if not build.is_green:
        return BAD
    return MIND if build.warnings else GOOD


def said(finding: Finding) -> str:
    """A test or model that did not come out well, on one line."""
    message = " ".join(finding.message.split())
    if finding.rows:
        # Where a test doesn't say what it means, dbt says "Got 3 results, configured
        # to warn if != 0".
        told = message.partition(", ")[2] if message.startswith("Got ") else message
        message = f"{counted(finding.rows, 'row')}. {told}"
    return escape(f"{finding.name}: {shorten(message, _LONGEST, placeholder=' …')}")


def _not_passed(build: Build) -> list[tuple[tuple[Finding, ...], str]]:
    return [
        (build.errors, "in error"),
        (build.failures, "failed"),
        (build.warnings, "warned"),
    ]


def _whose(outcome: "Outcome") -> str:
    lane = "" if outcome.lane == "latest" else outcome.lane
    parts = (outcome.source, outcome.domain, lane)
    return " ".join(part for part in parts if part)


def _read(outcome: "Outcome") -> str:
    """What reading a source brought; a skipped one says only why."""
    if outcome.outcome == "skipped":
        return outcome.message
    counts = [f"{outcome.loaded:,} new" if outcome.loaded else "nothing new"]
    if outcome.repeated:
        counts.append(f"{outcome.repeated:,} repeated")
    if outcome.dead:
        counts.append(counted(outcome.dead, "dead letter"))
    text = ", ".join(counts)
    # An inbox is read to its end; when its last event came in says nothing more.
    if outcome.outcome == "ok" and outcome.window_end and outcome.source != "inbox":
        text += f", through {at(outcome.window_end)}"
    return text + (f": {outcome.message}" if outcome.message else "")


def _found(swept: "Swept") -> str:
    """What differed in a table; a skipped or refused one says only why."""
    if swept.outcome != "ok":
        return swept.message
    counts = [
        f"{counted(swept.compared, 'row')} compared",
        f"{swept.gone:,} gone",
        *([f"{swept.deleted:,} deleted there"] if swept.deleted else []),
        *([f"{swept.back:,} back again"] if swept.back else []),
    ]
    return ", ".join(counts) + (f" ({swept.message})" if swept.message else "")


def _written(one: Rebuilt) -> str:
    """What was written in a model: which groups or days, or why all of it."""
    if one.mode == "whole":
        return f"whole, {counted(one.added, 'row')} ({escape(one.reason)})"
    days = ""
    if one.first_day and one.last_day:
        days = f"  {one.first_day}" + (
            f" to {one.last_day}" if one.first_day != one.last_day else ""
        )
    groups = counted(one.groups or 0, "day" if one.by_account else "group")
    return f"{groups} touched: +{one.added:,} -{one.removed:,} rows{days}"


def _days_of_accounts(one: Rebuilt) -> Iterator[str]:
    """Which accounts and days were built again and why, a line for each account."""
    for of_account in one.by_account[:_MOST_ACCOUNTS]:
        days = f"{of_account.first}" + (
            f" to {of_account.last}" if of_account.first != of_account.last else ""
        )
        yield escape(
            f"{of_account.account_id}: {counted(of_account.days, 'day')}, {days} "
            f"({of_account.reasons})"
        )
    if len(one.by_account) > _MOST_ACCOUNTS:
        more = len(one.by_account) - _MOST_ACCOUNTS
        yield f"and of {counted(more, 'more account')}"
