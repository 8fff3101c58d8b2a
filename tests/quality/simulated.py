"""State folders filled by the extractors from a stand-in provider, and built."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb

from collector.client_form import keep
from extract.pipeline import extract
from inbox import Record, Writer, new_request_id
from simulator import Spec, serve
from tallybook.build import Dbt
from tests.parsed import plant


def fill(home: Path, spec: Spec, *, application: bool = True) -> Path:
    """Extracts a world in two ticks and builds it after each.

    The simulator has no apps and only one provider, so some of their events lie in
    the inbox beside it.

    Args:
        home: The state folder.
        spec: The world.
        application: Whether its database is read as well.

    Returns:
        The warehouse.
    """
    folder = home / "application"
    with serve(spec, app_folder=folder) as host:
        settings = {
            "TALLYBOOK_HOME": str(home),
            "SOURCES__MAILGUN__API_KEY": host.api_key,
            "SOURCES__MAILGUN__DOMAINS": ",".join(host.domains),
            "SOURCES__MAILGUN__BASE_URL": host.base_url,
            "SOURCES__MAILGUN__SINCE": spec.begin.isoformat(),
        }
        if application:
            settings["SOURCES__APP__LOCATION"] = str(folder)
        _let_others_send(home, spec, host.domains[0])
        dbt = Dbt(plant(home))
        for days in (spec.days / 2, spec.days + 1):
            now = spec.begin + timedelta(days=days)
            host.control(now=now)
            with environment({**settings, "TALLYBOOK_NOW": now.isoformat()}):
                extract()
                build = dbt.build()
            assert build.is_green, (*build.errors, *build.failures)
    return home / "warehouse.duckdb"


def _let_others_send(home: Path, spec: Spec, domain: str) -> None:
    """Puts requests into the inbox that nobody else sends.

    Client events of accounts, of strangers and of nobody, and SendGrid's of somebody
    who leaves two lists, comes back to one in the last hour of a day in New York, and
    does something at no time at all.
    """
    writer = Writer(home / "inbox")
    items = [
        {
            "event": name,
            "id": f"{name}-{hour}",
            "at": (spec.begin + timedelta(hours=hour)).timestamp(),
            "properties": {"account_id": account, "secret": 1} if account else {},
        }
        for hour in range(0, 48, 5)
        for name, account in (
            ("page_viewed", ("acc_1", "acc_2", "stranger", None)[hour % 4]),
            ("signed_up", "acc_1"),
        )
    ]
    allowed = {name: frozenset({"account_id"}) for name in ("page_viewed", "signed_up")}
    body = keep("beacon", "", json.dumps(items).encode(), allowed).stored
    at = int((spec.begin + timedelta(days=spec.days / 2)).timestamp()) * 1_000_000
    left = [
        {
            "event": event,
            "sg_event_id": f"left-{number}",
            "timestamp": int((spec.begin + timedelta(hours=2 * number)).timestamp()),
            "email": "zoe@example.com",
            "asm_group_id": group,
        }
        for number, (event, group) in enumerate(
            (
                ("group_unsubscribe", 1),
                ("group_unsubscribe", 2),
                ("group_resubscribe", 1),
            )
        )
    ]
    left.append(
        {"event": "open", "sg_event_id": "timeless", "email": "zoe@example.com"}
    )
    writer.append(
        [
            Record(new_request_id(at), "beacon", "", at, body),
            Record(
                new_request_id(at), "sendgrid", domain, at, json.dumps(left).encode()
            ),
        ]
    )
    writer.close()


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """The environment with these settings, and none else of the sources."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("SOURCES__", "TALLYBOOK_")):
            del os.environ[name]
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def change(warehouse: Path, *statements: str) -> None:
    """Plants something in a warehouse.

    Raises:
        AssertionError: A statement changed nothing, so that nothing was planted.
    """
    with duckdb.connect(warehouse) as con:
        con.execute("set TimeZone = 'UTC'")
        for statement in statements:
            found = con.execute(statement).fetchone()
            is_counted = statement.lstrip().startswith(("update", "delete", "insert"))
            assert not is_counted or (found and found[0]), statement


def answers(warehouse: Path, sql: str) -> list[tuple[object, ...]]:
    """What the warehouse answers."""
    with duckdb.connect(warehouse, read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        return con.execute(sql).fetchall()
