"""Ids that make one message: by recursion on DuckDB, in rounds on Spark."""

import re

import duckdb
import pytest
from both_engines import Both
from pyspark.errors import SparkRuntimeException

Pairs = list[tuple[str, ...]]

NAMES = "'told', 'message_id', 'provider_message_id'"


@pytest.fixture(scope="module")
def compiled(both: Both) -> dict[str, str]:
    """The query of each engine, over a CTE `told`."""
    engines = ("duckdb", "spark")
    asked = [
        f"{{{{ tallybook.{engine}__first_connected({NAMES}) }}}}" for engine in engines
    ]
    sql = both.spark.compiled("-- next --".join(asked))
    return dict(zip(engines, sql.split("-- next --"), strict=True))


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


ISLANDS = [
    [("a", "p"), ("b", "p"), ("c", "q"), ("", "q"), ("d", "")],
    [("b", "p"), ("c", "p"), ("c", "q"), ("a", "q"), ("x", "r"), ("y", "r")],
    chain(12),
    list(reversed(chain(12))),
    [(f"m{number**2 % 43:02}", f"p{number**3 % 31}") for number in range(50)],
]
"""Each has names of its own: nothing connects it with another one."""


def test_both_engines_give_a_message_the_same_first_id(
    compiled: dict[str, str], both: Both
) -> None:
    pairs = [
        tuple(text and f"{number}-{text}" for text in pair)
        for number, island in enumerate(ISLANDS)
        for pair in island
    ]
    ours = duckdb.execute(over(pairs, compiled["duckdb"])).fetchall()
    theirs = both.spark.session.sql(over(pairs, compiled["spark"])).collect()
    assert ours
    assert sorted(map(tuple, theirs)) == sorted(ours)


def test_a_chain_that_is_too_long_is_told_by_name_and_never_cut(
    compiled: dict[str, str], both: Both
) -> None:
    with pytest.raises(SparkRuntimeException, match="A chain of more than 12"):
        both.spark.session.sql(over(chain(40), compiled["spark"])).collect()
