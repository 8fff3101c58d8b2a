"""A world: what an application sent, what its provider logged, and what is true.

How one is made:

    Spec ─▶ Cast (people, mail) ─▶ lives, strays, oddities ─▶ Diary ─▶ Log (bodies)
                     │                       │
                     ▼                       ▼
                application tables         Truth
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter

import pyarrow as pa  # type: ignore[import-untyped]

from simulator.cast import Account, Cast, Recipient
from simulator.clock import DAY, utc_day
from simulator.diary import Diary
from simulator.hostile import sprinkle
from simulator.lives import Life, draw_fates
from simulator.log import Event, Log
from simulator.mailgun_templates import MAILGUN
from simulator.postmark_templates import POSTMARK
from simulator.sendgrid_templates import SENDGRID
from simulator.spec import Spec
from simulator.strays import stray
from simulator.tables import tables
from simulator.truth import Truth

__all__ = ["Event", "Log", "Spec", "Truth", "World"]


_DIALECTS = {"mailgun": MAILGUN, "sendgrid": SENDGRID, "postmark": POSTMARK}


class World:
    """Everything there is to simulate, made from a recipe.

    Attributes:
        spec: The recipe.
        domains: Mailgun's sending domains, one for each of its accounts, in their
            order.
        last_stored_at: When the last event of all domains is stored, in microseconds
            since the epoch; the world's first instant if there is none.
    """

    def __init__(self, spec: Spec) -> None:
        """Makes it, whole.

        Args:
            spec: The recipe. The same recipe gives the same world.
        """
        self.spec = spec
        self._truth = Truth()
        self._logs: dict[str, Log] = {}
        with _no_garbage_collection():
            self._cast = Cast(spec)
            by_domain = groupby(
                self._cast.recipients, key=attrgetter("email.account.domain")
            )
            mail = {domain: list(recipients) for domain, recipients in by_domain}
            for account in self._cast.accounts:
                recipients = mail.get(account.domain, [])
                self._logs[account.domain] = self._live(account, recipients)
        self.domains = self.domains_of("mailgun")
        self.last_stored_at = max(
            (max(log.stored_at) for log in self._logs.values() if len(log)),
            default=spec.begins_at,
        )

    def domains_of(self, provider: str) -> tuple[str, ...]:
        """Domains of the accounts that send through a provider, in their order."""
        accounts = self._cast.accounts
        return tuple(each.domain for each in accounts if each.provider == provider)

    def log(self, domain: str) -> Log:
        """The log of a domain.

        Raises:
            KeyError: No such domain.
        """
        return self._logs[domain]

    def events(self, domain: str) -> Iterator[Event]:
        """The events of a domain, by time and then id.

        Raises:
            KeyError: No such domain.
        """
        return iter(self._logs[domain])

    def app_tables(self) -> dict[str, pa.Table]:
        """The application's database: one table for each of its names."""
        return tables(self._cast, self.spec)

    def truth(self) -> Truth:
        """What is true because it was decided, not because it was recomputed."""
        return self._truth

    def _live(self, account: Account, recipients: list[Recipient]) -> Log:
        spec, truth, domain = self.spec, self._truth, account.domain
        dialect = _DIALECTS[account.provider]
        id_reuse = spec.id_reuse if account.provider == "mailgun" else 0.0
        diary = Diary(spec, spec.random("diary", domain), id_reuse)
        rng = spec.random("lives", domain)
        fates = draw_fates(rng, len(recipients))
        for recipient, fate in zip(recipients, fates, strict=True):
            life = Life(recipient, dialect, diary, rng, spec)
            truth.recipients.append(life.live(fate))
        if recipients:
            stray(recipients, spec, dialect, diary, truth)
        sprinkle(account, round(spec.hostile * len(diary.moments)), spec, diary, truth)
        for (day, name), count in diary.counts.items():
            truth.counts[domain, utc_day(day * DAY), name] = count
        diary.moments.sort()
        bodies = dialect.bodies(spec.random("bodies", domain), spec.text_timestamps)
        return Log(diary.moments, bodies.write(diary.moments))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nothing in here makes cycles, and looking for them doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
