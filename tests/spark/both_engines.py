"""One world, built by both engines: once for all tests of this folder.

```
crowd.py ──┬─▶ raw ──▶ dbt on DuckDB ──▶ marts
odd events ┘    └─▶ lake ──▶ dbt on Spark ──▶ marts
```

A process that has left one cluster joins no other one, and most of a small build on
Spark is starting and planning. So there is one cluster, and one first build.
"""

from collections.abc import Iterator
from typing import Any

import odd_events
import pytest
from cluster import standalone
from crowd import Crowd, load_the_rest
from on_spark import OnSpark
from oracle import seed
from proof import show
from replay import Replay
from warehouse import Warehouse

Row = dict[str, Any]

QUICK_JAVA = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
    " -XX:+UseSerialGC -Dderby.system.durability=test"
)
"""Six processes on two cores: none lives long enough for more than the first compiler,
and no catalog outlives a test."""

FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""A partition for each worker; and for a few rows Spark needn't write Java first, and
compile it."""

NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
NO_DATA_TESTS = ("--exclude-resource-type", "test")


class Both:
    """One warehouse, built by both engines.

    Attributes:
        replay: DuckDB's side, and what the oracle knows.
        spark: Spark's side.
    """

    def __init__(self, replay: Replay, spark: OnSpark) -> None:
        """Names them."""
        self.replay = replay
        self.spark = spark

    def load(self, number: int, crowd: Crowd, *, tests: bool) -> None:
        """Writes one of the crowd's loads, and has both engines build.

        Args:
            number: Which one.
            crowd: Whose.
            tests: Whether Spark runs dbt's data tests.
        """
        self.replay.write(crowd.loads[number], committed=True)
        load_the_rest(self.replay.warehouse, number)
        assert self.replay.warehouse.build().success
        self.spark.build(*NO_UNIT_TESTS, *(() if tests else NO_DATA_TESTS))
        show(self.replay, f"load {number} on DuckDB")

    def marts(self) -> list[str]:
        """The names of all that lies in `marts`."""
        found = self.replay.warehouse.rows(
            "select table_name from information_schema.tables"
            " where table_schema = 'marts' order by all"
        )
        return [row["table_name"] for row in found]


@pytest.fixture(scope="session")
def crowd() -> Crowd:
    """What happens."""
    return Crowd(1)


@pytest.fixture(scope="session")
def both(crowd: Crowd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Both engines, with the first load built."""
    home = tmp_path_factory.mktemp("spark")
    settings = "".join(f"{name} {value}\n" for name, value in FEW_ROWS.items())
    (home / "spark-defaults.conf").write_text(settings)
    warehouse = Warehouse(home / "home")
    replay = Replay(warehouse, crowd.days)
    replay.known.vocabulary = seed("event_vocabulary")
    odd_events.leave(warehouse.path, home / "lake")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SPARK_CONF_DIR", str(home))
        patched.setenv("JDK_JAVA_OPTIONS", QUICK_JAVA)
        with standalone(home) as master:
            spark = OnSpark(warehouse, home / "lake", master)
            both = Both(replay, spark)
            try:
                both.load(0, crowd, tests=False)
                yield both
            finally:
                spark.stop()
