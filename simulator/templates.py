"""The JSON bodies of Mailgun's events, as its documentation shows them.

A template is written as the event that it stands for. In it, `"{word}"` inside a
text is filled with a piece of JSON text (already escaped), and a whole value
`"<word>"` with a piece of JSON. Filling a template is one `%` on a string, which is
what lets a million bodies be made in seconds.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from simulator import clients
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


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One kind of event.

    Attributes:
        name: Mailgun's event name.
        statistic: Its place in Mailgun's statistics; empty if it has none there.
        text: What `%` fills; `text % values` is the JSON body.
        clients: The `client-info` to choose from, as JSON; empty if it has none.
    """

    name: str
    statistic: tuple[str, ...]
    text: str
    clients: tuple[str, ...] = ()


_FLAGS = {
    "is-routed": False,
    "is-authenticated": True,
    "is-system-test": False,
    "is-test-mode": False,
}
_HEADERS = {
    "to": "{to}",
    "message-id": "{message_id}",
    "from": "{sender_header}",
    "subject": "{subject}",
}
_MESSAGE = {"headers": _HEADERS, "attachments": [], "size": "<size>"}
_STORAGE = {
    "url": "https://se.api.mailgun.net/v3/domains/{domain}/messages/{storage_key}",
    "region": "us-east4",
    "key": "{storage_key}",
}
_ENVELOPE = {
    "transport": "smtp",
    "sender": "{sender}",
    "sending-ip": "{sending_ip}",
    "targets": "{recipient}",
}
_ADDRESSEE = {
    "recipient": "{recipient}",
    "recipient-domain": "{recipient_domain}",
}
_BELONGINGS = {
    "tags": "<tags>",
    "campaigns": [],
    "user-variables": "<user_variables>",
}


def _template(
    name: str,
    statistic: tuple[str, ...],
    body: dict[str, Any],
    *,
    level: str = "info",
    choice: tuple[str, ...] = (),
) -> Template:
    event = {
        "id": "{id}",
        "event": name,
        "timestamp": "<timestamp>",
        "log-level": level,
        **body,
    }
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("%", "%%")
    text = re.sub(r'"<(\w+)>"', r"%(\1)s", text)
    text = re.sub(r"\{(\w+)\}", r"%(\1)s", text)
    return Template(name, statistic, text, choice)


def _failed(failure: Failure) -> Template:
    is_temporary = failure.severity != "permanent"
    status: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "description": failure.description,
        "attempt-no": "<number>",
        "session-seconds": "<session_seconds>",
        "mx-host": "{mx_host}",
        "tls": True,
        "certificate-verified": True,
        "utf8": True,
    }
    if failure.enhanced_code:
        status["enhanced-code"] = failure.enhanced_code
        status["bounce-type"] = "soft" if is_temporary else "hard"
    if is_temporary:
        status["retry-seconds"] = "<retry_seconds>"
    severity = {"severity": failure.severity} if failure.severity else {}
    body = {
        **severity,
        "reason": failure.reason,
        **_ADDRESSEE,
        "primary-dkim": "s1._domainkey.{domain}",
        "delivery-status": status,
        "flags": {**_FLAGS, "is-delayed-bounce": failure is DELAYED_BOUNCE},
        "envelope": _ENVELOPE,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    }
    level = "warn" if is_temporary else "error"
    return _template("failed", failure.statistic, body, level=level)


def _engaged(name: str, choice: tuple[str, ...], **further: str) -> Template:
    body = {
        **further,
        **_ADDRESSEE,
        "ip": "{ip}",
        "geolocation": "<geolocation>",
        "client-info": "<client>",
        "primary-dkim": "s1._domainkey.{domain}",
        "flags": _FLAGS,
        "message": _MESSAGE,
        **_BELONGINGS,
    }
    return _template(name, (name, "total"), body, choice=choice)


def _rejected(reason: str) -> Template:
    # As Mailgun has it: no `recipient`, only the header.
    body = {
        "reject": {"reason": reason, "description": ""},
        "severity": "permanent",
        "primary-dkim": "s1._domainkey.{domain}",
        "flags": _FLAGS,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    }
    return _template("rejected", (), body, level="warn")


ACCEPTED = _template(
    "accepted",
    ("accepted", "outgoing"),
    {
        "method": "HTTP",
        **_ADDRESSEE,
        "api-key-id": "{domain}-4f1a09c2",
        "originating-ip": "192.0.2.17",
        "primary-dkim": "s1._domainkey.{domain}",
        "envelope": {"transport": "smtp", "sender": "{sender}", "targets": "{to}"},
        "flags": _FLAGS,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    },
)
DELIVERED = _template(
    "delivered",
    ("delivered", "smtp"),
    {
        **_ADDRESSEE,
        "primary-dkim": "s1._domainkey.{domain}",
        "delivery-status": {
            "code": 250,
            "enhanced-code": "2.0.0",
            "message": "OK",
            "description": "",
            "attempt-no": "<number>",
            "session-seconds": "<session_seconds>",
            "mx-host": "{mx_host}",
            "tls": True,
            "certificate-verified": True,
            "utf8": True,
        },
        "flags": _FLAGS,
        "envelope": _ENVELOPE,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    },
)
NAMELESS = _template(
    "delivered",
    ("delivered", "smtp"),
    {
        **_ADDRESSEE,
        "delivery-status": {"code": 250, "message": "OK", "attempt-no": 1},
        "flags": _FLAGS,
        "envelope": _ENVELOPE,
        "message": {"headers": {"to": "{to}", "from": "{sender_header}"}},
        **_BELONGINGS,
    },
)
"""A delivery that tells no message id."""
FAILED = {
    failure: _failed(failure)
    for failure in (
        *TEMPORARY,
        *BOUNCES,
        SUPPRESS_BOUNCE,
        SUPPRESS_UNSUBSCRIBE,
        SUPPRESS_COMPLAINT,
        OLD,
        DELAYED_BOUNCE,
    )
}
REJECTED = {reason: _rejected(reason) for reason in REJECTIONS}
OPENED = {
    "person": _engaged("opened", clients.PEOPLE),
    "unknown": _engaged("opened", clients.UNKNOWN),
    **{bot: _engaged("opened", choice) for bot, choice in clients.MACHINES.items()},
}
CLICKED = _engaged("clicked", clients.PEOPLE, url="{link}/{number}?utm_source=mail")
UNSUBSCRIBED = _engaged("unsubscribed", clients.PEOPLE)
COMPLAINED = _template(
    "complained",
    ("complained", "total"),
    {
        **_ADDRESSEE,
        "flags": _FLAGS,
        "envelope": _ENVELOPE,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    },
    level="warn",
)
STORED = _template(
    "stored",
    ("stored", "total"),
    {
        "flags": {**_FLAGS, "is-authenticated": False},
        "message": {
            "headers": {
                "to": "{sender_header}",
                "message-id": "reply.{id}@{recipient_domain}",
                "from": "{to}",
                "subject": "Re: {subject}",
            },
            "attachments": [
                {
                    "filename": "scan.pdf",
                    "content-type": "application/pdf",
                    "size": 48213,
                }
            ],
            "recipients": ["hello@{domain}"],
            "size": "<size>",
        },
        "storage": _STORAGE,
        "campaigns": [],
        "tags": [],
        "user-variables": {},
    },
)
UNKNOWN = tuple(
    _template(
        name,
        (),
        {
            **_ADDRESSEE,
            "flags": _FLAGS,
            "message": _MESSAGE,
            "storage": _STORAGE,
            **_BELONGINGS,
        },
    )
    for name in ("list_member_uploaded", "prefetched", "email_validation")
)
"""Events of names that are in no vocabulary."""
