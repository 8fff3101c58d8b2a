"""What Mailgun's events say: about 1.1 KB each."""

from random import Random

from simulator.bodies import Bodies, as_json
from simulator.cast import Email, Recipient
from simulator.clients import PLACES
from simulator.clock import SECOND
from simulator.diary import Moment


class MailgunBodies(Bodies):
    """Writes the bodies of one domain's events."""

    def __init__(self, rng: Random, text_timestamps: float) -> None:
        """Begins with nothing written."""
        super().__init__(rng, text_timestamps)
        self._of_email: dict[str, dict[str, str]] = {}

    def _values(self, moment: Moment, recipient: Recipient) -> dict[str, object]:
        draw = self._rng.random
        template, number = moment.template, moment.number
        email = recipient.email
        of_email = self._of_email.get(email.email_id)
        if of_email is None:
            of_email = self._of_email[email.email_id] = _email_values(email)
        seconds = self._perhaps_text(timestamp(moment.occurred_at))
        address = recipient.member.address
        provider = address.rpartition("@")[2]
        network, geolocation = PLACES[int(draw() * len(PLACES))]
        clients = template.clients
        return {
            **of_email,
            "id": moment.event_id,
            "timestamp": seconds,
            "recipient": address,
            "recipient_domain": provider,
            "mx_host": f"mx{int(draw() * 4) + 1}.{provider}",
            "to": _header(recipient.member.name, address),
            "message_id": recipient.message_id,
            "storage_key": f"BAABAg{recipient.member.member_id}",
            "user_variables": of_email[
                "variables_with_id" if moment.carries_id else "variables"
            ],
            "number": number,
            "retry_seconds": 600 << number,
            "session_seconds": f"{draw() * 3:.3f}",
            "ip": f"{network}.{int(draw() * 254) + 1}",
            "geolocation": geolocation,
            "client": clients[int(draw() * len(clients))] if clients else "",
        }


def timestamp(at: int) -> str:
    """Epoch seconds as Mailgun writes them: the shortest float that is exact.

    Args:
        at: Microseconds since the epoch.
    """
    return repr(at / SECOND)


def _email_values(email: Email) -> dict[str, str]:
    """What every event of an email says alike, as pieces of JSON."""
    account = email.account
    variables = {"newsletter-id": email.newsletter_id} if email.is_batched else {}
    tags = ["bulk-email", "ghost-email"] if email.is_batched else ["notification"]
    sender = f"bounce+{email.email_id[:12]}@{account.domain}"
    return {
        "domain": account.domain,
        "sender": sender,
        "sender_header": _header(account.name, f"hello@{account.domain}"),
        "sending_ip": f"198.51.100.{int(email.email_id[-2:], 16) % 254 + 1}",
        "subject": as_json(email.subject)[1:-1],
        "size": str(2_000 + int(email.email_id[-4:], 16)),
        "tags": as_json(tags),
        "variables": as_json(variables),
        "variables_with_id": as_json({**variables, "email-id": email.email_id}),
        "link": f"https://www.{account.domain.removeprefix('mail.')}/{email.email_id}",
    }


def _header(name: str, address: str) -> str:
    """A From or To header as a piece of JSON: quoted where a comma demands it."""
    if "," in name:
        return f'\\"{name}\\" <{address}>'
    return f"{name} <{address}>"
