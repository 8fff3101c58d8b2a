"""Asks Mailgun for a window's pages and reads them.

    window ──▶ GET /v3/{domain}/events ──▶ page ──▶ next page ──▶ … ──▶ empty page
                       thread ──▶ decode ──▶ page with keys
                          ╰── long ──▶ a process that does both

A long read is handed over to a process of its own: this one has enough to do with
loading what was read, and Python lets only one thread of a process run. So this module
imports neither dlt nor DuckDB, which take longer than reading a minute's events.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from extract import mailgun_logs
from extract.apart import Apart
from extract.decode import Outline, Page, PageReader, Shape, outline
from extract.fetched import Fetched, clock
from extract.http import Client
from extract.prefetch import Prefetch
from extract.trail import Trail
from extract.windows import DAY, PAGE, SECOND, Window

if TYPE_CHECKING:
    from extract.mailgun_settings import Api

SHAPE = Shape("id", "event", "timestamp", "severity")

SOURCE = "mailgun"
"""Name of the source, with which event keys begin."""

AHEAD = 2 * 1024 * 1024
"""Bytes of pages that wait to be decoded."""

LONG = 12 * 1024 * 1024
"""Bytes of pages after which a read is handed over. A process costs 0.1 s; a minute's
tick reads a page or two and never pays for one."""

SOON = LONG // 4
"""Bytes after which the process is started, so that nobody waits for it."""


def pages(
    client: Client, domain: str, window: Window, latest: int, api: "Api" = "events"
) -> Iterator[Fetched]:
    """A window's pages, in the order of time.

    Args:
        client: Asks the domain's host.
        domain: Whose events, in lower case.
        window: What to read.
        latest: Greatest plausible instant, microseconds since the epoch.
        api: Which of Mailgun's APIs to ask.

    Yields:
        Pages with at least one item.

    Raises:
        NotUnderstoodError: The host answers with something that is no page.
        ProviderError: The host refuses, can't be reached, or goes in circles.
    """
    asked, trail = _Asked(client, domain, window, latest, api), Trail()
    with ExitStack() as stack:
        apart: list[Apart[Fetched]] = []

        def begin() -> Iterator[_Answer]:
            """The first pages; the rest is left to another process."""
            size = 0
            for answer in _answers(asked, trail):
                yield answer
                size += len(answer.outline.page)
                if size >= SOON and not apart:
                    apart.append(stack.enter_context(Apart(read)))
                    client.on_close.append(apart[0].kill)
                if size >= LONG:
                    apart[0].begin(asked, trail)
                    trail.is_handed_over = True
                    return

        yield from _decoded(begin(), asked)
        if trail.is_handed_over:
            yield from apart[0]


class _Asked(NamedTuple):
    """What is read; members as the arguments of `pages`."""

    client: Client
    domain: str
    window: Window
    latest: int
    api: "Api"


def read(asked: _Asked, trail: Trail) -> Iterator[Fetched]:
    """The pages from where a trail has come to."""
    yield from _decoded(_answers(asked, trail), asked)


class _Answer(NamedTuple):
    """A page as it came."""

    received_at: int
    outline: Outline


def _decoded(answers: Iterator[_Answer], asked: _Asked) -> Iterator[Fetched]:
    """Reads the pages.

    The next page is asked for as soon as its address is known, by a thread of its own;
    so the provider works while the page before is decoded.
    """
    reader = PageReader(SHAPE if asked.api == "events" else mailgun_logs.SHAPE)
    key = EventKeys(asked.domain)
    with Prefetch(answers, lambda answer: len(answer.outline.page), AHEAD) as fetched:
        for received_at, outlined in fetched:
            page = reader.read(outlined, asked.latest)
            yield Fetched(received_at, len(outlined.page), page, key.of(page))


def _answers(asked: _Asked, trail: Trail) -> Iterator[_Answer]:
    """The pages as they come; no more of them is looked at than where they lead."""
    client, domain, window, _, api = asked
    if api == "logs":
        for received_at, page in mailgun_logs.answers(
            client, domain, window, lambda _: clock(), trail
        ):
            yield _Answer(received_at, page)
        return

    def understand(body: bytes) -> _Answer:
        return _Answer(clock(), outline(body))

    path = f"/v3/{quote(domain, safe='')}/events"
    query = {
        "begin": _seconds(window.begin),
        "end": _seconds(window.end),
        "ascending": "yes",
        "limit": str(PAGE),
    }
    while trail.goes_on(client.base_url):
        answer = (
            client.get(trail.following, understand)
            if trail.following
            else client.get(path, understand, query)
        )
        if not answer.outline.bodies:
            return
        trail.leads_to(answer.outline.next_page)
        yield answer


class EventKeys:
    """Makes event keys: an id of Mailgun's is unique within a UTC day only.

    Args:
        domain: In lower case.
    """

    def __init__(self, domain: str) -> None:
        """Knows no day yet."""
        self._domain = domain
        self._prefixes: dict[int, str] = {}

    def of(self, page: Page) -> list[str]:
        """The keys of a page's events, in their order."""
        days = [at // DAY for at in page.events.occurred_at]
        for day in set(days).difference(self._prefixes):
            date = datetime.fromtimestamp(day * DAY // SECOND, UTC).date()
            self._prefixes[day] = f"{SOURCE}:{self._domain}:{date.isoformat()}:"
        return [
            self._prefixes[day] + event_id
            for day, event_id in zip(days, page.events.ids, strict=True)
        ]


def _seconds(at: int) -> str:
    return f"{at // SECOND}.{at % SECOND:06d}"
