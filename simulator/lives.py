"""What becomes of one mail to one recipient.

A life is drawn, and as it is drawn both sides are written: the provider's events
into the diary, and what they must come to into the truth.
"""

from collections.abc import Callable
from random import Random

from simulator.cast import Recipient
from simulator.clock import DAY, HOUR, MINUTE, SECOND
from simulator.dialect import Dialect
from simulator.diary import Diary
from simulator.failures import Failure
from simulator.spec import Spec
from simulator.templates import Template
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
_RETURNS = 0.3
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
        dialect: Dialect,
        diary: Diary,
        rng: Random,
        spec: Spec,
    ) -> None:
        """Begins when the mail is handed over.

        Args:
            recipient: Whose.
            dialect: How it is told.
            diary: Takes down the events.
            rng: Where the life is drawn from.
            spec: The world's recipe.
        """
        self.truth = RecipientTruth(
            email_id=recipient.email.email_id,
            account_id=recipient.email.account.account_id,
            recipient=recipient.member.address,
        )
        self._recipient = recipient
        self._dialect = dialect
        self._diary = diary
        self._rng = rng
        self._pace = spec.pace
        self._unknown_names = spec.unknown_names
        self._at = -(-recipient.sent_at // dialect.grain) * dialect.grain

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
            self._note(self._at, self._rng.choice(self._dialect.unknown))
        return self.truth

    def leave_no_trace(self) -> None:
        """The provider never tells of it."""

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
        self._fail(self._rng.choice(self._dialect.bounces), "bounced")

    def bounce_afterwards(self) -> None:
        """It arrives, and is refused later."""
        self._accept()
        self._deliver(attempt=1)
        self._wait(10 * MINUTE, 6 * HOUR)
        self._fail(self._dialect.delayed_bounce, "bounced")
        self.truth.is_delivered = False

    def grow_old(self) -> None:
        """It is tried until the provider gives up."""
        self._accept()
        attempts = self._defer()
        self._wait(HOUR, 8 * HOUR)
        self._fail(self._dialect.old, "bounced", attempt=attempts + 1)

    def be_suppressed(self) -> None:
        """It is not even tried: the address is on a list of the provider's."""
        if self._dialect.accepts_suppressed:
            self._accept()
        self._fail(self._rng.choice(self._dialect.suppressed), "rejected")

    def be_rejected(self) -> None:
        """The provider refuses to take it."""
        self._wait(SECOND // 10, 2 * SECOND)
        self._note_failure(self._rng.choice(self._dialect.rejections), "rejected")

    def _accept(self) -> None:
        self._wait(SECOND // 10, 2 * SECOND)
        if self._dialect.accepted:
            self._note(self._at, self._dialect.accepted)
            self.truth.queued_at = self._at
            self.truth.delivery_status = "queued"

    def _deliver(self, attempt: int) -> None:
        self._wait(SECOND // 2, 20 * SECOND)
        self._note(self._at, self._dialect.delivered, attempt)
        self.truth.delivered_at = self._at
        self.truth.delivery_status = "delivered"
        self.truth.is_delivered = True

    def _defer(self) -> int:
        """Fails for now, once to four times; returns how often."""
        attempts = self._rng.randint(1, 4)
        for attempt in range(1, attempts + 1):
            self._fail(self._rng.choice(self._dialect.temporary), "deferred", attempt)
            self._wait(10 * MINUTE, HOUR)
        self.truth.deferrals = attempts
        return attempts

    def _fail(self, failure: Failure, status: str, attempt: int = 1) -> None:
        self._wait(SECOND // 2, 20 * SECOND)
        self._note_failure(failure, status, attempt)

    def _note_failure(self, failure: Failure, status: str, attempt: int = 1) -> None:
        truth = self.truth
        truth.delivery_status = status
        if failure.severity == "permanent":
            truth.failed_at = self._at
        truth.failure_at = self._at
        truth.failure_severity = failure.severity or "temporary"
        truth.failure_code = failure.code
        truth.failure_enhanced_code = failure.enhanced_code
        truth.failure_message = failure.text
        truth.reject_reason = failure.reject_reason
        template = self._dialect.failed[failure]
        truth.failure_event_id = self._note(self._at, template, attempt)

    def _engage(self, *, surely: bool = False) -> None:
        """Whatever people and machines do with a mail that has arrived.

        Args:
            surely: At least one open (or click, where opens aren't tracked).
        """
        rng = self._rng
        read_at: int | None = None
        if self._recipient.email.track_opens:
            if self._dialect.machines and rng.random() < _MACHINE_OPENS:
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
        bot = self._rng.choice(self._dialect.machines)
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
        self._note(at, self._dialect.opened[who])
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
            self._note(at, self._dialect.clicked, link)
            self.truth.click_events += 1
            at += self._delay(SECOND, 10 * MINUTE)
            if self._rng.random() >= _CLICKS_AGAIN:
                break
        self._reach("clicked")
        return first

    def _unsubscribes(self, read_at: int) -> None:
        at = read_at + self._delay(SECOND, 5 * MINUTE)
        dialect = self._dialect
        group = dialect.group_unsubscribed if self._recipient.email.is_batched else None
        self._note(at, group or dialect.unsubscribed)
        self.truth.unsubscribed_at = at
        self._reach("unsubscribed")
        if group and dialect.group_resubscribed and self._rng.random() < _RETURNS:
            self._note(at + self._delay(MINUTE, HOUR), dialect.group_resubscribed)

    def _complains(self) -> None:
        at = self._after(DAY, 5 * DAY // 2)
        self._note(at, self._dialect.complained)
        self.truth.complained_at = at
        self._reach("complained")

    def _note(self, at: int, template: Template, number: int = 0) -> str:
        self.truth.provider = self._recipient.email.account.provider
        return self._diary.note(at, template, self._recipient, number)

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
        delay = 1 + int((shortest + spread) * self._pace)
        return delay - delay % self._dialect.grain


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
