"""The ways in which delivery fails, and how Mailgun words them."""

from typing import NamedTuple

MESSAGE_LIMIT = 2_000
"""Longest failure message that is kept, in characters."""


class Failure(NamedTuple):
    """One way to fail.

    Attributes:
        severity: Mailgun's `severity`; None where Mailgun leaves it out, which
            means temporary.
        reason: Mailgun's `reason`.
        code: `delivery-status.code`; 602 and 605 to 607 are Mailgun's own. None
            where nobody was asked.
        enhanced_code: `delivery-status.enhanced-code`, None where there is none.
        message: `delivery-status.message`, what the other server said.
        description: `delivery-status.description`, what Mailgun says.
        statistic: Its place under `failed` in Mailgun's statistics.
        reject_reason: Ours, where the conventions fix it.
    """

    severity: str | None
    reason: str
    code: int | None
    enhanced_code: str | None
    message: str
    description: str
    statistic: tuple[str, ...]
    reject_reason: str | None = None

    @property
    def text(self) -> str:
        """What a person is told: the provider's text, else its code."""
        told = self.message or self.description
        return told[:MESSAGE_LIMIT] or f"Error {self.enhanced_code or self.code}"


_TEMPORARY = ("failed", "temporary", "total")
_ESP_BLOCK = ("failed", "temporary", "espblock")
_BOUNCE = ("failed", "permanent", "bounce")

TEMPORARY = (
    Failure("temporary", "generic", 421, "4.7.0",
            "4.7.0 Try again later, closing connection. (EHLO)", "", _TEMPORARY),
    Failure("temporary", "greylisted", 451, "4.7.1",
            "4.7.1 Greylisting in action, please come back later", "", _TEMPORARY),
    Failure("temporary", "espblock", 421, "4.7.28",
            "4.7.28 Our system has detected an unusual rate of unsolicited mail",
            "Temporarily blocked by the mailbox provider", _ESP_BLOCK),
    Failure("temporary", "generic", 452, "4.2.2", "",
            "The recipient's inbox is out of storage space", _TEMPORARY),
    Failure(None, "generic", 498, None,
            "No MX for mailbox provider answered: i/o timeout", "", _TEMPORARY),
)  # fmt: skip

BOUNCES = (
    Failure("permanent", "bounce", 550, "5.1.1",
            "5.1.1 The email account that you tried to reach does not exist", "",
            _BOUNCE),
    Failure("permanent", "bounce", 550, "5.1.1", "", "", _BOUNCE),
    Failure("permanent", "bounce", 554, "5.7.1",
            "5.7.1 Message rejected due to content restrictions", "", _BOUNCE),
    Failure("permanent", "generic", 556, None,
            "Domain does not accept mail (nullMX)", "", _BOUNCE),
    Failure("permanent", "bounce", 552, "5.2.2",
            "5.2.2 Mailbox full. " + "The quota of this mailbox is used up. " * 70, "",
            _BOUNCE),
)  # fmt: skip

SUPPRESS_BOUNCE = Failure(
    "permanent", "suppress-bounce", 605, None, "",
    "Not delivering to previously bounced address",
    ("failed", "permanent", "suppress-bounce"), "bounced",
)  # fmt: skip
SUPPRESS_UNSUBSCRIBE = Failure(
    "permanent", "suppress-unsubscribe", 606, None, "",
    "Not delivering to unsubscribed address",
    ("failed", "permanent", "suppress-unsubscribe"), "unsubscribed",
)  # fmt: skip
SUPPRESS_COMPLAINT = Failure(
    "permanent", "suppress-complaint", 607, None, "",
    "Not delivering to a user who marked your messages as spam",
    ("failed", "permanent", "suppress-complaint"), "spam",
)  # fmt: skip
OLD = Failure(
    "permanent", "old", 602, None, "Too old",
    "Mailgun gave up after trying for too long", _BOUNCE, "timed_out",
)  # fmt: skip
SUPPRESSED = (SUPPRESS_BOUNCE, SUPPRESS_UNSUBSCRIBE, SUPPRESS_COMPLAINT)

DELAYED_BOUNCE = Failure(
    "permanent", "bounce", 550, "5.1.1",
    "5.1.1 Address rejected after the message had been accepted", "",
    ("failed", "permanent", "delayed-bounce"),
)  # fmt: skip

REJECTIONS = tuple(
    Failure("permanent", "", None, None, text, "", ())
    for text in (
        "Sandbox subdomains are for test purposes only",
        "Message content was classified as spam",
    )
)
"""Mail that Mailgun refused before any attempt; the message is `reject.reason`."""
