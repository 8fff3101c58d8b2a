"""Message events once more: each raw event is heard, named, and matched to an email.

    raw.<provider>_events ──▶ heard ──▶ matched ◀── emails, recipients, links
                                           ╰──▶ compared with fct_message_events

Both are kept in the scratch file, so that memory holds some ten thousand events at
a time however many there are.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from quality.recount.application import (
    TABLES,
    Accounts,
    gather,
    settings,
)
from quality.recount.providers import LONGEST_MESSAGE, READERS, read
from quality.recount.raw_rows import of_keys
from quality.recount.vocabulary import BOUNCED, vocabulary
from quality.recount.zones import local_date
from quality.results import ABSENT, Cell, Result, differences, keyed
from quality.warehouse import Warehouse

CHUNK = 10_000
"""Events that are matched at once."""

HOUR = 3_600_000_000
"""Microseconds."""

_KEY = ("event_key",)

MACHINES = ("opened", "clicked")
"""Only these are done by machines."""

SCOPED = ("unsubscribed", "subscribed")
"""Only these are about some mail and not about other."""

_EMAIL_ID_VARIABLES = '["email-id", "email_id"]'

_HEARD = """
create table scratch.heard (
    provider varchar, event_key varchar, domain varchar, event_name varchar,
    occurred_at bigint, received_at bigint, recipient varchar,
    recipient_key varchar, message_id varchar, provider_message_id varchar,
    given_email_id varchar, subject varchar, event_type varchar, severity varchar,
    reject_reason varchar, bounce_class varchar, counts boolean, says_sent boolean,
    smtp_code integer, enhanced_code varchar, message varchar, is_machine boolean,
    scope varchar
)
"""
_KEPT = """
    provider, event_key, domain, event_name, occurred_at, received_at, recipient,
    lower(trim(recipient)), message_id, provider_message_id, given_email_id, subject,
    event_type, severity, reject_reason, bounce_class, counts, says_sent, smtp_code,
    enhanced_code, message, is_machine, scope
"""
_MATCHED = """
create table scratch.matched (
    provider varchar, event_key varchar, account_id varchar, email_id varchar,
    recipient_key varchar, event_type varchar, severity varchar,
    reject_reason varchar, bounce_class varchar, occurred_at bigint,
    received_at bigint, counts boolean, is_machine boolean, message_id varchar,
    smtp_code integer, enhanced_code varchar, message varchar,
    unmatched_reason varchar, recipient varchar, scope varchar, date date
)
"""
_MART = """
select
    event_key, epoch_us(occurred_at) as occurred_at, account_id, domain,
    provider_event_name, event_type, severity, reject_reason, bounce_class,
    recipient, recipient_key, message_id, provider_message_id, given_email_id,
    email_id, member_id, unmatched_reason, is_machine, smtp_code, enhanced_code,
    mta_response, counts_in_delivery, scope
from warehouse.marts.fct_message_events
where provider = ? and occurred_at >= make_timestamptz(?)
    and occurred_at < make_timestamptz(?)
"""


def hear(warehouse: Warehouse) -> None:
    """Reads every raw event whose load a build has taken, into `scratch.heard`."""
    warehouse.con.execute(_HEARD)
    words = vocabulary(warehouse)
    telling = {
        (provider, name)
        for provider, name in warehouse.con.execute(
            "select distinct provider, provider_event_name"
            " from warehouse.seeds.event_vocabulary"
            " where says_sent and condition is null"
        ).fetchall()
    }
    for provider, reader in READERS.items():
        if not warehouse.has("raw", f"{provider}_events"):
            continue
        told = settings(warehouse, provider).get("email_id_variables")
        variables = _names(told or _EMAIL_ID_VARIABLES)
        for batch in warehouse.columns(_raw(provider)):
            heard = [
                read(reader, name, payload, variables)
                for name, payload in zip(
                    batch["event_name"], batch.pop("payload"), strict=True
                )
            ]
            meant = [
                words.meaning(provider, name, one)
                for name, one in zip(batch["event_name"], heard, strict=True)
            ]
            columns: dict[str, list[Any]] = {
                **batch,
                "provider": [provider] * len(heard),
                **{
                    column: [getattr(one, column) for one in heard]
                    for column in (
                        "recipient",
                        "message_id",
                        "provider_message_id",
                        "given_email_id",
                        "subject",
                        "smtp_code",
                        "enhanced_code",
                        "is_machine",
                        "scope",
                    )
                },
                "message": [
                    None if one.message is None else one.message[:LONGEST_MESSAGE]
                    for one in heard
                ],
                **{
                    column: [getattr(one, column) for one in meant]
                    for column in ("event_type", "severity", "reject_reason", "counts")
                },
                "bounce_class": [
                    words.bounce_class(one) if what.event_type == BOUNCED else None
                    for one, what in zip(heard, meant, strict=True)
                ],
                "says_sent": [
                    (provider, name) in telling for name in batch["event_name"]
                ],
            }
            warehouse.keep("heard", columns, _KEPT)


def match(warehouse: Warehouse, who: Accounts, result: Result) -> None:
    """Finds each event's email and recipient, and compares it with the mart.

    Args:
        warehouse: Its events have been heard.
        who: The accounts.
        result: Takes what differs in fct_message_events.
    """
    warehouse.con.execute(TABLES)
    gather(warehouse)
    warehouse.con.execute(_MATCHED)
    learn = _Links(warehouse)
    for provider in READERS:
        for span in spans(warehouse, provider):
            events = list(_heard(warehouse, provider, *span))
            matched = list(learn.match(events, who))
            _keep(warehouse, matched, who)
            _compare(warehouse, provider, span, matched, result)
    _compare_strangers(warehouse, result)


def spans(warehouse: Warehouse, provider: str) -> Iterator[tuple[int, int]]:
    """Stretches of time, each with no more events than `CHUNK` or one hour.

    Whatever is in the mart lies in one of them as well.
    """
    hours = warehouse.con.execute(
        """
        select occurred_at // ? as hour, count(*)
        from (
            select occurred_at from scratch.heard where provider = ?
            union all
            select epoch_us(occurred_at) from warehouse.marts.fct_message_events
            where provider = ?
        )
        where occurred_at is not null
        group by hour
        order by hour
        """,
        [HOUR, provider, provider],
    ).fetchall()
    yield from packed(hours, 2 * CHUNK, HOUR)


def packed(
    counts: Sequence[tuple[int, int]], most: int, step: int
) -> Iterator[tuple[int, int]]:
    """Half-open ranges over steps that have rows, of about so many rows each.

    Args:
        counts: Steps and how many rows they have, ascending.
        most: Rows of a range, unless one step alone has more.
        step: What a step's number is multiplied by.
    """
    begin, end, rows = None, 0, 0
    for at, count in counts:
        if begin is not None and rows + count > most:
            yield begin * step, end * step
            begin, rows = None, 0
        begin = at if begin is None else begin
        end, rows = at + 1, rows + count
    if begin is not None:
        yield begin * step, end * step


@dataclass(frozen=True, slots=True)
class Matched:
    """An event and where it belongs.

    Attributes:
        said: What was heard of it: a row of `scratch.heard`.
        email_id: Its email, if that is known.
        member_id: Its recipient's member.
        account_id: Its account.
        reason: Why it has no recipient; None if it has one.
        scope: Which mail a (un)subscribe is about; of all else None.
    """

    said: dict[str, Any]
    email_id: str | None
    member_id: str | None
    account_id: str | None
    reason: str | None
    scope: str | None


class _Links:
    """What leads from ids to emails and recipients, asked for a chunk at a time."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        # An event with both ids says that they are one message's: what is known of
        # one of them is learned of the other.
        warehouse.con.execute(
            """
            create table scratch.taught as
            select distinct message_id, provider_message_id
            from scratch.heard
            where message_id is not null and provider_message_id is not null;
            create table scratch.learned as
            select id as message_id, min(email_id) as email_id
            from (
                select taught.provider_message_id as id, links.email_id
                from scratch.taught join scratch.links using (message_id)
                union all
                select taught.message_id, links.email_id
                from scratch.taught
                join scratch.links on taught.provider_message_id = links.message_id
            )
            group by id
            """
        )

    def match(self, events: list[dict[str, Any]], who: Accounts) -> Iterator[Matched]:
        """Where each event belongs."""
        ids = {
            name
            for event in events
            for name in (event["message_id"], event["provider_message_id"])
        }
        by_id, learned = self._by_id(ids, "links"), self._by_id(ids, "learned")
        found = [_email_of(event, by_id, learned) for event in events]
        emails = self._emails(set(found))
        # An id that the application gave is an email's only once that is written.
        settled = [
            None if event["given_email_id"] is not None and name not in emails else name
            for event, name in zip(events, found, strict=True)
        ]
        recipients = self._recipients(
            {
                (name, event["recipient_key"])
                for event, name in zip(events, settled, strict=True)
            }
        )
        for event, name in zip(events, settled, strict=True):
            key = name, event["recipient_key"]
            yield Matched(
                event,
                name,
                recipients.get(key),
                emails.get(name, NOWHERE).account_id
                or who.by_domain.get(event["domain"]),
                _reason(event, name, is_there=key in recipients),
                _scope(event, emails.get(name, NOWHERE)),
            )

    def _by_id(self, ids: set[str | None], table: str) -> dict[str, str]:
        return self._asked(
            ids,
            f"select message_id, min(email_id) from scratch.{table}"
            " where message_id in (select id from asked) group by message_id",
        )

    def _emails(self, ids: set[str | None]) -> dict[str | None, "Mailing"]:
        found = self._asked(
            ids,
            "select"
            " email_id, {'account_id': account_id, 'newsletter_id': newsletter_id}"
            " from scratch.emails where email_id in (select id from asked)",
        )
        return {email_id: Mailing(**said) for email_id, said in found.items()}

    def _recipients(
        self, pairs: set[tuple[str | None, str | None]]
    ) -> dict[tuple[str | None, str | None], str | None]:
        """The member of each recipient; of several spellings the newest speaks."""
        con = self._warehouse.con
        names, keys = zip(*pairs, strict=True) if pairs else ((), ())
        con.register(
            "pairs",
            pa.table(
                {"email_id": list(names), "recipient_key": list(keys)},
                schema=pa.schema(
                    [("email_id", pa.string()), ("recipient_key", pa.string())]
                ),
            ),
        )
        rows = con.execute(
            """
            select
                email_id, recipient_key, member_id, is_deleted, updated_at, recipient
            from scratch.recipients
            where (email_id, recipient_key) in (
                    select (email_id, recipient_key) from pairs
                )
            """
        ).fetchall()
        con.unregister("pairs")
        rows.sort(key=spoken_last, reverse=True)
        return {(name, key): member for name, key, member, *_ in rows}

    def _asked(self, ids: set[str | None], sql: str) -> dict[str, Any]:
        con = self._warehouse.con
        wanted = [name for name in ids if name is not None]
        con.register("asked", pa.table({"id": pa.array(wanted, pa.string())}))
        found = dict(con.execute(sql).fetchall())
        con.unregister("asked")
        return found


@dataclass(frozen=True, slots=True)
class Mailing:
    """Whose an email is, and which newsletter's."""

    account_id: str | None = None
    newsletter_id: str | None = None


NOWHERE = Mailing()
"""Of an event whose email isn't known."""


def spoken_last(row: Sequence[Any]) -> tuple[Any, ...]:
    """Sorts spellings of one address: the one that speaks comes first.

    Args:
        row: Ends with is_deleted, updated_at, recipient.
    """
    is_deleted, updated_at, recipient = row[-3:]
    return is_deleted, updated_at is None, -(updated_at or 0), recipient


def _email_of(
    event: dict[str, Any], by_id: dict[str, str], learned: dict[str, str]
) -> str | None:
    """The id of an event's email; what the application gave does not fall through."""
    if event["given_email_id"] is not None:
        return str(event["given_email_id"])
    message, own = event["message_id"], event["provider_message_id"]
    # Whoever has an id of the provider's own learns by that one alone.
    return (
        by_id.get(message)
        or by_id.get(own)
        or learned.get(message if own is None else own)
    )


def _reason(
    event: dict[str, Any], email_id: str | None, *, is_there: bool
) -> str | None:
    if email_id is not None:
        return None if is_there else "unknown_recipient"
    ids = ("given_email_id", "message_id", "provider_message_id")
    return "no_id" if all(event[name] is None for name in ids) else "unknown_email"


def _scope(event: dict[str, Any], mail: Mailing) -> str | None:
    """Which mail an unsubscribe or a subscribe is about."""
    if event["event_type"] not in SCOPED:
        return None
    of_the_email = f"newsletter:{mail.newsletter_id}" if mail.newsletter_id else "all"
    return event["scope"] or of_the_email


def _raw(provider: str) -> str:
    return f"""
        select
            event_key, domain, event_name, payload,
            epoch_us(occurred_at) as occurred_at,
            epoch_us(received_at) as received_at
        from warehouse.raw.{provider}_events
        where _dlt_load_id in (select load_id from warehouse.ledger.loads)
    """


def _heard(
    warehouse: Warehouse, provider: str, begin: int, end: int
) -> Iterator[dict[str, Any]]:
    yield from warehouse.rows(
        "select * from scratch.heard"
        " where provider = ? and occurred_at >= ? and occurred_at < ?",
        [provider, begin, end],
    )


def _keep(warehouse: Warehouse, matched: list[Matched], who: Accounts) -> None:
    """Writes to `scratch.matched` what counting needs."""
    if not matched:
        return
    columns: dict[str, list[Any]] = {
        column: [one.said[column] for one in matched]
        for column in (
            "provider",
            "event_key",
            "recipient",
            "recipient_key",
            "event_type",
            "severity",
            "reject_reason",
            "bounce_class",
            "occurred_at",
            "received_at",
            "counts",
            "is_machine",
            "message_id",
            "smtp_code",
            "enhanced_code",
        )
    }
    columns["account_id"] = [one.account_id for one in matched]
    columns["email_id"] = [one.email_id for one in matched]
    columns["unmatched_reason"] = [one.reason for one in matched]
    columns["scope"] = [one.scope for one in matched]
    columns["message"] = [
        one.said["message"] if one.said["severity"] else None for one in matched
    ]
    columns["date"] = [
        local_date(one.said["occurred_at"], where)
        if one.account_id is not None and (where := who.zones.get(one.account_id))
        else None
        for one in matched
    ]
    warehouse.keep(
        "matched",
        columns,
        "provider, event_key, account_id, email_id, recipient_key, event_type,"
        " severity, reject_reason, bounce_class, occurred_at, received_at, counts,"
        " is_machine, message_id, smtp_code, enhanced_code, message,"
        " unmatched_reason, recipient, scope, date",
    )


def _compare(
    warehouse: Warehouse,
    provider: str,
    span: tuple[int, int],
    matched: list[Matched],
    result: Result,
) -> None:
    """What differs in fct_message_events between two instants."""
    expected = keyed(map(_as_in_the_mart, matched), _KEY, result)
    actual = keyed(warehouse.rows(_MART, [provider, *span]), _KEY, result)
    result.compared += len(expected) * len(next(iter(expected.values()), ()))
    result.compared += len(actual.keys() - expected.keys())
    if expected == actual:
        return
    same = {key for key, row in expected.items() if actual.get(key) == row}
    for cell in differences(
        {key: row for key, row in expected.items() if key not in same},
        {key: row for key, row in actual.items() if key not in same},
        _KEY,
    ):
        rows = of_keys(provider, [cell.where["event_key"]])
        result.add(replace(cell, rows=rows))


def _compare_strangers(warehouse: Warehouse, result: Result) -> None:
    """Rows of a provider that no raw table is of, or without a time."""
    for row in warehouse.rows(
        "select event_key, provider from warehouse.marts.fct_message_events"
        " where occurred_at is null or provider is null"
        " or not list_contains(?, provider)",
        [list(READERS)],
    ):
        result.compared += 1
        provider = f"a row of {row['provider']}"
        where = {"event_key": str(row["event_key"])}
        result.add(Cell(where, "row", ABSENT, provider))


def _as_in_the_mart(one: Matched) -> dict[str, Any]:
    said = one.said
    return {
        "event_key": said["event_key"],
        "occurred_at": said["occurred_at"],
        "account_id": one.account_id,
        "domain": said["domain"],
        "provider_event_name": said["event_name"],
        "event_type": said["event_type"],
        "severity": said["severity"],
        "reject_reason": said["reject_reason"],
        "bounce_class": said["bounce_class"],
        "recipient": said["recipient"],
        "recipient_key": said["recipient_key"],
        "message_id": said["message_id"],
        "provider_message_id": said["provider_message_id"],
        "given_email_id": said["given_email_id"],
        "email_id": one.email_id,
        "member_id": one.member_id,
        "unmatched_reason": one.reason,
        "is_machine": said["is_machine"] if said["event_type"] in MACHINES else None,
        "smtp_code": said["smtp_code"],
        "enhanced_code": said["enhanced_code"],
        "mta_response": said["message"],
        "counts_in_delivery": said["counts"],
        "scope": one.scope,
    }


def _names(text: str) -> list[str]:
    return [str(name) for name in json.loads(text)]
