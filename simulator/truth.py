"""What is true of a world because its generator decided it."""

from dataclasses import dataclass, field
from datetime import date

import msgspec


@dataclass(slots=True)
class RecipientTruth:
    """What an email came to for one recipient (SEMANTICS, section 3).

    Times are microseconds since the epoch; None where it never happened.

    Attributes:
        email_id, account_id, recipient: Whose; the address as the application
            spells it.
        provider: Who told of it; None if nobody did.
        failure_event_id, failure_at: The event that the failure details are of.
        reject_reason: Only where the conventions fix it: suppressions and timeouts.
    """

    email_id: str
    account_id: str
    recipient: str
    provider: str | None = None
    delivery_status: str = "sent"
    engagement_status: str = "none"
    is_delivered: bool = False
    queued_at: int | None = None
    delivered_at: int | None = None
    first_opened_at: int | None = None
    first_human_opened_at: int | None = None
    last_opened_at: int | None = None
    first_clicked_at: int | None = None
    failed_at: int | None = None
    complained_at: int | None = None
    unsubscribed_at: int | None = None
    open_events: int = 0
    click_events: int = 0
    deferrals: int = 0
    failure_severity: str | None = None
    failure_code: int | None = None
    failure_enhanced_code: str | None = None
    failure_message: str | None = None
    failure_event_id: str | None = None
    failure_at: int | None = None
    reject_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An event that belongs to no known email or recipient.

    Attributes:
        domain, event_id, occurred_at: Which event, of the account with this domain;
            microseconds.
        reason: `no_id`, `unknown_email` or `unknown_recipient`.
    """

    domain: str
    event_id: str
    occurred_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Oddity:
    """A broken or odd item of the log.

    Attributes:
        domain: Whose log.
        kind: What is odd about it, in a word or two.
        dead_letter_reason: Why it can't become an event; None if it must be kept.
        event_id, event_name, occurred_at: Of one that is kept, what it must be kept
            as (microseconds); of a dead letter, its place in the log.
        body: The item as it is served.
    """

    domain: str
    kind: str
    dead_letter_reason: str | None
    event_id: str
    event_name: str
    occurred_at: int
    body: str


@dataclass(slots=True)
class Truth:
    """Everything that was decided about a world.

    Attributes:
        recipients: One for each email and recipient.
        counts: Number of distinct events that must be loaded, by the account's
            domain, UTC day and the provider's event name; dead letters are not among
            them.
        unmatched: Events that match nothing; oddities that are kept match nothing
            either and are listed only as oddities.
        oddities: Broken and odd items.
    """

    recipients: list[RecipientTruth] = field(default_factory=list)
    counts: dict[tuple[str, date, str], int] = field(default_factory=dict)
    unmatched: list[Unmatched] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)

    @property
    def dead_letters(self) -> list[Oddity]:
        """The oddities that can't become events."""
        return [odd for odd in self.oddities if odd.dead_letter_reason is not None]

    def as_json(self) -> bytes:
        """The same as a JSON object; `counts` becomes a list of objects."""
        counts = [
            {"domain": domain, "day": day, "event": name, "count": count}
            for (domain, day, name), count in self.counts.items()
        ]
        return msgspec.json.encode(
            {
                "recipients": self.recipients,
                "counts": counts,
                "unmatched": self.unmatched,
                "oddities": self.oddities,
            }
        )
