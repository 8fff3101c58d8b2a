"""Conversation events: bots, handoffs, first responses, replies, resolutions."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from simulator.cast import Account
from simulator.clock import DAY, HOUR, SECOND
from simulator.spec import Spec

_LONGEST = 2 * DAY
"""An unhurried conversation is over this long after it began."""

_BOT_ANSWERS = 0.5
_BOT_RESOLVES = 0.4
_REOPENS = 0.15
_NO_AGENT = 0.08
_NO_INBOX = 0.05
_NO_VALUE = 0.05
_NO_CONVERSATION = 0.05


class ReportingEvent(NamedTuple):
    """A conversation event; values in seconds, `created_at` in microseconds."""

    event_id: str
    account_id: str
    name: str
    value: float | None
    value_in_business_hours: float | None
    user_id: str | None
    inbox_id: str | None
    conversation_id: str | None
    created_at: int


def converse(account: Account, spec: Spec) -> Iterator[ReportingEvent]:
    """The conversation events of an account.

    Args:
        account: Whose.
        spec: The world's recipe.

    Yields:
        Events, conversation by conversation; ids, values and people are missing
        here and there, as they are in life.
    """
    rng = spec.random("conversations", account.account_id)
    room = spec.days * DAY - int(_LONGEST * spec.pace)
    for number in range(spec.conversations):
        begun_at = spec.begins_at + int(rng.random() * room)
        conversation = _Conversation(account, number, begun_at, spec.pace, rng)
        yield from conversation.talk()


class _Conversation:
    def __init__(
        self, account: Account, number: int, begun_at: int, pace: float, rng: Random
    ) -> None:
        self._account_id = account.account_id
        self._id = f"{account.account_id}-conversation-{number}"
        self._inbox = f"inbox_{rng.randrange(3)}"
        self._agent = f"agent_{rng.randrange(5)}"
        self._at = self._begun_at = begun_at
        self._pace = pace
        self._rng = rng

    def talk(self) -> Iterator[ReportingEvent]:
        rng = self._rng
        if rng.random() < _BOT_ANSWERS:
            if rng.random() < _BOT_RESOLVES:
                yield self._event("conversation_bot_resolved", by_bot=True)
                yield self._event("conversation_resolved", by_bot=True)
                if rng.random() >= _REOPENS:
                    return
            yield self._event("conversation_bot_handoff", by_bot=True)
        yield self._event("first_response")
        for _ in range(rng.randrange(4)):
            yield self._event("reply_time")
        yield self._event("conversation_resolved")
        if rng.random() < _REOPENS:
            yield self._event("conversation_bot_handoff", by_bot=True)
            yield self._event("conversation_resolved")

    def _event(self, name: str, *, by_bot: bool = False) -> ReportingEvent:
        rng = self._rng
        waited = int((SECOND + rng.random() ** 3 * 4 * HOUR) * self._pace)
        self._at += waited
        since = waited if name == "reply_time" else self._at - self._begun_at
        value = None if rng.random() < _NO_VALUE else since / SECOND
        in_hours = None if value is None else round(value * rng.random(), 3)
        is_handoff = name == "conversation_bot_handoff"
        return ReportingEvent(
            event_id=f"{rng.getrandbits(64):016x}",
            account_id=self._account_id,
            name=name,
            value=value,
            value_in_business_hours=in_hours,
            user_id=None if by_bot or rng.random() < _NO_AGENT else self._agent,
            inbox_id=None if rng.random() < _NO_INBOX else self._inbox,
            conversation_id=(
                None if is_handoff and rng.random() < _NO_CONVERSATION else self._id
            ),
            created_at=self._at,
        )
