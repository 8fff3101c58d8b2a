"""What providers have to post, and the envelopes that they post it in.

logs ─▶ due events ─▶ shuffled, repeated ─▶ batches ─▶ signed posts
"""

from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

from simulator.clock import HOUR, SECOND
from simulator.knobs import PostKnobs
from simulator.signing import MailgunKey, SendGridKey
from simulator.world import World

_MAILGUN_WEBHOOKS = {
    *("accepted", "delivered", "failed", "opened", "clicked"),
    *("unsubscribed", "complained", ""),
}
"""What Mailgun posts; of the rest only its log tells. An odd item has no name."""

_PATIENCE = {"sendgrid": 24 * HOUR // SECOND, "mailgun": 8 * HOUR // SECOND}
"""Seconds for which a provider tries again what it signed."""


class Batch(NamedTuple):
    """Events that are posted together.

    Attributes:
        provider: Who posts them.
        number: Of all batches, from 0.
        bodies: The events.
    """

    provider: str
    number: int
    bodies: tuple[bytes, ...]


class Post(NamedTuple):
    """A request, the same at every attempt.

    Attributes:
        headers: Beside those of every request.
        body: As it is signed.
    """

    headers: dict[str, str]
    body: bytes


class Outbox:
    """All that is to be posted, taken out as it becomes due."""

    def __init__(self, world: World) -> None:
        """Has everything in it.

        Args:
            world: What there is to tell.
        """
        self._world = world
        self._rng = world.spec.random("posts")
        self._number = 0
        self._waiting: dict[str, list[tuple[int, str, int]]] = {}

    def due(self, provider: str, now: int) -> int:
        """How many events of a provider are due and not yet taken out."""
        waiting = self._events(provider)
        return len(waiting) - bisect_left(waiting, -now, key=lambda event: -event[0])

    def take(self, knobs: PostKnobs, now: int) -> list[Batch]:
        """What is due and has an address.

        Args:
            knobs: How it is to be batched.
            now: What is stored later stays; microseconds.

        Returns:
            The batches, those of all providers side by side.
        """
        taken: list[tuple[float, Batch]] = []
        for provider in sorted(knobs.to):
            waiting, due = self._events(provider), []
            for _ in range(self.due(provider, now)):
                _, domain, position = waiting.pop()
                log = self._world.log(domain)
                due.append(bytes(log.bodies(position, position + 1)))
            _change_places(due, knobs.reordered, self._rng)
            again = [body for body in due if self._rng.random() < knobs.repeated]
            size = knobs.batch if provider == "sendgrid" else 1
            cut = list(_cut([*due, *again], size, self._rng))
            for place, bodies in enumerate(cut):
                batch = Batch(provider, self._number, bodies)
                taken.append((place / len(cut), batch))
                self._number += 1
        return [batch for _, batch in sorted(taken)]

    def _events(self, provider: str) -> list[tuple[int, str, int]]:
        """When, in which log and where: what was not yet taken out, the first last."""
        if provider not in self._waiting:
            self._waiting[provider] = sorted(
                (
                    (stored_at, domain, position)
                    for domain in self._world.domains_of(provider)
                    for log in (self._world.log(domain),)
                    for position, stored_at in enumerate(log.stored_at)
                    if provider != "mailgun" or log.name(position) in _MAILGUN_WEBHOOKS
                ),
                reverse=True,
            )
        return self._waiting[provider]


class Sealer:
    """Signs what providers post.

    Attributes:
        sendgrid, mailgun: The keys.
        postmark_credentials: User and password, with a colon between them.
    """

    def __init__(self, world: World) -> None:
        """Makes the keys."""
        self._spec = world.spec
        self.sendgrid = SendGridKey(world.spec)
        self.mailgun = MailgunKey(world.spec)
        password = world.spec.random("postmark").getrandbits(96)
        self.postmark_credentials = f"postmark:{password:024x}"

    def draw(self, purpose: str, *numbers: int) -> float:
        """A number between 0 and 1, always the same for a purpose and its numbers."""
        return self._spec.random(purpose, *map(str, numbers)).random()

    def seal(self, batch: Batch, knobs: PostKnobs, now: int) -> Post:
        """Makes a post of a batch.

        Args:
            batch: Its events.
            knobs: Whether it may have been signed hours ago.
            now: Epoch seconds, of the clock on the wall.
        """
        if batch.provider == "postmark":
            credentials = b64encode(self.postmark_credentials.encode()).decode()
            return Post({"Authorization": f"Basic {credentials}"}, batch.bodies[0])
        rng = self._spec.random("seal", str(batch.number))
        if rng.random() < knobs.late_retries:
            now -= rng.randrange(_PATIENCE[batch.provider])
        if batch.provider == "sendgrid":
            body = b"[%b]\r\n" % b",\r\n".join(batch.bodies)
            return Post(self.sendgrid.headers(body, now), body)
        [event] = batch.bodies
        signature = self.mailgun.signature(f"{rng.getrandbits(200):050x}", now)
        body = b'{"signature":%b,"event-data":%b}' % (
            msgspec.json.encode(signature),
            event,
        )
        return Post({}, body)


def _change_places(bodies: list[bytes], share: float, rng: Random) -> None:
    """Shuffles a share of them among each other."""
    chosen = [place for place in range(len(bodies)) if rng.random() < share]
    moved = [bodies[place] for place in chosen]
    rng.shuffle(moved)
    for place, body in zip(chosen, moved, strict=True):
        bodies[place] = body


def _cut(bodies: list[bytes], largest: int, rng: Random) -> Iterator[tuple[bytes, ...]]:
    """Batches of 1 to `largest`."""
    begin = 0
    while begin < len(bodies):
        end = begin + rng.randint(1, largest)
        yield tuple(bodies[begin:end])
        begin = end
