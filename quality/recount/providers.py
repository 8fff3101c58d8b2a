"""What each provider's JSON says, read by Python: one reader for a provider.

    payload ──▶ Heard: addresses, ids, codes, and the texts that conditions ask for

PROVIDERS.md is what these are written from; the staging models are not looked at.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

LONGEST_MESSAGE = 2_000
_BIGGEST = 2**31


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as its provider tells it.

    Attributes:
        recipient: The address as it came.
        message_id: The message's RFC Message-ID, without angle brackets.
        provider_message_id: The provider's own id of the message.
        given_email_id: The application's id of the email.
        subject: The message's.
        conditions: What the vocabulary's conditions may ask, by their first word.
        smtp_code, enhanced_code, message: What the other side answered.
        is_machine: Whether a machine opened or clicked; None if nobody knows.
        bounce_word: The provider's own class of a bounce.
        scope: Which mail a (un)subscribe is about; None for what the email is of.
    """

    recipient: str | None = None
    message_id: str | None = None
    provider_message_id: str | None = None
    given_email_id: str | None = None
    subject: str | None = None
    conditions: Mapping[str, str | None] | None = None
    smtp_code: int | None = None
    enhanced_code: str | None = None
    message: str | None = None
    is_machine: bool | None = None
    bounce_word: str | None = None
    scope: str | None = None


Reader = Callable[[str, dict[str, Any], Sequence[str]], Heard]
"""Takes the event's name, its JSON and the names that may hold the email's id."""

NOTHING = Heard(conditions={})
"""What is heard of a payload that is no JSON."""


def mailgun(name: str, said: dict[str, Any], variables: Sequence[str]) -> Heard:  # noqa: ARG001
    """A Mailgun event."""
    message, status = _at(said, "message"), _at(said, "delivery-status")
    headers, client = _at(message, "headers"), _at(said, "client-info")
    recipients = message.get("recipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    bot = _text(client.get("bot"), keep_empty=True)
    return Heard(
        recipient=_text(said.get("recipient"))
        or _text(first)
        or first_address(_text(headers.get("to"))),
        message_id=bare(_text(headers.get("message-id"))),
        given_email_id=_first_of(_at(said, "user-variables"), variables),
        subject=_text(headers.get("subject")),
        conditions={
            "reason": _text(said.get("reason")),
            "severity": _text(said.get("severity")),
        },
        smtp_code=_whole(status.get("code")),
        enhanced_code=_text(status.get("enhanced-code")),
        message=_text(status.get("message"))
        or _text(status.get("description"))
        or _text(_at(said, "reject").get("reason")),
        is_machine=None if bot is None else bot != "",
    )


def sendgrid(name: str, said: dict[str, Any], variables: Sequence[str]) -> Heard:
    """A SendGrid event; its custom arguments stand beside its own members."""
    response, reason = _text(said.get("response")), _text(said.get("reason"))
    machine = (_text(said.get("sg_machine_open")) or "").lower()
    return Heard(
        recipient=_text(said.get("email")),
        message_id=bare(_text(said.get("smtp-id"))),
        provider_message_id=sendgrid_message(_text(said.get("sg_message_id"))),
        given_email_id=_first_of(said, variables),
        conditions={"reason": reason, "type": _text(said.get("type"))},
        smtp_code=_answered(response)[0] or _answered(reason)[0],
        enhanced_code=_text(said.get("status"))
        or _answered(response)[1]
        or _answered(reason)[1],
        message=response or reason,
        is_machine={"true": True, "1": True, "false": False, "0": False}.get(machine),
        bounce_word=_text(said.get("bounce_classification")),
        scope=f"group:{_text(said.get('asm_group_id')) or ''}"
        if name.startswith("group_")
        else "all",
    )


def postmark(name: str, said: dict[str, Any], variables: Sequence[str]) -> Heard:  # noqa: ARG001
    """A Postmark event."""
    details = _text(said.get("Details"))
    code, enhanced = _answered(details)
    return Heard(
        recipient=_text(said.get("Recipient")) or _text(said.get("Email")),
        provider_message_id=bare(_text(said.get("MessageID"))),
        given_email_id=_first_of(_at(said, "Metadata"), variables),
        subject=_text(said.get("Subject")),
        conditions={
            "reason": _text(said.get("SuppressionReason")),
            "suppresses": _text(said.get("SuppressSending")),
            "type": _text(said.get("Type")),
        },
        smtp_code=code,
        enhanced_code=enhanced,
        message=details or _text(said.get("Description")),
        bounce_word=_text(said.get("Type")),
        scope=f"group:{_text(said.get('MessageStream')) or 'outbound'}",
    )


READERS: Mapping[str, Reader] = {
    "mailgun": mailgun,
    "sendgrid": sendgrid,
    "postmark": postmark,
}
"""By provider; raw's table is named after it."""


def read(
    reader: Reader, name: str, payload: str | None, variables: Sequence[str]
) -> Heard:
    """Reads an event's JSON."""
    try:
        said = orjson.loads(payload or "")
    except orjson.JSONDecodeError:
        return NOTHING
    return reader(name, said, variables) if isinstance(said, dict) else NOTHING


def bare(message_id: str | None) -> str | None:
    """A Message-ID without its angle brackets."""
    return (message_id or "").strip(" ").strip("<>") or None


def sendgrid_message(text: str | None) -> str | None:
    """The X-Message-Id at the head of a sg_message_id."""
    if not text:
        return None
    tails = [at for tail in (".recvd", ".filter") if (at := text.find(tail)) >= 0]
    return (text[: min(tails)] if tails else text.split(".", 1)[0]) or None


def first_address(header: str | None) -> str | None:
    """The first address of a To header, past quoted names with commas in them."""
    if not header:
        return None
    words, word, at = [], "", 0
    while at < len(header):
        letter = header[at]
        end = _end_of_quote(header, at) if letter == '"' else None
        if end is not None:
            at = end
            continue
        if letter.isspace() or letter in '<>,;"':
            words.append(word)
            word = ""
        else:
            word += letter
        at += 1
    for found in (*words, word):
        before, sign, after = found.partition("@")
        if before and sign and after:
            return found
    return None


def _end_of_quote(text: str, at: int) -> int | None:
    """Where a quoted name that begins here is over; None if it never is."""
    at += 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text[at] == '"':
            return at + 1
        else:
            at += 1
    return None


_ANSWER = re.compile(
    r"(?:^|smtp;)\s*(?P<code>[245]\d\d)"
    r"(?:[ -](?P<enhanced>[245]\.\d{1,3}\.\d{1,3})(?=[ :]|$)|[ -]|$)"
)


def _answered(answer: str | None) -> tuple[int | None, str | None]:
    """The codes that a mail server's answer begins with."""
    found = _ANSWER.search(answer or "")
    return (int(found["code"]), found["enhanced"]) if found else (None, None)


def _at(said: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; an empty one if it isn't."""
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _first_of(said: dict[str, Any], names: Sequence[str]) -> str | None:
    return next((text for name in names if (text := _text(said.get(name)))), None)


def _text(value: object, *, keep_empty: bool = False) -> str | None:
    """A member as text, as JSON writes what is none."""
    if value is None:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if text or keep_empty else None


def _whole(value: object) -> int | None:
    """A code as a whole number."""
    try:
        number = round(float(_text(value) or ""))
    except (ValueError, OverflowError):
        return None
    return number if -_BIGGEST <= number < _BIGGEST else None
