"""What was loaded lies once in an object store, whenever a landing was killed.

```
warehouse ──▶ land() ──S3 over HTTP──▶ Swift ──S3 over HTTP──▶ DuckDB
            killed before each thing
            that it asks of the store
```
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.session import get_session  # type: ignore[import-untyped]
from object_store import object_store

from extract.lake import LOG, land
from extract.tables import TABLES

BIN = Path(sys.executable).parent
PART = 5 * 1024 * 1024
"""The least that S3 takes as a part of a large file."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The store, and how all of this process and its children find it."""
    with (
        object_store(tmp_path_factory.mktemp("store")) as found,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in found.items():
            patched.setenv(name, value)
        patched.setenv("FSSPEC_S3", f'{{"default_block_size": {PART}}}')
        get_session().create_client("s3").create_bucket(Bucket="lake")
        yield found


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three loads of two days, one of them larger than a part, and accounts."""
    home = tmp_path_factory.mktemp("home")
    with duckdb.connect(home / "warehouse.duckdb") as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create schema raw")
        for table in TABLES:
            connection.execute(table.create(compressed=False))
        connection.execute(
            f"create table raw.{LOG} as"  # noqa: S608 - a constant
            " select load_id::varchar as load_id, 0 as status,"
            " ('2026-03-0' || day)::timestamptz as inserted_at"
            " from (values (1, 1), (2, 1), (3, 2)) as loads (load_id, day)"
        )
        connection.execute(
            "create table raw.app_accounts as"
            " select 'acme' as account_id, '2' as _dlt_load_id"
        )
        # Hexadecimal digits take at least half a byte each: 6 MB.
        connection.execute(
            """
            insert into raw.mailgun_events by name
            select
                'event-' || number as event_key, 'mg.example' as domain,
                'e' as event_id, 'opened' as event_name,
                timestamptz '2026-03-01 12:00:00+00' as occurred_at,
                timestamptz '2026-03-01 12:00:00+00' as received_at,
                'latest' as lane, 'r' as request_id, 0 as position,
                sha256(number::varchar) as payload,
                case
                    when number < 5 then '2' when number < 9 then '3'
                    when number < 12 then 'not committed' else '1'
                end as _dlt_load_id
            from range(180000) as numbers (number)
            """
        )
    return home


@pytest.fixture(scope="module")
def reader(store: dict[str, str]) -> duckdb.DuckDBPyConnection:
    """DuckDB, which knows S3 by an extension of its own and nothing of fsspec."""
    folder = files("duckdb_extension_httpfs") / "extensions" / f"v{duckdb.__version__}"
    connection = duckdb.connect()
    connection.execute(f"load '{folder / 'httpfs.duckdb_extension'}'")
    # Swift lists a copied large file by another ETag than it answers with.
    connection.execute("set unsafe_disable_etag_checks = true")
    connection.execute(
        f"""
        create secret (
            type s3,
            endpoint '{store["AWS_ENDPOINT_URL"].removeprefix("http://")}',
            key_id '{store["AWS_ACCESS_KEY_ID"]}',
            secret '{store["AWS_SECRET_ACCESS_KEY"]}',
            region '{store["AWS_DEFAULT_REGION"]}',
            use_ssl false,
            url_style path
        )
        """
    )
    return connection


def land_until(request: int | None, warehouse: Path, lake: str, count: Any) -> None:
    """Lands, and is killed before its n-th request that changes something.

    Args:
        request: Which one; none lets it come to its end.
        warehouse: The folder of the file.
        lake: The address.
        count: Takes the number of such requests.
    """
    from aiobotocore.client import AioBaseClient  # type: ignore[import-untyped]

    ask = AioBaseClient._make_api_call

    async def ask_or_die(client: Any, operation: str, arguments: Any) -> Any:
        if not operation.startswith(("Get", "Head", "List")):
            count.value += 1
            if count.value == request:
                os.kill(os.getpid(), signal.SIGKILL)
        return await ask(client, operation, arguments)

    AioBaseClient._make_api_call = ask_or_die
    with duckdb.connect(warehouse / "warehouse.duckdb", read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        land(connection, lake)


def landed_until(request: int | None, warehouse: Path, lake: str) -> tuple[int, int]:
    """Lands in a process of its own.

    Returns:
        How it ended, and how often it asked the store to change something.
    """
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["extract.lake", "s3fs"])  # they take a second
    count = forks.Value("i", 0)
    arguments = (request, warehouse, lake, count)
    process = forks.Process(target=land_until, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, count.value


def seen(reader: duckdb.DuckDBPyConnection, lake: str) -> set[str]:
    """The loads that the lake's log lists."""
    log = f"{lake}/raw/{LOG}/*/*.parquet"
    if not reader.execute(f"from glob('{log}')").fetchall():
        return set()
    listed = reader.execute(f"select load_id from '{log}'").fetchall()  # noqa: S608
    return {load for (load,) in listed}


def assert_once(
    reader: duckdb.DuckDBPyConnection, warehouse: Path, lake: str, loads: set[str]
) -> None:
    """Fails if an event of these loads is missing, there twice, or another one."""
    file = warehouse / "warehouse.duckdb"
    reader.execute(f"attach '{file}' as ours (read_only)")
    columns = "event_key, payload, occurred_at, _dlt_load_id"
    of_loads = f"where list_contains({sorted(loads)}, _dlt_load_id)"
    files = f"{lake}/raw/mailgun_events/*/*.parquet"
    theirs = f"select {columns} from '{files}' {of_loads}"  # noqa: S608 - our own names
    ours = f"select {columns} from ours.raw.mailgun_events {of_loads}"  # noqa: S608
    for one, other in ((ours, theirs), (theirs, ours)):
        assert reader.execute(f"{one} except all {other} limit 3").fetchall() == []
    reader.execute("detach ours")  # whoever lands next must open it


def test_a_landing_killed_before_any_of_its_requests_is_done_again_and_nothing_twice(
    reader: duckdb.DuckDBPyConnection, warehouse: Path
) -> None:
    killed_at = 0
    ended = -signal.SIGKILL
    listed = set()
    while ended == -signal.SIGKILL:
        killed_at += 1
        lake = f"s3a://lake/killed-at-{killed_at}"
        ended, _ = landed_until(killed_at, warehouse, lake)
        loads = seen(reader, lake)
        listed.add(frozenset(loads))
        if loads:
            assert_once(reader, warehouse, lake, loads)
        assert landed_until(None, warehouse, lake)[0] == 0
        assert seen(reader, lake) == {"1", "2", "3"}
        assert_once(reader, warehouse, lake, {"1", "2", "3"})
    assert ended == 0
    assert killed_at > 10
    assert listed == {frozenset(), frozenset("12"), frozenset("123")}


def test_the_command_lands_at_an_address_and_a_second_time_finds_nothing_new(
    reader: duckdb.DuckDBPyConnection, warehouse: Path
) -> None:
    lake = "s3a://lake/commanded"
    told = [
        subprocess.run(
            [BIN / "tallybook", "land", "--json"],
            env={
                **os.environ,
                "TALLYBOOK_HOME": str(warehouse),
                "TALLYBOOK_LAKE": lake,
            },
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        for _ in range(2)
    ]
    assert [json.loads(text)["landed"]["loads"] for text in told] == [3, 0]
    assert_once(reader, warehouse, lake, {"1", "2", "3"})
