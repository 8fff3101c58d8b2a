"""dbt in this process, on the real project."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tallybook.build import Dbt
from tallybook.errors import CannotRunError
from tallybook.marts import marts_in
from tallybook.publish import publish
from tests.parsed import plant


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty warehouse, built once from another folder than the project's."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def dbt(home: Path) -> Dbt:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        dbt = Dbt(plant(home))
        counts: list[tuple[int, int]] = []
        first = dbt.build(on_progress=lambda done, nodes: counts.append((done, nodes)))
    assert first.is_green, (first.errors, first.failures)
    assert {one.reason for one in first.rebuilt} == {"first build"}
    assert counts[-1][0] == counts[-1][1] > 20
    return dbt


def test_a_second_build_in_the_same_process_changes_nothing(dbt: Dbt) -> None:
    again = dbt.build()

    assert again.is_green, (again.errors, again.failures)
    assert again.rebuilt == ()
    assert again.passed > 20


def test_only_what_asks_nothing_as_it_compiles_is_built_but_once(
    dbt: Dbt, home: Path
) -> None:
    manifest = json.loads(dbt.manifest().read_text())["nodes"]
    nodes = {node["name"]: node for node in manifest.values()}
    asked = {f"stg_{name}__events" for name in ("mailgun", "sendgrid", "postmark")}
    log = home / "logs" / "dbt.log"
    begin = log.stat().st_size
    again = dbt.build()
    names = set(re.findall(r"\w+", log.read_bytes()[begin:].decode()))

    assert again.is_green
    assert asked < names
    assert {name for name, node in nodes.items() if _is_of_marts(node)} <= names
    assert {"event_vocabulary", "stg_app__emails"}.isdisjoint(names)


def _is_of_marts(node: dict[str, Any]) -> bool:
    """Whether a node is a table, or a data test of anything but seeds."""
    parents = node["depends_on"].get("nodes", [])
    return node["config"]["materialized"] in ("touched_groups", "touched_list") or (
        node["resource_type"] == "test"
        and any(not parent.startswith("seed.") for parent in parents)
    )


def test_in_another_file_everything_is_built_again(tmp_path: Path) -> None:
    dbt = Dbt(plant(tmp_path))
    first = dbt.build()
    (tmp_path / "warehouse.duckdb").rename(tmp_path / "elsewhere.duckdb")
    other = dbt.build()

    assert (other.models, other.passed) == (first.models, first.passed)
    assert other.is_green


def test_every_mart_is_published_with_descriptions_of_all_its_columns(
    dbt: Dbt, home: Path
) -> None:
    marts = marts_in(dbt.manifest())
    with duckdb.connect(publish(home, marts).path, read_only=True) as con:
        tables = con.execute(
            "from duckdb_columns() select table_name, comment where not internal"
        ).fetchall()

    assert {"fct_message_events", "fct_recipient_status", "fct_delivery_daily"} <= {
        name for name, _ in tables
    }
    assert [name for name, comment in tables if not comment] == []


def test_a_full_refresh_rebuilds_all_of_it_and_says_why(dbt: Dbt) -> None:
    built = dbt.build(full_refresh=True)

    assert {one.mode for one in built.rebuilt} == {"whole"}
    assert "full refresh asked for" in {one.reason for one in built.rebuilt}


def test_the_warehouse_is_free_after_a_build(dbt: Dbt, home: Path) -> None:
    dbt.build()
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"
    warehouse = home / "warehouse.duckdb"

    subprocess.run([sys.executable, "-c", code, warehouse], check=True)
    assert not list(home.glob("warehouse.duckdb.wal"))


def test_a_warehouse_held_by_another_process_is_said_in_words(
    dbt: Dbt, home: Path
) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True);"
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold} sys.stdin.read()", home / "warehouse.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(CannotRunError, match="Another process has"):
                dbt.build()
        finally:
            holder.kill()


def test_a_failed_test_is_told_with_its_rows(dbt: Dbt, home: Path) -> None:
    with duckdb.connect(home / "warehouse.duckdb") as con:
        con.execute(
            """
            insert into raw._dlt_loads (load_id, status, inserted_at)
            values ('1', 0, now());
            insert into raw.requests
                (request_id, source, events, loaded, repeated, dead, _dlt_load_id)
            values ('r', 'mailgun', 5, 1, 1, 0, '1')
            """
        )
    try:
        built = dbt.build()
    finally:
        with duckdb.connect(home / "warehouse.duckdb") as con:
            con.execute("delete from raw.requests")

    assert not built.is_green
    assert ("every_received_event_is_accounted_for", 1) in {
        (finding.name, finding.rows) for finding in built.failures
    }


def test_a_bare_dbt_makes_the_folder_of_its_file(tmp_path: Path) -> None:
    from dbt.adapters.duckdb.credentials import DuckDBCredentials

    from tallybook.dbt_plugin import Plugin

    path = tmp_path / "not" / "there" / "warehouse.duckdb"
    plugin = Plugin("dbt_plugin", {})
    config: dict[str, object] = {}
    plugin.update_connection_config(DuckDBCredentials(path=str(path)), config)

    assert path.parent.is_dir()
    with duckdb.connect(path, config=config) as con:
        row = con.execute("select current_setting('memory_limit')").fetchone()
    assert row
    assert row[0].endswith("iB")
