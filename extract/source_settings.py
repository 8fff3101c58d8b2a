"""What dbt must know of a source's settings, in raw: a bare `dbt build` has no other.

settings, domains seen ──▶ those that are others than in raw ──▶ source_settings
"""

import json
from collections.abc import Iterable, Mapping

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]

from extract.lanes import clock
from extract.settings import iana_zone, texts
from extract.tables import SOURCE_SETTINGS


def changed_settings(
    warehouse: duckdb.DuckDBPyConnection, source: str, settings: Mapping[str, str]
) -> pa.Table | None:
    """Rows of the settings that are others than in raw; None if none is.

    Args:
        warehouse: A connection.
        source: Whose they are.
        settings: Values by name; lists as JSON.
    """
    held = dict(
        warehouse.execute(
            "select name, value from raw.source_settings where source = ?", [source]
        ).fetchall()
    )
    if "domains" in settings and "domains" in held:
        # One that is read no longer keeps its account, and with it its days.
        known = {*json.loads(held["domains"]), *json.loads(settings["domains"])}
        settings = {**settings, "domains": json.dumps(sorted(known))}
    changed = [
        {"source": source, "name": name, "value": value, "as_of": clock()}
        for name, value in settings.items()
        if held.get(name) != value
    ]
    return SOURCE_SETTINGS.rows(changed) if changed else None


def settings_of_received(source: str, domains: Iterable[str]) -> dict[str, str]:
    """Settings of a source whose events come through the door.

    Args:
        source: Name of the provider.
        domains: Sending domains of what was received.

    Raises:
        SettingsError: The zone is none.
    """
    settings = {"domains": json.dumps(sorted(domains))}
    if zone := iana_zone(source, "timezone"):
        settings["timezone"] = zone
    if variables := texts(source, "email_id_variables"):
        settings["email_id_variables"] = json.dumps(variables)
    return settings
