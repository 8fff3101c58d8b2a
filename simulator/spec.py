"""What a world is made from: a seed, a size, and how untidy things are."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from random import Random

from simulator.clock import DAY, microseconds

UNHURRIED_DAYS = 10
"""In a world at least this long, lives take their natural time."""


@dataclass(frozen=True)
class Spec:
    """The recipe of a world; the same recipe gives the same world, byte for byte.

    Everything that happens, happens in [begin, begin + days): mail is sent early
    enough for its life to fit, and in short worlds lives are shortened.

    Attributes:
        seed: Seed of all randomness.
        begin: First instant of the world; must have a zone.
        days: Length of the world in days of 24 hours.
        accounts: Number of accounts, each with its own sending domain and zone.
        sendgrid_accounts: How many of them send through SendGrid, the last ones.
        postmark_accounts: How many send through Postmark, the last before these.
        emails: Number of mailings, dealt to the accounts in turn.
        recipients_per_email: Recipients of each mailing; about 3.3 events each.
        batched: Share of emails sent as batches (one message id for many
            recipients) rather than as one message for each recipient.
        without_email_id: Share of batched mail's messages that lack the
            application's own id, and match by their message id alone.
        late: Share of events that the provider stores (or posts) late, out of order.
        late_minutes: Greatest delay of a late event, in minutes.
        late_rows: Share of the application's recipient rows that it writes only
            after the mail has left (up to an hour later).
        id_reuse: Share of Mailgun's events whose id was given on another UTC day too.
        unknown_names: Share of recipients with an event of a name nobody knows.
        unmatched: Share of further events that match no email or recipient.
        inbound: Share of further `stored` events, that is received mail.
        text_timestamps: Share of events whose timestamp is text.
        conversations: Conversations of each account in `reporting_events`.
        hostile: Share of further events that are broken or odd.

    Raises:
        ValueError: A field is out of its range.
    """

    seed: int = 7
    begin: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    days: int = 14
    accounts: int = 3
    sendgrid_accounts: int = 0
    postmark_accounts: int = 0
    emails: int = 40
    recipients_per_email: int = 100
    batched: float = 0.6
    without_email_id: float = 0.05
    late: float = 0.02
    late_minutes: float = 30.0
    late_rows: float = 0.03
    id_reuse: float = 0.002
    unknown_names: float = 0.002
    unmatched: float = 0.002
    inbound: float = 0.01
    text_timestamps: float = 0.0
    conversations: int = 100
    hostile: float = 0.0

    def __post_init__(self) -> None:
        """Refuses what can't be built."""
        if self.begin.tzinfo is None:
            raise ValueError("begin has no zone: write it as 2026-03-01T00:00:00+00:00")
        for size in ("days", "accounts", "recipients_per_email"):
            if getattr(self, size) < 1:
                raise ValueError(f"{size} must be at least 1")
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, int | float) and field.name != "seed"
            if is_number and value < 0:
                raise ValueError(f"{field.name} must not be negative")
        if self.sendgrid_accounts + self.postmark_accounts > self.accounts:
            raise ValueError("accounts must be at least those of all providers")

    @property
    def begins_at(self) -> int:
        """First instant of the world, in microseconds."""
        return microseconds(self.begin)

    @property
    def ends_at(self) -> int:
        """First instant after the world, in microseconds."""
        return self.begins_at + self.days * DAY

    @property
    def pace(self) -> float:
        """What every delay of a life is multiplied by: 1, or less in short worlds."""
        return min(1.0, self.days / UNHURRIED_DAYS)

    def provider_of(self, account: int) -> str:
        """Who sends for the account of this number."""
        from_the_end = self.accounts - account
        if from_the_end <= self.sendgrid_accounts:
            return "sendgrid"
        if from_the_end <= self.sendgrid_accounts + self.postmark_accounts:
            return "postmark"
        return "mailgun"

    def random(self, *purpose: str) -> Random:
        """A source of randomness of its own for each purpose.

        Drawing more for one purpose leaves what others draw as it was.
        """
        name = "/".join((str(self.seed), *purpose))
        return Random(name)  # noqa: S311 - a world must repeat; nothing is secret
