"""All of the third route in one call, each part timed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quality.recount import (
    client_events,
    conversations,
    days,
    members,
    outcomes,
    recipients,
    requests,
    suppressions,
    zone_days,
)
from quality.recount.application import accounts
from quality.recount.events import hear, match
from quality.results import Result
from quality.warehouse import Warehouse

_ROUTE = "recomputed from raw in plain Python"

TITLES = {
    "requests": "Received = loaded + repeated + dead letters, for each request and day",
    "message_events": "Each raw event is one message event that says the same",
    "recipient_status": "Each recipient's row tells its events' whole story",
    "email_performance": "Each email's counts and rates are those of its recipients",
    "email_outcomes": "What became of each email's mail, by domain and reason",
    "notification_performance": "Each notification's recipients count once",
    "suppressions": "Each suppression begins and is lifted where its events say",
    "members": "Each member's mail, opens and standing follow from their events",
    "client_events_daily": "Each client event counts once, on its account's local day",
    "delivery_daily": "Each day's events and recipients are those of its raw events",
    "reporting_events": "Each conversation event lies on its account's local day",
    "rollups": "Each rollup cell is what its raw events add up to",
    "handoff_conversations": "Each handed-over conversation is there, once a day",
    "conversation_outcomes": "Each conversation's day has the outcome of its events",
    "time_zone_days": "Each local day begins and ends where its zone says",
}
"""What each check says when it passes."""

CONVERSATIONS = (
    "reporting_events",
    "rollups",
    "handoff_conversations",
    "conversation_outcomes",
)

Progress = Callable[[str], None]


def recount(
    warehouse: Warehouse, on_progress: Progress = lambda _: None
) -> list[Result]:
    """Recomputes every mart that counts, for all of history.

    Args:
        warehouse: Built from what raw holds.
        on_progress: Told what is being recounted.

    Returns:
        One result for each check of `TITLES`.
    """
    found = {
        name: Result(name, "recount", title, _ROUTE) for name, title in TITLES.items()
    }

    @contextmanager
    def timed(*names: str) -> Iterator[None]:
        on_progress(names[0])
        begun = time.monotonic()
        yield
        for name in names:
            found[name].seconds += (time.monotonic() - begun) / len(names)

    with timed("requests"):
        requests.recount(warehouse, found["requests"])
    who = accounts(warehouse)
    with timed("message_events"):
        hear(warehouse)
        match(warehouse, who, found["message_events"])
    with timed("recipient_status", "email_performance"):
        recipients.recount(
            warehouse, found["recipient_status"], found["email_performance"]
        )
    with timed("email_outcomes"):
        outcomes.recount_outcomes(warehouse, found["email_outcomes"])
    with timed("notification_performance"):
        outcomes.recount_notifications(warehouse, found["notification_performance"])
    with timed("suppressions"):
        suppressions.recount(warehouse, found["suppressions"])
    with timed("members"):
        members.recount(warehouse, who, found["members"])
    with timed("client_events_daily"):
        client_events.recount(warehouse, who, found["client_events_daily"])
    with timed("delivery_daily"):
        days.recount(warehouse, who, found["delivery_daily"])
    with timed(*CONVERSATIONS):
        conversations.recount(warehouse, {name: found[name] for name in CONVERSATIONS})
    with timed("time_zone_days"):
        zone_days.recount(warehouse, found["time_zone_days"])
    return list(found.values())
