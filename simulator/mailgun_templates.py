"""The JSON bodies of Mailgun's events, as its documentation shows them."""

from typing import Any

from simulator import clients
from simulator.dialect import Dialect
from simulator.failures import (
    BOUNCES,
    DELAYED_BOUNCE,
    OLD,
    REJECTIONS,
    SUPPRESSED,
    TEMPORARY,
    Failure,
)
from simulator.mailgun_bodies import MailgunBodies
from simulator.templates import Template, written

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
    return Template(name, statistic, written(event), choice)


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


def _rejected(failure: Failure) -> Template:
    # As Mailgun has it: no `recipient`, only the header.
    body = {
        "reject": {"reason": failure.message, "description": ""},
        "severity": "permanent",
        "primary-dkim": "s1._domainkey.{domain}",
        "flags": _FLAGS,
        "message": _MESSAGE,
        "storage": _STORAGE,
        **_BELONGINGS,
    }
    return _template("rejected", (), body, level="warn")


_ACCEPTED = _template(
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
_DELIVERED = _template(
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
_NAMELESS = _template(
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
_FAILED = {
    failure: _failed(failure)
    for failure in (*TEMPORARY, *BOUNCES, *SUPPRESSED, OLD, DELAYED_BOUNCE)
}
_REJECTED = {failure: _rejected(failure) for failure in REJECTIONS}
_OPENED = {
    "person": _engaged("opened", clients.PEOPLE),
    "unknown": _engaged("opened", clients.UNKNOWN),
    **{bot: _engaged("opened", choice) for bot, choice in clients.MACHINES.items()},
}
_CLICKED = _engaged("clicked", clients.PEOPLE, url="{link}/{number}?utm_source=mail")
_UNSUBSCRIBED = _engaged("unsubscribed", clients.PEOPLE)
_COMPLAINED = _template(
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
_STORED = _template(
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
_UNKNOWN = tuple(
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

MAILGUN = Dialect(
    grain=1,
    accepted=_ACCEPTED,
    delivered=_DELIVERED,
    nameless=_NAMELESS,
    failed={**_FAILED, **_REJECTED},
    temporary=TEMPORARY,
    bounces=BOUNCES,
    delayed_bounce=DELAYED_BOUNCE,
    old=OLD,
    suppressed=SUPPRESSED,
    accepts_suppressed=True,
    rejections=REJECTIONS,
    opened=_OPENED,
    machines=("apple", "apple", "gmail", "generic"),
    clicked=_CLICKED,
    unsubscribed=_UNSUBSCRIBED,
    group_unsubscribed=None,
    group_resubscribed=None,
    complained=_COMPLAINED,
    inbound=_STORED,
    account=None,
    unknown=_UNKNOWN,
    bodies=MailgunBodies,
)
"""Mailgun's way of telling what became of a mail."""
