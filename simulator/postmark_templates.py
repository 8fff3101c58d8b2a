"""Postmark's events: their JSON bodies, as its documentation shows them.

It says nothing of mail that it took, nor of machines that open it; no event has an id.
"""

from typing import Any

from simulator import clients
from simulator.bodies import Bodies, as_json
from simulator.cast import Recipient
from simulator.clock import instant_of
from simulator.dialect import Dialect
from simulator.diary import Moment
from simulator.failures import Failure
from simulator.templates import Template, written

_TEMPORARY = (
    Failure("temporary", "Transient", 421, "4.7.0",
            "smtp;421 4.7.0 Try again later, closing connection.", "", ()),
    Failure("temporary", "Transient", 451, "4.7.1",
            "smtp;451 4.7.1 Greylisting in action, please come back later", "", ()),
)  # fmt: skip
_GONE = Failure(
    "permanent", "HardBounce", 550, "5.1.1",
    "smtp;550 5.1.1 The email account that you tried to reach does not exist", "", (),
)  # fmt: skip
_FULL = Failure(
    "temporary", "SoftBounce", 552, "5.2.2", "smtp;552 5.2.2 Mailbox full", "", ()
)
_BLOCKED = Failure(
    "temporary", "Blocked", 554, "5.7.1",
    "smtp;554 5.7.1 Blocked by the mailbox provider's list", "", (), "blocked",
)  # fmt: skip
_OLD = Failure(
    "temporary", "SoftBounce", None, None, "action: failed, message expired", "", ()
)
_DEACTIVATED = Failure(
    "permanent", "ManuallyDeactivated", None, None,
    "The address was deactivated by hand", "", (), "blocked",
)  # fmt: skip
_INVALID = Failure(
    "permanent", "BadEmailAddress", None, None, "This is no address", "", (), "invalid"
)


class PostmarkBodies(Bodies):
    """Writes the bodies of one domain's events: about 0.7 KB each."""

    def _values(self, moment: Moment, recipient: Recipient) -> dict[str, object]:
        draw = self._rng.random
        email = recipient.email
        network = clients.PLACES[int(draw() * len(clients.PLACES))][0]
        choice = moment.template.clients
        site = f"https://www.{email.account.domain.removeprefix('mail.')}"
        iso = instant_of(moment.occurred_at).strftime("%Y-%m-%dT%H:%M:%S.%f")
        return {
            "recipient": recipient.member.address,
            "sender": f"hello@{email.account.domain}",
            "message_id": recipient.message_id,
            "at": f"{iso}0Z",
            "number": int(draw() * 2**62),
            "subject": as_json(email.subject)[1:-1],
            "tag": "newsletter" if email.is_batched else "notification",
            "stream": "broadcast" if email.is_batched else "outbound",
            "metadata": as_json(
                {"email-id": email.email_id} if moment.carries_id else {}
            ),
            "ip": f"{network}.{int(draw() * 254) + 1}",
            "useragent": choice[int(draw() * len(choice))] if choice else "",
            "link": f"{site}/{email.email_id}/{moment.number}?utm_source=mail",
        }


_MESSAGE_ID = {"MessageID": "{message_id}"}


def _template(
    name: str, time: str, body: dict[str, Any], choice: tuple[str, ...] = ()
) -> Template:
    event = {
        "RecordType": name,
        "ServerID": 23,
        "MessageStream": "{stream}",
        "Tag": "{tag}",
        "Metadata": "<metadata>",
        time: "{at}",
        **body,
    }
    return Template(name, (), written(event), choice)


def _bounced(name: str, kind: str, details: str, code: int) -> Template:
    body = {
        **_MESSAGE_ID,
        "ID": "<number>",
        "Type": kind,
        "TypeCode": code,
        "Name": kind,
        "Description": "See the details.",
        "Details": details,
        "Email": "{recipient}",
        "From": "{sender}",
        "DumpAvailable": True,
        "Inactive": kind == "HardBounce",
        "CanActivate": True,
        "Subject": "{subject}",
    }
    return _template(name, "BouncedAt", body)


def _engaged(name: str, **further: Any) -> Template:
    body = {
        **_MESSAGE_ID,
        "Recipient": "{recipient}",
        "Client": {"Name": "Chrome", "Company": "Google Inc.", "Family": "Chrome"},
        "OS": {"Name": "Linux", "Company": "", "Family": "Linux"},
        "Platform": "WebMail",
        "UserAgent": "{useragent}",
        "Geo": {"IP": "{ip}"},
        **further,
    }
    return _template(name, "ReceivedAt", body, clients.PEOPLE_AGENTS)


_DELIVERY = {"Recipient": "{recipient}", "Details": "smtp;250 2.0.0 OK"}
_OPENED = _engaged("Open", FirstOpen=False)

POSTMARK = Dialect(
    grain=1,
    accepted=None,
    delivered=_template("Delivery", "DeliveredAt", {**_MESSAGE_ID, **_DELIVERY}),
    nameless=_template("Delivery", "DeliveredAt", _DELIVERY),
    failed={
        failure: _bounced("Bounce", failure.reason, failure.message, code)
        for failure, code in (
            *((failure, 2) for failure in _TEMPORARY),
            *((_GONE, 1), (_FULL, 4096), (_BLOCKED, 8192), (_OLD, 4096)),
            *((_DEACTIVATED, 16384), (_INVALID, 100000)),
        )
    },
    temporary=_TEMPORARY,
    bounces=(_GONE, _FULL, _BLOCKED),
    delayed_bounce=_GONE,
    old=_OLD,
    suppressed=(_DEACTIVATED,),
    accepts_suppressed=False,
    rejections=(_INVALID,),
    opened={"person": _OPENED, "unknown": _OPENED},
    machines=(),
    clicked=_engaged("Click", ClickLocation="HTML", OriginalLink="{link}"),
    unsubscribed=_template(
        "SubscriptionChange",
        "ChangedAt",
        {
            **_MESSAGE_ID,
            "Recipient": "{recipient}",
            "Origin": "Recipient",
            "SuppressSending": True,
            "SuppressionReason": "ManualSuppression",
        },
    ),
    group_unsubscribed=None,
    group_resubscribed=None,
    complained=_bounced("SpamComplaint", "SpamComplaint", "", 512),
    inbound=None,
    account=None,
    unknown=tuple(
        _template(name, "ReceivedAt", {**_MESSAGE_ID, "Recipient": "{recipient}"})
        for name in ("LinkPreviewed", "Snoozed")
    ),
    bodies=PostmarkBodies,
)
"""Postmark's way of telling what became of a mail."""
