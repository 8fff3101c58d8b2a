"""What happens at one sending domain, noted down in any order."""

from base64 import urlsafe_b64encode
from collections import Counter
from random import Random
from typing import NamedTuple

from simulator.cast import Recipient
from simulator.clock import DAY, MINUTE, SECOND
from simulator.spec import Spec
from simulator.templates import Template

_SHORTEST_STORING = SECOND // 5
_LONGEST_STORING = 8 * SECOND


class Moment(NamedTuple):
    """Something that happened. Moments sort by time, then id.

    Attributes:
        occurred_at: When it happened, in microseconds.
        event_id: The provider's id, unique among the domain's events of that UTC day.
        stored_at: When the provider's log shows it, in microseconds.
        template: What kind of event it is.
        recipient: Whose mail it is about; None if the template is the body as it
            stands, with nothing to fill.
        number: The attempt of a delivery or failure, the link of a click.
        carries_id: The application's own id is among the user variables.
    """

    occurred_at: int
    event_id: str
    stored_at: int
    template: Template
    recipient: Recipient | None
    number: int
    carries_id: bool


class Diary:
    """Takes down moments, gives each an id and the time at which it is stored.

    Attributes:
        moments: In the order in which they were noted.
        counts: Number of events by UTC day (days since 1970) and event name.
    """

    def __init__(self, spec: Spec, rng: Random, id_reuse: float) -> None:
        """Begins with nothing noted.

        Args:
            spec: The world's recipe.
            rng: Where ids and delays are drawn from.
            id_reuse: Share of events whose id was given on another day too.
        """
        self.moments: list[Moment] = []
        self.counts: Counter[tuple[int, str]] = Counter()
        self._rng = rng
        self._late = spec.late
        self._longest_late = int(spec.late_minutes * MINUTE)
        self._id_reuse = id_reuse
        self._reusable: list[tuple[int, str]] = []

    def note(
        self,
        at: int,
        template: Template,
        recipient: Recipient,
        number: int = 0,
        *,
        carries_id: bool | None = None,
    ) -> str:
        """Takes down that this happened.

        Args:
            at: When, in microseconds.
            template: What.
            recipient: To whose mail.
            number: The attempt or link, where the template tells it.
            carries_id: Whether it carries the application's own id; left alone, as
                all events of its message do.

        Returns:
            The event's id.
        """
        event_id = self._id(at // DAY)
        stored_at = self._stored_at(at)
        if carries_id is None:
            carries_id = recipient.carries_id
        self.moments.append(
            Moment(at, event_id, stored_at, template, recipient, number, carries_id)
        )
        self.counts[at // DAY, template.name] += 1
        return event_id

    def note_as_it_stands(self, at: int, event_id: str, item: Template) -> None:
        """Takes down an item whose body is already written.

        Args:
            at: Its place in the log, whatever its body says; microseconds.
            event_id: Its id, or what orders it among items of the same instant.
            item: Its body, and the name that it counts under; one without a name
                can't become an event and counts nowhere.
        """
        stored_at = self._stored_at(at)
        self.moments.append(Moment(at, event_id, stored_at, item, None, 0, False))
        if item.name:
            self.counts[at // DAY, item.name] += 1

    def new_id(self) -> str:
        """An id as Mailgun makes them: 22 URL-safe characters."""
        return urlsafe_b64encode(self._rng.randbytes(16))[:22].decode()

    def _id(self, day: int) -> str:
        draw = self._rng.random()
        if draw < self._id_reuse:
            # Each id is used on two days at most, so it stays unique within a day.
            for place, (used_on, event_id) in enumerate(self._reusable):
                if used_on != day:
                    del self._reusable[place]
                    return event_id
        event_id = self.new_id()
        if draw < 2 * self._id_reuse:
            self._reusable.append((day, event_id))
        return event_id

    def _stored_at(self, at: int) -> int:
        delay = _SHORTEST_STORING + int(
            self._rng.random() * (_LONGEST_STORING - _SHORTEST_STORING)
        )
        if self._rng.random() < self._late:
            delay = max(delay, int(self._rng.random() * self._longest_late))
        return at + delay
