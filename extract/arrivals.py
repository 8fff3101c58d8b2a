"""Reads the inbox part by part, and keeps the account of it.

    records since the last reading ──▶ some at a time ──▶ decoded ──▶ held or seen?
        │                                                    │           ╰──▶ events
        ├──▶ damage, told                                    ├──▶ dead letters
        ╰──▶ places ──▶ the resource's state                 ╰──▶ requests

A part is what goes into one package of dlt, the places with it: all of it is in the
warehouse, or none is. A record is a request; one that raw knows already is passed over,
so reading a segment again does no harm.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from time import monotonic
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.clients import BEACON, FLUME, SPADE
from extract.decode import DeadLetter, Events, Page, as_text, dead_letter_key
from extract.erased import kept_names
from extract.forgotten import Forgotten
from extract.lanes import (
    LONGEST_PART,
    ROW_GROUP,
    TOGETHER,
    Ended,
    clock,
    new_run_id,
    take_new,
    texts,
)
from extract.mailgun_webhook import MAILGUN
from extract.places import Places
from extract.postmark import POSTMARK
from extract.received import Decoded, Decoder
from extract.repeats import held_dead_letters, held_events, held_requests
from extract.sendgrid import SENDGRID
from extract.source_settings import changed_settings, settings_of_received
from extract.tables import (
    DEAD_LETTERS,
    LANE_RUNS,
    REQUESTS,
    SOURCE_SETTINGS,
    Table,
)
from extract.tally import Tally
from extract.windows import DAY
from inbox import Damage, Frame, Inbox, Place, Received, Record

PROVIDERS: Mapping[str, Decoder] = {
    provider.name: provider
    for provider in (MAILGUN, SENDGRID, POSTMARK, SPADE, FLUME, BEACON)
}
"""Whose requests can be decoded, by the inbox's name of the source."""

_SHARED: Mapping[Table, Sequence[str]] = {
    provider.table: [
        name for name, one in PROVIDERS.items() if one.table is provider.table
    ]
    for provider in PROVIDERS.values()
}
"""Sources by the table that they fill, whose events may be the same."""

SOURCE = "inbox"
LANE = "webhook"

MANY = 10_000
"""Requests that are compared with the warehouse in one query, at most."""


def decode(record: Record, latest: int) -> Decoded:
    """Reads a record's body.

    Args:
        record: What was received; of a source that nobody decodes yet, it is kept as
            a dead letter, to be replayed when somebody does.
        latest: Greatest plausible instant, microseconds since the epoch.
    """
    provider = PROVIDERS.get(record.source)
    if provider is None:
        letter = DeadLetter(0, "unknown_source", as_text(record.body))
        return Decoded(Page(Events(), [letter], 1), [], record.domain.lower())
    return provider.decode(record, latest)


@dataclass
class Part:
    """What goes into one package beside the events."""

    seen: set[str] = field(default_factory=set)
    began: float = field(default_factory=monotonic)
    loaded: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: list[dict[str, Any]] = field(default_factory=list)
    domains: dict[str, set[str]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether it is time to load it."""
        return (
            self.loaded >= ROW_GROUP
            or len(self.requests) + len(self.dead_letters) >= ROW_GROUP
            or monotonic() - self.began > LONGEST_PART
        )


class Ledger:
    """The account of requests: what is new, what repeats, what is dead.

    Args:
        warehouse: Where events are looked for that are there already.
        lane: How they came.
        tally: Counts them.
        forgotten: Who is not to be named in events.
    """

    def __init__(
        self,
        warehouse: duckdb.DuckDBPyConnection,
        lane: str,
        tally: Tally,
        forgotten: Forgotten,
    ) -> None:
        """Nothing is counted yet."""
        self._forgotten = forgotten
        self._variables = kept_names(warehouse)
        self._warehouse = warehouse
        self._lane = lane
        self._tally = tally

    def take(
        self, group: list[tuple[Record, Decoded]], part: Part
    ) -> Iterator[tuple[Table, pa.Table]]:
        """Takes some requests in: counts them into `part`.

        Args:
            group: Requests, each with what it was read as.
            part: What goes into the package.

        Yields:
            New events, with the table that they are for.
        """
        for record, decoded in group:
            variables = self._variables[record.source]
            self._forgotten.page(record.source, decoded.page, variables, decoded.keys)
        letters = [
            (
                record,
                letter,
                dead_letter_key(record.source, record.domain.lower(), letter),
            )
            for record, decoded in group
            for letter in decoded.page.dead
        ]
        known = held_dead_letters(self._warehouse, [key for *_, key in letters])
        dead: Counter[str] = Counter()
        for record, letter, key in letters:
            if key not in known and key not in part.seen:
                part.seen.add(key)
                part.dead_letters.append(_dead_letter(record, letter, key))
                dead[record.request_id] += 1
        loaded: Counter[str] = Counter()
        for table, sources in _SHARED.items():
            its = [one for one in group if one[0].source in sources and one[1].keys]
            if its:
                rows = self._new_events(table, its, part, loaded)
                if rows.num_rows:
                    yield table, rows
        for record, decoded in group:
            self._note(record, decoded, loaded, dead, part)

    def _new_events(
        self,
        table: Table,
        group: list[tuple[Record, Decoded]],
        part: Part,
        loaded: Counter[str],
    ) -> pa.Table:
        beside = {
            key for _, decoded in group for key in chain(*decoded.beside.values())
        }
        days = [at for _, decoded in group for at in decoded.page.events.occurred_at]
        held = held_events(
            self._warehouse,
            table.name,
            [*(key for _, decoded in group for key in decoded.keys), *beside],
            [*days, *(at + day for at in days if beside for day in (-DAY, DAY))],
        )
        rows = _Rows()
        for record, decoded in group:
            events = decoded.page.events
            again = {
                key
                for key, either in decoded.beside.items()
                if any(one in held or one in part.seen for one in either)
            }
            new = take_new(decoded.keys, held | again if again else held, part.seen)
            rows.add(record, decoded, new)
            loaded[record.request_id] = len(new)
            kinds = Counter((events.names[i], events.severities[i]) for i in new)
            for (kind, severity), count in kinds.items():
                self._tally.add(PROVIDERS[record.source].kinds, kind, severity, count)
        part.loaded += len(rows.event_key)
        return rows.as_arrow(table, self._lane)

    def _note(
        self,
        record: Record,
        decoded: Decoded,
        loaded: Counter[str],
        dead: Counter[str],
        part: Part,
    ) -> None:
        new, lost = loaded[record.request_id], dead[record.request_id]
        repeated = decoded.page.total - new - lost
        part.requests.append(
            {
                "request_id": record.request_id,
                "source": record.source,
                "lane": self._lane,
                "received_at": record.received_at,
                "events": decoded.page.total,
                "loaded": new,
                "repeated": repeated,
                "dead": lost,
            }
        )
        self._tally.repeats += repeated
        self._tally.dead += lost


class Arrivals:
    """One reading of the inbox.

    Args:
        inbox: The segments.
        places: Up to where they were read, as committed.
        everything: Whether to read the archive, too.
        warehouse: Where events are looked for that are there already.
        latest: Greatest plausible instant, microseconds since the epoch.
        seconds: After which to hand over to whoever waits; None for no limit.
        on_group: Called after some requests.
        is_ending: Whether the process was asked to end.
        forgotten: Who is not to be named in events.

    Attributes:
        tally: Counts so far.
        read: Items that were read.
        window: Receipt of the first request and of the last; None before there is one.
        outcome: None while there is more to read.
        message: What is to be said about it.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        places: Places,
        everything: bool,
        warehouse: duckdb.DuckDBPyConnection,
        latest: int,
        seconds: float | None,
        on_group: Callable[["Arrivals"], None],
        is_ending: Callable[[], bool],
        forgotten: Forgotten | None = None,
    ) -> None:
        """Reads nothing yet."""
        self.tally = Tally()
        self.read = 0
        self.window: tuple[int, int] | None = None
        self.outcome: Ended | None = None
        self.message = ""
        self._inbox = inbox
        self._offsets = dict(places.offsets)
        self._newest = places.newest
        self._committed = dict(places.offsets)
        self._warehouse = warehouse
        self._latest = latest
        self._ends_at = None if seconds is None else monotonic() + seconds
        self._on_group = on_group
        self._is_ending = is_ending
        self._began_at = clock()
        self._ledger = Ledger(warehouse, LANE, self.tally, forgotten or Forgotten())
        self._found = chain(
            self._archived(None if everything else places), inbox.read(self._committed)
        )
        self._next: Received | Damage | None = None
        self._half_read = ""
        self._is_begun = False
        self._is_noted = False
        self._warnings: Counter[str] = Counter()
        self._torn: list[str] = []
        self._spoilt: list[str] = []
        self._trouble = ""

    def has_more(self) -> bool:
        """Whether there is anything for another package."""
        if self.outcome is None and self._next is None:
            self._look()
        return self.outcome is None or (self._is_begun and not self._is_noted)

    def package(self) -> Iterator[tuple[Table, pa.Table]]:
        """Rows of one package.

        Yields:
            Rows with the table that they are for. Once it is exhausted, `places`
            covers what it yielded.
        """
        part = Part()
        for group in self._groups(part):
            yield from self._ledger.take(group, part)
            self._on_group(self)
        if part.dead_letters:
            yield DEAD_LETTERS, DEAD_LETTERS.rows(part.dead_letters)
        if part.requests:
            yield REQUESTS, REQUESTS.rows(part.requests)
        for source, domains in part.domains.items():
            settings = settings_of_received(source, domains)
            changed = changed_settings(self._warehouse, source, settings)
            if changed is not None:
                yield SOURCE_SETTINGS, changed
        if self.outcome is not None:
            self._is_noted = True
            self.message = "; ".join(self._told())
            yield LANE_RUNS, LANE_RUNS.rows([self._run()])

    def write(self, state: dict[str, Any]) -> None:
        """Writes up to where segments are read, to be committed with the package."""
        # One of the archive is read on where it was cut short.
        for name in self._inbox.forgettable(self._offsets) - {self._half_read}:
            del self._offsets[name]
        Places(self._offsets, self._newest).write(state)

    def loaded(self) -> None:
        """Takes in that what was yielded is in the warehouse.

        Raises:
            OSError: A segment can't be archived; it stays, and is not read again.
        """
        self._committed = dict(self._offsets)
        self._inbox.retire(self._committed)

    def _archived(self, places: Places | None) -> Iterator[Received | Damage]:
        """What is in archived segments: in all, or in those that are not read yet."""
        archive = self._inbox.archive
        for name in archive.segments() if places is None else places.unread(archive):
            self._half_read = name
            begin = 0 if places is None else places.offsets.get(name, 0)
            try:
                for found in archive.scan(name):
                    place = Place(name, found.end)
                    if found.end <= begin:
                        continue
                    if isinstance(found, Frame):
                        yield Received(found.record, place)
                    else:
                        yield Damage(place, found.end - found.begin, False)
            except OSError as error:
                self._spoilt.append(f"archived segment {name} ({error.strerror})")
            self._half_read = ""

    def _go(self, place: Place) -> None:
        self._offsets[place.segment] = place.offset
        self._newest = max(self._newest, place.segment)

    def _look(self) -> None:
        """The next thing to take in; sets `outcome` when there is none."""
        try:
            self._next = next(self._found, None)
        except OSError as error:
            self._trouble = (
                f"{error.filename or self._inbox.folder} can't be read: "
                f"{error.strerror}; what was read before is loaded"
            )
            self._is_begun = True
            self.outcome = "failed"
            return
        if self._next is None:
            self.outcome = "failed" if self._spoilt else "ok"
        else:
            self._is_begun = True

    def _groups(self, part: Part) -> Iterator[list[tuple[Record, Decoded]]]:
        """The part's requests, some at a time; sets `outcome` with the last."""
        records: list[Record] = []
        size = 0
        while self.outcome is None:
            if self._next is None:
                self._look()
            found, self._next = self._next, None
            if isinstance(found, Received):
                self._go(found.place)
                records.append(found.record)
                size += len(found.record.body)
            elif isinstance(found, Damage):
                self._go(found.place)
                self._tell(found)
            self._perhaps_stop()
            if (
                self.outcome is not None
                or size >= TOGETHER
                or len(records) >= MANY
                or part.is_full
            ):
                yield self._decoded(records, part)
                records, size = [], 0
                if part.is_full:
                    return

    def _decoded(
        self, records: list[Record], part: Part
    ) -> list[tuple[Record, Decoded]]:
        """Records that raw doesn't know yet, read."""
        known = held_requests(
            self._warehouse,
            [record.request_id for record in records],
            [record.received_at for record in records],
        )
        group = []
        for record in records:
            if record.request_id in known or record.request_id in part.seen:
                continue
            part.seen.add(record.request_id)
            decoded = decode(record, self._latest)
            group.append((record, decoded))
            if decoded.domain and decoded.page.events:
                part.domains.setdefault(record.source, set()).add(decoded.domain)
            self.read += decoded.page.total
            self._warnings.update(decoded.page.warnings)
            first = self.window[0] if self.window else record.received_at
            self.window = first, record.received_at
        return group

    def _perhaps_stop(self) -> None:
        is_late = self._ends_at is not None and monotonic() >= self._ends_at
        if self.outcome is None and (is_late or self._is_ending()):
            self.outcome = "failed" if self._spoilt else "cut_short"
            self._trouble = "more waits; the next run goes on"

    def _tell(self, damage: Damage) -> None:
        where = f"{damage.size:,} bytes before byte {damage.place.offset:,} of segment "
        where += damage.place.segment
        (self._torn if damage.is_torn else self._spoilt).append(where)

    def _told(self) -> Iterator[str]:
        if self._spoilt:
            yield (
                f"spoilt on disk, so their requests are lost: {_listed(self._spoilt)}; "
                f"kept in {self._inbox.archive.folder}, look at the disk"
            )
        if self._torn:
            yield f"torn, a request that was never answered: {_listed(self._torn)}"
        if self._trouble:
            yield self._trouble
        for oddity, count in sorted(self._warnings.items()):
            yield f"kept {count} with {oddity}"

    def _run(self) -> dict[str, Any]:
        """The reading as a row of raw.lane_runs."""
        first, last = self.window or (None, None)
        return {
            "run_id": new_run_id(self._began_at),
            "source": SOURCE,
            "lane": LANE,
            "began_at": self._began_at,
            "ended_at": clock(),
            "window_begin": first,
            "window_end": self._began_at if self.outcome == "ok" else last,
            "cursor": last,
            **asdict(self.tally),
            "outcome": self.outcome,
            "message": self.message,
        }


@dataclass
class _Rows:
    """New events of some requests, on their way to raw."""

    event_key: list[str] = field(default_factory=list)
    domain: list[str | None] = field(default_factory=list)
    event_id: list[str] = field(default_factory=list)
    event_name: list[str] = field(default_factory=list)
    occurred_at: list[int] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)
    request_id: list[str] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    payload: list[bytes] = field(default_factory=list)
    via: list[str] = field(default_factory=list)

    def add(self, record: Record, decoded: Decoded, new: Sequence[int]) -> None:
        """Adds those events of a request whose index is in `new`."""
        events = decoded.page.events
        for i in new:
            self.event_key.append(decoded.keys[i])
            self.event_id.append(events.ids[i])
            self.event_name.append(events.names[i])
            self.occurred_at.append(events.occurred_at[i])
            self.position.append(events.positions[i])
            self.payload.append(events.bodies[i])
        count = len(new)
        self.domain += [decoded.domain] * count
        self.received_at += [record.received_at] * count
        self.request_id += [record.request_id] * count
        self.via += [record.source] * count

    def as_arrow(self, table: Table, lane: str) -> pa.Table:
        """All of them, as one table."""
        schema = table.schema
        if "domain" in schema.names and schema.field("domain").nullable:
            self.domain = [domain or None for domain in self.domain]
        columns = {
            **{
                name: pa.array(values, schema.field(name).type)
                for name, values in vars(self).items()
                if name != "payload" and name in schema.names
            },
            "lane": pa.repeat(lane, len(self.event_key)),
            "payload": texts(self.payload),
        }
        return pa.table([columns[name] for name in schema.names], schema=schema)


def _dead_letter(record: Record, letter: DeadLetter, key: str) -> dict[str, Any]:
    return {
        "dead_letter_key": key,
        "source": record.source,
        "received_at": record.received_at,
        "reason": letter.reason,
        "request_id": record.request_id,
        "position": letter.position,
        "body": letter.body,
    }


def _listed(places: list[str]) -> str:
    few = ", ".join(places[:3])
    return few if len(places) <= 3 else f"{few} and {len(places) - 3} more"
