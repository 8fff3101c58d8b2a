"""Where state lies, and what time it is for a fetch window.

TALLYBOOK_HOME ──▶ home() ──▶ warehouse.duckdb, dlt/
TALLYBOOK_NOW  ──▶ now()  ──▶ fetch windows, never arrival
"""

import os
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The repository; `.dlt/` with settings lies here."""


class SettingsError(Exception):
    """A setting makes no sense; the message says which one and what to write."""


def home() -> Path:
    """The folder of everything that a run writes; made when it is missing.

    Raises:
        SettingsError: TALLYBOOK_HOME can't be a folder.
    """
    folder = Path(os.environ.get("TALLYBOOK_HOME") or ROOT / ".tallybook")
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"TALLYBOOK_HOME={folder} can't be made ({error.strerror}): "
            "set it to a folder that may be written"
        ) from error
    return folder


def warehouse_path() -> Path:
    """The DuckDB file that dlt loads into and dbt builds in."""
    return home() / "warehouse.duckdb"


def now() -> datetime:
    """The instant that fetch windows are computed from, in UTC.

    Raises:
        SettingsError: TALLYBOOK_NOW is not an instant.
    """
    text = os.environ.get("TALLYBOOK_NOW")
    if not text:
        return datetime.now(UTC)
    return instant("TALLYBOOK_NOW", text)


def bound(option: str, value: str) -> datetime:
    """Reads a bound of a range that somebody typed.

    Args:
        option: Its name, for the error.
        value: A date, for its midnight in UTC, or an instant; both in ISO 8601.

    Returns:
        The instant in UTC.

    Raises:
        SettingsError: It is neither.
    """
    try:
        day = date.fromisoformat(value)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        pass
    try:
        return instant(option, value)
    except (SettingsError, OverflowError):
        raise SettingsError(
            f"{option} {value} is neither a date nor an instant: write one like "
            "2026-03-01 (its midnight in UTC) or 2026-03-01T12:00:00+02:00"
        ) from None


def instant(setting: str, value: str | datetime) -> datetime:
    """Reads a setting that is an instant.

    Args:
        setting: Its name, for the error.
        value: ISO 8601, with an offset or Z.

    Returns:
        The instant in UTC.

    Raises:
        SettingsError: It is no date and time, or has no offset.
    """
    try:
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise SettingsError(
            f"{setting}={value} is not an instant: "
            "write a date, a time and an offset, like 2026-03-01T00:00:00Z"
        )
    return read.astimezone(UTC)
