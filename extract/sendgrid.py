"""SendGrid's events, received: a JSON array, each with an id of its own."""

from extract.decode import Shape
from extract.received import Provider, cut_array
from extract.tables import SENDGRID_EVENTS

SENDGRID = Provider(
    name="sendgrid",
    table=SENDGRID_EVENTS,
    shape=Shape("sg_event_id", "event", "timestamp", "type", may_lack_id=True),
    kinds={
        "processed": None,
        "deferred": "temporary_failures",
        "delivered": "delivered",
        "bounce": "permanent_failures",
        "bounce/blocked": "temporary_failures",
        "bounce/expired": "temporary_failures",
        "dropped": None,  # never tried
        "open": "opened",
        "click": None,
        "spamreport": "complained",
        "unsubscribe": "unsubscribed",
        "group_unsubscribe": "unsubscribed",
        "group_resubscribe": None,
        "account_status_change": None,
    },
    cut=cut_array,
)
