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


def events_of_emails(provider: str, condition: str) -> str:
    """A provider's events of the emails and recipients that a condition holds of."""
    return (
        f"select * from raw.{provider}_events where event_key in ("
        f"select event_key from marts.fct_message_events where {condition})"
    )


def recipients_of_emails(condition: str) -> str:
    """What the application sent, where no event is known."""
    return f"select * from raw.app_email_recipients where {condition}"


def events_of_address(
    provider: str, account_id: str, recipient_key: str, types: Sequence[str]
) -> str:
    """Events of some types, of an address within an account."""
    return events_of_emails(
        provider,
        f"account_id = {text(account_id)} and recipient_key = {text(recipient_key)}"
        f" and event_type in ({', '.join(map(text, types))})",
    )


def events_of_recipient_keys(provider: str, recipient_keys: Sequence[str]) -> str:
    """Events of somebody's addresses."""
    keys = ", ".join(map(text, recipient_keys))
    return events_of_emails(provider, f"recipient_key in ({keys})")


def mail_of_member(member_id: str, recipient_keys: Sequence[str]) -> str:
    """What was sent to a member, by id or to their addresses."""
    keys = ", ".join(map(text, recipient_keys))
    return recipients_of_emails(
        f"member_id = {text(member_id)} or lower(trim(member_email)) in ({keys})"
    )


def of_member(member_id: str) -> str:
    """Whom the application lists, who was never sent anything."""
    return f"select * from raw.app_members where member_id = {text(member_id)}"


def of_client_events(
    span: tuple[int, int],
    event_name: str,
    account: tuple[str, str],
    known: Sequence[str] | None,
) -> str:
    """Client events between two instants, of an account or of none that is known.

    Args:
        span: First instant, and the first after it.
        event_name: Which.
        account: Name of the property that says the account, and the account; an
            empty one is none.
        known: The accounts; None where the application lists them.
    """
    name, account_id = account
    begin, end = span
    said = f"payload -> 'properties' ->> {text(name)}"
    listed = (
        "select account_id from raw.app_accounts"
        if known is None
        else ", ".join(map(text, ("", *known)))
    )
    of = (
        f"({said}) = {text(account_id)}"
        if account_id
        else f"coalesce(({said}) not in ({listed}), true)"
    )
    return (
        f"select * from raw.client_events where event_name = {text(event_name)}"
        f" and occurred_at >= timestamptz '{instant(begin)}'"
        f" and occurred_at < timestamptz '{instant(end)}' and {of}"
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
