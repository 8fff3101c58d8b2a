"""Tests of the same models on Apache Spark: `make test-spark` runs them."""

from importlib.util import find_spec

# Without the extra [spark] there is nothing here to run.
collect_ignore_glob = [] if find_spec("pyspark") else ["test_*.py"]
