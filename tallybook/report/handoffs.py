"""Distinct conversations that the bot handed over, beside what adding up would say.

fct_handoff_conversations ──▶ count(distinct conversation_id)   the right number
                          ╰─▶ the sum of smaller counts         the wrong one
"""

from datetime import timedelta

import altair as alt

from tallybook.report.colours import SERIES
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
from tallybook.report.tables import Table, clean, count, left_out, more, words

_ACCOUNTS = 8
_COUNTED, _ADDED = "Handed over", "Added up"

_MOST = """
select account_id, count(distinct conversation_id) as handoffs,
    count(*) over () as accounts, max(date) as newest
from marts.fct_handoff_conversations
where dimension_type = 'account' and date <= ?
group by account_id
order by handoffs desc, account_id
limit ?
"""

_PERIODS = """
with

daily as (

    select
        account_id,
        date,
        conversation_id,
        handoffs,
        cast(date_trunc($period, date) as date) as begins
    from marts.fct_handoff_conversations
    where dimension_type = 'account' and account_id in (select unnest($accounts))
        and date <= $last

)

select
    account_id,
    begins,
    count(distinct conversation_id) as counted,
    case when $period = 'day' then sum(handoffs) else count(*) end as added_up
from daily
where begins > cast(date_trunc($period, $last) as date) - to_days($back)
group by account_id, begins
order by begins desc, list_position($accounts, account_id)
"""

_KINDS = {
    "quarter": ("Quarters", "Sum of days", 366),
    "week": ("Weeks, from Monday", "Sum of days", 56),
    "day": ("Days", "Sum of events", 14),
}
"""Caption, what would be added up, and how many days back they go."""


def section(published: Published) -> Section:
    """Days, weeks and quarters of the accounts that have most."""
    title = "Handed over from bot to human"
    last = published.published_at.date() + timedelta(days=1)
    most = published.rows(_MOST, [last, _ACCOUNTS])
    if not most:
        return Section("handoffs", title, "No conversation was handed over yet.")
    accounts = [row["account_id"] for row in most]
    newest = max(row["newest"] for row in most)
    found = {
        period: published.rows(
            _PERIODS,
            {"period": period, "accounts": accounts, "last": newest, "back": back},
        )
        for period, (_, _, back) in _KINDS.items()
    }
    tables = [
        Table(
            f"handoffs-{period}s",
            caption,
            (
                words("Begins" if period != "day" else "Day"),
                words("Account"),
                count("Counted"),
                count(added),
                more("Too many"),
            ),
            [
                (
                    _named(period, row),
                    row["account_id"],
                    row["counted"],
                    row["added_up"],
                    row["added_up"] - row["counted"],
                )
                for row in found[period]
            ],
            is_long=period == "day",
        )
        for period, (caption, added, _) in _KINDS.items()
    ]
    quarter = found["quarter"][0]["begins"]
    drawn = [row for row in found["quarter"] if row["begins"] == quarter]
    note = left_out(len(most), most[0]["accounts"], "accounts")
    return Section(
        "handoffs",
        title,
        "Different conversations. One that is handed over on two days is one of the "
        f"week and of the quarter; whoever adds up counts it twice. {note}".strip(),
        [Part(items=[_picture(drawn, accounts), *tables])],
    )


def _named(period: str, row: Row) -> str:
    begins = row["begins"]
    if period == "quarter":
        return f"{begins.year} Q{(begins.month + 2) // 3}"
    return f"{begins:%a %Y-%m-%d}" if period == "day" else f"{begins}"


def _picture(rows: list[Row], accounts: list[str]) -> Picture:
    """Two bars for each account: counted, and added up."""
    bars = [
        {
            "account": clean(row["account_id"], 60),
            "how": how,
            "number": int(row[column]),
        }
        for row in rows
        for how, column in ((_COUNTED, "counted"), (_ADDED, "added_up"))
    ]
    accounts = [clean(account, 60) for account in accounts]

    def draw(width: int) -> Chart:
        base = drawn(bars).encode(
            y=alt.Y("account:N", sort=accounts, axis=names(accounts, width)),
            yOffset=alt.YOffset("how:N", sort=[_COUNTED, _ADDED]),
            x=alt.X("number:Q", axis=counts(width)),
        )
        return alt.layer(
            base.mark_bar(size=11).encode(
                color=colours("how", {way: SERIES[way] for way in (_COUNTED, _ADDED)})
            ),
            base.mark_text(align="left", dx=4).encode(
                text=alt.Text("number:Q", format=",d")
            ),
        ).properties(height=alt.Step(14))

    return picture(
        f"{_named('quarter', rows[0])}: conversations handed over, counted and "
        "added up from days.",
        draw,
    )
