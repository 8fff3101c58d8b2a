"""The queries of docs/recipes.md, on tables as the applications have them.

Ghost's run on SQLite, which it uses in development; there is no MySQL here, so they are
written out in its dialect and looked at. Chatwoot's run on a real PostgreSQL.
"""

import re
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from test_app import House
from test_app_databases import NOON, address, database, house, run, server

from extract.app_locations import select
from extract.app_tables import TABLES

__all__ = ["database", "house", "server"]  # fixtures

RECIPES = Path(__file__).parents[2] / "docs" / "recipes.md"

GHOST = """
create table settings (
    id varchar(24) primary key, `group` varchar(50) not null,
    `key` varchar(50) not null,
    value text, type varchar(50) not null, flags varchar(50),
    created_at datetime not null,
    updated_at datetime
);
create table newsletters (id varchar(24) primary key, name varchar(191) not null);
create table emails (
    id varchar(24) primary key, post_id varchar(24) not null,
    status varchar(50) not null,
    email_count integer not null, subject varchar(300), track_opens boolean not null,
    submitted_at datetime not null, newsletter_id varchar(24),
    created_at datetime not null, updated_at datetime
);
create table email_batches (
    id varchar(24) primary key, email_id varchar(24) not null, provider_id varchar(255),
    status varchar(50) not null, created_at datetime not null,
    updated_at datetime not null
);
create table email_recipients (
    id varchar(24) primary key, email_id varchar(24) not null,
    member_id varchar(24) not null, batch_id varchar(24) not null,
    processed_at datetime,
    delivered_at datetime, opened_at datetime, failed_at datetime,
    member_uuid varchar(36) not null, member_email varchar(191) not null,
    member_name varchar(191)
);
create table members (
    id varchar(24) primary key, uuid varchar(36) not null, email varchar(191) not null,
    status varchar(50) not null, name varchar(191), created_at datetime not null,
    updated_at datetime
);
insert into settings values
    ('s1', 'site', 'title', 'The Site', 'string', '', '2026-01-01 00:00:00',
        '2026-02-01 00:00:00'),
    ('s2', 'site', 'timezone', 'Europe/Oslo', 'string', '', '2026-01-01 00:00:00',
    null),
    ('s3', 'email', 'mailgun_domain', 'mg.example.com', 'string', '',
        '2026-01-01 00:00:00', null),
    ('s4', 'core', 'db_hash', 'secret', 'string', '', '2026-01-01 00:00:00', null);
insert into emails values ('e1', 'p1', 'submitted', 2, 'News', 1,
    '2026-03-01 12:00:00', 'n1', '2026-03-01 12:00:00', null);
insert into email_batches values
    ('b1', 'e1', '<1@mg.example.com>', 'submitted', '2026-03-01 12:00:00',
        '2026-03-01 12:01:00'),
    ('b2', 'e1', null, 'pending', '2026-03-01 12:00:00', '2026-03-01 12:00:00');
insert into email_recipients values
    ('r1', 'e1', 'm1', 'b1', '2026-03-01 12:01:00', null, null, null, 'u1',
        'Ann@example.com', 'Ann'),
    ('r2', 'e1', 'm2', 'b2', null, null, null, null, 'u2', 'bob@example.com', 'Bob');
insert into members values
    ('m1', 'u1', 'Ann@example.com', 'free', 'Ann', '2026-01-01 00:00:00', null),
    ('m2', 'u2', 'bob@example.com', 'free', 'Bob', '2026-01-01 00:00:00',
        '2026-01-02 00:00:00');
"""

CHATWOOT = """
create table accounts (
    id serial primary key, name varchar not null, created_at timestamp not null,
    updated_at timestamp not null, locale integer default 0, domain varchar(100),
    support_email varchar(100), feature_flags bigint not null default 0,
    settings jsonb default '{}'
);
create table reporting_events (
    id bigserial primary key, name varchar, value float, account_id integer,
    inbox_id integer, user_id integer, conversation_id integer,
    created_at timestamp not null, updated_at timestamp not null,
    value_in_business_hours float, event_start_time timestamp, event_end_time timestamp
);
insert into accounts (name, created_at, updated_at, domain, settings) values
    ('One', '2026-01-01', '2026-01-01', 'one.example',
        '{"reporting_timezone": "Asia/Kathmandu"}'),
    ('Two', '2026-01-01', '2026-01-01', null, '{}');
insert into reporting_events
    (name, value, account_id, inbox_id, user_id, conversation_id, created_at,
    updated_at,
     value_in_business_hours) values
    ('first_response', 90.5, 1, 2, 3, 4, '2026-03-01 11:00', '2026-03-01 11:00', 60),
    ('conversation_resolved', 1200, 1, 2, null, 4, '2026-03-01 12:00',
        '2026-03-01 12:00', null),
    ('conversation_opened', 0, null, 2, null, 4, '2026-03-01 12:00',
        '2026-03-01 12:00', null);
"""


def recipes(application: str) -> dict[str, str]:
    """An application's queries, by our table."""
    told = (
        RECIPES.read_text().partition(f"\n## {application}\n")[2].partition("\n## ")[0]
    )
    found = re.findall(
        r"^### SOURCES__APP__(\w+)__QUERY\n.*?```sql\n(.*?)```", told, re.DOTALL | re.M
    )
    assert found
    return {name.lower(): query for name, query in found}


@pytest.fixture
def ghost(tmp_path: Path) -> sa.Engine:
    with sqlite3.connect(tmp_path / "ghost.db") as connection:
        connection.executescript(GHOST)
    return sa.create_engine(f"sqlite:///{tmp_path / 'ghost.db'}")


def test_ghosts_tables_arrive_in_our_columns(house: House, ghost: sa.Engine) -> None:
    assert house.load(address(ghost), recipes("Ghost")) == {
        "app_accounts": 1,
        "app_emails": 1,
        "app_email_batches": 1,
        "app_email_recipients": 2,
        "app_members": 2,
    }
    assert house.rows(
        "select account_id, name, reporting_timezone, sending_domain"
        " from raw.app_accounts"
    ) == [("1", "The Site", "Europe/Oslo", "mg.example.com")]
    assert house.rows(
        "select email_id, subject, newsletter_id, track_opens, epoch(submitted_at)"
        " from raw.app_emails"
    ) == [("e1", "News", "n1", True, NOON.timestamp())]
    assert house.rows(
        "select provider_message_id, email_id from raw.app_email_batches"
    ) == [("<1@mg.example.com>", "e1")]
    assert house.rows(
        "select member_id, member_email, epoch(sent_at) from raw.app_email_recipients"
        " order by 1"
    ) == [
        ("m1", "Ann@example.com", NOON.timestamp() + 60),
        ("m2", "bob@example.com", None),
    ]
    assert house.rows("select member_id, email from raw.app_members order by 1") == [
        ("m1", "Ann@example.com"),
        ("m2", "bob@example.com"),
    ]
    assert house.load(address(ghost), recipes("Ghost")) == {}


def test_a_batch_of_ghosts_that_is_sent_later_brings_its_recipients_again(
    house: House, ghost: sa.Engine
) -> None:
    house.load(address(ghost), recipes("Ghost"))
    with ghost.begin() as connection:
        connection.exec_driver_sql(
            "update email_recipients set processed_at = '2026-03-01 15:00:00'"
            " where batch_id = 'b2'"
        )
        connection.exec_driver_sql(
            "update email_batches set provider_id = '<2@mg.example.com>',"
            " updated_at = '2026-03-01 15:00:00' where id = 'b2'"
        )

    assert house.load(address(ghost), recipes("Ghost")) == {
        "app_email_batches": 1,
        "app_email_recipients": 1,
    }


def test_ghosts_queries_are_written_out_for_mysql_as_they_stand() -> None:
    tables = {table.name: table for table in TABLES}
    for name, query in recipes("Ghost").items():
        table = tables[name]
        columns = [c for c in table.columns if re.search(rf"\b{c}\b", query)]
        said = str(
            select(query, table, columns, NOON, "mysql").compile(
                dialect=mysql.dialect(), compile_kwargs={"literal_binds": True}
            )
        )

        assert " ".join(query.split()) in " ".join(said.split()), name
        assert "updated_at >= '2026-03-01 12:00:00'" in said


def test_chatwoots_tables_arrive_in_our_columns_and_then_only_what_changed(
    house: House, database: sa.Engine
) -> None:
    run(database, CHATWOOT)
    queries = recipes("Chatwoot")

    assert house.load(address(database), queries) == {
        "app_accounts": 2,
        "app_reporting_events": 2,
    }
    assert house.rows(
        "select account_id, name, reporting_timezone from raw.app_accounts order by 1"
    ) == [("1", "One", "Asia/Kathmandu"), ("2", "Two", None)]
    assert house.rows(
        "select event_id, account_id, name, value, value_in_business_hours, user_id,"
        " inbox_id, conversation_id, epoch(created_at) from raw.app_reporting_events"
        " order by 1"
    ) == [
        (
            "1",
            "1",
            "first_response",
            90.5,
            60.0,
            "3",
            "2",
            "4",
            NOON.timestamp() - 3600,
        ),
        (
            "2",
            "1",
            "conversation_resolved",
            1200,
            None,
            None,
            "2",
            "4",
            NOON.timestamp(),
        ),
    ]
    assert house.load(address(database), queries) == {}

    run(
        database,
        "insert into reporting_events (name, account_id, created_at, updated_at)"
        " values ('reply_time', 2, '2026-03-01 11:55', '2026-03-01 11:55')",
    )

    assert house.load(address(database), queries) == {"app_reporting_events": 1}


def test_a_column_of_chatwoots_that_changed_its_type_is_told_by_table_and_column(
    house: House, database: sa.Engine
) -> None:
    run(database, CHATWOOT)
    queries = recipes("Chatwoot")
    house.load(address(database), queries)
    run(
        database,
        "alter table reporting_events alter column value type text using value::text;"
        "update reporting_events set value = 'an hour', updated_at = now()"
        " where id = 1",
    )

    error = str(house.why_not(address(database), queries))

    assert "reporting_events.value holds values that don't fit" in error
    assert "SOURCES__APP__REPORTING_EVENTS__QUERY" in error
    assert "an hour" not in error
