"""What is kept of an event whose recipient was forgotten, by provider.

    their event    ──▶ the fields that models decide by, recipient := token
    another's event ──▶ every string that names them := token
    no JSON        ──▶ {}

Kept are codes, ids of messages, and what kind of machine it was: nothing that the
recipient or a mail server wrote. So an erased row still has its type, severity, class,
email and recipient, and every count comes out as before.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

Path = tuple[str, ...]


class Who(Protocol):
    """Who was forgotten; `forgotten.Forgotten`."""

    def instead_of(self, text: str) -> str | None:
        """What a text is replaced by, if it names one of them."""

    def scrub(self, text: str) -> str:
        """A text in which only their addresses are replaced."""


@dataclass(frozen=True)
class Kept:
    """What of a provider's events is kept.

    Attributes:
        recipients: Finds the recipient's address in an event, as its model does.
        recipient: Where the model looks for it first: the token's place.
        fields: What is kept, by its path.
        variables: Objects in which the application's email id may stand; the event
            itself is ().
    """

    recipients: Callable[[Mapping[str, Any]], object]
    recipient: Path
    fields: tuple[Path, ...]
    variables: tuple[Path, ...]


def erase_event(
    source: str, body: bytes, who: Who, variables: Sequence[str] = ()
) -> bytes:
    """An event that names a forgotten person, without them.

    Args:
        source: Whose event.
        body: One JSON object.
        who: Who was forgotten.
        variables: Names under which the application's email id may stand.
    """
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return b"{}"
    kept = KEPT.get(source)
    if kept is None or not isinstance(event, dict):
        return orjson.dumps(_without(event, who))
    recipient = kept.recipients(event)
    token = who.instead_of(recipient) if isinstance(recipient, str) else None
    erased = {} if token else _without(event, who)
    names = [(*at, name) for at in kept.variables for name in variables]
    for path in (*kept.fields, *names):
        value = _get(event, path)
        if isinstance(value, str):
            _put(erased, path, who.scrub(value))
        elif isinstance(value, int | float):
            _put(erased, path, value)
    if isinstance(recipient, str):
        # Said where it is looked for first: it may have stood beside somebody else.
        _put(erased, kept.recipient, token or recipient)
    return orjson.dumps(erased)


def _without(value: Any, who: Who) -> Any:
    """A value whose strings name nobody who was forgotten."""
    if isinstance(value, str):
        return who.instead_of(value) or value
    if isinstance(value, list):
        return [_without(each, who) for each in value]
    if isinstance(value, dict):
        return {who.scrub(key): _without(each, who) for key, each in value.items()}
    return value


def _get(value: Any, path: Path) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(value: dict[str, Any], path: Path, new: object) -> None:
    for name in path[:-1]:
        value = value.setdefault(name, {})
    value[path[-1]] = new


def _mailgun_recipient(event: Mapping[str, Any]) -> object:
    """As stg_mailgun__events finds it."""
    if event.get("recipient"):
        return event["recipient"]
    recipients = _get(event, ("message", "recipients"))
    if isinstance(recipients, list) and recipients and recipients[0]:
        return recipients[0]
    header = _get(event, ("message", "headers", "to"))
    return _first_address(header) if isinstance(header, str) else None


def _first_address(header: str) -> str | None:
    """As macros/first_address.sql finds it."""
    unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', "", header)
    found = re.search(r'[^\s<>,;"]+@[^\s<>,;"]+', unquoted, re.ASCII)
    return found[0] if found else None


KEPT: Mapping[str, Kept] = {
    "mailgun": Kept(
        _mailgun_recipient,
        ("recipient",),
        (
            ("id",),
            ("event",),
            ("timestamp",),
            ("@timestamp",),
            ("severity",),
            ("reason",),
            ("message", "headers", "message-id"),
            ("delivery-status", "code"),
            ("delivery-status", "enhanced-code"),
            ("delivery-status", "attempt-no"),
            ("client-info", "bot"),
        ),
        (("user-variables",),),
    ),
}
"""By source, as raw calls it."""
