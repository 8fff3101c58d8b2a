"""The application's tables from folders of Parquet and CSV files."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from test_app import House

SQL = Callable[[str, str], None]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    (tmp_path / "home").mkdir()
    house = House(tmp_path / "home")
    yield house
    house.connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "application").mkdir()
    return tmp_path / "application"


def parquet(folder: Path, table: str, select: str) -> None:
    """Writes a table's file with the rows of a SELECT."""
    made = duckdb.connect()
    made.execute("set timezone = 'UTC'")
    made.execute(f"copy ({select}) to '{folder / table}.parquet'")


def csv(folder: Path, table: str, *lines: str) -> None:
    """Writes a table's file; the first line is the header."""
    (folder / f"{table}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")


def test_an_empty_folder_loads_nothing_and_is_no_error(
    house: House, folder: Path
) -> None:
    assert house.load(str(folder)) == {}
    packages = house.loads()  # dlt notes a pipeline's beginning, once
    assert house.load(str(folder)) == {}
    assert house.loads() == packages


def test_files_with_a_header_only_load_nothing(house: House, folder: Path) -> None:
    csv(folder, "accounts", "account_id,name,updated_at")
    parquet(
        folder,
        "email_batches",
        "select '' as provider_message_id, '' as email_id limit 0",
    )

    assert house.load(str(folder)) == {}


def test_every_table_is_read_from_either_kind_of_file(
    house: House, folder: Path
) -> None:
    csv(folder, "accounts", "account_id,name", "1,Eins")
    csv(folder, "emails", "email_id,account_id,track_opens", "e,1,true")
    csv(folder, "members", "member_id,account_id,email", "m,1,m@example.com")
    csv(folder, "email_recipients", "email_id,member_email", "e,m@example.com")
    parquet(folder, "email_batches", "select 'p' as provider_message_id, 'e' email_id")
    parquet(folder, "notifications", "select 1 as notification_id, 1 as account_id")
    parquet(
        folder,
        "reporting_events",
        "select 1 as event_id, 1 as account_id, 'first_response' as name,"
        " 12 as value, 1.5::decimal(10, 2) as value_in_business_hours,"
        " timestamptz '2026-03-01 10:00:00+00' as created_at",
    )

    assert set(house.load(str(folder)).values()) == {1}
    assert len(house.tables()) == 7
    assert house.rows(
        "select event_id, value, value_in_business_hours from raw.app_reporting_events"
    ) == [("1", 12.0, 1.5)]
    assert house.rows("select track_opens from raw.app_emails") == [(True,)]
    assert house.load(str(folder)) == {}


def test_an_empty_field_is_null_but_in_a_key_an_empty_text(
    house: House, folder: Path
) -> None:
    csv(
        folder,
        "email_recipients",
        "email_id,member_email,message_id,sent_at",
        "e,,,",
        'e,"Eve, again <e@example.com>","",2026-03-01T12:00:00+02:00',
    )
    house.load(str(folder))

    at = datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()
    assert house.rows(
        "select member_email, message_id, epoch(sent_at)"
        " from raw.app_email_recipients order by 1"
    ) == [("", None, None), ("Eve, again <e@example.com>", None, at)]


def test_ids_in_a_csv_file_keep_their_leading_zeros(house: House, folder: Path) -> None:
    csv(folder, "accounts", "account_id,name", "007,NULL", "7,null")
    house.load(str(folder))

    assert house.rows("select account_id, name from raw.app_accounts order by 1") == [
        ("007", "NULL"),
        ("7", "null"),
    ]


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01 12:00:00",
        "2026-03-01T12:00:00.000000+00:00",
        "2026-03-01T14:00:00+02:00",
    ],
)
def test_times_in_iso_8601_are_read_and_those_without_a_zone_are_utc(
    house: House, folder: Path, written: str
) -> None:
    csv(folder, "accounts", "account_id,updated_at", f"1,{written}")
    house.load(str(folder))

    assert house.rows("select epoch_us(updated_at) from raw.app_accounts") == [
        (int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000,)
    ]


@pytest.mark.parametrize(
    "written",
    [
        "timestamp '2026-03-01 12:00:00.123456'",
        "timestamptz '2026-03-01 14:00:00.123456+02'",
        "timestamp_ns '2026-03-01 12:00:00.123456789'",
        "'2026-03-01T12:00:00.123456Z'",
    ],
)
def test_every_type_of_time_in_parquet_is_the_same_instant(
    house: House, folder: Path, written: str
) -> None:
    parquet(folder, "accounts", f"select 1 as account_id, {written} as updated_at")
    house.load(str(folder))

    at = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000 + 123_456
    assert house.rows("select epoch_us(updated_at) from raw.app_accounts") == [(at,)]
    assert house.load(str(folder)) == {}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_only_rows_since_ten_minutes_before_the_last_are_compared(
    house: House, folder: Path, kind: str
) -> None:
    def write(*accounts: tuple[int, str]) -> None:
        rows = " union all ".join(
            f"select {number} as account_id, '2026-03-01T{time}Z' as updated_at"
            for number, time in accounts
        )
        parquet(folder, "accounts", rows)
        if kind == "csv":
            made = folder / "accounts.parquet"
            duckdb.connect().execute(f"copy (from '{made}') to '{folder}/accounts.csv'")
            made.unlink()

    write((1, "12:00:00"), (2, "12:30:00"))
    house.load(str(folder))
    write((1, "12:00:00"), (2, "12:30:00"), (3, "12:20:00"), (4, "12:19:59"))

    assert house.load(str(folder)) == {"app_accounts": 1}
    assert house.rows("select account_id from raw.app_accounts order by 1") == [
        ("1",),
        ("2",),
        ("3",),
    ]


def test_of_rows_with_one_key_and_one_time_the_last_in_the_file_counts(
    house: House, folder: Path
) -> None:
    csv(
        folder,
        "accounts",
        "account_id,name,updated_at",
        "1,first,2026-03-01T12:00:00Z",
        "2,other,2026-03-01T12:00:00Z",
        "1,last,2026-03-01T12:00:00Z",
        "1,older,2026-03-01T11:00:00Z",
    )

    assert house.load(str(folder)) == {"app_accounts": 2}
    assert house.rows("select name from raw.app_accounts order by account_id") == [
        ("last",),
        ("other",),
    ]
    assert house.load(str(folder)) == {}


def test_a_folder_that_is_not_there_is_told_with_what_to_give(
    house: House, folder: Path
) -> None:
    message = str(house.why_not(str(folder / "nowhere")))

    assert str(folder / "nowhere") in message
    assert "accounts.parquet" in message


def test_a_table_in_two_files_is_not_guessed(house: House, folder: Path) -> None:
    csv(folder, "accounts", "account_id", "1")
    parquet(folder, "accounts", "select 1 as account_id")

    message = str(house.why_not(str(folder)))
    assert "accounts.parquet" in message
    assert "accounts.csv" in message


def test_a_query_for_a_folder_is_refused(house: House, folder: Path) -> None:
    message = str(house.why_not(str(folder), {"accounts": "select 1"}))

    assert "SOURCES__APP__ACCOUNTS__QUERY" in message
    assert "database" in message


def test_a_broken_line_is_told_by_file_and_number_and_not_by_its_people(
    house: House, folder: Path
) -> None:
    csv(
        folder,
        "members",
        "member_id,account_id,email",
        "1,1,eve@example.com",
        "2,1,adam@example.com,too,many",
    )

    message = str(house.why_not(str(folder)))
    assert "members.csv" in message
    assert "Line: 3" in message
    assert "example.com" not in message


def test_a_csv_file_with_a_byte_order_mark_and_odd_names_is_read(
    house: House, folder: Path
) -> None:
    (folder / "accounts.csv").write_text(
        '"account_id","it\'s","a ""b"" c","name"\r\n1,x,y,"two\r\nlines"\r\n',
        encoding="utf-8-sig",
        newline="",
    )
    house.load(str(folder))

    assert house.rows("select account_id, name from raw.app_accounts") == [
        ("1", "two\r\nlines")
    ]


def test_a_file_that_is_no_parquet_is_told_by_its_name(
    house: House, folder: Path
) -> None:
    (folder / "accounts.parquet").write_bytes(b"eve@example.com" * 10)

    message = str(house.why_not(str(folder)))
    assert "accounts.parquet" in message
    assert "example.com" not in message


def test_a_csv_file_of_no_bytes_lacks_its_columns(house: House, folder: Path) -> None:
    (folder / "accounts.csv").write_bytes(b"")

    assert "accounts" in str(house.why_not(str(folder)))


@pytest.mark.parametrize(
    ("table", "select", "column"),
    [
        ("accounts", "select 1.5::double as account_id", "account_id has the type"),
        ("accounts", "select true as account_id", "account_id has the type"),
        (
            "accounts",
            "select 1 as account_id, date '2026-01-01' as updated_at",
            "updated_at has the type date32",
        ),
        (
            "accounts",
            "select 1 as account_id, timestamp 'infinity' as updated_at",
            "updated_at holds values that don't fit",
        ),
        (
            "emails",
            "select 1 as email_id, 1 as account_id, 2 as track_opens",
            "track_opens holds values that don't fit: 1 of 1",
        ),
        (
            "reporting_events",
            "select 1 as event_id, 1 as account_id, 'x' as name,"
            " timestamp '2026-01-01' as created_at, 'nan'::double as value",
            "value holds values that don't fit",
        ),
        (
            "reporting_events",
            "select 1 as event_id, 1 as account_id, 'x' as name,"
            " timestamp '2026-01-01' as created_at, 'lots' as value",
            "value holds values that don't fit",
        ),
    ],
)
def test_what_does_not_fit_is_told_by_table_and_column(
    house: House, folder: Path, table: str, select: str, column: str
) -> None:
    parquet(folder, table, select)

    assert f"{table}.{column}" in str(house.why_not(str(folder)))
