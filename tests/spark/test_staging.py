"""Staging on Spark says of the same raw rows what it says on DuckDB."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession

from extract.lake import land

ROOT = Path(__file__).resolve().parents[2]

MAILGUN = [
    '{"severity":"permanent","reason":"bounce","recipient":"A@x.com","tags":["a","b"],'
    '"message":{"headers":{"message-id":"<1@x>","subject":"Zoë \\"q\\" \\\\ é"}},'
    '"delivery-status":{"code":550,"enhanced-code":"5.1.1","message":"no\\nuser",'
    '"attempt-no":2},"user-variables":{"email-id":"e1","z":1,"a":[1,2.5,null]}}',
    '{"reason":"","recipient":null,"client-info":{"bot":"","user-agent":"Mozilla"},'
    '"ip":"1.2.3.4","delivery-status":{"code":"x","attempt-no":3}}',
    '{"message":{"headers":{"to":"\\"Doe, <old@x.com> J\\" <new@x.com>"},'
    '"recipients":[]},"envelope":{"sending-ip":"5.6.7.8"},"tags":[]}',
    '{"message":{"recipients":["first@x.com","b@x.com"]},"user-variables":{}}',
    "{not json",
    "{}",
]
SENDGRID = [
    '{"email":"a@x.com","smtp-id":"<s@x>","sg_message_id":"abc.recvd-1-2.0",'
    '"response":"smtp; 550 5.1.1 no such user","attempt":"4","category":"one",'
    '"email_id":"e2","plan":"gold","n":12,"flag":true,"ip":"9.9.9.9"}',
    '{"email":"b@x.com","sg_message_id":".x","category":["one","two"],'
    '"sg_machine_open":true,"url_offset":{"index":0,"type":"html"},"asm_group_id":7}',
    '{"email":"","category":[],"status":"","reason":"451 4.7.1 later"}',
    "{not json",
]
POSTMARK = [
    '{"Recipient":"P@x.com","MessageID":"m-1","Type":"HardBounce","Tag":"news",'
    '"Details":"smtp;550 5.1.1 unknown","Metadata":{"email_id":"e3","k":"v"},'
    '"SuppressSending":true,"ClickLocation":"HTML","Geo":{"IP":"8.8.8.8"}}',
    '{"Email":"q@x.com","Metadata":{},"Tag":"","MessageStream":"broadcasts"}',
]
CLIENT = ['{"properties":{"account_id":"a1"},"dropped":3}', '{"dropped":"x"}', "{"]

EVENTS = {
    "mailgun": (MAILGUN, "failed"),
    "sendgrid": (SENDGRID, "bounce"),
    "postmark": (POSTMARK, "SubscriptionChange"),
    "client": (CLIENT, "seen"),
}
VIEWS = [
    "stg_mailgun__events",
    "stg_sendgrid__events",
    "stg_postmark__events",
    "stg_clients__events",
    "stg_app__accounts",
    "stg_app__email_recipients",
    "stg_dlt__loads",
    "stg_tallybook__time_zone_days",
]


def dbt(home: Path, *arguments: str) -> None:
    """Runs dbt on DuckDB as a process of its own, which then closes the file."""
    subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", *arguments, "--quiet"],
        cwd=ROOT,
        env={**os.environ, "TALLYBOOK_HOME": str(home)},
        check=True,
    )


def fill(warehouse: Path) -> None:
    """Writes raw rows as dlt would."""
    with duckdb.connect(warehouse) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            "insert into raw._dlt_loads by name "
            "select '1.5' as load_id, 0 as status, now() as inserted_at"
        )
        for source, (payloads, name) in EVENTS.items():
            for position, payload in enumerate(payloads):
                connection.execute(
                    f"insert into raw.{source}_events by name select "
                    "? as event_key, ? as event_name, ? as payload, "
                    "timestamptz '2026-03-08 09:59:59.123456+00' as occurred_at, "
                    "timestamptz '2026-03-08 10:00:00+00' as received_at, "
                    "? as position, 'r' as request_id, '1.5' as _dlt_load_id",
                    [f"{source}-{position}", name, payload, position],
                )
        connection.execute(
            "insert into raw.app_accounts by name select 'a1' as account_id, "
            "'Ä' as name, ' News.Example ' as sending_domain, '1.5' as _dlt_load_id"
        )
        connection.execute(
            "insert into raw.app_email_recipients by name select 'e1' as email_id, "
            "' A@X.com ' as member_email, ' <m@x> ' as message_id, "
            "timestamptz '2026-03-08 00:00:00+00' as deleted_at, "
            "'1.5' as _dlt_load_id"
        )
        connection.execute(
            "insert into raw.time_zone_days by name select 'UTC' as timezone, "
            "date '2026-03-08' as local_date, "
            "timestamptz '2026-03-08 00:00:00+00' as starts_at, "
            "timestamptz '2026-03-09 00:00:00+00' as ends_at, '1.5' as _dlt_load_id"
        )


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, SparkSession]]:
    """The same raw rows, with staging built over them by each engine."""
    home = tmp_path_factory.mktemp("home")
    lake = tmp_path_factory.mktemp("lake")
    staging = ("--select", "staging", "--indirect-selection", "buildable")
    dbt(home, "run-operation", "create_raw_tables_now")
    fill(home / "warehouse.duckdb")
    dbt(home, "build", *staging)
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as connection:
        land(connection, lake.as_uri())

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(ROOT)
        patched.setenv("TALLYBOOK_HOME", str(home))
        patched.setenv("TALLYBOOK_LAKE", lake.as_uri())
        result = dbtRunner().invoke(["build", "--target", "spark", *staging])
        assert result.success, result.exception or [
            (node.node.name, node.message) for node in result.result
        ]
        session = SparkSession.builder.getOrCreate()
        with duckdb.connect(home / "warehouse.duckdb", read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection, session
        session.stop()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_holds_the_same_rows_on_both_engines(
    both: tuple[duckdb.DuckDBPyConnection, SparkSession], view: str
) -> None:
    """Cell by cell, as Arrow tables in the same order."""
    connection, session = both
    query = f"select * from staging.{view} order by all"  # noqa: S608
    ours = connection.execute(query).to_arrow_table()
    theirs = session.sql(query).toArrow()

    assert theirs.column_names == ours.column_names
    assert theirs.to_pylist() == ours.to_pylist()
    assert ours.num_rows > 0
