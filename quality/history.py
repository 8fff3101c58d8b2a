"""How checks came out, kept for trends: `quality.check_results` in the warehouse."""

import uuid
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from quality.check import Checked
from quality.warehouse import UnreadableError

_TABLE = """
create schema if not exists quality;
create table if not exists quality.check_results (
    check_id varchar not null,
    began_at timestamp with time zone not null,
    group_name varchar not null,
    check_name varchar not null,
    status varchar not null,
    compared bigint not null,
    differing bigint not null,
    errors bigint not null,
    seconds double not null,
    note varchar not null
)
"""


def keep(path: Path, checked: Checked) -> None:
    """Adds one row for each check.

    Args:
        path: The warehouse, which nobody else has open.
        checked: The results.

    Raises:
        UnreadableError: Somebody has.
    """
    check_id = str(uuid.uuid4())
    rows = pa.Table.from_pylist(
        [
            {
                "check_id": check_id,
                "began_at": checked.began_at,
                "group_name": result.group,
                "check_name": result.name,
                "status": result.status,
                "compared": result.compared,
                "differing": result.differing,
                "errors": result.errors,
                "seconds": result.seconds,
                "note": result.note,
            }
            for result in checked.results
        ]
    )
    try:
        with duckdb.connect(str(path)) as con:
            con.execute("set TimeZone = 'UTC'")
            con.execute(_TABLE)
            con.register("results", rows)
            con.execute("insert into quality.check_results by name from results")
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise
        raise UnreadableError(
            f"{path} is open in another process, so the results were not kept: "
            "close it there"
        ) from error
