"""The raw tables of a DuckDB warehouse, as Parquet for Spark.

```
raw.* of warehouse.duckdb ──▶ LAKE/raw/<table>/*.parquet ──▶ raw.* of Spark
```
"""

from pathlib import Path

import duckdb


def export_raw(warehouse: Path, lake: Path) -> None:
    """Writes each raw table as a folder with one Parquet file.

    Args:
        warehouse: The DuckDB file; nobody else has it open.
        lake: The folder that `TALLYBOOK_LAKE` names.
    """
    with duckdb.connect(warehouse, read_only=True) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall()
        for (table,) in tables:
            folder = lake / "raw" / table
            folder.mkdir(parents=True, exist_ok=True)
            connection.execute(
                f"copy raw.{table} to '{folder / 'rows.parquet'}' (format parquet)"
            )
