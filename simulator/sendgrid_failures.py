"""The ways in which delivery fails, as SendGrid words them.

`reason` is the event's: its `type` for a bounce, its `reason` where mail was dropped;
`description` is the bounce's classification.
"""

from simulator.failures import Failure

TEMPORARY = (
    Failure("temporary", "deferred", 421, "4.7.0",
            "421 4.7.0 Try again later, closing connection. (EHLO)", "", ()),
    Failure("temporary", "deferred", 451, "4.7.1",
            "451 4.7.1 Greylisting in action, please come back later", "", ()),
    Failure("temporary", "deferred", 452, "4.2.2",
            "452 4.2.2 The email account that you tried to reach is over quota", "",
            ()),
)  # fmt: skip

BOUNCES = (
    Failure("permanent", "bounce", 550, "5.1.1",
            "550 5.1.1 The email account that you tried to reach does not exist",
            "Invalid Address", ()),
    Failure("permanent", "bounce", 552, "5.2.2",
            "552 5.2.2 Mailbox full. " + "The quota of this mailbox is used up. " * 70,
            "Mailbox Unavailable", ()),
    Failure("temporary", "blocked", 554, "5.7.1",
            "554 5.7.1 Message rejected due to the sender's reputation", "Reputation",
            (), "blocked"),
    Failure("temporary", "blocked", 550, "5.7.26",
            "550 5.7.26 This mail is not authenticated", "Content", (), "blocked"),
)  # fmt: skip

DELAYED_BOUNCE = Failure(
    "permanent", "bounce", 550, "5.1.1",
    "550 5.1.1 Address rejected after the message had been accepted",
    "Invalid Address", (),
)  # fmt: skip
EXPIRED = Failure(
    "temporary", "expired", None, "5.0.0", "unable to get mx info: message expired",
    "Technical", (), "timed_out",
)  # fmt: skip


def _dropped(reason: str, reject_reason: str) -> Failure:
    return Failure("permanent", "dropped", None, "5.0.0", reason, "", (), reject_reason)


SUPPRESSED = (
    _dropped("Bounced Address", "bounced"),
    _dropped("Unsubscribed Address", "unsubscribed"),
    _dropped("Spam Reporting Address", "spam"),
)
REJECTIONS = (_dropped("Invalid", "invalid"), _dropped("Spam Content", "spam"))
