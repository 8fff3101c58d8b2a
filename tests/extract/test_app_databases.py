"""The application's tables from databases: PostgreSQL, queries, what is told."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from test_app import MANY, MEGABYTES, Application, House, read_alone

from extract.app_locations import Database, select
from extract.app_tables import TABLES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    (tmp_path / "home").mkdir()
    house = House(tmp_path / "home")
    yield house
    house.connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL that lives as long as this file's tests."""
    try:
        import pgserver
        import psycopg  # noqa: F401 -- what SQLAlchemy reaches it with

        started = pgserver.get_server(tmp_path_factory.mktemp("postgresql"))
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"PostgreSQL can't be started: {error!r}")
    yield started.get_uri().replace("postgresql://", "postgresql+psycopg://")
    started.cleanup()


@pytest.fixture
def database(server: str) -> Iterator[sa.Engine]:
    """An empty PostgreSQL database whose sessions are not in UTC by default."""
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop schema public cascade; create schema public")
    run(
        engine,
        "do $$ begin execute format('alter database %I set timezone ="
        " ''Asia/Kathmandu''', current_database()); end $$",
    )
    yield engine
    engine.dispose()


def address(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def run(engine: sa.Engine, sql: str) -> None:
    # Past SQLAlchemy, which would take a percent sign for a parameter.
    with engine.begin() as connection, connection.connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_postgresql_is_read_incrementally_whatever_its_session_zone(
    house: House, database: sa.Engine, kind: str
) -> None:
    run(
        database,
        "create table emails (email_id uuid primary key, account_id bigint,"
        " track_opens boolean, submitted_at KIND, updated_at KIND);"
        "set timezone = 'UTC';"
        "insert into emails values ('00000000-0000-0000-0000-000000000001', 1, true,"
        " '2026-03-01 12:00:00', '2026-03-01 12:00:00')".replace("KIND", kind),
    )
    assert house.load(address(database)) == {"app_emails": 1}
    assert house.rows(
        "select email_id, account_id, track_opens, epoch(submitted_at)"
        " from raw.app_emails"
    ) == [("00000000-0000-0000-0000-000000000001", "1", True, NOON.timestamp())]
    assert house.load(address(database)) == {}

    run(
        database,
        "set timezone = 'UTC';"
        "insert into emails (email_id, account_id, updated_at) values"
        " ('00000000-0000-0000-0000-000000000002', 1, '2026-03-01 11:50:00'),"
        " ('00000000-0000-0000-0000-000000000003', 1, '2026-03-01 11:49:59')",
    )
    assert house.load(address(database)) == {"app_emails": 1}


def test_postgresql_streams_200_000_rows_and_then_only_the_changed_one(
    house: House, database: sa.Engine
) -> None:
    run(
        database,
        "create table email_recipients as select 'email' || i % 50 as email_id,"
        " i as member_id, 'person' || i || '@example.com' as member_email,"
        " timestamptz '2026-03-01 00:00:00+00' + i * interval '1 second' as updated_at"
        " from generate_series(1, 200000) as t(i)",
    )
    assert house.load(address(database)) == {"app_email_recipients": 200_000}
    assert house.load(address(database)) == {}

    run(
        database,
        "update email_recipients set member_email = 'new@example.com',"
        " updated_at = now() where member_id = 77",
    )
    assert house.load(address(database)) == {"app_email_recipients": 1}


@pytest.mark.proof
def test_postgresqls_recipients_are_read_in_bounded_memory(
    database: sa.Engine, tmp_path: Path
) -> None:
    run(
        database,
        "create table email_recipients as select 'email ' || i % 50 as email_id,"
        " 'member ' || i as member_id, 'person' || i || '@example.com' as member_email,"
        " '<' || md5(i::text) || '@mail.example.com>' as message_id,"
        " timestamptz '2026-03-01 00:00:00+00' + i * interval '1 second' as updated_at"
        " from generate_series(1, MANY) as t(i)".replace("MANY", str(MANY)),
    )

    loaded, megabytes = read_alone(tmp_path / "alone", address(database))

    assert loaded == [MANY, 0]
    assert megabytes < MEGABYTES


def test_postgresql_numbers_and_queries_with_colons_and_percent_signs_are_read(
    house: House, database: sa.Engine
) -> None:
    run(
        database,
        "create table events (id bigint, acc int, kind text, amount numeric(12, 3),"
        " at timestamp);"
        "insert into events values (1, 2, '100% :done', 1.125, '2026-03-01 12:00')",
    )
    query = (
        "with mine as (select * from events where kind like '100%' and kind <> ':id')"
        " select id as event_id, acc as account_id, kind::text as name,"
        " amount as value, at as created_at, at as updated_at from mine;"
    )
    queries = {"reporting_events": query}

    assert house.load(address(database), queries) == {"app_reporting_events": 1}
    assert house.rows("select event_id, name, value from raw.app_reporting_events") == [
        ("1", "100% :done", 1.125)
    ]
    assert house.load(address(database), queries) == {}


def test_postgresql_is_never_written_to(house: House, database: sa.Engine) -> None:
    run(database, "create table t (a int); create sequence s")
    query = "select nextval('s')::text as account_id"

    assert "read-only" in str(house.why_not(address(database), {"accounts": query}))


def test_a_query_stands_for_a_table_and_is_read_incrementally(
    house: House, tmp_path: Path
) -> None:
    application = Application(tmp_path)
    application.run("create table users (id, mail, changed)")
    application.run("insert into users values (1, 'a%b:c@d.e', '2026-03-01 12:00:00')")
    queries = {
        "members": "select id as member_id, 1 as account_id, mail as email,"
        " changed as updated_at, 'x:y' as created_by from users where mail like '%:c%';"
    }

    assert house.load(application.location, queries) == {"app_members": 1}
    assert house.rows("select member_id, email from raw.app_members") == [
        ("1", "a%b:c@d.e")
    ]
    application.run("insert into users values (2, ':c', '2026-03-01 11:49:00')")
    application.run("insert into users values (3, ':c', '2026-03-01 11:51:00')")
    assert house.load(application.location, queries) == {"app_members": 1}


def test_another_query_is_read_from_its_beginning(house: House, tmp_path: Path) -> None:
    application = Application(tmp_path)
    application.account(1, "One", "2020-01-01 00:00:00")
    application.account(2, "Two", "2026-01-01 00:00:00")
    query = "select account_id, name, updated_at from accounts"
    house.load(application.location, {"accounts": query})

    queries = {"accounts": query.replace("name", "upper(name) as name")}
    assert house.load(application.location, queries) == {"app_accounts": 2}


def test_a_query_that_fails_is_told_by_its_setting_and_the_databases_words(
    house: House, tmp_path: Path
) -> None:
    application = Application(tmp_path)
    queries = {"accounts": "select account_id from no_such_table"}

    message = str(house.why_not(application.location, queries))
    assert "SOURCES__APP__ACCOUNTS__QUERY" in message
    assert "no_such_table" in message


def test_a_query_for_no_table_of_ours_is_told_with_the_names_there_are(
    house: House, tmp_path: Path
) -> None:
    application = Application(tmp_path)

    message = str(house.why_not(application.location, {"persons": "select 1"}))
    assert "SOURCES__APP__PERSONS__QUERY" in message
    assert "email_recipients" in message


def test_a_sqlite_file_that_is_not_there_is_not_made(
    house: House, tmp_path: Path
) -> None:
    message = str(house.why_not(f"sqlite:///{tmp_path / 'missing.db'}"))

    assert "no such file" in message
    assert not (tmp_path / "missing.db").exists()


def test_a_sqlite_database_can_not_be_written_to(tmp_path: Path) -> None:
    database = Database(Application(tmp_path).location, {})

    with (
        database._connect("write") as connection,
        pytest.raises(sa.exc.OperationalError, match="readonly"),
    ):
        connection.exec_driver_sql("create table t (a)")


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("oracle://scott:tiger@db/x", "oracle"),
        ("postgresql+nosuchdriver://scott:tiger@db/x", "driver"),
        ("mysql+mysqlconnector://scott:tiger@db/x", "driver"),
        ("://scott:tiger@db", "SOURCES__APP__LOCATION"),
        ("postgresql://scott:tiger@db:port/x", "SOURCES__APP__LOCATION"),
    ],
)
def test_an_address_that_can_not_be_opened_is_told_without_its_password(
    house: House, location: str, says: str
) -> None:
    error = house.why_not(location)

    assert says in str(error)
    assert "tiger" not in str(error)
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("backend", ["mysql", "postgresql"])
def test_the_statement_is_one_that_each_dialect_can_say(backend: str) -> None:
    [recipients] = [table for table in TABLES if table.name == "email_recipients"]
    dialect = {"mysql": mysql, "postgresql": postgresql}[backend].dialect()
    columns = ["email_id", "member_email", "updated_at"]
    said = str(
        select(None, recipients, columns, NOON, backend).compile(
            dialect=dialect, compile_kwargs={"literal_binds": True}
        )
    )

    assert " ".join(said.split()) == (
        "SELECT email_recipients.email_id, email_recipients.member_email,"
        " email_recipients.updated_at FROM email_recipients"
        " WHERE email_recipients.updated_at IS NULL"
        " OR email_recipients.updated_at >= '2026-03-01 12:00:00'"
        " ORDER BY email_recipients.email_id, email_recipients.member_email,"
        " email_recipients.updated_at"
    )
