"""What each provider's JSON says, worked out in plain Python from PROVIDERS.md alone.

raw event ──▶ what its provider says ──▶ + the vocabulary ──▶ normalised event
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import duckdb

Row = dict[str, Any]
Get = Callable[..., str | None]

EMAIL_ID_VARIABLES = '["email-id", "email_id"]'
ARGUMENTS = ("email-id", "email_id", "mailing", "other")
"""What the application puts into the messages of our worlds."""

NOTHING: Row = {
    "provider_message_id": None,
    "bounce_word": None,
    "url_offset": None,
    "smtp_code": None,
    "enhanced_code": None,
    "attempt": None,
    "bot": None,
    "subject": None,
    "scope": None,
}
"""What not every provider says."""


@dataclass(frozen=True)
class Event:
    """A row of `raw.<provider>_events`.

    Attributes:
        domain: Sending domain; None if the webhook doesn't say.
        payload: The provider's JSON; None if it can't be parsed.
        loaded_at: When its load committed.
    """

    provider: str
    event_key: str
    domain: str | None
    event_id: str
    name: str
    occurred_at: datetime
    received_at: datetime
    payload: Mapping[str, Any] | None
    loaded_at: datetime


def normalise(
    event: Event,
    vocabulary: Iterable[Row],
    bounce_classes: Iterable[Row],
    settings: Mapping[str, str],
) -> Row:
    """An event in our words.

    Args:
        event: As it lies in raw.
        vocabulary: Rows of the seed `event_vocabulary`.
        bounce_classes: Rows of the seed `bounce_classes`.
        settings: Settings by name; by `<source>.<name>` if not of Mailgun.
    """
    says = NOTHING | _SAID[event.provider](event, _getter(event.payload))
    name = _first_row(event, says["conditions"], vocabulary)
    event_type = name["event_type"] if name else "unknown"
    read = event_type in ("opened", "clicked")
    recipient, text, bot = says["recipient"], says["text"], says["bot"]
    return {
        "event_key": event.event_key,
        "provider": event.provider,
        "domain": event.domain,
        "provider_event_name": event.name,
        "event_type": event_type,
        "severity": name and name["severity"],
        "reject_reason": name and name["reject_reason"],
        "bounce_class": (
            _bounce_class(says, bounce_classes) if event_type == "bounced" else None
        ),
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "loaded_at": event.loaded_at,
        "recipient": recipient,
        "recipient_key": recipient and recipient_key(recipient),
        "message_id": says["message_id"],
        "provider_message_id": says["provider_message_id"],
        "event_id": event.event_id,
        "given_email_id": _given_email_id(
            says["arguments"], _setting(event.provider, "email_id_variables", settings)
        ),
        "is_machine": bot != "" if read and bot is not None else None,
        "machine_kind": (bot or None) if read else None,
        "url": says["url"],
        "url_offset": says["url_offset"],
        "smtp_code": says["smtp_code"],
        "enhanced_code": says["enhanced_code"],
        "mta_response": text and text[:2000],
        "attempt": says["attempt"],
        "user_agent": says["user_agent"],
        "ip": says["ip"],
        "ip_is_sender": says["ip_is_sender"],
        "tags": says["tags"],
        "user_variables": says["arguments"],
        "counts_in_delivery": name is not None and name["counts_in_delivery"] == "true",
        "subject": says["subject"],
        "says_scope": says["scope"],
        "says_sent": any(
            row["says_sent"] == "true"
            for row in vocabulary
            if (row["provider"], row["provider_event_name"])
            == (event.provider, event.name)
        ),
    }


def _mailgun(event: Event, get: Get) -> Row:
    text = (
        get("delivery-status", "message")
        or get("delivery-status", "description")
        or get("reject", "reason")
    )
    own_ip, sending_ip = get("ip"), get("envelope", "sending-ip")
    return {
        "conditions": (f"reason={get('reason')}", f"severity={get('severity')}"),
        "recipient": get("recipient")
        or get("message", "recipients", 0)
        or _first_address(get("message", "headers", "to")),
        "message_id": bare_id(get("message", "headers", "message-id")),
        "arguments": (event.payload or {}).get("user-variables"),
        "smtp_code": _integer(get("delivery-status", "code")),
        "enhanced_code": get("delivery-status", "enhanced-code"),
        "text": text,
        "attempt": _integer(get("delivery-status", "attempt-no")),
        "bot": get("client-info", "bot", empty=True),
        "url": get("url"),
        "user_agent": get("client-info", "user-agent"),
        "ip": own_ip or sending_ip,
        "ip_is_sender": own_ip is None and sending_ip is not None,
        "tags": (event.payload or {}).get("tags"),
        "subject": get("message", "headers", "subject"),
    }


def _sendgrid(event: Event, get: Get) -> Row:
    payload = event.payload or {}
    category, offset = payload.get("category"), payload.get("url_offset")
    text = get("response") or get("reason")
    code, enhanced = _codes(text)
    machine = payload.get("sg_machine_open")
    by_group = event.name in ("group_unsubscribe", "group_resubscribe")
    return {
        "conditions": (f"reason={get('reason')}", f"type={get('type')}"),
        "bounce_word": get("bounce_classification"),
        "recipient": get("email"),
        "message_id": bare_id(get("smtp-id")),
        "provider_message_id": _x_message_id(get("sg_message_id")),
        "arguments": {name: payload[name] for name in ARGUMENTS if name in payload}
        or None,
        "smtp_code": code,
        "enhanced_code": get("status") or enhanced,
        "text": text,
        "attempt": _integer(get("attempt")),
        "bot": None if machine is None else "apple" if machine else "",
        "url": get("url"),
        "url_offset": offset and f"{offset['type']}:{offset['index']}",
        "user_agent": get("useragent"),
        "ip": get("ip"),
        "ip_is_sender": get("ip") is not None
        and event.name in ("processed", "deferred", "delivered", "bounce", "dropped"),
        "tags": [category] if isinstance(category, str) else category or None,
        "scope": (
            f"group:{get('asm_group_id') or ''}"
            if by_group
            else "all"
            if event.name == "unsubscribe"
            else None
        ),
    }


def _postmark(event: Event, get: Get) -> Row:
    suppresses, text = get("SuppressSending"), get("Details")
    code, enhanced = _codes(text)
    tag, place = get("Tag"), get("ClickLocation")
    return {
        "conditions": (
            f"reason={get('SuppressionReason')}",
            f"suppresses={suppresses}" if suppresses else f"type={get('Type')}",
        ),
        "bounce_word": get("Type"),
        "recipient": get("Recipient") or get("Email"),
        "message_id": None,
        "provider_message_id": get("MessageID"),
        "arguments": (event.payload or {}).get("Metadata") or None,
        "smtp_code": code,
        "enhanced_code": enhanced,
        "text": text or get("Description"),
        "url": get("OriginalLink"),
        "url_offset": place and place.lower(),
        "user_agent": get("UserAgent"),
        "ip": get("Geo", "IP"),
        "ip_is_sender": False,
        "tags": [tag] if tag else None,
        "subject": get("Subject"),
        "scope": f"group:{get('MessageStream') or 'outbound'}",
    }


_SAID: Mapping[str, Callable[[Event, Get], Row]] = {
    "mailgun": _mailgun,
    "sendgrid": _sendgrid,
    "postmark": _postmark,
}


@cache
def recipient_key(address: str) -> str:
    """An address lower-cased as the warehouse does it, which Python doesn't ('İ')."""
    found = duckdb.execute("select lower(trim(?))", [address]).fetchone()
    return str(found[0]) if found else ""


def bare_id(text: str | None) -> str | None:
    """Without angle brackets, case kept."""
    return (text or "").strip(" ").strip("<>") or None


def _getter(payload: Mapping[str, Any] | None) -> Get:
    """Looks values up in a body; an empty text is None unless it is asked for."""

    def get(*path: str | int, empty: bool = False) -> str | None:
        value: Any = payload
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        if value is None or (value == "" and not empty):
            return None
        return str(value).lower() if isinstance(value, bool) else str(value)

    return get


def _first_row(
    event: Event, conditions: Sequence[str], vocabulary: Iterable[Row]
) -> Row | None:
    """The row of the vocabulary that names an event: reason, severity, bare name."""
    rows = {
        row["condition"]: row
        for row in vocabulary
        if (row["provider"], row["provider_event_name"]) == (event.provider, event.name)
    }
    for condition in (*conditions, None):
        if condition in rows:
            return rows[condition]
    return None


def _bounce_class(says: Row, rows: Iterable[Row]) -> str:
    """The class of a bounce: by the provider's word, the codes, their family."""
    classes = {row["code"]: row["bounce_class"] for row in rows}
    family = ".".join((says["enhanced_code"] or "").split(".")[:2])
    for known_by in (
        says["bounce_word"],
        says["enhanced_code"],
        family,
        str(says["smtp_code"]),
    ):
        if known_by in classes:
            return str(classes[known_by])
    return "Unclassified"


def _setting(source: str, name: str, settings: Mapping[str, str]) -> str | None:
    return settings.get(name if source == "mailgun" else f"{source}.{name}")


def _given_email_id(arguments: Any, variables: str | None) -> str | None:
    names = json.loads(variables or EMAIL_ID_VARIABLES)
    given = ((arguments or {}).get(name) for name in names)
    return next((value for value in given if value), None)


def _x_message_id(text: str | None) -> str | None:
    """What SendGrid's id begins with, before what it appends."""
    whole = text or ""
    for end in (".recvd", ".filter"):
        if end in whole:
            return whole.partition(end)[0] or None
    return whole.partition(".")[0] or None


def _codes(answer: str | None) -> tuple[int | None, str | None]:
    """The two codes that a server's answer begins with."""
    words = (answer or "").removeprefix("smtp;").split()
    if not words or not re.fullmatch("[245][0-9]{2}", words[0]):
        return None, None
    has_two = len(words) > 1 and words[1].count(".") == 2
    return int(words[0]), words[1] if has_two else None


def _first_address(header: str | None) -> str | None:
    """The address in angle brackets, else the bare one; none of ours has two."""
    bare = (header or "").partition("<")[2].partition(">")[0] or header
    return bare if bare and "@" in bare else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
