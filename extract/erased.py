"""What is kept of an event whose recipient was forgotten, by provider.

    their event     ──▶ the fields that models decide by, recipient := token
    another's event ──▶ every string that names them := token
    no JSON         ──▶ {}

Kept are codes, ids of messages, and what kind of machine it was: nothing that the
recipient or a mail server wrote. So an erased row still has its type, severity, class,
email and recipient, and every count comes out as before.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import duckdb
import orjson

from extract.home import ROOT

Path = tuple[str, ...]

_CLIENTS = ("client", "spade", "flume", "beacon")
"""Client events as raw calls them, and as their requests are."""

_CODE = re.compile(r"(?:^|smtp;)\s*([245]\d\d)(?:[ -]|\Z)", re.ASCII)
_ENHANCED_CODE = re.compile(
    r"(?:^|smtp;)\s*[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})(?:[ :]|\Z)", re.ASCII
)


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
        fields: By their path.
        recipient: Where the model looks for the recipient first: the token's place.
        recipient_of: Finds the recipient in an event as the model does; None where
            events have none: they are of whomever they name.
        variables: Objects in which the application's email id may stand (a client
            event's account); the event itself is ().
        answers: Texts of mail servers, of which only codes are kept, and words that
            the vocabulary knows.
    """

    fields: tuple[Path, ...]
    recipient: Path = ()
    recipient_of: Callable[[Mapping[str, Any]], object] | None = None
    variables: tuple[Path, ...] = ()
    answers: tuple[Path, ...] = ()


def erase_event(
    source: str, body: bytes, who: Who, variables: Sequence[str] = ()
) -> bytes:
    """An event that names a forgotten person, without them.

    Args:
        source: Whose event.
        body: One JSON object.
        who: Who was forgotten.
        variables: Names under which it may stand; see `kept_names`.
    """
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return b"{}"
    kept = KEPT.get(source)
    if kept is None or not isinstance(event, dict):
        return orjson.dumps(_without(event, who))
    recipient = kept.recipient_of(event) if kept.recipient_of else None
    token = who.instead_of(recipient) if isinstance(recipient, str) else None
    is_theirs = token is not None or kept.recipient_of is None
    erased = {} if is_theirs else _without(event, who)
    names = [(*at, name) for at in kept.variables for name in variables]
    for path in (*kept.fields, *names):
        value = _get(event, path)
        if isinstance(value, str):
            _put(erased, path, who.scrub(value))
        elif isinstance(value, int | float):
            _put(erased, path, value)
    for path in kept.answers:
        answer = _get(event, path)
        if is_theirs and isinstance(answer, str):
            told = answer if answer in _known_words() else _codes(answer)
            _put(erased, path, told or None)
    if isinstance(recipient, str):
        # Said where it is looked for first: it may have stood beside somebody else.
        _put(erased, kept.recipient, token or recipient)
    return orjson.dumps(erased)


def kept_names(
    warehouse: duckdb.DuckDBPyConnection, raw: str = "raw"
) -> Mapping[str, Sequence[str]]:
    """Names, by source, that settings give to what models decide by.

    The application's email id in an event, and the account in a client's.

    Args:
        warehouse: A connection.
        raw: The schema of the settings.
    """
    settings = {
        (source, name): value
        for source, name, value in warehouse.execute(
            f"select source, name, value from {raw}.source_settings"  # noqa: S608 - ours
        ).fetchall()
    }
    told = {
        source: orjson.loads(value)
        for (source, name), value in settings.items()
        if name == "email_id_variables"
    }
    account = settings.get(("inbox", "account_property"), "account_id")
    told |= {source: [account] for source in _CLIENTS}
    return defaultdict(lambda: ["email-id", "email_id"], told)


@lru_cache
def _known_words() -> frozenset[str]:
    """The words by which seeds/event_vocabulary.csv tells kinds of events apart."""
    with (ROOT / "seeds" / "event_vocabulary.csv").open(newline="") as file:
        conditions = [row["condition"] for row in csv.DictReader(file)]
    return frozenset(each.partition("=")[2] for each in conditions if each)


def _codes(answer: str) -> str:
    """What macros/smtp_code.sql and enhanced_code.sql find in an answer."""
    code, enhanced = _CODE.search(answer), _ENHANCED_CODE.search(answer)
    return " ".join(found[1] for found in (code, enhanced) if found)


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
        fields=(
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
        recipient=("recipient",),
        recipient_of=_mailgun_recipient,
        variables=(("user-variables",),),
    ),
    "sendgrid": Kept(
        fields=(
            ("sg_event_id",),
            ("event",),
            ("timestamp",),
            ("sg_message_id",),
            ("smtp-id",),
            ("type",),
            ("status",),
            ("bounce_classification",),
            ("attempt",),
            ("sg_machine_open",),
            ("asm_group_id",),
            ("url_offset", "index"),
            ("url_offset", "type"),
        ),
        recipient=("email",),
        recipient_of=lambda event: event.get("email"),
        variables=((),),
        answers=(("response",), ("reason",)),
    ),
    "postmark": Kept(
        fields=(
            ("ID",),
            ("RecordType",),
            ("DeliveredAt",),
            ("BouncedAt",),
            ("ReceivedAt",),
            ("ChangedAt",),
            ("MessageID",),
            ("MessageStream",),
            ("Type",),
            ("SuppressSending",),
            ("SuppressionReason",),
            ("ClickLocation",),
        ),
        recipient=("Recipient",),
        recipient_of=lambda event: event.get("Recipient") or event.get("Email"),
        variables=(("Metadata",),),
        answers=(("Details",),),
    ),
    **dict.fromkeys(
        _CLIENTS,
        Kept(
            fields=(("id",), ("event",), ("at",), ("dropped",)),
            variables=(("properties",),),
        ),
    ),
}
"""By source."""
