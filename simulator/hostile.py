"""Broken and odd events, for a provider's log or among its posts.

All are additions to a world that is otherwise unharmed: none matches an email that
the application knows, so no recipient's truth depends on them.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from simulator.cast import Account
from simulator.clock import SECOND
from simulator.diary import Diary
from simulator.mailgun_bodies import timestamp
from simulator.spec import Spec
from simulator.templates import Template
from simulator.truth import Oddity, Truth

LONG_FIELD = 10_000
"""Bytes of a field that is too long for a key and harmless elsewhere."""

DEEP = 500
"""Levels of nesting: no honest event has ten, and every JSON parser takes these."""


def sprinkle(
    account: Account, count: int, spec: Spec, diary: Diary, truth: Truth
) -> None:
    """Notes so many odd items for an account, every kind in turn.

    Of an account of Postmark's there are none.

    Args:
        account: Whose log.
        count: How many items.
        spec: The world's recipe.
        diary: Takes down the items.
        truth: Gets an entry for each item.
    """
    if account.provider not in _ITEMS:
        return
    rng = spec.random("odd", account.domain)
    for number in range(count):
        at = rng.randrange(spec.begins_at, spec.ends_at)
        item = _ITEMS[account.provider](account.domain, at, diary.new_id(), number)
        odd = _KINDS[number % len(_KINDS)](item)
        truth.oddities.append(odd)
        statistic = (odd.event_name, "total") if odd.event_name else ()
        template = Template(odd.event_name, statistic, odd.body)
        diary.note_as_it_stands(odd.occurred_at, odd.event_id, template)


class _Item:
    """An ordinary open of an unknown email, about to be spoilt: Mailgun's.

    Attributes:
        keys: What the provider calls its id, the recipient and the message.
        opened, clicked: Names of its events.
        hashes: Whether an event without an id is kept under a hash of itself.
    """

    keys: Mapping[str, str] = {}
    opened, clicked = "opened", "clicked"
    hashes = False

    def __init__(self, domain: str, at: int, event_id: str, number: int) -> None:
        """Writes the event as it would be in order."""
        self.domain, self.at, self.event_id, self.number = domain, at, event_id, number
        self.event: dict[str, Any] = self._in_order()

    def key(self, what: str) -> str:
        """The provider's name for a member."""
        return self.keys.get(what, what)

    def _in_order(self) -> dict[str, Any]:
        address = f"odd{self.number}@posta.example"
        return {
            "id": self.event_id,
            "event": "opened",
            "timestamp": float(timestamp(self.at)),
            "log-level": "info",
            "recipient": address,
            "recipient-domain": "posta.example",
            "ip": "192.0.2.77",
            "geolocation": {"country": "SE", "region": "AB", "city": "Malmö"},
            "client-info": {"client-type": "browser", "user-agent": "Odd/1", "bot": ""},
            "message": {
                "headers": {
                    "to": address,
                    "message-id": f"odd.{self.event_id}@{self.domain}",
                    "from": f"hello@{self.domain}",
                    "subject": "An odd one",
                },
                "attachments": [],
                "size": 4_321,
            },
            "tags": [],
            "campaigns": [],
            "user-variables": {"email-id": f"odd-{self.event_id}"},
        }

    def dead(self, kind: str, reason: str, body: str | None = None) -> Oddity:
        """The item, spoilt: it must become a dead letter."""
        body = body or _json(self.event)
        return Oddity(self.domain, kind, reason, self.event_id, "", self.at, body)

    def kept(self, kind: str, body: str | None = None, name: str = "") -> Oddity:
        """The item, odd: it must be kept, under this name or as an open."""
        body, name = body or _json(self.event), name or self.opened
        return Oddity(self.domain, kind, None, self.event_id, name, self.at, body)


class _SendGridItem(_Item):
    """The same as SendGrid tells it."""

    keys: Mapping[str, str] = {
        "id": "sg_event_id",
        "recipient": "email",
        "message": "sg_message_id",
        "user-variables": "unique_args",
    }
    opened, clicked = "open", "click"
    hashes = True

    def _in_order(self) -> dict[str, Any]:
        self.at -= self.at % SECOND
        return {
            "email": f"odd{self.number}@posta.example",
            "timestamp": self.at // SECOND,
            "event": "open",
            "category": ["An odd one"],
            "sg_event_id": self.event_id,
            "sg_message_id": f"odd{self.event_id}.filter0001.16648.5515E0B88.0",
            "useragent": "Odd/1",
            "ip": "192.0.2.77",
            "email_id": f"odd-{self.event_id}",
        }


_ITEMS = {"mailgun": _Item, "sendgrid": _SendGridItem}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _without(what: str, reason: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        del item.event[item.key(what)]
        if what == "id" and item.hashes:
            return item.kept("id missing")
        return item.dead(f"{what} missing", reason)

    return spoil


def _with(what: str, value: Any, reason: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        item.event[item.key(what)] = value
        return item.dead(f"{what} is {_json(value)[:20]}", reason)

    return spoil


def _not_an_object(wrap: Callable[[str], Any]) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        body = _json(wrap(item.event_id))
        return item.dead("not an object", "event_not_an_object", body)

    return spoil


def _too_deep(item: _Item) -> Oddity:
    item.event[item.key("user-variables")] = "<deep>"
    body = _json(item.event).replace('"<deep>"', "[" * DEEP + "]" * DEEP)
    return item.dead("nested deeply", "too_deep", body)


def _id_is_a_number(item: _Item) -> Oddity:
    # Past 2**64, so that only the exact text survives.
    number = 10**22 + item.at + item.number
    item.event_id = str(number)
    item.event[item.key("id")] = number
    return item.kept("id is a number")


def _keeps_without(what: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        del item.event[item.key(what)]
        return item.kept(f"{what} missing")

    return spoil


def _key_twice(item: _Item) -> Oddity:
    body = _json(item.event).replace(
        f'"event":"{item.opened}"',
        f'"event":"delivered","event":"{item.clicked}"',
    )
    return item.kept("key twice: the last wins", body, item.clicked)


def _holds(kind: str, piece: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        body = _json(item.event).replace("An odd one", f"An {piece} one")
        return item.kept(kind, body.replace("Odd/1", f"Odd/{piece}"))

    return spoil


def _unicode_address(item: _Item) -> Oddity:
    item.event[item.key("recipient")] = f"İSTANBUL.ẞ{item.number}@posta.example"
    return item.kept("address of letters that change length in lower case")


def _markup(item: _Item) -> Oddity:
    item.event[item.key("recipient")] = (
        f"'); drop table x; --{item.number}@posta.example"
    )
    body = _json(item.event).replace("An odd one", "<script>alert(1)</script>")
    return item.kept("SQL and HTML", body)


_KINDS: tuple[Callable[[_Item], Oddity], ...] = (
    _without("id", "missing_id"),
    _with("id", {"a": 1}, "event_id_not_text"),
    _with("id", ["a"], "event_id_not_text"),
    _with("id", "x" * LONG_FIELD, "field_too_long"),
    _without("timestamp", "missing_timestamp"),
    _with("timestamp", "abc", "bad_timestamp"),
    _with("timestamp", {"seconds": 1}, "bad_timestamp"),
    _with("timestamp", 0, "timestamp_out_of_range"),
    _with("timestamp", -1.5, "timestamp_out_of_range"),
    _with("timestamp", 1_772_323_200_000, "timestamp_out_of_range"),
    _with("timestamp", 1e300, "timestamp_out_of_range"),
    _with("timestamp", "4102444800", "timestamp_out_of_range"),
    _without("event", "missing_event_type"),
    _with("event", 42, "event_type_not_text"),
    _with("event", {"name": "opened"}, "event_type_not_text"),
    _not_an_object(lambda event_id: event_id),
    _not_an_object(lambda event_id: [event_id]),
    _not_an_object(lambda event_id: int(event_id.encode().hex(), 16)),
    _too_deep,
    _id_is_a_number,
    _keeps_without("recipient"),
    _keeps_without("message"),
    _key_twice,
    _holds("NUL", "\\u0000"),
    _holds("lone surrogate", "\\ud800"),
    _holds("a long field", "x" * LONG_FIELD),
    _unicode_address,
    _markup,
)
