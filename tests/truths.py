"""Compares a recipient's row with what a simulated world has decided."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.truth import RecipientTruth

NOT_COLUMNS = ("failure_event_id", "failure_at", "reject_reason")
"""Of the truth about a recipient: looked at apart from the rest."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(microseconds: int) -> datetime:
    """An instant from the simulator's clock."""
    return EPOCH + timedelta(microseconds=microseconds)


def maybe(microseconds: int | None) -> datetime | None:
    """The same of what may never have happened."""
    return None if microseconds is None else instant(microseconds)


def differences(row: Mapping[str, Any], truth: RecipientTruth) -> dict[str, Any]:
    """Columns of a row of fct_recipient_status that are not what is true.

    Returns:
        By column: what it holds, and what it should hold.
    """
    expected = {
        column: maybe(value) if column.endswith("_at") else value
        for column, value in asdict(truth).items()
        if column not in NOT_COLUMNS
    }
    if truth.reject_reason:
        expected["reject_reason"] = truth.reject_reason
    return {
        column: (row[column], value)
        for column, value in expected.items()
        if row[column] != value
    }
