"""What SendGrid's events say: about 0.5 KB each.

Its own id of a message is the X-Message-Id that its API answered with and a suffix
that is another for each recipient. Mail handed over by SMTP keeps the application's
Message-ID as `smtp-id`; for mail of its API it makes one that nobody knows.
"""

from hashlib import blake2b

from simulator.bodies import Bodies, as_json
from simulator.cast import Email, Recipient
from simulator.clients import PLACES
from simulator.clock import SECOND
from simulator.diary import Moment


class SendGridBodies(Bodies):
    """Writes the bodies of one domain's events."""

    def _values(self, moment: Moment, recipient: Recipient) -> dict[str, object]:
        draw = self._rng.random
        email, address = recipient.email, recipient.member.address
        clients = moment.template.clients
        network = PLACES[int(draw() * len(PLACES))][0]
        site = f"https://www.{email.account.domain.removeprefix('mail.')}"
        return {
            "id": moment.event_id,
            "timestamp": self._perhaps_text(str(moment.occurred_at // SECOND)),
            "email": address,
            "email_domain": address.rpartition("@")[2],
            "from": f"hello@{email.account.domain}",
            "smtp_id": _smtp_id(recipient),
            "sg_message_id": _sg_message_id(recipient, moment.template.name),
            "category": as_json(
                ["newsletter"] if email.is_batched else ["notification"]
            ),
            "custom": _custom_arguments(email, moment),
            "number": moment.number,
            "sending_ip": f"198.51.100.{int(email.email_id[-2:], 16) % 254 + 1}",
            "ip": f"{network}.{int(draw() * 254) + 1}",
            "useragent": clients[int(draw() * len(clients))] if clients else "",
            "link": f"{site}/{email.email_id}",
            "group": int(email.account.account_id.removeprefix("acc_")) + 100,
        }


def _custom_arguments(email: Email, moment: Moment) -> str:
    """Further members of the event: SendGrid puts them beside its own."""
    given: dict[str, object] = {"newsletter_id": email.newsletter_id}
    if not email.is_batched:
        given = {"kind": "notification"}
    if moment.carries_id:
        given["email_id"] = email.email_id
    return f",{as_json(given)[1:-1]}"


def _smtp_id(recipient: Recipient) -> str:
    """The Message-ID, in angle brackets as SendGrid has it."""
    if recipient.email.is_batched:
        made = _digest(recipient, "smtp-id")[:22]
        return f"<{made}@geopod-ismtpd-{len(recipient.member.address) % 8}>"
    return f"<{recipient.message_id}>"


def _sg_message_id(recipient: Recipient, event: str) -> str:
    """SendGrid's id, in its newer form or in its older one.

    Mail of SMTP that is dropped at once has none: only the suffix is there.
    """
    suffix = _digest(recipient, "suffix")
    message_id = recipient.message_id
    if not recipient.email.is_batched:
        if event == "dropped":
            return f".filter0{suffix[:3]}.{suffix[3:8].upper()}.0"
        made = blake2b(message_id.encode(), digest_size=11).hexdigest()
        if int(made[0], 16) < 4:
            # The older one has dots of its own.
            message_id = f"{made[:11]}.{made[11:14]}.{made[14:20]}"
            return f"{message_id}.filter0{suffix[:3]}.{suffix[3:8].upper()}.0"
        message_id = made
    return (
        f"{message_id}.recvd-{suffix[:10]}-{suffix[10:15]}-1-{suffix[15:23].upper()}.0"
    )


def _digest(recipient: Recipient, purpose: str) -> str:
    """Hexadecimal digits that are the same for all events of a mail."""
    text = f"{recipient.message_id}/{recipient.member.member_id}/{purpose}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
