"""The project as a stranger finds it: bare dbt, one definition of the raw tables."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

from extract.tables import TABLES
from tallybook.build import Dbt
from tests.parsed import plant

ROOT = Path(__file__).resolve().parents[2]
DBT = Path(sys.executable).with_name("dbt")

MAY_IMPORT = {
    "collector": {"collector", "inbox"},
    "extract": {"extract", "inbox"},
    "inbox": {"inbox"},
    "quality": {"quality"},
    "reporter": {"reporter"},
    "simulator": {"simulator"},
    "tallybook": {"tallybook", "collector", "extract", "quality"},
}
"""The rooms of DESIGN.md, and whom they may know."""


def dbt(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs dbt as a scheduler does: in the root, with nothing but a home set."""
    return subprocess.run(
        [
            DBT,
            *arguments,
            "--target-path",
            home / "target",
            "--log-path",
            home / "logs",
        ],
        cwd=ROOT,
        env={**os.environ, "TALLYBOOK_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_bare_dbt_build_is_green_on_a_fresh_clone_and_again(tmp_path: Path) -> None:
    home = tmp_path / "not" / "there" / "yet"

    first = dbt("build", home=home)
    second = dbt("build", home=home)

    assert first.returncode == 0, first.stdout
    assert second.returncode == 0, second.stdout
    assert "WARN=0 ERROR=0 SKIP=0" in second.stdout
    with duckdb.connect(home / "warehouse.duckdb") as connection:
        marts = connection.execute(
            "select table_name from information_schema.tables"
            " where table_schema = 'marts'"
        ).fetchall()
        rebuilt = connection.execute("select distinct mode from ledger.builds")
        assert rebuilt.fetchall() == [("whole",)]
    assert {name for (name,) in marts} >= {
        "fct_message_events",
        "fct_recipient_status",
        "fct_unmatched_events",
        "fct_email_performance",
        "fct_delivery_daily",
    }


def test_what_is_planted_in_a_state_folder_spares_dbt_a_full_parse(
    tmp_path: Path,
) -> None:
    planted, bare = plant(tmp_path / "planted"), tmp_path / "bare"
    parsed = [Dbt(planted), Dbt(bare)]
    found = [json.loads(one.manifest().read_text()) for one in parsed]
    begun_anew = [
        "Unable to do partial parsing" in (home / "logs" / "dbt.log").read_text()
        for home in (planted, bare)
    ]

    assert begun_anew == [False, True]
    assert found[0]["nodes"].keys() == found[1]["nodes"].keys()


def test_dlt_and_dbt_agree_on_every_raw_table(tmp_path: Path) -> None:
    """The YAML and the extractors' tables each list columns; they list the same."""
    plant(tmp_path)
    assert dbt("run-operation", "create_raw_tables_now", home=tmp_path).returncode == 0
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        by_dbt = _columns(connection)
        connection.execute("drop schema raw cascade; create schema raw")
        for table in TABLES:
            connection.execute(table.create(compressed=False))
        by_dlt = _columns(connection)

    assert by_dlt
    assert {table: by_dbt[table] for table in by_dlt} == by_dlt


def _columns(
    connection: duckdb.DuckDBPyConnection,
) -> dict[str, list[tuple[str, str]]]:
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where schema_name = 'raw' order by table_name, column_index"
    ).fetchall()
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, data_type in rows:
        columns.setdefault(table, []).append((column, data_type))
    return columns


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_whom_it_may_know(room: str) -> None:
    known = set(MAY_IMPORT) | {"collector", "reporter", "tests"}
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            ours = {name.split(".")[0] for name in names} & known
            assert ours <= MAY_IMPORT[room] | (
                # The demo reports events as an app would.
                {"reporter"} if path.name == "demo_page.py" else set()
            ), f"{path.relative_to(ROOT)} imports {ours}"


def test_every_mart_says_what_each_of_its_columns_is() -> None:
    for path in (ROOT / "models" / "marts").rglob("*__models.yml"):
        for model in yaml.safe_load(path.read_text())["models"]:
            assert model["description"].strip(), model["name"]
            for column in model["columns"]:
                assert column["description"].strip(), (model["name"], column["name"])
                assert column["data_type"], (model["name"], column["name"])


def test_no_file_names_a_package_index_or_a_path_of_a_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if name.startswith("tests/project/"):
            continue
        text = (ROOT / name).read_text(errors="replace")
        for forbidden in ("--index-" + "url", "--find-" + "links ", "/work" + "/main"):
            assert forbidden not in text, (name, forbidden)


def test_a_raw_table_of_an_older_version_gets_the_columns_that_it_lacks(
    tmp_path: Path,
) -> None:
    plant(tmp_path)
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.sendgrid_events (event_key varchar)")
        connection.execute("insert into raw.sendgrid_events values ('kept')")
    for _ in range(2):
        made = dbt("run-operation", "create_raw_tables_now", home=tmp_path)
        assert made.returncode == 0, made.stdout
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        columns = _columns(connection)
        kept = connection.execute("select event_key from raw.sendgrid_events")
        assert kept.fetchall() == [("kept",)]
    assert sorted(columns["sendgrid_events"]) == sorted(columns["postmark_events"])
