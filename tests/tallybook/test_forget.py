"""Forgetting a person: nothing names them any more, and every count is as before.

DuckDB compresses text, so a search of its bytes proves something only without
compression: it is off in all of these tests.
"""
# ruff: noqa: S608 - names of tables come from the warehouse itself.

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from living import settings
from rich.console import Console
from typer.testing import CliRunner

from extract import warehouse as warehouse_module
from extract.forgotten import LIST, Forgotten
from inbox import Inbox, Record, Writer
from simulator import Simulator, Spec, serve
from tallybook import cli, forget
from tallybook.build import Dbt
from tallybook.builds import last_build
from tallybook.errors import CannotRunError
from tallybook.heart import Heart
from tallybook.run import finish, run
from tallybook.say import Say
from tallybook.status import look
from tests.parsed import plant

SPEC = Spec(seed=5, days=3, accounts=2, emails=8, recipients_per_email=25, hostile=0.02)
FIRST, LAST = "2026-03-02T12:00:00Z", "2026-03-05T00:00:00Z"
"""Now, at the first run and at the last one."""

ERASED = {
    "fct_message_events": {
        *("url", "mta_response", "user_agent", "ip", "ip_is_sender", "tags"),
        "user_variables",
    },
    "fct_recipient_status": {"failure_message"},
}
"""Columns of the person's rows that hold nothing of what they held."""

VOLATILE = {"received_at", "loaded_at", "rebuilt_at", "checked_at", "as_of"}
"""Columns that say when something came or was built."""

SENDGRID: list[tuple[str, dict[str, object]]] = [
    ("processed", {}),
    ("deferred", {"response": "451 4.3.2 try again, dear friend", "attempt": "2"}),
    (
        "bounce",
        {"type": "bounce", "reason": "550 5.1.1 no one here", "status": "5.1.1"},
    ),
    ("bounce", {"type": "blocked", "reason": "554 5.7.1 blocked"}),
    ("dropped", {"reason": "Bounced Address"}),
    ("open", {"sg_machine_open": True}),
    ("click", {"url_offset": {"index": 1, "type": "html"}}),
    ("group_unsubscribe", {"asm_group_id": 7}),
]
"""What SendGrid tells of everybody, beside whom and when."""

QUIET = Say(Console(quiet=True))

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Person:
    """Somebody who received much."""

    address: str
    member_id: str

    def is_in(self, folder: Path) -> list[str]:
        """Files whose bytes name them, in any case."""
        named = [self.address.encode(), self.member_id.encode()]
        return [
            str(path.relative_to(folder))
            for path in sorted(folder.rglob("*"))
            if path.is_file()
            and path.name != LIST
            and any(one in path.read_bytes().lower() for one in named)
        ]


@pytest.fixture(scope="module", autouse=True)
def own_settings() -> Iterator[None]:
    """What a place sets is forgotten with the last test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module", autouse=True)
def uncompressed() -> Iterator[None]:
    connect, is_new = duckdb.connect, warehouse_module._is_new

    def connect_plainly(*args: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*args, **options)
        connection.execute("pragma force_compression = 'uncompressed'")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", connect_plainly)
        patch.setattr(warehouse_module, "_is_new", lambda _: False)
        yield
    assert duckdb.connect is connect
    assert warehouse_module._is_new is is_new


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    app = tmp_path_factory.mktemp("app")
    with serve(SPEC, app_folder=app) as running:
        yield running, app


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project, parsed once; `at` another home it is the same."""
    return Dbt(plant(tmp_path_factory.mktemp("parsed")))


class Place:
    """A state folder with settings, and what is done there."""

    def __init__(self, home: Path, host: tuple[Simulator, Path], dbt: Dbt) -> None:
        self.home = home
        self.dbt = Dbt(home)
        dbt.manifest()
        self.dbt._parsed = dbt._parsed
        self.settings = settings(host[0], home, host[1])

    def run(self, now: str) -> None:
        self._enter(now)
        done = run(self.home, QUIET, dbt=self.dbt)
        assert done.exit_status == 0
        assert done.publication is not None

    def forget(self, address: str) -> forget.Report:
        self._enter(FIRST)
        forget.ask(self.home, address)
        build, publication, report = finish(
            self.home, QUIET, self.dbt, Heart(self.home)
        )
        assert build.is_green, (*build.failures, *build.errors)
        assert publication is not None
        assert report is not None
        return report

    def refresh(self) -> None:
        assert self.dbt.build(full_refresh=True).is_green

    def rows(self, sql: str) -> Rows:
        with duckdb.connect(self.home / "warehouse.duckdb", read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            found = con.execute(sql)
            names = [column[0] for column in found.description or []]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def marts(self) -> dict[str, Rows]:
        names = self.rows(
            "select table_name as name from duckdb_tables() where schema_name = 'marts'"
        )
        return {
            row["name"]: self.rows(f"select * from marts.{row['name']}")
            for row in names
            if row["name"] not in ("ops_lanes", "dim_time_zone_days")
        }

    def person(self) -> Person:
        """Whoever has the most kinds of events."""
        (found,) = self.rows(
            "select recipient_key as address, any_value(member_id) as member_id"
            " from marts.fct_message_events where member_id is not null"
            " group by recipient_key"
            " order by count(distinct event_type) desc, count(*) desc, 1 limit 1"
        )
        return Person(**found)

    def _enter(self, now: str) -> None:
        for name in list(os.environ):
            if name.startswith(("SOURCES__", "TALLYBOOK_")):
                del os.environ[name]
        os.environ.update(
            {
                name: value
                for name, value in self.settings.items()
                if name.startswith(("SOURCES__", "TALLYBOOK_"))
            }
            | {"TALLYBOOK_NOW": now}
        )


@pytest.fixture(scope="module")
def before(
    host: tuple[Simulator, Path],
    dbt: Dbt,
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A state folder after its first run, not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALLYBOOK_HOME", "")
        place = Place(tmp_path_factory.mktemp("before"), host, dbt)
        receive(place.home, host[1], at=1_772_366_400)
        place.run(FIRST)
        return place


@pytest.fixture
def place(
    before: Place,
    host: tuple[Simulator, Path],
    dbt: Dbt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """A copy of it."""
    monkeypatch.setenv("TALLYBOOK_HOME", "")
    home = tmp_path / "home"
    shutil.copytree(before.home, home, symlinks=True)
    return Place(home, host, dbt)


def receive(home: Path, app: Path, at: int) -> None:
    """Writes to the inbox what SendGrid and Postmark tell of the first recipients.

    Args:
        home: The state folder.
        app: The application's tables.
        at: When it happened, seconds since the epoch.
    """
    recipients = duckdb.execute(
        f"select email_id, member_email from '{app}/email_recipients.parquet'"
        " order by all limit 6"
    ).fetchall()
    sendgrid = [
        {
            "event": name,
            "email": address,
            "email-id": email_id,
            "timestamp": at + number,
            "sg_event_id": f"{at}-{email_id}-{number}",
            "sg_message_id": f"{email_id}.filter-1",
            "useragent": f"the browser of {address}",
            "ip": "203.0.113.9",
            "url": f"https://example.com/?to={address.replace('@', '%40')}",
            **more,
        }
        for email_id, address in recipients
        for number, (name, more) in enumerate(SENDGRID)
    ]
    records = [Record(f"sendgrid-{at}", "sendgrid", "", at * 10**6, dumps(sendgrid))]
    instant = datetime.fromtimestamp(at, UTC).isoformat()
    for number, (email_id, address) in enumerate(recipients):
        bounce = {
            "RecordType": "Bounce",
            "Type": "HardBounce",
            "ID": int(email_id[-8:], 16) + at,
            "Email": address,
            "BouncedAt": instant,
            "Details": f"smtp;550 5.1.1 <{address}>: no such person",
            "MessageID": f"{email_id}-{at}",
            "Metadata": {"email-id": email_id, "name": f"called {address}"},
        }
        name = f"postmark-{at}-{number}"
        records.append(Record(name, "postmark", "", at * 10**6, dumps(bounce)))
    broken = f'{{"RecordType": "Bounce", "Email": "{recipients[0][1]}"'
    records.append(Record(f"broken-{at}", "postmark", "", at * 10**6, broken.encode()))
    writer = Writer(home / "inbox")
    writer.append(records)
    writer.close()


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def told(rows: Rows, mart: str, person: Person, forgotten: Forgotten) -> list[str]:
    """A mart's rows as forgetting is to leave them, but for columns that tell times."""
    token = forgotten.token(person.address)
    other = {
        person.address: token,
        token: token,  # however it is spelt
        person.member_id: forgotten.member(person.member_id),
    }
    left = []
    for row in rows:
        is_theirs = row.get("recipient_key") in (token, person.address)
        left.append(
            {
                name: (
                    # The last digits of a sum depend on the order of rows.
                    round(value, 6) + 0.0
                    if isinstance(value, float)
                    else other.get(str(value).lower(), _of_derived(name, value, other))
                )
                for name, value in row.items()
                if name not in VOLATILE
                and not (is_theirs and name in ERASED.get(mart, ()))
            }
        )
    return sorted(map(str, left))


def _of_derived(name: str, value: object, other: dict[str, str]) -> object:
    """Without an application a member's id holds the address."""
    if name == "member_id" and isinstance(value, str):
        account, _, address = value.rpartition(":")
        return f"{account}:{other[address]}" if address in other else value
    return value


def of_all_domains(rows: Rows) -> Rows:
    """Outcomes of emails, counts added up: a mailbox domain goes with a person."""
    sums: dict[tuple[tuple[str, Any], ...], Counter[str]] = defaultdict(Counter)
    for row in rows:
        said = {
            name: value
            for name, value in row.items()
            if name != "mailbox_domain" and not isinstance(value, int)
        }
        counts = {name: row[name] for name in row.keys() - said.keys()}
        counts.pop("mailbox_domain")
        sums[tuple(said.items())].update(counts)
    return [dict(said) | counts for said, counts in sums.items()]


def assert_same(
    these: dict[str, Rows], those: dict[str, Rows], person: Person, home: Path
) -> None:
    forgotten = Forgotten.of(home)
    assert these.keys() == those.keys()
    for mart, rows in these.items():
        others = those[mart]
        if mart == "fct_email_outcomes":
            rows, others = of_all_domains(rows), of_all_domains(others)  # noqa: PLW2901
        assert told(rows, mart, person, forgotten) == told(
            others, mart, person, forgotten
        ), mart


def test_nothing_names_them_and_every_other_cell_is_as_before(
    before: Place, place: Place
) -> None:
    person = before.person()
    assert len(person.is_in(place.home)) > 2
    others = before.rows(
        "select * exclude (_dlt_load_id) from raw.mailgun_events"
        f" where not contains(lower(payload), '{person.address}') order by event_key"
    )

    report = place.forget(person.address.upper())

    assert report.is_done
    build, found = last_build(place.home), look(place.home)
    assert build is not None
    reasons = {one.model: one.reason for one in build.rebuilt}
    assert reasons["dim_members"] == "someone was forgotten"
    assert found.inbox is not None
    assert (found.inbox.requests, found.forgets) == (0, ())
    assert report.rows["raw.mailgun_events"] > 1
    assert report.rows["raw.sendgrid_events"] == len(SENDGRID)
    assert report.rows["raw.postmark_events"] == 1
    assert person.is_in(place.home) == []
    assert_same(before.marts(), place.marts(), person, place.home)
    kept = {row["event_key"] for row in others}
    assert others == [
        row
        for row in place.rows(
            "select * exclude (_dlt_load_id) from raw.mailgun_events order by event_key"
        )
        if row["event_key"] in kept
    ]


def test_a_second_build_writes_nothing_and_a_full_refresh_gives_the_same(
    place: Place,
) -> None:
    person = place.person()
    place.forget(person.address)
    forgot = place.marts()

    again = place.dbt.build()
    # Days that are not settled are looked at by each build.
    assert [one for one in again.rebuilt if one.removed or one.added] == []
    assert place.marts() == forgot

    place.refresh()
    assert_same(place.marts(), forgot, person, place.home)


def test_what_comes_later_comes_without_them_and_counts_all_the_same(
    before: Place,
    place: Place,
    host: tuple[Simulator, Path],
    dbt: Dbt,
    tmp_path: Path,
) -> None:
    person = place.person()
    shutil.copytree(before.home, tmp_path / "other", symlinks=True)
    other = Place(tmp_path / "other", host, dbt)
    place.forget(person.address)
    held = len(place.rows("from raw.mailgun_events"))

    for one in (place, other):
        receive(one.home, host[1], at=1_772_452_800)
        one.run(LAST)

    assert len(place.rows("from raw.mailgun_events")) > held
    token = Forgotten.of(place.home).token(person.address)
    later = f"occurred_at >= '{FIRST}' and recipient_key ="
    assert place.rows(f"from marts.fct_message_events where {later} '{token}'")
    assert person.is_in(place.home) == []
    assert_same(other.marts(), place.marts(), person, place.home)


def test_rows_that_are_only_in_the_log_are_erased_too(place: Place) -> None:
    person = Person("left.behind@example.com", "member-in-the-log")
    with duckdb.connect(place.home / "warehouse.duckdb") as con:
        con.execute("pragma disable_checkpoint_on_shutdown")
        con.execute(
            "insert into raw.app_members by name select * replace ("
            f" '{person.member_id}' as member_id, '{person.address}' as email)"
            " from raw.app_members limit 1"
        )
    assert person.is_in(place.home) == ["warehouse.duckdb.wal"]

    assert place.forget(person.address).rows == {"raw.app_members": 1}

    assert person.is_in(place.home) == []


def test_archived_requests_are_erased_too_and_open_ones_are_waited_for(
    place: Place,
) -> None:
    person = place.person()
    now = 1_772_366_400_000_000
    theirs = f'[{{"email":"{person.address.title()}"}},{{"email":"b@example.com"}}]'
    records = [
        Record("request-1", "sendgrid", "", now, b'[{"email":"b@example.com"}]'),
        Record("request-2", "sendgrid", "", now, theirs.encode()),
    ]
    inbox = Inbox(place.home / "inbox")
    writer = Writer(inbox.folder)
    writer.append(records)
    writer.close()
    (archived,) = inbox.segments()
    inbox.retire({archived: 1 << 30})
    writer.append(records)
    (opened,) = inbox.segments()

    report = place.forget(person.address)

    assert archived in report.segments
    assert not report.is_done
    assert [one.partition(":")[0] for one in report.waits_for] == [
        f"inbox/{opened}.segment"
    ]
    kept, erased = inbox.archive.read(archived)
    assert kept == records[0]
    assert len(erased.body) >= len(records[1].body)
    assert [event["email"] for event in json.loads(erased.body)] == [
        Forgotten.of(place.home).token(person.address.title()),
        "b@example.com",
    ]

    writer.close()
    inbox.retire({opened: 1 << 30})
    warehouse = (place.home / "warehouse.duckdb").stat().st_ino
    *_, again = finish(place.home, QUIET, place.dbt, Heart(place.home))

    assert again is not None
    assert again.is_done
    assert again.segments == (opened,)
    assert (place.home / "warehouse.duckdb").stat().st_ino == warehouse
    assert forget.requests(place.home) == []
    assert person.is_in(place.home) == []


def test_a_red_build_keeps_the_published_file_and_says_so(place: Place) -> None:
    person = place.person()
    place._enter(FIRST)
    forget.ask(place.home, person.address)
    with duckdb.connect(place.home / "warehouse.duckdb") as con:
        con.execute(
            "insert into raw._dlt_loads by name select * replace ('late' as load_id)"
            " from raw._dlt_loads limit 1;"
            "insert into raw.requests by name select * replace ("
            " 'a request' as request_id, 'late' as _dlt_load_id, loaded + 9 as events)"
            " from raw.requests limit 1"
        )
    *_, report = finish(place.home, QUIET, place.dbt, Heart(place.home))

    assert report is not None
    assert [one.partition(":")[0] for one in report.waits_for] == [
        "published/analytics.duckdb"
    ]
    assert {name.partition("/")[0] for name in person.is_in(place.home)} == {
        "published",
        "requests",
    }

    status = CliRunner().invoke(cli.app, ["publish", "--anyway"])

    assert status.exit_code == 0, status.output
    assert person.is_in(place.home) == []
    assert forget.requests(place.home) == []


def test_a_dry_run_says_what_there_is_and_changes_nothing(place: Place) -> None:
    person = place.person()
    place._enter(FIRST)
    content = (place.home / "warehouse.duckdb").read_bytes()

    said = CliRunner().invoke(cli.app, ["forget", person.address, "--dry-run"])

    assert said.exit_code == 0, said.output
    assert "raw.app_members: 1 row to be erased" in said.output
    assert "to be made again: dim_members, fct_message_events, " in said.output
    [archived] = Inbox(place.home / "inbox").archive.segments()
    assert f"inbox/archive/{archived}: to be written again" in said.output
    assert (place.home / "warehouse.duckdb").read_bytes() == content
    assert not (place.home / LIST).exists()


def test_without_an_application_only_the_subjects_of_their_own_mails_go(
    host: tuple[Simulator, Path],
    dbt: Dbt,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", "")
    place = Place(tmp_path / "home", host, dbt)
    del place.settings["SOURCES__APP__LOCATION"]
    place.run(FIRST)
    [(address,)] = [
        tuple(row.values())
        for row in place.rows(
            "select recipient_key from marts.fct_message_events"
            " group by 1 order by count(*) desc, 1 limit 1"
        )
    ]
    person, known = Person(address, "no member of anything"), place.marts()

    place.forget(address)

    left = place.marts()
    for marts in (known, left):
        for row in marts["fct_email_performance"]:
            if row["sent"] == 1:
                del row["subject"]
    assert person.is_in(place.home) == []
    assert_same(known, left, person, place.home)


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    for text in ("anna", "@example.com", "Anna <anna@example.com>", "a b@example.com"):
        with pytest.raises(CannotRunError, match="no address"):
            forget.ask(tmp_path, text)
    assert forget.ask(tmp_path, " Änna+1@Example.com ").address == "Änna+1@Example.com"
    (request,) = (tmp_path / "requests" / "forget").iterdir()
    assert request.stat().st_mode & 0o077 == 0
    assert datetime.now(UTC) > forget.requests(tmp_path)[0].asked_at
