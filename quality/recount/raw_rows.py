"""The raw rows behind a cell, as a SELECT that somebody can run in the warehouse."""

from collections.abc import Sequence

from quality.results import instant

MOST = 50
"""Keys that a SELECT names; of more, the first."""


def of_keys(provider: str, event_keys: Sequence[str]) -> str:
    """Events by their keys."""
    keys = ", ".join(map(text, event_keys[:MOST]))
    return f"select * from raw.{provider}_events where event_key in ({keys})"


def of_recipient(email_id: str, recipient_key: str) -> str:
    """What the application sent, where no event is known."""
    return (
        "select * from raw.app_email_recipients"
        f" where email_id = {text(email_id)}"
        f" and lower(trim(member_email)) = {text(recipient_key)}"
    )


def of_email(email_id: str, provider: str | None) -> str:
    """The events of an email, or its recipients if no event is known."""
    if provider is None:
        return (
            f"select * from raw.app_email_recipients where email_id = {text(email_id)}"
        )
    return (
        f"select * from raw.{provider}_events where event_key in ("
        "select event_key from marts.fct_message_events"
        f" where email_id = {text(email_id)})"
    )


def of_conversations(
    begin: int, end: int, values: dict[str, str | None], names: Sequence[str] = ()
) -> str:
    """Conversation events between two instants, by columns that have these values."""
    conditions = [
        f"created_at >= timestamptz '{instant(begin)}'",
        f"created_at < timestamptz '{instant(end)}'",
        *(
            f"{column} = {text(value)}"
            for column, value in values.items()
            if value is not None
        ),
    ]
    if names:
        conditions.append(f"name in ({', '.join(map(text, names))})")
    return "select * from raw.app_reporting_events where " + " and ".join(conditions)


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"
