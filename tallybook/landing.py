"""Brings what was loaded to shared storage, for whoever has outgrown one machine.

TALLYBOOK_LAKE ──▶ land() ──▶ extract.lake ──▶ Parquet ──▶ dbt build --target spark
"""

import os

from extract import lake
from extract.warehouse import WarehouseBusyError, open_warehouse
from tallybook.errors import CannotRunError


def land() -> tuple[lake.Landed, str]:
    """Writes the loads that are not there yet.

    Returns:
        What was written, and the address of the lake.

    Raises:
        CannotRunError: There is no lake, or the warehouse is open elsewhere.
    """
    address = os.environ.get("TALLYBOOK_LAKE")
    if not address:
        raise CannotRunError(
            "There is no shared storage to write to: TALLYBOOK_LAKE is not set.",
            "Set it to the address of a folder, as file:///srv/lake; docs/scaling.md "
            "says more.",
        )
    try:
        with open_warehouse() as warehouse:
            return lake.land(warehouse, address), address
    except WarehouseBusyError as error:
        raise CannotRunError(str(error)) from error
