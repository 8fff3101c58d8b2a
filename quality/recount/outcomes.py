"""Emails by what became of them, and notifications, once more.

scratch.lives ──┬▶ by email, domain, status, reason ──▶ fct_email_outcomes
                ╰▶ by notification ◀── raw.app_notifications, scratch.emails
                        ╰──▶ fct_notification_performance
"""

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from quality.recount.counts import counted, people, rates, whole
from quality.recount.raw_rows import events_of_emails, recipients_of_emails, text
from quality.recount.recipients import BUCKET
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

_CELL = ("email_id", "mailbox_domain", "delivery_status", "reason")
_NOTIFICATION = ("notification_id",)

_NO_CLASS, _NO_REASON = "Unclassified", "other"
"""What seeds call a bounce and a rejection that say nothing of themselves."""

_OF_AN_EMAIL = "hash(email_id) % ? = ?"
_OF_A_NOTIFICATION = "notification_id is not null and hash(notification_id) % ? = ?"


def recount_outcomes(warehouse: Warehouse, result: Result) -> None:
    """Compares fct_email_outcomes, whole.

    Args:
        warehouse: Its recipients are recounted.
        result: Takes what differs.
    """
    for part in _buckets(warehouse, "fct_email_outcomes"):
        counts: dict[Key, Counter[str]] = defaultdict(Counter)
        accounts: dict[Key, str | None] = {}
        providers: dict[Key, str | None] = {}
        for life in warehouse.rows(
            f"select * from scratch.lives where {_OF_AN_EMAIL}", part
        ):
            cell = _cell(life)
            counts[cell].update(counted(life))
            accounts[cell] = life["account_id"]
            providers[cell] = providers.get(cell) or life["provider"]
        expected: dict[Key, dict[str, Any]] = {
            cell: {"account_id": accounts[cell], **whole(count)}
            for cell, count in counts.items()
        }
        actual = keyed(
            warehouse.rows(
                "select * from warehouse.marts.fct_email_outcomes"
                f" where {_OF_AN_EMAIL}",
                part,
            ),
            _CELL,
            result,
        )
        _compared(expected, actual, result)
        for found in differences(expected, actual, _CELL):
            where = found.where
            condition = f"email_id = {text(where['email_id'])}"
            provider = providers.get(tuple(where[name] for name in _CELL))
            domain = f"split_part(%s, '@', -1) = {text(where['mailbox_domain'])}"
            rows = (
                events_of_emails(
                    provider, f"{condition} and {domain % 'recipient_key'}"
                )
                if provider
                else recipients_of_emails(
                    f"{condition} and {domain % 'lower(trim(member_email))'}"
                )
            )
            result.add(replace(found, rows=rows))


def recount_notifications(warehouse: Warehouse, result: Result) -> None:
    """Compares fct_notification_performance, whole.

    Args:
        warehouse: Its recipients are recounted.
        result: Takes what differs.
    """
    for part in _buckets(warehouse, "fct_notification_performance"):
        said = {
            row.pop("notification_id"): row
            for row in warehouse.rows(
                "select notification_id, account_id, kind,"
                " epoch_us(created_at) as created_at,"
                " deleted_at is not null as is_deleted"
                f" from warehouse.raw.app_notifications where {_OF_A_NOTIFICATION}",
                part,
            )
        }
        mails: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for mail in warehouse.rows(
            f"select * from scratch.emails where {_OF_A_NOTIFICATION}", part
        ):
            mails[mail["notification_id"]].append(mail)
        lives: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for life in warehouse.rows(
            f"select * from scratch.lives where {_OF_A_NOTIFICATION}", part
        ):
            lives[life["notification_id"]].append(life)
        expected: dict[Key, dict[str, Any]] = {
            (name,): _notification(said.get(name), mails[name], lives[name])
            for name in said.keys() | mails.keys()
        }
        actual = keyed(
            warehouse.rows(
                "select * replace (epoch_us(created_at) as created_at,"
                " epoch_us(first_submitted_at) as first_submitted_at,"
                " epoch_us(last_submitted_at) as last_submitted_at)"
                " from warehouse.marts.fct_notification_performance"
                f" where {_OF_A_NOTIFICATION}",
                part,
            ),
            _NOTIFICATION,
            result,
        )
        _compared(expected, actual, result)
        for found in differences(expected, actual, _NOTIFICATION):
            name = found.where["notification_id"]
            condition = (
                "email_id in (select email_id from raw.app_emails"
                f" where notification_id = {text(name)})"
            )
            provider = next(
                (life["provider"] for life in lives[name] if life["provider"]), None
            )
            rows = (
                events_of_emails(provider, condition)
                if provider
                else recipients_of_emails(condition)
            )
            result.add(replace(found, rows=rows))


def _buckets(warehouse: Warehouse, mart: str) -> list[list[int]]:
    """Parts of all that is counted, each small enough for memory."""
    size = warehouse.one(
        "select greatest((select count(*) from scratch.lives),"
        f" (select count(*) from warehouse.marts.{mart}))"
    )
    count = int(size) // BUCKET + 1
    return [[count, number] for number in range(count)]


def _compared(expected: dict[Key, Any], actual: dict[Key, Any], result: Result) -> None:
    result.compared += sum(map(len, expected.values()))
    result.compared += len(actual.keys() - expected.keys())


def _cell(life: dict[str, Any]) -> Key:
    """Where a recipient is counted."""
    status = life["delivery_status"]
    reason = {
        "bounced": life["bounce_class"] or _NO_CLASS,
        "rejected": life["reject_reason"] or _NO_REASON,
    }.get(status, "")
    domain = life["recipient_key"].rpartition("@")[2]
    return life["email_id"], domain, status, reason


def _notification(
    said: dict[str, Any] | None,
    mails: list[dict[str, Any]],
    lives: list[dict[str, Any]],
) -> dict[str, Any]:
    """All that a notification's row must say."""
    known = said or {
        "account_id": None,
        "kind": None,
        "created_at": None,
        "is_deleted": False,
    }
    owners = [mail["account_id"] for mail in mails if mail["account_id"] is not None]
    submitted = [
        mail["submitted_at"] for mail in mails if mail["submitted_at"] is not None
    ]
    counts = people(lives)
    return {
        **known,
        "account_id": known["account_id"] or min(owners, default=None),
        "first_submitted_at": min(submitted, default=None),
        "last_submitted_at": max(submitted, default=None),
        "emails": len(mails),
        **whole(counts),
        **rates(counts),
    }
