"""A few conversations, and what tests add to them."""

from datetime import datetime
from typing import Any

from warehouse import Warehouse
from worlds import Row, at

ACCOUNTS: list[Row] = [
    {"account_id": "acme", "reporting_timezone": "America/New_York"},
    {"account_id": "bolt", "reporting_timezone": "Asia/Kathmandu"},
]


def said(
    event_id: str,
    name: str,
    created_at: str | datetime,
    account_id: str | None = "acme",
    **columns: Any,
) -> Row:
    """An event as it lies in raw; what isn't given is null.

    Args:
        event_id: The application's id.
        name: The application's name of it.
        created_at: When; as text, in UTC.
        account_id: Whose.
        **columns: The other columns.
    """
    return {
        "event_id": event_id,
        "name": name,
        "created_at": at(created_at) if isinstance(created_at, str) else created_at,
        "account_id": account_id,
        "value": None,
        "value_in_business_hours": None,
        "user_id": None,
        "inbox_id": None,
        "conversation_id": None,
        "deleted_at": None,
        **columns,
    }


def handed_off(event_id: str, created_at: str, conversation_id: str | None) -> Row:
    """A handoff in the inbox `chat`."""
    return said(
        event_id,
        "conversation_bot_handoff",
        created_at,
        conversation_id=conversation_id,
        inbox_id="chat",
    )


REPLY = said("reply", "reply_time", "2025-11-02T12:00:00", value=60.0, user_id="ann")
RESPONSE = said("response", "first_response", "2025-11-02T12:00:00", "bolt", value=30.0)
RESOLUTION = said(
    "resolution",
    "conversation_bot_resolved",
    "2025-11-04T15:00:00",
    conversation_id="c2",
)
EVENTS = [
    REPLY,
    said("slow reply", "reply_time", "2025-11-02T13:00:00", value=300.5, user_id="bo"),
    said("odd reply", "reply_time", "2025-11-02T14:00:00", inbox_id="chat"),
    handed_off("handoff", "2025-11-02T15:00:00", "c1"),
    handed_off("handoff again", "2025-11-03T15:00:00", "c1"),
    handed_off("handoff of nothing", "2025-11-03T16:00:00", None),
    RESOLUTION,
    RESPONSE,
    said("absence", "agent_away", "2025-11-02T12:00:00", "bolt", user_id="cy"),
]
"""Four events of Acme's 2nd of November, two of its 3rd, one of its 4th; Bolt's 2nd."""

ACME_DAYS = {("acme", f"2025-11-0{day}") for day in (2, 3, 4)}


def rebuilt(warehouse: Warehouse) -> set[tuple[str, str]]:
    """The accounts' days whose rollups the last build computed again."""
    rows = warehouse.rows(
        "select account_id, date from ledger.rebuilt_days"
        " where model = 'fct_reporting_rollups' and invocation_id = ("
        "select arg_max(invocation_id, change_number) from ledger.builds)"
    )
    return {(row["account_id"], str(row["date"])) for row in rows}


def counts(
    warehouse: Warehouse, account_id: str, dimension_type: str = "account"
) -> dict[tuple[str, str], int]:
    """The counts of an account by local date and metric, summed over a dimension."""
    found: dict[tuple[str, str], int] = {}
    for row in warehouse.mart("fct_reporting_rollups"):
        if (row["account_id"], row["dimension_type"]) == (account_id, dimension_type):
            key = (str(row["date"]), row["metric"])
            found[key] = found.get(key, 0) + row["count"]
    return found
