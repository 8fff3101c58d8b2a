"""How a provider tells what becomes of a mail: the same lives, in its own words."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.bodies import Bodies
from simulator.failures import Failure
from simulator.templates import Template


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """What a provider has words for.

    Attributes:
        grain: Microseconds in the finest unit of its timestamps.
        accepted: It has taken the mail; None if it never says so.
        delivered: The other server has taken it.
        nameless: A delivery that tells no message id.
        failed: The event of each of its failures.
        temporary: Failures after which it tries again.
        bounces: Failures after which it doesn't.
        delayed_bounce: A failure after a delivery.
        old: It gave up after trying for long.
        suppressed: It doesn't try: the address is on a list.
        accepts_suppressed: Whether it tells that it took such mail.
        rejections: It refuses the mail itself.
        opened: Opens, by who: `person`, `unknown` and the machines.
        machines: The machines that it can tell, the frequent ones more than once.
        clicked: A link was followed.
        unsubscribed: Somebody wants no more mail.
        group_unsubscribed: None of one kind; None if it knows no kinds.
        group_resubscribed: Somebody takes that back.
        complained: Marked as spam.
        inbound: Received mail; None if it doesn't tell of it.
        account: Something about the account, of no mail; None if it doesn't say so.
        unknown: Events of names that are in no vocabulary.
        bodies: Writes its bodies.
    """

    grain: int
    accepted: Template | None
    delivered: Template
    nameless: Template
    failed: Mapping[Failure, Template]
    temporary: tuple[Failure, ...]
    bounces: tuple[Failure, ...]
    delayed_bounce: Failure
    old: Failure
    suppressed: tuple[Failure, ...]
    accepts_suppressed: bool
    rejections: tuple[Failure, ...]
    opened: Mapping[str, Template]
    machines: tuple[str, ...]
    clicked: Template
    unsubscribed: Template
    group_unsubscribed: Template | None
    group_resubscribed: Template | None
    complained: Template
    inbound: Template | None
    account: Template | None
    unknown: tuple[Template, ...]
    bodies: type[Bodies]
