"""Mailgun's Logs API: another way to ask for the same pages.

    window ──▶ POST /v1/analytics/logs ──▶ page, token ──▶ POST with token ──▶ … ──▶ end

It takes whole seconds (RFC 2822), so a window is widened to them; what lies outside
is known by its key, like any repeat. Its items have `@timestamp`, an ISO instant, where
those of the Events API have `timestamp`; ids and names are the same, and so are keys.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, TypeVar

from extract.decode import Outline, Shape, outline
from extract.http import Client, ProviderError
from extract.windows import PAGE, SECOND, Window

SHAPE = Shape("id", "event", "@timestamp", "severity", is_iso=True)

PATH = "/v1/analytics/logs"

T = TypeVar("T")


def answers(
    client: Client, domain: str, window: Window, understand: Callable[[Outline], T]
) -> Iterator[tuple[T, Outline]]:
    """The pages as they come.

    Args:
        client: Asks the domain's host.
        domain: Whose events, in lower case.
        window: What to read.
        understand: Makes something of a page as soon as it has come.

    Yields:
        What was made of a page with at least one item, and the page.

    Raises:
        NotUnderstoodError: The host answers with something that is no page.
        ProviderError: The host refuses, can't be reached, or goes in circles.
    """
    asked = _question(domain, window, PAGE)

    def read(body: bytes) -> tuple[T, Outline]:
        page = outline(body, "pagination")
        return understand(page), page

    visited: set[str] = set()
    made, page = client.post(PATH, read, asked)
    while page.bodies:
        yield made, page
        token = page.next_page
        if not token:
            return
        if token in visited:
            raise ProviderError(
                f"{client.base_url} leads from page to page in a circle: "
                "the next run goes on from here; if it stays so, tell the provider"
            )
        visited.add(token)
        asked["pagination"]["token"] = token
        made, page = client.post(PATH, read, asked)


def check(client: Client, domain: str, now: int) -> None:
    """Asks for one event of the last hour.

    Raises:
        ProviderError: It can't be read.
    """
    window = Window(now - 3_600 * SECOND, now)
    client.post(
        PATH, lambda body: outline(body, "pagination"), _question(domain, window, 1)
    )


def _question(domain: str, window: Window, limit: int) -> dict[str, Any]:
    named = {"label": domain, "value": domain}
    return {
        "start": _rfc_2822(window.begin // SECOND),
        "end": _rfc_2822(-(-window.end // SECOND)),
        "filter": {
            "AND": [{"attribute": "domain", "comparator": "=", "values": [named]}]
        },
        "include_subaccounts": True,
        "pagination": {"sort": "timestamp:asc", "limit": limit},
    }


def _rfc_2822(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
