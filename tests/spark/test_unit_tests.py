"""dbt's unit tests hold on Spark as they do on DuckDB."""

from both_engines import Both


def test_every_unit_test_passes_on_spark(both: Both) -> None:
    told = both.spark.run("test", "--select", "test_type:unit").results
    unit_tests = [one for one in told if one.node.resource_type == "unit_test"]
    assert unit_tests
    assert {one.status for one in unit_tests} == {"pass"}
