"""Who could not be reached, by mailbox domain and reason."""

import altair as alt

from tallybook.report.colours import BOUNCES
from tallybook.report.pictures import NARROW, Picture, picture
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
    names = [row["mailbox_domain"] for row in domains]
    reasons = published.rows(_REASONS, [names])
    reasons.sort(key=lambda row: names.index(row["mailbox_domain"]))
    drawn = [_picture(names, reasons)] if any(row["bounced"] for row in domains) else []
    return Section(
        "bounces",
        title,
        "Bounced mail was tried and refused; rejected mail was never tried, because the "
        "provider knew better. Both are counted by recipient.",
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


def _picture(names: list[str], reasons: list[Row]) -> Picture:
    """A bar for each domain, made of its reasons."""
    bars = [
        {
            "domain": clean(row["mailbox_domain"], 60),
            "reason": row["reason"] if row["reason"] in BOUNCES else _OTHER,
            "recipients": row["recipients"],
        }
        for row in reasons
        if row["delivery_status"] == "bounced"
    ]
    shown = [name for name in BOUNCES if any(bar["reason"] == name for bar in bars)]

    def draw(width: int) -> alt.Chart:
        return (
            alt.Chart(alt.Data(values=bars))
            .mark_bar(size=16)
            .encode(
                y=alt.Y(
                    "domain:N",
                    sort=[clean(name, 60) for name in names],
                    axis=alt.Axis(labelLimit=110 if width == NARROW else 220),
                ),
                x=alt.X(
                    "sum(recipients):Q",
                    axis=alt.Axis(tickCount=5, format=",d", tickMinStep=1),
                ),
                color=alt.Color(
                    "reason:N",
                    scale=alt.Scale(
                        domain=shown, range=[BOUNCES[name] for name in shown]
                    ),
                ),
                order=alt.Order("place:Q"),
            )
            .transform_calculate(place=f"indexof({shown}, datum.reason)")
            .properties(height=alt.Step(24))
        )

    return picture("Bounced recipients of each mailbox domain, by reason.", draw)
