"""Ids that make one message: by recursion on DuckDB, in rounds on Spark."""

import re
from collections.abc import Iterator

import duckdb
import pytest
from dbt.cli.main import dbtRunner
from pyspark.errors import SparkRuntimeException
from pyspark.sql import SparkSession
from warehouse import ROOT

Pairs = list[tuple[str, str]]

ASKED = "{{ first_connected('told', 'message_id', 'provider_message_id') }}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The query of each engine, over a CTE `told`."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TALLYBOOK_HOME", str(home))
        patched.setenv("TALLYBOOK_LAKE", home.as_uri())
        found = {}
        for engine in ("duckdb", "spark"):
            result = dbtRunner().invoke(
                [
                    *("compile", "--inline", ASKED, "--target", engine, "--quiet"),
                    *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT)),
                    *("--target-path", str(home), "--log-path", str(home)),
                ]
            )
            assert result.success, result.exception
            found[engine] = result.result.results[0].node.compiled_code
        return found


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    """Spark in this process."""
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    yield session
    session.stop()


def over(pairs: Pairs, query: str) -> str:
    """The query over these pairs of a name and its group."""
    values = ", ".join(f"('{name}', '{group}')" for name, group in pairs)
    columns = "message_id, provider_message_id"
    told = f"told as (select * from (values {values}) as t ({columns}))"  # noqa: S608
    body = re.sub(r"^\s*with recursive", ",", query, count=1)
    body = re.sub(r"^\s*with", ",", body, count=1)
    return f"with recursive {told} {body}"


def chain(length: int) -> Pairs:
    """Names of which each shares a group with the next."""
    return [
        (f"m{number + end:02}", f"p{number}")
        for number in range(length)
        for end in (0, 1)
    ]


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "p"), ("b", "p"), ("c", "q"), ("", "q"), ("d", "")],
        [("b", "p"), ("c", "p"), ("c", "q"), ("a", "q"), ("x", "r"), ("y", "r")],
        chain(12),
        list(reversed(chain(12))),
        [(f"m{number**2 % 43:02}", f"p{number**3 % 31}") for number in range(50)],
    ],
)
def test_both_engines_give_a_message_the_same_first_id(
    compiled: dict[str, str], session: SparkSession, pairs: Pairs
) -> None:
    ours = duckdb.execute(over(pairs, compiled["duckdb"])).fetchall()
    theirs = session.sql(over(pairs, compiled["spark"])).collect()
    assert sorted(map(tuple, theirs)) == sorted(ours)


def test_a_chain_that_is_too_long_is_told_by_name_and_never_cut(
    compiled: dict[str, str], session: SparkSession
) -> None:
    with pytest.raises(SparkRuntimeException, match="A chain of more than 12"):
        session.sql(over(chain(40), compiled["spark"])).collect()
