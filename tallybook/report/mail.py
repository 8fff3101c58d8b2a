"""What became of each email: from those it was sent to, to those who clicked."""

import json
from collections.abc import Iterator
from typing import Any

import altair as alt

from tallybook.report.colours import SERIES
from tallybook.report.pictures import (
    NARROW,
    Chart,
    Picture,
    colours,
    drawn,
    names,
    picture,
)
from tallybook.report.published import Published, Row
from tallybook.report.sections import Part, Section
from tallybook.report.tables import (
    Table,
    clean,
    count,
    count_and_share,
    count_or_word,
    left_out,
    words_and_more,
)

_SHOWN = 15
_DRAWN = 12

_STAGES = {"Delivered": 13, "Opened by humans": 8, "Clicked": 3}
"""How thick each bar is: one lies on the other."""

_COUNTS = (
    "sent",
    "attempted",
    "rejected",
    "failed_permanently",
    "delivered",
    "delivered_opened",
    "delivered_opened_by_human",
    "delivered_clicked",
    "complained",
    "unsubscribed",
)

_OPENS = ("delivered_opened", "delivered_opened_by_human")

_TRACKED = "coalesce(track_opens, true)"
"""Whether somebody looks whether an email is opened; without a word on it, yes."""

_EMAILS = f"""
select
    coalesce(nullif(subject, ''), email_id) as subject,
    account_id,
    submitted_at,
    {_TRACKED} as is_tracked,
    delivered as delivered_tracked,
    {", ".join(_COUNTS)}
from marts.fct_email_performance
where not is_deleted and sent > 0
order by submitted_at desc nulls last, email_id
limit ?
"""  # noqa: S608 - constants


def _summed(column: str, condition: str = "true") -> str:
    """SQL that adds a count of some emails up."""
    return f"cast(coalesce(sum({column}) filter (where {condition}), 0) as bigint)"


_ALL = f"""
select
    count(*) as emails,
    count(*) filter (where not {_TRACKED}) as untracked,
    bool_or({_TRACKED}) as is_tracked,
    {_summed("delivered", _TRACKED)} as delivered_tracked,
    {", ".join(f"{_summed(name, _TRACKED)} as {name}" for name in _OPENS)},
    {", ".join(f"{_summed(name)} as {name}" for name in _COUNTS if name not in _OPENS)}
from marts.fct_email_performance
where not is_deleted and sent > 0
"""  # noqa: S608 - constants

_COLUMNS = (
    words_and_more("Email"),
    count("Sent"),
    count("Rejected"),
    count("Bounced"),
    count_and_share("Delivered"),
    count_or_word("Opened"),
    count_and_share("By humans"),
    count_and_share("Clicked"),
    count("Spam"),
    count("Opt-outs"),
)


def section(published: Published) -> Section:
    """The funnel of each of the newest emails, and of all together."""
    rows = published.rows(_EMAILS, [_SHOWN])
    if not rows:
        return Section("mail", "What became of the mail", "No mail was sent yet.")
    everything = published.one(_ALL)
    return Section(
        "mail",
        "What became of the mail",
        "Recipients, each counted once for an email. Delivered is a share of those "
        "that were not rejected; opened and clicked are shares of those delivered. "
        "The bars are shares of all whom it was sent to.",
        [
            Part(
                items=[
                    _picture(rows[:_DRAWN]),
                    Table(
                        "funnel",
                        "Emails, the newest first",
                        _COLUMNS,
                        [(_name(row), *_funnel(row)) for row in rows],
                        total=(
                            (f"All {everything['emails']:,} emails", ""),
                            *_funnel(everything),
                        ),
                        note=" ".join(_notes(len(rows), everything)),
                        stacks=True,
                    ),
                ]
            )
        ],
    )


def _notes(shown: int, everything: Row) -> Iterator[str]:
    """What the table and its last row leave out."""
    if shown < everything["emails"]:
        yield left_out(shown, everything["emails"], "emails")
    if everything["untracked"]:
        yield (
            f"Opens of {everything['untracked']:,} of all emails are not tracked: the "
            "last row's opens, and their share, are those of the others."
        )


def _name(row: Row) -> tuple[str, str]:
    """The subject, and whose it is, sent when."""
    at = row["submitted_at"]
    parts = (row["account_id"], f"{at:%Y-%m-%d %H:%M} UTC" if at else None)
    return row["subject"], ", ".join(part for part in parts if part)


def _funnel(row: Row) -> tuple[Any, ...]:
    """Counts and shares, in the order of the columns."""
    return (
        row["sent"],
        row["rejected"],
        row["failed_permanently"],
        _of(row["delivered"], row["attempted"]),
        *_opens(row),
        _of(row["delivered_clicked"], row["delivered"]),
        row["complained"],
        row["unsubscribed"],
    )


def _opens(row: Row) -> tuple[Any, Any]:
    """All opens, and those by humans: of nothing if nobody looked."""
    if not row["is_tracked"]:
        return "not tracked", None
    return (
        row["delivered_opened"],
        _of(row["delivered_opened_by_human"], row["delivered_tracked"]),
    )


def _of(part: int, whole: int) -> tuple[int, float | None]:
    return part, part / whole if whole else None


def _picture(rows: list[Row]) -> Picture:
    """A bar for each email, with a thinner one on it for each further stage."""
    order = [f"{number:02}" for number in range(len(rows))]
    labels = {
        key: clean(row["subject"], 60) for key, row in zip(order, rows, strict=True)
    }
    bars = [
        {"email": key, "stage": stage, "share": row[column] / row["sent"]}
        for key, row in zip(order, rows, strict=True)
        for stage, column in (
            ("Delivered", "delivered"),
            ("Opened by humans", "delivered_opened_by_human"),
            ("Clicked", "delivered_clicked"),
        )
        if row["is_tracked"] or column not in _OPENS
    ]

    def draw(width: int) -> Chart:
        base = drawn(bars).encode(
            y=alt.Y(
                "email:N",
                sort=order,
                axis=names(labels.values(), width, labelExpr=_named(labels)),
            ),
            x=alt.X(
                "share:Q",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=2 if width == NARROW else 4),
            ),
            color=colours("stage", {name: SERIES[name] for name in _STAGES}),
        )
        return alt.layer(
            *(
                base.transform_filter(alt.datum.stage == stage).mark_bar(size=size)
                for stage, size in _STAGES.items()
            )
        ).properties(height=alt.Step(24))

    return picture(
        f"Of each of the newest {len(rows)} emails, the share of recipients whom it "
        "reached, who opened it themselves, and who clicked.",
        draw,
    )


def _named(labels: dict[str, Any]) -> str:
    """A Vega expression that gives each key its label."""
    return f"({json.dumps(labels)})[datum.value]"
