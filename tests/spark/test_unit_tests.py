"""dbt's unit tests hold on Spark as they do on DuckDB."""

from both_engines import Both


def test_every_unit_test_passes_on_spark(both: Both) -> None:
    passed = both.spark.run("test", "--select", "test_type:unit").results
    assert passed
    assert {one.status for one in passed} == {"pass"}
