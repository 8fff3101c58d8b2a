"""What keeps mail from an address once more: one event after the other.

scratch.matched, in buckets of addresses ──▶ suppressed, lifted, suppressed again
        ├──▶ compared with fct_suppressions
        ╰──▶ scratch.suppressions, for members
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from quality.recount.raw_rows import events_of_address
from quality.recount.recipients import BUCKET
from quality.results import Key, Result, differences, keyed
from quality.warehouse import Warehouse

_GRAIN = ("account_id", "recipient_key", "reason", "scope")
_UNSUBSCRIBED, _ALL = "unsubscribed", "all"
_BUCKETED = "hash(account_id, recipient_key) % ? = ?"

_TABLE = """
create table scratch.suppressions (
    account_id varchar, recipient_key varchar, reason varchar, scope varchar,
    lifted_at bigint
)
"""
_EVENTS = f"""
select *
from scratch.matched
where account_id is not null and recipient_key is not null
    and event_type in (select event_type from warehouse.seeds.suppression_rules)
    and {_BUCKETED}
-- Within one instant what lifts comes first, so that suppressing wins.
order by
    occurred_at,
    event_type in (
        select event_type from warehouse.seeds.suppression_rules
        where reason is not null
    ),
    event_key
"""
_MART = f"""
select * replace (epoch_us(since) as since, epoch_us(lifted_at) as lifted_at)
from warehouse.marts.fct_suppressions
where {_BUCKETED}
"""


def recount(warehouse: Warehouse, result: Result) -> None:
    """Compares fct_suppressions, whole.

    Args:
        warehouse: Its events are matched.
        result: Takes what differs.
    """
    warehouse.con.execute(_TABLE)
    rules = list(warehouse.rows("select * from warehouse.seeds.suppression_rules"))
    size = warehouse.one(
        "select greatest((select count(*) from scratch.matched where event_type in"
        " (select event_type from warehouse.seeds.suppression_rules)),"
        " (select count(*) from warehouse.marts.fct_suppressions))"
    )
    buckets = int(size) // BUCKET + 1
    for bucket in range(buckets):
        part = [buckets, bucket]
        expected: dict[Key, dict[str, Any]] = {}
        providers: dict[tuple[str, str], str] = {}
        of_address: dict[tuple[str, str], list[Key]] = defaultdict(list)
        for event in warehouse.rows(_EVENTS, part):
            address = event["account_id"], event["recipient_key"]
            providers[address] = event["provider"]
            _tell(event, rules, expected, of_address[address])
        actual = keyed(warehouse.rows(_MART, part), _GRAIN, result)
        result.compared += sum(map(len, expected.values()))
        result.compared += len(actual.keys() - expected.keys())
        for cell in differences(expected, actual, _GRAIN):
            address = cell.where["account_id"], cell.where["recipient_key"]
            types = sorted({rule["event_type"] for rule in rules})
            provider = providers.get(address)
            rows = events_of_address(provider, *address, types) if provider else ""
            result.add(replace(cell, rows=rows))
        _keep(warehouse, expected)


def _tell(
    event: dict[str, Any],
    rules: list[dict[str, Any]],
    rows: dict[Key, dict[str, Any]],
    of_address: list[Key],
) -> None:
    """What an event does to the suppressions of its address."""
    # What is only temporary says nothing of the address.
    if event["severity"] == "temporary":
        return
    account, address = event["account_id"], event["recipient_key"]
    reasons = {rule["reason"] for rule in rules if _holds(rule, event)}
    if None in reasons:
        for key in of_address:
            if key[3] == event["scope"] and rows[key]["lifted_at"] is None:
                rows[key]["lifted_at"] = event["occurred_at"]
    for reason in reasons - {None}:
        scope = event["scope"] if reason == _UNSUBSCRIBED else _ALL
        key = account, address, reason, scope
        if key in rows and rows[key]["lifted_at"] is None:
            continue
        if key not in rows:
            of_address.append(key)
        rows[key] = {
            "recipient": event["recipient"],
            "since": event["occurred_at"],
            "lifted_at": None,
            "event_key": event["event_key"],
        }


def _holds(rule: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether a row of `suppression_rules` is about an event."""
    if rule["event_type"] != event["event_type"]:
        return False
    if not rule["condition"]:
        return True
    column, _, value = rule["condition"].partition("=")
    return event[column] is not None and str(event[column]) == value


def _keep(warehouse: Warehouse, rows: dict[Key, dict[str, Any]]) -> None:
    """Writes to `scratch.suppressions`."""
    if not rows:
        return
    columns: dict[str, list[Any]] = {
        name: [key[at] for key in rows] for at, name in enumerate(_GRAIN)
    }
    columns["lifted_at"] = [row["lifted_at"] for row in rows.values()]
    warehouse.keep("suppressions", columns, ", ".join(columns))
