"""The JSON bodies of SendGrid's events, as its documentation shows them."""

from collections.abc import Mapping
from typing import Any

from simulator import clients
from simulator.clock import SECOND
from simulator.dialect import Dialect
from simulator.failures import Failure
from simulator.sendgrid_bodies import SendGridBodies
from simulator.sendgrid_failures import (
    BOUNCES,
    DELAYED_BOUNCE,
    EXPIRED,
    REJECTIONS,
    SUPPRESSED,
    TEMPORARY,
)
from simulator.templates import Template, written

_SMTP_ID = {"smtp-id": "{smtp_id}"}
_MESSAGE_ID = {"sg_message_id": "{sg_message_id}"}
_SENDING = {
    "ip": "{sending_ip}",
    "tls": 1,
    "domain": "{email_domain}",
    "from": "{from}",
}
_READING = {"useragent": "{useragent}", "ip": "{ip}", "sg_content_type": "html"}


def _template(
    name: str, *parts: Mapping[str, Any], choice: tuple[str, ...] = ()
) -> Template:
    event = {
        "email": "{email}",
        "timestamp": "<timestamp>",
        "event": name,
        "category": "<category>",
        "sg_event_id": "{id}",
    }
    for part in parts:
        event |= part
    return Template(name, (), f"{written(event)[:-1]}%(custom)s}}", choice)


def _failed(failure: Failure) -> Template:
    if failure.reason == "deferred":
        says = {"response": failure.message, "attempt": "{number}"}
        return _template("deferred", _SMTP_ID, _MESSAGE_ID, _SENDING, says)
    says = {"reason": failure.message, "status": failure.enhanced_code or ""}
    if failure.reason == "dropped":
        return _template("dropped", _SMTP_ID, _MESSAGE_ID, says)
    says |= {"type": failure.reason, "bounce_classification": failure.description}
    return _template("bounce", _SMTP_ID, _MESSAGE_ID, _SENDING, says)


def _opened(choice: tuple[str, ...], **further: bool) -> Template:
    return _template("open", _MESSAGE_ID, _READING, further, choice=choice)


def _grouped(name: str) -> Template:
    group = {
        "asm_group_id": "<group>",
        "url": "https://u7.ct.sendgrid.example/asm/?user_id=7",
    }
    return _template(name, _MESSAGE_ID, _READING, group, choice=clients.PEOPLE_AGENTS)


_DELIVERY = {"response": "250 2.0.0 OK"}
_ACCOUNT = Template(
    "account_status_change",
    (),
    written(
        {
            "event": "account_status_change",
            "sg_event_id": "{id}",
            "timestamp": "<timestamp>",
            "type": "compliance_suspend",
        }
    ),
)

SENDGRID = Dialect(
    grain=SECOND,
    accepted=_template(
        "processed", _SMTP_ID, _MESSAGE_ID, {"pool": {"name": "bulk", "id": 210}}
    ),
    delivered=_template("delivered", _SMTP_ID, _MESSAGE_ID, _SENDING, _DELIVERY),
    nameless=_template("delivered", _SENDING, _DELIVERY),
    failed={
        failure: _failed(failure)
        for failure in (
            *(*TEMPORARY, *BOUNCES, *SUPPRESSED, *REJECTIONS),
            *(EXPIRED, DELAYED_BOUNCE),
        )
    },
    temporary=TEMPORARY,
    bounces=BOUNCES,
    delayed_bounce=DELAYED_BOUNCE,
    old=EXPIRED,
    suppressed=SUPPRESSED,
    accepts_suppressed=False,
    rejections=REJECTIONS,
    opened={
        "person": _opened(clients.PEOPLE_AGENTS, sg_machine_open=False),
        "unknown": _opened(clients.PEOPLE_AGENTS),
        "apple": _opened(clients.APPLE_AGENTS, sg_machine_open=True),
    },
    machines=("apple",),
    clicked=_template(
        "click",
        _MESSAGE_ID,
        _READING,
        {
            "url": "{link}/{number}?utm_source=mail",
            "url_offset": {"index": "<number>", "type": "html"},
        },
        choice=clients.PEOPLE_AGENTS,
    ),
    unsubscribed=_template("unsubscribe", _MESSAGE_ID),
    group_unsubscribed=_grouped("group_unsubscribe"),
    group_resubscribed=_grouped("group_resubscribe"),
    complained=_template("spamreport", _MESSAGE_ID),
    inbound=None,
    account=_ACCOUNT,
    unknown=tuple(
        _template(name, _SMTP_ID, _MESSAGE_ID)
        for name in ("amp_opened", "list_cleaned", "snoozed")
    ),
    bodies=SendGridBodies,
)
"""SendGrid's way of telling what became of a mail, in whole seconds."""
