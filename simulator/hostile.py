"""Broken and odd items of a provider's log.

All are additions to a world that is otherwise unharmed: none matches an email that
the application knows, so no recipient's truth depends on them.
"""

import json
from collections.abc import Callable
from typing import Any

from simulator.bodies import timestamp
from simulator.diary import Diary
from simulator.spec import Spec
from simulator.templates import Template
from simulator.truth import Oddity, Truth

LONG_FIELD = 10_000
"""Bytes of a field that is too long for a key and harmless elsewhere."""

DEEP = 500
"""Levels of nesting: no honest event has ten, and every JSON parser takes these."""


def sprinkle(domain: str, count: int, spec: Spec, diary: Diary, truth: Truth) -> None:
    """Notes so many odd items for a domain, every kind in turn.

    Args:
        domain: Whose log.
        count: How many items.
        spec: The world's recipe.
        diary: Takes down the items.
        truth: Gets an entry for each item.
    """
    rng = spec.random("odd", domain)
    for number in range(count):
        at = rng.randrange(spec.begins_at, spec.ends_at)
        odd = _KINDS[number % len(_KINDS)](_Item(domain, at, diary.new_id(), number))
        truth.oddities.append(odd)
        item = Template(odd.event_name, (), odd.body)
        if odd.event_name:
            item = Template(odd.event_name, (odd.event_name, "total"), odd.body)
        diary.note_as_it_stands(at, odd.event_id, item)


class _Item:
    """An ordinary `opened` event of an unknown email, about to be spoilt."""

    def __init__(self, domain: str, at: int, event_id: str, number: int) -> None:
        """Writes the event as it would be in order."""
        self.domain, self.at, self.event_id, self.number = domain, at, event_id, number
        self.event: dict[str, Any] = {
            "id": event_id,
            "event": "opened",
            "timestamp": float(timestamp(at)),
            "log-level": "info",
            "recipient": f"odd{number}@posta.example",
            "recipient-domain": "posta.example",
            "ip": "192.0.2.77",
            "geolocation": {"country": "SE", "region": "AB", "city": "Malmö"},
            "client-info": {"client-type": "browser", "user-agent": "Odd/1", "bot": ""},
            "message": {
                "headers": {
                    "to": f"odd{number}@posta.example",
                    "message-id": f"odd.{event_id}@{domain}",
                    "from": f"hello@{domain}",
                    "subject": "An odd one",
                },
                "attachments": [],
                "size": 4_321,
            },
            "tags": [],
            "campaigns": [],
            "user-variables": {"email-id": f"odd-{event_id}"},
        }

    def dead(self, kind: str, reason: str, body: str | None = None) -> Oddity:
        """The item, spoilt: it must become a dead letter."""
        body = body or _json(self.event)
        return Oddity(self.domain, kind, reason, self.event_id, "", self.at, body)

    def kept(self, kind: str, body: str | None = None, name: str = "opened") -> Oddity:
        """The item, odd: it must be kept, under this name."""
        body = body or _json(self.event)
        return Oddity(self.domain, kind, None, self.event_id, name, self.at, body)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _without(key: str, reason: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        del item.event[key]
        return item.dead(f"{key} missing", reason)

    return spoil


def _with(key: str, value: Any, reason: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        item.event[key] = value
        return item.dead(f"{key} is {_json(value)[:20]}", reason)

    return spoil


def _not_an_object(wrap: Callable[[str], Any]) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        body = _json(wrap(item.event_id))
        return item.dead("not an object", "event_not_an_object", body)

    return spoil


def _too_deep(item: _Item) -> Oddity:
    item.event["user-variables"] = "<deep>"
    body = _json(item.event).replace('"<deep>"', "[" * DEEP + "]" * DEEP)
    return item.dead("nested deeply", "too_deep", body)


def _id_is_a_number(item: _Item) -> Oddity:
    # Past 2**64, so that only the exact text survives.
    number = 10**22 + item.at + item.number
    item.event_id = str(number)
    item.event["id"] = number
    return item.kept("id is a number")


def _keeps_without(key: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        del item.event[key]
        return item.kept(f"{key} missing")

    return spoil


def _key_twice(item: _Item) -> Oddity:
    body = _json(item.event).replace(
        '"event":"opened"', '"event":"delivered","event":"clicked"'
    )
    return item.kept("key twice: the last wins", body, "clicked")


def _holds(kind: str, piece: str) -> Callable[[_Item], Oddity]:
    def spoil(item: _Item) -> Oddity:
        body = _json(item.event).replace("An odd one", f"An {piece} one")
        return item.kept(kind, body.replace("Odd/1", f"Odd/{piece}"))

    return spoil


def _unicode_address(item: _Item) -> Oddity:
    item.event["recipient"] = f"İSTANBUL.ẞ{item.number}@posta.example"
    return item.kept("address of letters that change length in lower case")


def _markup(item: _Item) -> Oddity:
    item.event["recipient"] = f"'); drop table x; --{item.number}@posta.example"
    item.event["message"]["headers"]["subject"] = "<script>alert(1)</script>"
    return item.kept("SQL and HTML")


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
