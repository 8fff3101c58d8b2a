"""Who is there and what was sent to whom: accounts, members, emails, recipients.

Two kinds of mailing, as two kinds of application send them:

- batched (Ghost): one message id stands for up to `BATCH_SIZE` recipients and is
  kept with the batch; the email's own id travels in the user variables of most;
- single (Tabbycat): every recipient has a message id of their own, kept with the
  recipient; emails sent for one occasion share a notification.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from uuid import UUID

from simulator.clock import DAY, HOUR, MINUTE, instant_of
from simulator.spec import Spec

BATCH_SIZE = 500
"""Recipients that share one provider message id."""

LONGEST_LIFE = 3 * DAY
"""An unhurried life is over this long after its mail was submitted."""

# Zones that break naive day arithmetic: quarter hours, half-hour DST, both sides of
# the date line, a midnight that happens twice, one that never does.
_ACCOUNTS = (
    ("Lumen Letter", "America/New_York", "monday"),
    ("Everest Debates", "Asia/Kathmandu", "sunday"),
    ("Lord Howe Herald", "Australia/Lord_Howe", "monday"),
    ("Samoa Signals", "Pacific/Apia", "sunday"),
    ("Berliner Bote", "Europe/Berlin", "monday"),
    ("Azores Almanac", "Atlantic/Azores", "monday"),
    ("Santiago Semanal", "America/Santiago", "monday"),
    ("Cairo Courier", "Africa/Cairo", "saturday"),
    ("Chatham Chatter", "Pacific/Chatham", "monday"),
    ("Havana Hoy", "America/Havana", "sunday"),
    ("Newfoundland News", "America/St_Johns", "sunday"),
    ("Greenwich Gazette", "UTC", "monday"),
)

_FIRST_NAMES = (
    "Ada", "Zoë", "Łukasz", "Mei", "Olu", "Priya", "Juan", "Søren", "Noor", "Kofi",
    "Ines", "Tariq", "Ruth", "Yuki", "Emeka", "Lena", "Pavel", "Aroha", "Sam", "Eun",
)  # fmt: skip
_LAST_NAMES = (
    "Lovelace", "Okafor", "Nguyễn", "Smith", "Kowalski", "Patel", "García", "Ó Briain",
    "Tanaka", "Hansen", "al-Masri", "van Dijk", "Müller", "Rossi", "Kim", "Mensah",
)  # fmt: skip
_MAILBOX_PROVIDERS = (
    "gmail.example", "gmail.example", "outlook.example", "icloud.example",
    "yahoo.example", "posta.example", "university.example", "corp.example",
)  # fmt: skip
_SUBJECTS = (
    "The week in {}: what changed and why it matters",
    "Your {} digest is here",
    "Round {}: draw released",
    "Reminder: “{}” starts tomorrow",
    "Invoice for {}: 100% paid, thank you",
    "Déjà vu: {} again?",
)
_TOPICS = ("tides", "the Motion", "logistics", "weather", "quarter finals", "accounts")
_OCCASIONS = ("reminder", "draw_released", "invoice", "digest")


class Account(NamedTuple):
    """A customer of the application, with its own sending domain, zone and provider."""

    account_id: str
    name: str
    timezone: str
    week_start: str
    domain: str
    provider: str
    created_at: int


class Member(NamedTuple):
    """A person that an account writes to; `address` as the application spells it."""

    member_id: str
    account: Account
    address: str
    name: str
    created_at: int


class Notification(NamedTuple):
    """A group of emails sent for one occasion."""

    notification_id: str
    account: Account
    kind: str
    created_at: int


class Email(NamedTuple):
    """One mailing."""

    email_id: str
    account: Account
    notification: Notification | None
    newsletter_id: str | None
    subject: str
    track_opens: bool
    is_batched: bool
    submitted_at: int


class Batch(NamedTuple):
    """A provider message that was handed over for many recipients."""

    provider_message_id: str
    email: Email


class Recipient(NamedTuple):
    """An email to one member.

    Attributes:
        message_id: The provider message that it is part of: a Message-ID, or what
            the provider's answer called it.
        known_at: When the application wrote the row.
        carries_id: Whether the message carries the application's own id.
    """

    email: Email
    member: Member
    message_id: str
    sent_at: int
    known_at: int
    carries_id: bool


class Cast:
    """Everyone and everything in the application's database, except conversations.

    Attributes:
        accounts, members, notifications, emails, batches, recipients: In the order
            in which they were made. Recipients of one email stand together.
    """

    def __init__(self, spec: Spec) -> None:
        """Draws everyone and everything.

        Args:
            spec: The world's recipe.
        """
        self._spec = spec
        self._rng = spec.random("cast")
        self._draws = spec.random("carried ids")
        self.accounts = [self._account(number) for number in range(spec.accounts)]
        self.members: list[Member] = []
        self.notifications: list[Notification] = []
        self.emails: list[Email] = []
        self.batches: list[Batch] = []
        self.recipients: list[Recipient] = []
        shares = [
            len(range(number, spec.emails, spec.accounts))
            for number in range(spec.accounts)
        ]
        for account, share in zip(self.accounts, shares, strict=True):
            self._populate(account, share)

    def _account(self, number: int) -> Account:
        name, timezone, week_start = _ACCOUNTS[number % len(_ACCOUNTS)]
        slug = name.lower().replace(" ", "-")
        again = number // len(_ACCOUNTS)
        if again:
            name, slug = f"{name} {again + 1}", f"{slug}-{again + 1}"
        return Account(
            account_id=f"acc_{number + 1}",
            name=name,
            timezone=timezone,
            week_start=week_start,
            domain=f"mail.{slug}.example",
            provider=self._spec.provider_of(number),
            created_at=self._spec.begins_at - 400 * DAY,
        )

    def _populate(self, account: Account, emails: int) -> None:
        spec = self._spec
        pool = spec.recipients_per_email * 3 // 2 + 1
        members = [self._member(account, number) for number in range(pool)]
        self.members += members
        notification: Notification | None = None
        for number in range(emails):
            if number % 3 == 0:
                notification = self._notification(account)
            email = self._email(account, notification)
            self.emails.append(email)
            self.recipients += self._recipients(email, members)
        self.notifications.sort(key=lambda occasion: occasion.created_at)

    def _member(self, account: Account, number: int) -> Member:
        rng = self._rng
        first, last = rng.choice(_FIRST_NAMES), rng.choice(_LAST_NAMES)
        provider = rng.choice(_MAILBOX_PROVIDERS)
        mailbox = f"{first}.{last}".encode("ascii", "ignore").decode().replace(" ", "")
        if self._spec.hostile and number % 50 == 0:
            # Lower-casing 'İ' gives two characters in Python, one in some engines.
            mailbox = f"İrem.{mailbox}"
        if number % 20:
            mailbox = mailbox.lower()
        return Member(
            member_id=_object_id(rng),
            account=account,
            address=f"{mailbox}{number}@{provider}",
            name=f"{first} {last}" if number % 4 else f"{last}, {first}",
            created_at=self._spec.begins_at - int(rng.random() * 300 * DAY) - 1,
        )

    def _notification(self, account: Account) -> Notification:
        rng = self._rng
        notification = Notification(
            notification_id=_object_id(rng),
            account=account,
            kind=rng.choice(_OCCASIONS),
            created_at=self._spec.begins_at - int(rng.random() * HOUR),
        )
        self.notifications.append(notification)
        return notification

    def _email(self, account: Account, notification: Notification | None) -> Email:
        spec, rng = self._spec, self._rng
        is_batched = rng.random() < spec.batched
        room = spec.days * DAY - int((LONGEST_LIFE + HOUR) * spec.pace)
        newsletter = f"newsletter_{account.account_id}_{rng.randrange(2)}"
        return Email(
            email_id=_object_id(rng),
            account=account,
            notification=None if is_batched else notification,
            newsletter_id=newsletter if is_batched else None,
            subject=rng.choice(_SUBJECTS).format(rng.choice(_TOPICS)),
            track_opens=rng.random() < 0.9,
            is_batched=is_batched,
            submitted_at=spec.begins_at + int(rng.random() * room),
        )

    def _recipients(self, email: Email, members: list[Member]) -> Iterator[Recipient]:
        spec, rng = self._spec, self._rng
        message_id, carries_id = "", False
        # Postmark names each recipient's message, also of a batch.
        batch_size = 1 if email.account.provider == "postmark" else BATCH_SIZE
        chosen = rng.sample(members, spec.recipients_per_email)
        for number, member in enumerate(chosen):
            if not email.is_batched:
                message_id = _message_id(rng, email)
            elif number % batch_size == 0:
                message_id = _message_id(rng, email)
                self.batches.append(Batch(message_id, email))
                carries_id = self._draws.random() >= spec.without_email_id
            sent_at = email.submitted_at + int(rng.random() * 5 * MINUTE * spec.pace)
            known_at = sent_at
            if rng.random() < spec.late_rows:
                known_at += int(rng.random() * HOUR * spec.pace) + 1
            yield Recipient(email, member, message_id, sent_at, known_at, carries_id)


def _object_id(rng: Random) -> str:
    return f"{rng.getrandbits(96):024x}"


def _message_id(rng: Random, email: Email) -> str:
    """A message's name: a Message-ID, or what the provider's own API calls it."""
    if email.account.provider == "postmark":
        return str(UUID(int=rng.getrandbits(128), version=4))
    if email.account.provider == "sendgrid" and email.is_batched:
        return urlsafe_b64encode(rng.randbytes(16))[:22].decode()
    # In mixed case that has to be kept; without angle brackets.
    stamp = instant_of(email.submitted_at).strftime("%Y%m%d%H%M%S")
    lower, upper = f"{rng.getrandbits(40):010x}", f"{rng.getrandbits(24):06X}"
    return f"{stamp}.{lower}.Tb{upper}@{email.account.domain}"
