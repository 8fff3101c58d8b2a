"""Events that belong to no mail that the application knows.

Some match nothing, for each of the reasons there are; some are received mail.
"""

from collections.abc import Sequence

from simulator.cast import Recipient
from simulator.dialect import Dialect
from simulator.diary import Diary
from simulator.spec import Spec
from simulator.truth import Truth, Unmatched

_NOBODY = "nobody.we.know@posta.example"


def stray(
    recipients: Sequence[Recipient],
    spec: Spec,
    dialect: Dialect,
    diary: Diary,
    truth: Truth,
) -> None:
    """Notes the strays of one domain, in number a share of its recipients.

    Args:
        recipients: The domain's mail, at least one; strays are modelled on it.
        spec: The world's recipe.
        dialect: How the domain's provider tells things.
        diary: Takes down the events.
        truth: Gets an entry for each event that matches nothing.
    """
    domain = recipients[0].email.account.domain
    rng = spec.random("strays", domain)
    for number in range(round(spec.unmatched * len(recipients))):
        known = rng.choice(recipients)
        at = rng.randrange(spec.begins_at, spec.ends_at)
        at -= at % dialect.grain
        event_id, reason = _note_unmatched(dialect, diary, at, known, number % 4)
        truth.unmatched.append(Unmatched(domain, event_id, at, reason))
    if dialect.account and spec.unmatched:
        at = spec.begins_at - spec.begins_at % -dialect.grain
        event_id = diary.note(at, dialect.account, recipients[0])
        truth.unmatched.append(Unmatched(domain, event_id, at, "no_id"))
    if dialect.inbound:
        for _ in range(round(spec.inbound * len(recipients))):
            at = rng.randrange(spec.begins_at, spec.ends_at)
            diary.note(at, dialect.inbound, rng.choice(recipients))


def _note_unmatched(
    dialect: Dialect, diary: Diary, at: int, known: Recipient, kind: int
) -> tuple[str, str]:
    """Notes an event that matches nothing; returns its id and the reason."""
    delivered = dialect.delivered
    if kind == 0:
        return diary.note(at, dialect.nameless, known, carries_id=False), "no_id"
    if kind == 1:
        unknown = known._replace(message_id=f"unknown.{known.message_id}")
        return diary.note(at, delivered, unknown, 1, carries_id=False), "unknown_email"
    if kind == 2:
        # The message id is known, yet the application's own id goes first.
        email = known.email._replace(email_id=f"gone-{known.email.email_id}")
        gone = known._replace(email=email)
        return diary.note(at, delivered, gone, 1, carries_id=True), "unknown_email"
    stranger = known._replace(member=known.member._replace(address=_NOBODY))
    return diary.note(at, delivered, stranger, 1), "unknown_recipient"
