"""What recipients add up to: the counts and rates of emails and of whole occasions."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

_EVENTS = ("open_events", "click_events")
"""These are added up; of all else each recipient counts once."""

COUNTS = (
    *("sent", "attempted", "delivered", "delivered_reported", "rejected"),
    *("failed_permanently", "failed_temporarily", "opened", "opened_by_human"),
    *("clicked", "complained", "unsubscribed", "delivered_opened"),
    *("delivered_opened_by_human", "delivered_clicked", "delivered_complained"),
    *("delivered_unsubscribed", *_EVENTS),
)

_RATES = {
    "delivery_rate": ("delivered", "attempted"),
    "open_rate": ("delivered_opened", "delivered"),
    "human_open_rate": ("delivered_opened_by_human", "delivered"),
    "click_rate": ("delivered_clicked", "delivered"),
    "click_to_open_rate": ("delivered_clicked", "delivered_opened"),
    "complaint_rate": ("delivered_complained", "delivered"),
    "unsubscribe_rate": ("delivered_unsubscribed", "delivered"),
}


def counted(life: Mapping[str, Any]) -> dict[str, int]:
    """What a recipient adds to the counts of its email."""
    status, for_good = life["delivery_status"], life["bounced_at"] is not None
    got_it = life["is_delivered"]
    reached = {
        "opened": life["first_opened_at"] is not None,
        "opened_by_human": life["first_human_opened_at"] is not None,
        "clicked": life["first_clicked_at"] is not None,
        "complained": life["complained_at"] is not None,
        "unsubscribed": life["unsubscribed_at"] is not None,
    }
    return {
        "sent": 1,
        "attempted": status != "rejected",
        "delivered": got_it,
        "delivered_reported": life["delivered_at"] is not None,
        "rejected": status == "rejected",
        "failed_permanently": for_good,
        "failed_temporarily": status in ("bounced", "deferred")
        and not for_good
        and not got_it,
        **reached,
        **{f"delivered_{name}": got_it and did for name, did in reached.items()},
        **{name: life[name] for name in _EVENTS},
    }


def people(lives: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Counts over several emails: each address once, in all that any mail says."""
    counts: Counter[str] = Counter()
    in_count: dict[str, set[str]] = {}
    for life in lives:
        for name, number in counted(life).items():
            if name in _EVENTS:
                counts[name] += number
            elif number:
                in_count.setdefault(name, set()).add(life["recipient_key"])
    counts.update({name: len(addresses) for name, addresses in in_count.items()})
    return counts


def whole(counts: Counter[str]) -> dict[str, int]:
    """All counts, those of nobody too."""
    return {name: counts[name] for name in COUNTS}


def rates(counts: Counter[str]) -> dict[str, float | None]:
    """Rates; none where there is nobody to divide by."""
    return {
        rate: counts[part] / counts[of] if counts[of] else None
        for rate, (part, of) in _RATES.items()
    }
