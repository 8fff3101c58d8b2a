"""Ten thousand events, shuffled and repeated, end where SEMANTICS.md says.

    Happening, … ──▶ bodies ──▶ a host on loopback ──▶ extract, build, publish: 3 times
             └──▶ the end state, worked out here ══ the published file

Made for the comparison with Ghost, whose job this is: what an email came to, how
often a member opens, who is suppressed, who gets mail, who was last seen when. The
end state is worked out from what was decided to happen, not from what providers say
of it; docs/ghost.md lists where it is another one than Ghost's, and why.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
from oracle import zone

from extract import http
from extract.pipeline import extract
from tallybook.build import Dbt
from tallybook.marts import marts_in
from tallybook.publish import publish
from tests.extract.mailgun_host import Answer, Host, page, running_host
from tests.parsed import plant

BEGIN = datetime(2026, 3, 4, tzinfo=UTC)
"""New York changes its clock on the 8th."""

DAYS = 7
EVENTS = 10_000
MEMBERS = 240
TICKS = 3
ZONES = {"ny": "America/New_York", "ktm": "Asia/Kathmandu"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Mailing:
    """An email, its account, and whether it is of a newsletter and tracked."""

    email_id: str
    account_id: str
    newsletter_id: str | None
    track_opens: bool

    @property
    def scope(self) -> str:
        return f"newsletter:{self.newsletter_id}" if self.newsletter_id else "all"


@dataclass(frozen=True)
class Happening:
    """Something that happened to a member's copy of an email.

    Attributes:
        kind: delivered, opened, clicked, unsubscribed, complained, deferred, bounced
            or suppressed.
        is_machine: Of an open, whether a machine did it.
        code: Of a failure, Mailgun's code.
    """

    number: int
    kind: str
    mailing: Mailing
    member_id: str
    at: datetime
    is_machine: bool = False
    code: int = 0

    @property
    def address(self) -> str:
        return f"{self.member_id}@{self.mailing.account_id}.example"

    def body(self) -> Row:
        """The event as Mailgun serves it."""
        body: Row = {
            "id": f"id{self.number}",
            "timestamp": self.at.timestamp(),
            "recipient": self.address.title(),
            "user-variables": {"email-id": self.mailing.email_id},
            "event": self.kind,
        }
        if self.kind in ("opened", "clicked"):
            body["client-info"] = {"bot": "apple" if self.is_machine else ""}
        if self.code:
            body["event"] = "failed"
            body["delivery-status"] = {"code": self.code, "message": "Sorry"}
            is_temporary = self.kind == "deferred"
            body["severity"] = "temporary" if is_temporary else "permanent"
        if self.kind == "suppressed":
            body["reason"] = "suppress-bounce"
        return body


MAILINGS = [
    Mailing(
        f"{account_id}-{number}",
        account_id,
        newsletter_id="weekly" if number % 3 else None,
        track_opens=number != 2,
    )
    for account_id in ZONES
    for number in range(8)
]


def tell(seed: int) -> list[Happening]:
    """Draws what happens: delivered 60 %, opened 30 %, failed 5 %, left 5 %."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    kinds = (
        ["delivered"] * 60
        + ["opened"] * 26
        + ["clicked"] * 4
        + ["deferred"] * 2
        + ["bounced"] * 2
        + ["suppressed"]
        + ["unsubscribed"] * 3
        + ["complained"] * 2
    )
    codes = {"deferred": [421, 452], "bounced": [550, 552, 554], "suppressed": [605]}
    return [
        Happening(
            number,
            kind := kinds[number % len(kinds)],
            rng.choice(MAILINGS),
            # Some get more than others, and a few mailboxes are always full.
            f"m{MEMBERS - rng.randint(1, 5)}"
            if kind == "deferred"
            else f"m{int(MEMBERS * rng.random() ** 2)}",
            BEGIN + timedelta(microseconds=rng.randrange(DAYS * 86_400_000_000)),
            is_machine=kind == "opened" and rng.random() < 0.2,
            code=rng.choice(codes.get(kind, [0])),
        )
        for number in range(EVENTS)
    ]


# The end state, from SEMANTICS.md sections 3 and 4


def emails_in_the_end(happenings: Iterable[Happening]) -> dict[str, Row]:
    """The counts of distinct recipients of each email, and its rates."""
    by_copy: dict[tuple[str, str], list[Happening]] = defaultdict(list)
    for happening in happenings:
        by_copy[happening.mailing.email_id, happening.member_id].append(happening)
    rows = {}
    for mailing in MAILINGS:
        counts: dict[str, int] = defaultdict(int)
        counts["sent"] = MEMBERS
        for number in range(MEMBERS):
            for name in _counts_of(by_copy[mailing.email_id, f"m{number}"]):
                counts[name] += 1
        row = {name: counts[name] for name in ("sent", *COUNTS)}
        attempted = row["sent"] - row["rejected"]
        rows[mailing.email_id] = row | {
            "delivery_rate": row["delivered"] / attempted,
            "open_rate": row["delivered_opened"] / row["delivered"],
            "human_open_rate": row["delivered_opened_by_human"] / row["delivered"],
            "complaint_rate": row["delivered_complained"] / row["delivered"],
        }
    return rows


COUNTS = (
    "delivered",
    "delivered_reported",
    "rejected",
    "failed_permanently",
    "failed_temporarily",
    "opened",
    "opened_by_human",
    "clicked",
    "complained",
    "unsubscribed",
    "delivered_opened",
    "delivered_opened_by_human",
    "delivered_complained",
)


def _counts_of(copy: Sequence[Happening]) -> set[str]:
    """The counts that one copy of an email is in."""
    kinds = {happening.kind for happening in copy}
    by_human = any(h.kind == "opened" and not h.is_machine for h in copy)
    is_rejected = "suppressed" in kinds and not kinds & {"delivered", "bounced"}
    arrived = bool(kinds & {"delivered", "opened", "clicked", "complained"})
    is_delivered = arrived and "bounced" not in kinds and not is_rejected
    reached = {
        "opened": "opened" in kinds,
        "opened_by_human": by_human,
        "clicked": "clicked" in kinds,
        "complained": "complained" in kinds,
        "unsubscribed": "unsubscribed" in kinds,
    }
    counts = {
        "delivered": is_delivered,
        "delivered_reported": "delivered" in kinds,
        "rejected": is_rejected,
        "failed_permanently": "bounced" in kinds,
        "failed_temporarily": "deferred" in kinds
        and not arrived
        and not kinds & {"bounced", "suppressed"},
        **reached,
    }
    counts |= {f"delivered_{k}": v and is_delivered for k, v in reached.items()}
    return {name for name, is_in in counts.items() if is_in}


def suppressions_in_the_end(happenings: Iterable[Happening]) -> dict[Any, Row]:
    """What keeps mail from whom: since the first time, for nothing lifts it here."""
    rows: dict[Any, Row] = {}
    for happening in sorted(happenings, key=lambda one: one.at):
        reason, scope = {
            "unsubscribed": ("unsubscribed", happening.mailing.scope),
            "complained": ("spam", "all"),
            "suppressed": ("bounced", "all"),
            # Of these codes only 550 says that there is no such address.
            "bounced": ("bounced" if happening.code == 550 else None, "all"),
        }.get(happening.kind, (None, "all"))
        if reason:
            grain = (happening.mailing.account_id, happening.address, reason, scope)
            rows.setdefault(
                grain,
                {
                    "since": happening.at,
                    "lifted_at": None,
                    "event_id": f"id{happening.number}",
                },
            )
    return rows


def members_in_the_end(
    happenings: Sequence[Happening], suppressions: Iterable[Any]
) -> dict[str, Row]:
    """What each member opened, was last seen, and still gets."""
    of_member: dict[tuple[str, str], list[Happening]] = defaultdict(list)
    for happening in happenings:
        of_member[happening.mailing.account_id, happening.member_id].append(happening)
    reasons: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for account_id, address, reason, scope in suppressions:
        reasons[account_id, address].add((reason, scope))
    rows = {}
    for account_id, zone_name in ZONES.items():
        mailings = [one for one in MAILINGS if one.account_id == account_id]
        tracked = sum(mailing.track_opens for mailing in mailings)
        for number in range(MEMBERS):
            mine = of_member[account_id, f"m{number}"]
            opened = {
                one.mailing.email_id
                for one in mine
                if one.kind == "opened" and one.mailing.track_opens
            }
            why = reasons[account_id, f"m{number}@{account_id}.example"]
            rows[f"{account_id}-m{number}"] = {
                "email_count": len(mailings),
                "email_opened_count": len(opened),
                # Half rounded up: 1 of 7 is 14.29 %, 2 of 16 is 12.5 % and so 13.
                "email_open_rate": (200 * len(opened) + tracked) // (2 * tracked),
                "last_seen_at": _last_seen_at(mine, zone_name),
                "is_subscribed": all(scope != "all" for _, scope in why),
                "is_suppressed": bool(why),
                "address_status": _address_status({reason for reason, _ in why}, mine),
            }
    return rows


def _last_seen_at(mine: Iterable[Happening], zone_name: str) -> datetime | None:
    """The first human open or click of the latest local day with one."""
    local = zone(zone_name)
    assert local
    seen = [
        one.at
        for one in mine
        if one.kind in ("opened", "clicked") and not one.is_machine
    ]
    if not seen:
        return None
    last_day = max(seen).astimezone(local).date()
    return min(at for at in seen if at.astimezone(local).date() == last_day)


def _address_status(reasons: set[str], mine: Iterable[Happening]) -> str:
    if "spam" in reasons:
        return "complained"
    if "bounced" in reasons:
        return "dead"
    tried = sorted(
        (one.at, one.kind)
        for one in mine
        if one.kind in ("deferred", "bounced", "delivered")
    )
    is_failing = [kind for _, kind in tried[-3:]] == ["deferred"] * 3
    return "soft_bouncing" if is_failing else "ok"


# The way there


def serve(host: Host, ticks: dict[str, list[list[list[Row]]]], tick: list[int]) -> None:
    """Serves each domain's pages of the tick in hand to the latest lane."""

    def answer(path: str) -> Answer:
        domain = urlsplit(path).path.split("/")[2]
        number = int(path.rpartition("/page-")[2]) if "/page-" in path else 0
        pages = ticks[domain][tick[0]]
        items = pages[number] if number < len(pages) else []
        return Answer(
            page(items, f"{host.base_url}/v3/{domain}/events/page-{number + 1}")
        )

    host.script = [answer]


def shuffled_with_repeats(
    happenings: Sequence[Happening], seed: int
) -> dict[str, list[list[list[Row]]]]:
    """Pages of each domain for each tick, with what was served before among them."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    ticks: dict[str, list[list[list[Row]]]] = {}
    for account_id in ZONES:
        mine = [one for one in happenings if one.mailing.account_id == account_id]
        rng.shuffle(mine)
        size = len(mine) // TICKS + 1
        parts = []
        for begin in range(0, len(mine), size):
            part = mine[begin : begin + size]
            part += rng.sample(mine[: begin + size], len(part) // 5)
            rng.shuffle(part)
            bodies = [one.body() for one in part]
            parts.append([bodies[at : at + 300] for at in range(0, len(bodies), 300)])
        ticks[f"mail.{account_id}.example"] = parts
    return ticks


def write_application(folder: Path) -> None:
    """The application's tables, as files."""
    folder.mkdir()
    written = BEGIN.isoformat()
    tables: dict[str, list[Row]] = {
        "accounts": [
            {
                "account_id": account_id,
                "reporting_timezone": ZONES[account_id],
                "sending_domain": f"mail.{account_id}.example",
            }
            for account_id in ZONES
        ],
        "emails": [
            {
                "email_id": mailing.email_id,
                "account_id": mailing.account_id,
                "newsletter_id": mailing.newsletter_id or "",
                "track_opens": mailing.track_opens,
                "submitted_at": written,
            }
            for mailing in MAILINGS
        ],
        "members": [
            {
                "member_id": f"{account_id}-m{number}",
                "account_id": account_id,
                "email": f"m{number}@{account_id}.example",
                "created_at": written,
            }
            for account_id in ZONES
            for number in range(MEMBERS)
        ],
        "email_recipients": [
            {
                "email_id": mailing.email_id,
                "member_id": f"{mailing.account_id}-m{number}",
                "member_email": f"m{number}@{mailing.account_id}.example",
                "sent_at": written,
            }
            for mailing in MAILINGS
            for number in range(MEMBERS)
        ],
    }
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as lines:
            writer = csv.DictWriter(lines, [*rows[0], "updated_at"])
            writer.writeheader()
            writer.writerows({**row, "updated_at": written} for row in rows)


def published(home: Path, sql: str) -> dict[Any, Row]:
    """Rows of the published file by their first column."""
    with duckdb.connect(home / "published" / "analytics.duckdb", read_only=True) as con:
        con.execute("set TimeZone = 'UTC'; use marts")
        cursor = con.execute(sql)
        names = [column[0] for column in cursor.description or []][1:]
        return {
            row[0]: dict(zip(names, row[1:], strict=True)) for row in cursor.fetchall()
        }


def test_ten_thousand_events_shuffled_and_repeated_end_as_the_rules_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happenings = tell(seed=6)
    ticks, tick = shuffled_with_repeats(happenings, seed=7), [0]
    home = tmp_path / "home"
    write_application(tmp_path / "app")
    monkeypatch.setenv("TALLYBOOK_HOME", str(home))
    monkeypatch.setenv("SOURCES__APP__LOCATION", str(tmp_path / "app"))
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", "key-test")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", json.dumps(list(ticks)))
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", BEGIN.isoformat())
    monkeypatch.setattr(http, "PATIENCE", http.Patience(3, 0.01, 0.05))
    dbt = Dbt(plant(home))
    with running_host() as host:
        monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", host.base_url)
        serve(host, ticks, tick)
        for number in range(TICKS):
            tick[0] = number
            now = BEGIN + timedelta(days=DAYS, hours=number)
            monkeypatch.setenv("TALLYBOOK_NOW", now.isoformat())
            assert {outcome.outcome for outcome in extract()} == {"ok", "skipped"}
            build = dbt.build()
            assert not build.failures + build.errors
            publish(home, marts_in(dbt.manifest()))

    emails = emails_in_the_end(happenings)
    columns = ", ".join(emails[MAILINGS[0].email_id])
    assert emails == published(
        home,
        f"select email_id, {columns} from fct_email_performance",  # noqa: S608
    )
    suppressions = suppressions_in_the_end(happenings)
    assert suppressions == published(
        home,
        "select (account_id, recipient_key, reason, scope), since, lifted_at,"
        " split_part(event_key, ':', 4) as event_id from fct_suppressions",
    )
    members = members_in_the_end(happenings, suppressions)
    columns = ", ".join(next(iter(members.values())))
    assert members == published(
        home,
        f"select member_id, {columns} from dim_members",  # noqa: S608
    )
    # All that there is to decide was decided both ways.
    assert {row["is_subscribed"] for row in members.values()} == {True, False}
    assert {row["address_status"] for row in members.values()} == {
        "ok",
        "soft_bouncing",
        "dead",
        "complained",
    }
