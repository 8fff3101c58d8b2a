"""Who could not be reached, by mailbox domain and reason."""

from typing import Any

import altair as alt

from tallybook.report.colours import BOUNCES
from tallybook.report.pictures import (
    Chart,
    Picture,
    colours,
    counts,
    drawn,
    names,
    picture,
)
from tallybook.report.published import Published, Row
from tallybook.report.sections import Part, Section
from tallybook.report.tables import Table, clean, count, left_out, share, words

_SHOWN = 12
_OTHER = "Unclassified"

_DOMAINS = """
select
    mailbox_domain,
    cast(sum(sent) as bigint) as recipients,
    cast(coalesce(sum(sent) filter (where delivery_status = 'bounced'), 0) as bigint)
        as bounced,
    cast(coalesce(sum(sent) filter (where delivery_status = 'rejected'), 0) as bigint)
        as rejected,
    bounced / recipients as bounce_rate,
    count(*) over () as domains
from marts.fct_email_outcomes
group by mailbox_domain
having bounced + rejected > 0
order by bounced desc, rejected desc, mailbox_domain
limit ?
"""

_REASONS = """
select
    mailbox_domain,
    delivery_status,
    coalesce(nullif(reason, ''), 'not told') as reason,
    cast(sum(sent) as bigint) as recipients
from marts.fct_email_outcomes
where delivery_status in ('bounced', 'rejected')
    and mailbox_domain in (select unnest(?))
group by all
order by mailbox_domain, delivery_status, recipients desc, reason
"""


def section(published: Published) -> Section:
    """Bounces and rejections of the domains that have most of them."""
    title = "Bounces"
    domains = published.rows(_DOMAINS, [_SHOWN])
    if not domains:
        return Section("bounces", title, "Nothing bounced, and nothing was rejected.")
    order = [row["mailbox_domain"] for row in domains]
    reasons = published.rows(_REASONS, [order])
    reasons.sort(key=lambda row: order.index(row["mailbox_domain"]))
    drawn = [_picture(order, reasons)] if any(row["bounced"] for row in domains) else []
    return Section(
        "bounces",
        title,
        "Bounced mail was tried and refused; rejected mail was never tried, because "
        "the provider knew better. Both are counted by recipient.",
        [
            Part(
                items=[
                    *drawn,
                    Table(
                        "bounces",
                        "Mailbox domains, those with most bounces first",
                        (
                            words("Domain"),
                            count("Sent"),
                            count("Bounced"),
                            share("of sent"),
                            count("Rejected"),
                        ),
                        [
                            (
                                row["mailbox_domain"],
                                row["recipients"],
                                row["bounced"],
                                row["bounce_rate"],
                                row["rejected"],
                            )
                            for row in domains
                        ],
                        note=left_out(len(domains), domains[0]["domains"], "domains"),
                    ),
                    Table(
                        "bounce-reasons",
                        "The same by reason",
                        (
                            words("Domain"),
                            words("Was"),
                            words("Reason"),
                            count("Recipients"),
                        ),
                        [tuple(row.values()) for row in reasons],
                        is_long=True,
                    ),
                ]
            )
        ],
    )


def _picture(domains: list[str], reasons: list[Row]) -> Picture:
    """A bar for each domain, made of its reasons."""
    domains = [clean(domain, 60) for domain in domains]
    places = list(BOUNCES)
    bars: list[dict[str, Any]] = []
    for row in reasons:
        if row["delivery_status"] == "bounced":
            reason = row["reason"] if row["reason"] in BOUNCES else _OTHER
            bars.append(
                {
                    "domain": clean(row["mailbox_domain"], 60),
                    "reason": reason,
                    "place": places.index(reason),
                    "recipients": row["recipients"],
                }
            )
    found = {bar["reason"] for bar in bars}
    shown = {name: colour for name, colour in BOUNCES.items() if name in found}

    def draw(width: int) -> Chart:
        chart: alt.Chart = (
            drawn(bars)
            .mark_bar(size=16)
            .encode(
                y=alt.Y("domain:N", sort=domains, axis=names(domains, width)),
                x=alt.X("sum(recipients):Q", axis=counts(width)),
                color=colours("reason", shown),
                order=alt.Order("place:Q"),
            )
            .properties(height=alt.Step(24))
        )
        return chart

    return picture("Bounced recipients of each mailbox domain, by reason.", draw)
