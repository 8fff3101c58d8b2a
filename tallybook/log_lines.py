"""What a process that runs for years says: one line for each thing, `key=value`.

    2026-03-01T12:00:03Z lane source=mailgun domain=a.example lane=latest new=298 …

For journals and people with `grep`; nothing that happened is in more than one line.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from extract.pipeline import Outcome, Progress
from tallybook.builds import Build
from tallybook.errors import CannotRunError
from tallybook.forget import Report
from tallybook.publish import Publication
from tallybook.run import Run


class LogLines:
    """Tells how ticks go; a `loop.Witness`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        """Says nothing yet.

        Args:
            write: Takes a line.
        """
        self._write = write
        self._told: dict[str, str] = {}

    def extracting(self, progress: Progress) -> None:
        """Nothing: what came of it is said."""

    def extracted(self, outcomes: Sequence[Outcome]) -> None:
        """A line for each lane; why a source is skipped is said once, nothing not."""
        for one in outcomes:
            whose = f"{one.source} {one.domain} {one.lane}"
            if self._is_known(whose, one.message) and one.outcome == "skipped":
                continue
            if not one.lane and not one.events and one.outcome == "ok":
                continue
            self._line(
                "lane" if one.lane else "source",
                source=one.source,
                domain=one.domain,
                lane=one.lane,
                outcome=one.outcome,
                begin=one.window_begin,
                end=one.window_end,
                cursor=one.cursor,
                events=one.events,
                new=one.loaded,
                repeats=one.repeated,
                dead=one.dead,
                message=one.message,
            )

    def building(self, done: int, nodes: int) -> None:
        """Nothing: what came of it is said."""

    def built(self, build: Build) -> None:
        """What was rebuilt, and what did not come out well; warnings are said once."""
        self._line(
            "build",
            seconds=round(build.seconds, 2),
            passed=build.passed,
            warned=len(build.warnings),
            failed=len(build.failures),
            errors=len(build.errors),
        )
        for one in build.rebuilt:
            if one.mode != "nothing" and not one.model.startswith("int_"):
                self._line(
                    "rebuilt",
                    model=one.model,
                    mode=one.mode,
                    reason=one.reason,
                    groups=one.groups,
                    added=one.added,
                    removed=one.removed,
                    first_day=one.first_day,
                    last_day=one.last_day,
                )
            for days in one.by_account:
                self._line(
                    "days",
                    model=one.model,
                    account=days.account_id,
                    days=days.days,
                    first=days.first,
                    last=days.last,
                    because=days.reasons,
                )
        for level, findings in (
            ("error", (*build.errors, *build.failures)),
            ("warning", build.warnings),
        ):
            for finding in findings:
                known = self._is_known(finding.name, finding.message)
                if known and level == "warning":
                    continue
                self._line(
                    level, test=finding.name, rows=finding.rows, message=finding.message
                )

    def published(self, publication: Publication) -> None:
        """How much analysts get to see anew."""
        self._line(
            "published",
            rows=publication.rows_written,
            seconds=round(publication.seconds, 2),
        )

    def unpublished(self) -> None:
        """Why there is nothing new for analysts."""
        self._line("unpublished", message="analysts keep the last state that passed")

    def forgot(self, report: Report) -> None:
        """What forgetting did; whom, only by their tokens. What it waits for, once."""
        tokens, waits_for = " ".join(report.tokens), "; ".join(report.waits_for)
        rows = sum(report.rows.values())
        known = self._is_known("forgetting", f"{tokens} {waits_for}")
        if known and waits_for and not rows and not report.traces:
            return
        self._line(
            "forgot" if report.is_done else "forgetting",
            tokens=tokens,
            rows=rows,
            waits_for=waits_for,
            traces=" ".join(report.traces),
        )

    def ticked(self, done: Run, seconds: float) -> None:
        """The tick as a whole."""
        self._line("tick", seconds=round(seconds, 2), exit_status=done.exit_status)

    def failed(self, error: CannotRunError, wait: float) -> None:
        """What stopped a tick."""
        self._line(
            "error",
            message=error.problem,
            advice=error.advice,
            next_tick_in=round(wait),
        )

    def _is_known(self, what: str, message: str) -> bool:
        """Whether this was said already; notes it."""
        is_known = self._told.get(what) == message
        self._told[what] = message
        return is_known

    def _line(self, what: str, **fields: object) -> None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = [
            f"{name}={_value(value)}"
            for name, value in fields.items()
            if value not in (None, "")
        ]
        self._write(" ".join((at, what, *told)))


def _value(value: object) -> str:
    """A value on one line, in quotes where it has spaces."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    text = " ".join(str(value).split())
    plain = text and not set(text) & set(' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)
