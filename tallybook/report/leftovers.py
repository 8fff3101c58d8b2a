"""What is kept though it belongs nowhere: unmatched events and dead letters."""

from tallybook.report.published import Published
from tallybook.report.sections import Part, Section
from tallybook.report.tables import Table, count, instant, left_out, words

_SHOWN = 20

_UNMATCHED = """
select
    reason,
    provider,
    event_type,
    count(*) as events,
    max(received_at) as newest
from marts.fct_unmatched_events
group by reason, provider, event_type
order by events desc, reason, provider, event_type
"""

_DEAD_LETTERS = """
select
    reason,
    source_name,
    cast(sum(waiting) as bigint) as waiting,
    cast(sum(replayed) as bigint) as replayed,
    max(newest_received_at) as newest
from marts.ops_dead_letters
group by reason, source_name
order by waiting desc, reason, source_name
"""


def section(published: Published) -> Section:
    """How many there are of each kind."""
    unmatched = published.rows(_UNMATCHED)
    dead = published.rows(_DEAD_LETTERS)
    tables = []
    if unmatched:
        tables.append(
            Table(
                "unmatched",
                "Events of no known email or recipient",
                (
                    words("Reason"),
                    words("Provider"),
                    words("Type"),
                    count("Events"),
                    instant("Newest (UTC)"),
                ),
                [tuple(row.values()) for row in unmatched[:_SHOWN]],
                total=(
                    "All",
                    None,
                    None,
                    sum(row["events"] for row in unmatched),
                    max(row["newest"] for row in unmatched),
                ),
                note=left_out(min(_SHOWN, len(unmatched)), len(unmatched), "kinds"),
                stacks=True,
            )
        )
    if dead:
        tables.append(
            Table(
                "dead-letters",
                "Dead letters: what could not become an event",
                (
                    words("Reason"),
                    words("Source"),
                    count("Waiting"),
                    count("Replayed"),
                    instant("Newest (UTC)"),
                ),
                [tuple(row.values()) for row in dead[:_SHOWN]],
                total=(
                    "All",
                    None,
                    sum(row["waiting"] for row in dead),
                    sum(row["replayed"] for row in dead),
                    max(row["newest"] for row in dead),
                ),
                note=left_out(min(_SHOWN, len(dead)), len(dead), "kinds"),
                stacks=True,
            )
        )
    says = [
        "An unmatched event counts once the application tells of its email."
        if unmatched
        else "Every event belongs to a known email and recipient.",
        "A dead letter waits for `tallybook dead-letters replay`."
        if dead
        else "There are no dead letters.",
    ]
    return Section(
        "leftovers", "What belongs nowhere yet", " ".join(says), [Part(items=tables)]
    )
