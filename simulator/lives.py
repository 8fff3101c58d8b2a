"""What becomes of one mail to one recipient.

A life is drawn, and as it is drawn both sides are written: the provider's events
into the diary, and what they must come to into the truth.
"""

from collections.abc import Callable
from random import Random

from simulator.cast import Recipient
from simulator.clock import DAY, HOUR, MINUTE, SECOND
from simulator.diary import Diary
from simulator.failures import (
    BOUNCES,
    DELAYED_BOUNCE,
    OLD,
    REJECTIONS,
    SUPPRESS_BOUNCE,
    SUPPRESS_COMPLAINT,
    SUPPRESS_UNSUBSCRIBE,
    TEMPORARY,
    Failure,
)
from simulator.templates import (
    ACCEPTED,
    CLICKED,
    COMPLAINED,
    DELIVERED,
    FAILED,
    OPENED,
    REJECTED,
    UNKNOWN,
    UNSUBSCRIBED,
)
from simulator.truth import RecipientTruth

# What follows a delivery, as shares of those it may happen to. Rarer things are
# more frequent than in life, so that small worlds have some of each.
_MACHINE_OPENS = 0.35
_MACHINE_OPENS_AGAIN = 0.2
_PERSON_OPENS = 0.32
_PERSON_OPENS_AGAIN = 0.4
_BOT_FIELD_MISSING = 0.25
_CLICKS = 0.3
_CLICKS_AGAIN = 0.35
_CLICKS_WITHOUT_OPEN = 0.02
_UNSUBSCRIBES = 0.03
_COMPLAINS = 0.004

_ENGAGEMENT = ("none", "opened", "clicked", "unsubscribed", "complained")


class Life:
    """One mail to one recipient, from acceptance to its last event.

    Attributes:
        truth: What the life comes to.
    """

    def __init__(
        self,
        recipient: Recipient,
        diary: Diary,
        rng: Random,
        pace: float,
        unknown_names: float,
    ) -> None:
        """Begins when the mail is handed over.

        Args:
            recipient: Whose.
            diary: Takes down the events.
            rng: Where the life is drawn from.
            pace: Every delay is multiplied by it.
            unknown_names: Chance of an event of a name that nobody knows.
        """
        self.truth = RecipientTruth(
            email_id=recipient.email.email_id,
            account_id=recipient.email.account.account_id,
            recipient=recipient.member.address,
        )
        self._recipient = recipient
        self._diary = diary
        self._rng = rng
        self._pace = pace
        self._unknown_names = unknown_names
        self._at = recipient.sent_at

    def live(self, fate: str) -> RecipientTruth:
        """Draws the whole life.

        Args:
            fate: One of `FATES`.

        Returns:
            What it came to.
        """
        _LIVES[fate](self)
        if self._rng.random() < self._unknown_names:
            self._wait(SECOND, MINUTE)
            name = self._rng.choice(UNKNOWN)
            self._diary.note(self._at, name, self._recipient)
        return self.truth

    def leave_no_trace(self) -> None:
        """Mailgun never tells of it."""

    def stay_queued(self) -> None:
        """It was accepted and nothing more was heard."""
        self._accept()

    def stay_deferred(self) -> None:
        """It is being tried, so far in vain."""
        self._accept()
        self._defer()

    def be_delivered(self) -> None:
        """It arrives at the first attempt."""
        self._accept()
        self._deliver(attempt=1)
        self._engage()

    def be_delivered_late(self) -> None:
        """It arrives after temporary failures."""
        self._accept()
        attempts = self._defer()
        self._deliver(attempt=attempts + 1)
        self._engage()

    def lose_the_delivery(self) -> None:
        """It arrives, its `delivered` event is lost, an open or click proves it."""
        self._accept()
        self._wait(SECOND, MINUTE)
        self.truth.is_delivered = True
        self._engage(surely=True)

    def bounce(self) -> None:
        """It is refused for good."""
        self._accept()
        self._fail(self._rng.choice(BOUNCES), "bounced")

    def bounce_afterwards(self) -> None:
        """It arrives, and is refused later."""
        self._accept()
        self._deliver(attempt=1)
        self._wait(10 * MINUTE, 6 * HOUR)
        self._fail(DELAYED_BOUNCE, "bounced")
        self.truth.is_delivered = False

    def grow_old(self) -> None:
        """It is tried until Mailgun gives up."""
        self._accept()
        attempts = self._defer()
        self._wait(HOUR, 8 * HOUR)
        self._fail(OLD, "bounced", attempt=attempts + 1)

    def be_suppressed(self) -> None:
        """It is not even tried: the address is on a list of Mailgun's."""
        self._accept()
        listed = (SUPPRESS_BOUNCE, SUPPRESS_UNSUBSCRIBE, SUPPRESS_COMPLAINT)
        self._fail(self._rng.choice(listed), "rejected")

    def be_rejected(self) -> None:
        """Mailgun refuses to take it."""
        self._wait(SECOND // 10, 2 * SECOND)
        truth = self.truth
        truth.delivery_status = "rejected"
        truth.failed_at = truth.failure_at = self._at
        truth.failure_severity = "permanent"
        truth.failure_message = self._rng.choice(REJECTIONS)
        truth.failure_event_id = self._diary.note(
            self._at, REJECTED[truth.failure_message], self._recipient
        )

    def _accept(self) -> None:
        self._wait(SECOND // 10, 2 * SECOND)
        self._diary.note(self._at, ACCEPTED, self._recipient)
        self.truth.queued_at = self._at
        self.truth.delivery_status = "queued"

    def _deliver(self, attempt: int) -> None:
        self._wait(SECOND // 2, 20 * SECOND)
        self._diary.note(self._at, DELIVERED, self._recipient, attempt)
        self.truth.delivered_at = self._at
        self.truth.delivery_status = "delivered"
        self.truth.is_delivered = True

    def _defer(self) -> int:
        """Fails for now, once to four times; returns how often."""
        attempts = self._rng.randint(1, 4)
        for attempt in range(1, attempts + 1):
            self._fail(self._rng.choice(TEMPORARY), "deferred", attempt)
            self._wait(10 * MINUTE, HOUR)
        self.truth.deferrals = attempts
        return attempts

    def _fail(self, failure: Failure, status: str, attempt: int = 1) -> None:
        self._wait(SECOND // 2, 20 * SECOND)
        truth = self.truth
        truth.delivery_status = status
        if status != "deferred":
            truth.failed_at = self._at
        truth.failure_at = self._at
        truth.failure_severity = failure.severity or "temporary"
        truth.failure_code = failure.code
        truth.failure_enhanced_code = failure.enhanced_code
        truth.failure_message = failure.text
        truth.reject_reason = failure.reject_reason
        truth.failure_event_id = self._diary.note(
            self._at, FAILED[failure], self._recipient, attempt
        )

    def _engage(self, *, surely: bool = False) -> None:
        """Whatever people and machines do with a mail that has arrived.

        Args:
            surely: At least one open (or click, where opens aren't tracked).
        """
        rng = self._rng
        read_at: int | None = None
        if self._recipient.email.track_opens:
            if rng.random() < _MACHINE_OPENS:
                self._machine_opens()
            if surely or rng.random() < _PERSON_OPENS:
                read_at = self._person_opens()
            clicks = rng.random() < (_CLICKS if read_at else _CLICKS_WITHOUT_OPEN)
        else:
            clicks = surely or rng.random() < _PERSON_OPENS * _CLICKS
        if clicks:
            read_at = self._clicks(read_at or self._after(MINUTE, 30 * HOUR))
        if read_at and rng.random() < _UNSUBSCRIBES:
            self._unsubscribes(read_at)
        if rng.random() < _COMPLAINS:
            self._complains()

    def _machine_opens(self) -> None:
        bot = self._rng.choice(("apple", "apple", "gmail", "generic"))
        at = self._after(SECOND, 2 * MINUTE)
        self._opens(at, bot)
        while self._rng.random() < _MACHINE_OPENS_AGAIN:
            at += self._delay(SECOND, HOUR)
            self._opens(at, bot)

    def _person_opens(self) -> int:
        """Opens once or more; returns when it was first opened."""
        is_told = self._rng.random() >= _BOT_FIELD_MISSING
        who = "person" if is_told else "unknown"
        first = at = self._after(10 * SECOND, 30 * HOUR)
        last_chance = first + int(DAY // 2 * self._pace)
        self.truth.first_human_opened_at = first
        self._opens(at, who)
        while self._rng.random() < _PERSON_OPENS_AGAIN and at < last_chance:
            at += self._delay(MINUTE, 6 * HOUR)
            self._opens(at, who)
        return first

    def _opens(self, at: int, who: str) -> None:
        self._diary.note(at, OPENED[who], self._recipient)
        truth = self.truth
        truth.open_events += 1
        truth.first_opened_at = min(at, truth.first_opened_at or at)
        truth.last_opened_at = max(at, truth.last_opened_at or at)
        self._reach("opened")

    def _clicks(self, read_at: int) -> int:
        """Clicks once or more; returns the first click."""
        first = at = read_at + self._delay(SECOND, 10 * MINUTE)
        self.truth.first_clicked_at = first
        while True:
            link = self._rng.randint(1, 6)
            self._diary.note(at, CLICKED, self._recipient, link)
            self.truth.click_events += 1
            at += self._delay(SECOND, 10 * MINUTE)
            if self._rng.random() >= _CLICKS_AGAIN:
                break
        self._reach("clicked")
        return first

    def _unsubscribes(self, read_at: int) -> None:
        at = read_at + self._delay(SECOND, 5 * MINUTE)
        self._diary.note(at, UNSUBSCRIBED, self._recipient)
        self.truth.unsubscribed_at = at
        self._reach("unsubscribed")

    def _complains(self) -> None:
        at = self._after(DAY, 5 * DAY // 2)
        self._diary.note(at, COMPLAINED, self._recipient)
        self.truth.complained_at = at
        self._reach("complained")

    def _reach(self, step: str) -> None:
        reached = _ENGAGEMENT.index(self.truth.engagement_status)
        if _ENGAGEMENT.index(step) > reached:
            self.truth.engagement_status = step

    def _wait(self, shortest: int, longest: int) -> None:
        self._at = self._after(shortest, longest)

    def _after(self, shortest: int, longest: int) -> int:
        return self._at + self._delay(shortest, longest)

    def _delay(self, shortest: int, longest: int) -> int:
        """Microseconds between the two, before pace; mostly near the shorter."""
        draw = self._rng.random()
        spread = (longest - shortest) * draw * draw * draw
        return 1 + int((shortest + spread) * self._pace)


_LIVES: dict[str, Callable[[Life], None]] = {
    "delivered": Life.be_delivered,
    "delivered_late": Life.be_delivered_late,
    "bounced": Life.bounce,
    "suppressed": Life.be_suppressed,
    "delivery_lost": Life.lose_the_delivery,
    "queued": Life.stay_queued,
    "rejected": Life.be_rejected,
    "old": Life.grow_old,
    "bounced_afterwards": Life.bounce_afterwards,
    "deferred": Life.stay_deferred,
    "no_trace": Life.leave_no_trace,
}

_WEIGHTS = (860, 40, 25, 15, 12, 10, 8, 8, 8, 7, 7)

FATES = tuple(_LIVES)
"""The fates that a mail can have."""


def draw_fates(rng: Random, count: int) -> list[str]:
    """Fates for so many mails, by their natural weights."""
    return rng.choices(FATES, weights=_WEIGHTS, k=count)
