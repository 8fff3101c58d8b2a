"""Dead letters judged again, after a mend: what comes out is loaded, once.

    raw.dead_letters, not replayed yet ──▶ exact bytes, or the text that is kept
        ──▶ the same decoders ──▶ still the same dead letter ──▶ left alone
                                   ╰──▶ events, first receipt kept ──▶ raw
                                   ╰──▶ a request of lane `replay`, named after the
                                        dead letter: so it is known as replayed

A dead letter's row is never changed. Its text is what was sent, unless that could not
be stored as text; then the request is looked up in the inbox and its archive.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract import mailgun_logs
from extract.arrivals import PROVIDERS, Ledger, Part, decode
from extract.decode import (
    DeadLetter,
    Events,
    NotAPageError,
    Page,
    as_text,
    dead_letter_key,
    judge,
    members_of,
    outline,
)
from extract.forgotten import Forgotten
from extract.lanes import TOGETHER
from extract.mailgun_webhook import MAILGUN, keys_of
from extract.received import Decoded, UnusableBodyError
from extract.tables import DEAD_LETTERS, REQUESTS, Table
from extract.tally import Tally
from inbox import Inbox, Received, Record

LANE = "replay"

AT_ONCE = 2_000
"""Dead letters of a package, at most."""

_MICROSECOND = timedelta(microseconds=1)
_BEFORE = timedelta(hours=1) // _MICROSECOND
_AFTER = timedelta(minutes=1) // _MICROSECOND
"""A segment is named when its first request is written, and written to for minutes."""

_LOST = "\ufffd"
"""Stands in a dead letter's text for what is no text."""


@dataclass(frozen=True)
class Wanted:
    """Which dead letters to judge again; all that aren't replayed, by default.

    Attributes:
        reason: Only those with this reason.
        source: Only those of this source.
        since: Only those received from here on, microseconds since the epoch.
    """

    reason: str | None = None
    source: str | None = None
    since: int | None = None


class _Kept(NamedTuple):
    """A dead letter as raw keeps it."""

    key: str
    source: str
    received_at: int
    request_id: str
    letter: DeadLetter


def replay_id(dead_letter_key: str) -> str:
    """The request that a dead letter's replay is, as the models know it, too."""
    return f"replay:{dead_letter_key}"


class Replay:
    """One replay.

    Args:
        wanted: Which dead letters.
        warehouse: Where they are, and where repeats are looked for.
        inbox: Where exact bytes are looked for.
        latest: Greatest plausible instant, microseconds since the epoch.
        forgotten: Who is not to be named in events.

    Attributes:
        tally: Counts so far.
        read: Dead letters that were judged again.
        mended: Of these, those that are none any more.
        otherwise: Those that are one still, for another reason.
    """

    def __init__(
        self,
        wanted: Wanted,
        warehouse: duckdb.DuckDBPyConnection,
        inbox: Inbox,
        latest: int,
        forgotten: Forgotten | None = None,
    ) -> None:
        """Looks which ones there are."""
        self.tally = Tally()
        self.read = 0
        self.mended = 0
        self.otherwise = 0
        self._warehouse = warehouse
        self._inbox = inbox
        self._latest = latest
        self._ledger = Ledger(warehouse, LANE, self.tally, forgotten or Forgotten())
        self._keys = _waiting(warehouse, wanted)
        self._domains = _domains(warehouse)
        self._group: list[tuple[Record, Decoded]] = []

    def has_more(self) -> bool:
        """Whether there is anything for another package; judges until there is."""
        while not self._group:
            keys = next(self._keys, None)
            if keys is None:
                return False
            self._group = list(self._judged(keys))
        return True

    def package(self) -> Iterator[tuple[Table, pa.Table]]:
        """Rows of one package.

        Yields:
            Rows with the table that they are for.
        """
        group, self._group = self._group, []
        part = Part()
        yield from self._ledger.take(group, part)
        if part.dead_letters:
            yield DEAD_LETTERS, DEAD_LETTERS.rows(part.dead_letters)
        yield REQUESTS, REQUESTS.rows(part.requests)

    def write(self, state: dict[str, Any]) -> None:
        """Nothing: what is replayed is known by its request."""

    def _judged(self, keys: Sequence[str]) -> Iterator[tuple[Record, Decoded]]:
        """Those of some dead letters that are none any more."""
        letters = _kept(self._warehouse, keys)
        domains = {kept.key: _domain(kept, self._domains) for kept in letters}
        found = self._found(
            kept
            for kept in letters
            if _LOST in kept.letter.body or domains[kept.key] is None
        )
        for kept in letters:
            self.read += 1
            record, domain = found.get(kept.request_id), domains[kept.key]
            if domain is None and record is not None:
                domain = _domain(kept, [record.domain.lower()])
            if domain is None:
                continue  # it was emptied: somebody is forgotten
            decoded = self._again(kept, _exact(kept, record), domain)
            if decoded is not None:
                if decoded.page.dead and not decoded.page.events:
                    self.otherwise += 1
                else:
                    self.mended += 1
                name = replay_id(kept.key)
                yield Record(name, kept.source, domain, kept.received_at, b""), decoded

    def _again(self, kept: _Kept, body: bytes, domain: str) -> Decoded | None:
        """What a dead letter is now; None if it is the same."""
        decoded = None
        if kept.source == MAILGUN.name:
            decoded = _polled(kept.letter, body, domain, self._latest)
        if decoded is None:
            record = Record("", kept.source, domain, kept.received_at, body)
            decoded = decode(record, self._latest)
        page = decoded.page
        if page.total != 1:
            return decoded
        if page.dead:
            [letter] = page.dead
            if letter.reason == kept.letter.reason:
                return None
            page.dead[:] = [letter._replace(position=kept.letter.position)]
        page.events.positions[:] = [kept.letter.position] * len(page.events)
        return decoded

    def _found(self, letters: Iterable[_Kept]) -> dict[str, Record]:
        """Their requests, as far as they are in the inbox or its archive."""
        wanted = {kept.request_id: kept.received_at for kept in letters}
        found: dict[str, Record] = {}

        def may_hold(name: str) -> bool:
            named = int(name.partition("-")[0])
            return any(
                at - _BEFORE <= named <= at + _AFTER
                for request_id, at in wanted.items()
                if request_id not in found
            )

        for name in filter(may_hold, self._inbox.archive.segments()):
            with suppress(OSError):  # then the text is all there is
                records = self._inbox.archive.read(name)
                found |= {r.request_id: r for r in records if r.request_id in wanted}
        beyond = {name: 2**63 for name in self._inbox.segments() if not may_hold(name)}
        for one in self._inbox.read(beyond):
            if isinstance(one, Received) and one.record.request_id in wanted:
                found[one.record.request_id] = one.record
        return found


def _waiting(
    warehouse: duckdb.DuckDBPyConnection, wanted: Wanted
) -> Iterator[list[str]]:
    """Keys of the dead letters to judge, as many at once as memory is meant for."""
    found = warehouse.execute(
        """
        select dead_letter_key, strlen(body)
        from raw.dead_letters
        where coalesce(reason = $reason, true)
            and coalesce(source = $source, true)
            and coalesce(received_at >= make_timestamptz($since), true)
            and 'replay:' || dead_letter_key not in (
                select request_id from raw.requests where lane = 'replay'
            )
        order by received_at, position
        """,
        {"reason": wanted.reason, "source": wanted.source, "since": wanted.since},
    ).fetchall()
    keys: list[str] = []
    size = 0
    for key, length in found:
        if keys and (size + length > TOGETHER or len(keys) >= AT_ONCE):
            yield keys
            keys, size = [], 0
        keys.append(key)
        size += length
    if keys:
        yield keys


def _kept(warehouse: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> list[_Kept]:
    found = warehouse.execute(
        """
        select
            dead_letter_key, source, epoch_us(received_at), request_id,
            position, reason, body
        from raw.dead_letters
        where dead_letter_key in (select unnest(?))
        order by received_at, position
        """,
        [list(keys)],
    ).fetchall()
    return [
        _Kept(key, source, received_at, request_id, DeadLetter(*letter))
        for key, source, received_at, request_id, *letter in found
    ]


def _domains(warehouse: duckdb.DuckDBPyConnection) -> list[str]:
    """Sending domains that dead letters may be of; empty text for none."""
    found = warehouse.execute(
        """
        select unnest(cast(json(value) as varchar[]))
        from raw.source_settings where name = 'domains'
        union select domain from raw.lane_runs where domain is not null
        union select domain from raw.mailgun_events
        union select domain from raw.sendgrid_events where domain is not null
        union select domain from raw.postmark_events where domain is not null
        """
    ).fetchall()
    return ["", *(domain for (domain,) in found if domain)]


def _domain(kept: _Kept, domains: Iterable[str]) -> str | None:
    """The domain that a dead letter's key was made with."""
    for domain in domains:
        if dead_letter_key(kept.source, domain, kept.letter) == kept.key:
            return domain
    return None


def _exact(kept: _Kept, record: Record | None) -> bytes:
    """The bytes that a dead letter's text was made of, if they are still there."""
    text = kept.letter.body
    provider = PROVIDERS.get(kept.source)
    if record is None or provider is None:
        return text.encode()
    if as_text(record.body) == text:
        return record.body
    try:
        items = provider.items(record.body).items
    except UnusableBodyError:
        items = []
    return next((item for item in items if as_text(item) == text), text.encode())


def _polled(
    letter: DeadLetter, body: bytes, domain: str, latest: int
) -> Decoded | None:
    """A page of Mailgun's, or an event of its Logs API; None if it is neither."""
    items = [body]
    if letter.reason == "bad_page":
        try:
            items = [bytes(one) for one in outline(body).bodies]
        except NotAPageError:
            return Decoded(Page(Events(), [letter], 1), [], domain)
    is_log = any(_is_log(item) for item in items)
    if letter.reason != "bad_page" and not is_log:
        return None
    shape = mailgun_logs.SHAPE if is_log else MAILGUN.shape
    events, dead, warnings = judge(items, shape, latest)
    page = Page(events, dead, len(items), warnings)
    return Decoded(page, keys_of(events, domain), domain)


def _is_log(item: bytes) -> bool:
    try:
        return mailgun_logs.SHAPE.timestamp in members_of(item)
    except NotAPageError:
        return False
