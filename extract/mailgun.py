"""Mailgun's events, polled over HTTP.

    window ──▶ GET /v3/{domain}/events ──▶ page ──▶ next page ──▶ … ──▶ empty page
                                             ╰──▶ events, keys, dead letters

Only `pages` knows how Mailgun is asked; what is done with a page is in `lanes`. The
Logs API, which is to replace this one, is asked in `mailgun_logs`.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import dlt
import pyarrow as pa  # type: ignore[import-untyped]
from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta

from extract import mailgun_logs
from extract.decode import Outline, Page, PageReader, Shape, outline
from extract.event_keys import EventKeys
from extract.forgotten import Forgotten
from extract.http import Client, Patience, ProviderError
from extract.lanes import Fetched, clock
from extract.mailgun_settings import SOURCE, Api, MailgunSettings
from extract.prefetch import Prefetch
from extract.rounds import Round
from extract.stands import Stands
from extract.tables import DEAD_LETTERS, SOURCE_SETTINGS, TABLES
from extract.windows import PAGE, SECOND, Window

SHAPE = Shape("id", "event", "timestamp", "severity")

RESOURCE = "events"
"""Name of the resource, under which its state is kept."""

AHEAD = 2 * 1024 * 1024
"""Bytes of pages that wait to be decoded."""

USER = "api"
"""Mailgun's name for whoever has a key."""


@dlt.source(name=SOURCE, max_table_nesting=0)
def mailgun(
    current: Round,
    settings: pa.Table | None = None,
    forgotten: Forgotten | None = None,
) -> DltResource:
    """The next part of what a round reads.

    Args:
        current: The round, inside its block.
        settings: Rows of `source_settings` that have changed.
        forgotten: Who is not to be named in dead letters.

    Returns:
        A source with one resource. It fills `mailgun_events`, `dead_letters`,
        `requests` and, with a lane's last part, `lane_runs`.
    """
    resource: DltResource = events(current, settings, forgotten or Forgotten())
    for table in TABLES:
        resource.apply_hints(**table.hints, create_table_variant=True)
    return resource


@dlt.resource(name=RESOURCE)
def events(
    current: Round, settings: pa.Table | None, forgotten: Forgotten
) -> Iterator[DataItemWithMeta]:
    """One package of a round: a table for some pages, then what accounts for them.

    One resource for all tables, because what accounts for the pages is known only
    after them, and resources are read in turn. Where the lanes stand goes into the
    resource's state, which dlt commits together with the rows.

    Args:
        current: The round, inside its block.
        settings: Rows of `source_settings` that have changed.
        forgotten: Who is not to be named in dead letters.

    Yields:
        Arrow tables, marked with the table that they are for.
    """
    if settings is not None:
        yield dlt.mark.with_table_name(settings, SOURCE_SETTINGS.name)
    for table, rows in current.package():
        if table is DEAD_LETTERS:
            rows = forgotten.letters(rows)  # noqa: PLW2901 - what is left of them
        yield dlt.mark.with_table_name(rows, table.name)
        # dlt's validation leaves the rows in a cycle of frames and exceptions.
        gc.collect(0)
    current.write(dlt.current.resource_state())


def stands(state: Mapping[str, Any]) -> Stands:
    """Where the lanes stand.

    Args:
        state: The pipeline's state.
    """
    source = state.get("sources", {}).get(SOURCE, {})
    return Stands.of(source.get("resources", {}).get(RESOURCE, {}))


def pages(
    client: Client,
    domain: str,
    window: Window,
    latest: int,
    api: Api = "events",
    *,
    erase: Callable[[Page], None] = lambda _: None,
) -> Iterator[Fetched]:
    """A window's pages, in the order of time.

    The next page is asked for as soon as its address is known, by a thread of its own;
    so the provider works while the page before is decoded.

    Args:
        client: Asks the domain's host.
        domain: Whose events, in lower case.
        window: What to read.
        latest: Greatest plausible instant, microseconds since the epoch.
        api: Which of Mailgun's APIs to ask.
        erase: Takes forgotten people out of a page, before its keys are made.

    Yields:
        Pages with at least one item.

    Raises:
        NotUnderstoodError: The host answers with something that is no page.
        ProviderError: The host refuses, can't be reached, or goes in circles.
    """
    reader = PageReader(SHAPE if api == "events" else mailgun_logs.SHAPE)
    key = EventKeys(f"{SOURCE}:{domain}")
    answers = (_answers if api == "events" else _logs)(client, domain, window)
    with Prefetch(answers, lambda answer: len(answer.outline.page), AHEAD) as fetched:
        for received_at, outlined in fetched:
            page = reader.read(outlined, latest)
            erase(page)
            keys = key.of(page.events.ids, page.events.occurred_at)
            yield Fetched(received_at, len(outlined.page), page, keys)


class _Answer(NamedTuple):
    """A page as it came."""

    received_at: int
    outline: Outline


def _logs(client: Client, domain: str, window: Window) -> Iterator[_Answer]:
    """The pages of the Logs API as they come."""
    for received_at, page in mailgun_logs.answers(
        client, domain, window, lambda _: clock()
    ):
        yield _Answer(received_at, page)


def _answers(client: Client, domain: str, window: Window) -> Iterator[_Answer]:
    """The pages as they come; no more of them is looked at than where they lead."""

    def understand(body: bytes) -> _Answer:
        return _Answer(clock(), outline(body))

    visited: set[str] = set()
    answer = client.get(
        f"/v3/{quote(domain, safe='')}/events",
        understand,
        {
            "begin": _seconds(window.begin),
            "end": _seconds(window.end),
            "ascending": "yes",
            "limit": str(PAGE),
        },
    )
    while answer.outline.bodies:
        yield answer
        address = answer.outline.next_page
        if address is None:
            return
        if address in visited:
            raise ProviderError(
                f"{client.base_url} leads from page to page in a circle: "
                "the next run goes on from here; if it stays so, tell the provider"
            )
        visited.add(address)
        answer = client.get(address, understand)


@dataclass(frozen=True)
class Check:
    """Whether a domain's events can be read.

    Attributes:
        domain: Its name.
        base_url: The host that was asked.
        ok: Whether they can.
        message: What is wrong and what to do; or that nothing is.
    """

    domain: str
    base_url: str
    ok: bool
    message: str


def check(settings: MailgunSettings) -> list[Check]:
    """Asks each domain's host for one event."""
    return [
        _check(settings, domain.name, domain.base_url) for domain in settings.domains
    ]


def _check(settings: MailgunSettings, domain: str, base_url: str) -> Check:
    once = Patience(attempts=2, first_wait=0.2, longest_wait=2.0)
    with Client(base_url, USER, settings.api_key, once) as client:
        try:
            if settings.api == "logs":
                mailgun_logs.check(client, domain, clock())
                return Check(domain, base_url, ok=True, message="events can be read")
            client.get(
                f"/v3/{quote(domain, safe='')}/events",
                outline,
                # Without a window, Mailgun wants to know which way to read.
                {"limit": "1", "ascending": "no"},
            )
        except ProviderError as error:
            return Check(domain, base_url, ok=False, message=str(error))
    return Check(domain, base_url, ok=True, message="events can be read")


def _seconds(at: int) -> str:
    return f"{at // SECOND}.{at % SECOND:06d}"
