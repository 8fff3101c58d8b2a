"""Writes the application's database as a folder, one file for each table."""

from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]


def write_app(
    tables: dict[str, pa.Table],
    folder: Path,
    *,
    known_by: datetime | None = None,
    form: Literal["parquet", "csv"] = "parquet",
) -> None:
    """Writes every table to `<folder>/<table>.<form>`, in place of what was there.

    Called twice, first with an early `known_by` and then without, it plays an
    application that writes a row only after the mail has left.

    Args:
        tables: Table by name, as `World.app_tables` gives them.
        folder: Made if it isn't there.
        known_by: Only rows that the application had written by then (`updated_at`);
            None for all.
        form: Kind of file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        known = table
        if known_by is not None:
            known = table.filter(pc.field("updated_at") <= pa.scalar(known_by))
        path = folder / f"{name}.{form}"
        if form == "parquet":
            pyarrow.parquet.write_table(known, path)
        else:
            pyarrow.csv.write_csv(known, path)
