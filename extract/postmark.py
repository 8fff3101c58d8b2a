"""Postmark's events, received: one object each, most of them without an id.

Bounces and complaints have a number, unique among them; the others are known by what
they say. Instants are ISO 8601 with seven decimals, under a name for each type.
"""

from extract.decode import Events, Shape
from extract.event_keys import EventKeys
from extract.received import Provider, cut_object
from extract.tables import POSTMARK_EVENTS


def keys_of(events: Events, _: str) -> list[str]:
    """The keys: an id says nothing without its type.

    Args:
        events: Some events.
    """
    ids = [
        f"{name}:{event_id}"
        for name, event_id in zip(events.names, events.ids, strict=True)
    ]
    return EventKeys("postmark").of(ids, events.occurred_at)


POSTMARK = Provider(
    name="postmark",
    table=POSTMARK_EVENTS,
    shape=Shape(
        "ID",
        "RecordType",
        "DeliveredAt",
        "Type",
        is_iso=True,
        other_timestamps=("BouncedAt", "ReceivedAt", "ChangedAt"),
        may_lack_id=True,
        has_numbers_for_ids=True,
    ),
    kinds={
        "Delivery": "delivered",
        "Bounce": "temporary_failures",
        "Bounce/HardBounce": "permanent_failures",
        "Bounce/BadEmailAddress": "permanent_failures",
        "SpamComplaint": "complained",
        "Open": "opened",
        "Click": None,
        "SubscriptionChange": "unsubscribed",
    },
    cut=cut_object,
    keys_of=keys_of,
)
