"""Nobody who was forgotten is named in raw.

    forgotten.json ──▶ keyed hashes ──▶ texts of raw, in chunks ──▶ rows that name one

A copy of before that was restored, or a load that went past the list, brings people
back. Without anybody on the list nothing is read.
"""

from collections.abc import Callable

from quality.results import Cell, Result
from quality.warehouse import Warehouse

Naming = Callable[[str], bool]
"""Whether a text names somebody who was forgotten."""


def check_forgotten(warehouse: Warehouse, names_one: Naming | None) -> Result:
    """Looks for them in every text of every raw table.

    Args:
        warehouse: It is read only.
        names_one: None if nobody was forgotten.
    """
    result = Result("forgotten", "edge", "Nobody who was forgotten is named in raw")
    if names_one is None:
        return result.skip("nobody was forgotten")
    tables = warehouse.con.execute(
        "select distinct table_name from duckdb_columns()"
        " where database_name = 'warehouse' and schema_name = 'raw'"
        " and not starts_with(table_name, '_dlt') order by table_name"
    ).fetchall()
    for (table,) in tables:
        _look(warehouse, table, names_one, result)
    return result


def _look(warehouse: Warehouse, table: str, names_one: Naming, result: Result) -> None:
    texts = [
        name
        for name, kind in warehouse.columns_of("raw", table).items()
        if kind == "VARCHAR"
    ]
    if not texts:
        return
    # A quotation mark ends a text, as it does in JSON.
    joined = f"""concat_ws('"', {", ".join(texts)})"""
    for batch in warehouse.columns(
        f"select rowid as row, {joined} as told from warehouse.raw.{table}"
    ):
        result.compared += len(batch["row"])
        if not names_one('"'.join(batch["told"])):
            continue
        for row, told in zip(batch["row"], batch["told"], strict=True):
            if names_one(told):
                # Not by its key, which may name them.
                result.add(
                    Cell(
                        {"table": table, "row": str(row)},
                        "text",
                        "nobody who was forgotten",
                        "somebody",
                        rows=f"select * from raw.{table} where rowid = {row}",
                    )
                )
