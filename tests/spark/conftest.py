"""Tests of the same models on Apache Spark: `make test-spark` runs them."""

from importlib.util import find_spec

HAS_SPARK = find_spec("pyspark") is not None

# Without the extra [spark] there is nothing here to run.
collect_ignore_glob = [] if HAS_SPARK else ["test_*.py"]

if HAS_SPARK:
    from both_engines import both, crowd  # noqa: F401 - fixtures
