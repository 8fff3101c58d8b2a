"""What analysts ask of the demo's published file, and what it says."""

import duckdb
from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

QUESTIONS = {
    "What did we hear from whom? (Mailgun is polled, SendGrid posts to our door.)": """\
select
    provider,
    count(*) as events,
    count(distinct email_id) as emails,
    count(distinct recipient_key) as people,
    count(*) filter (where event_type = 'delivered') as delivered,
    count(*) filter (where event_type = 'opened') as opened
from marts.fct_message_events
group by provider
order by provider""",
    "Who never got the email that failed most, and why?": """\
select
    recipient,
    delivery_status,
    failure_code as code,
    left(failure_message, 60) as failure_message
from marts.fct_recipient_status
where not is_delivered and failure_message is not null
    and email_id = (
        select email_id
        from marts.fct_email_performance
        order by failed_permanently desc, email_id
        limit 1
    )
order by recipient
limit 6""",
    "Which domains bounce most?": """\
select
    split_part(recipient_key, '@', 2) as domain,
    count(*) as sent,
    count(*) filter (where bounce_class is not null) as bounced,
    round(100.0 * bounced / sent, 1) as percent
from marts.fct_recipient_status
group by domain
order by bounced desc, domain
limit 5""",
    "Which emails have more machine than human opens?": """\
select
    subject,
    count(*) filter (where is_machine) as by_machine,
    count(*) filter (where not is_machine) as by_human
from marts.fct_message_events
inner join marts.fct_email_performance using (email_id)
where event_type = 'opened'
group by email_id, subject
having by_machine > by_human
order by by_machine - by_human desc, email_id
limit 5""",
    "How many conversations did the bot hand over, by each account's own day?": """\
select
    account_id,
    timezone,
    date,
    hours,
    count as handed_over
from marts.fct_reporting_rollups
inner join marts.dim_time_zone_days using (date)
where timezone = reporting_timezone
    and metric = 'bot_handoffs_count' and dimension_type = 'account'
    and date between '2026-03-07' and '2026-03-09'
order by account_id, date""",
    "How many different ones in the whole time? (Days can't be added up.)": """\
select account_id, sum(count) as sum_of_days, any_value(handoffs) as handed_over
from marts.fct_reporting_rollups
inner join marts.handoffs_between('2026-03-01', '2026-03-14')
    using (account_id, dimension_type, dimension_id)
where metric = 'bot_handoffs_count' and dimension_type = 'account'
group by account_id
order by account_id""",
    "What did people do in the app, on which day of their own?": """\
select account_id, reporting_timezone as timezone, date, event_name, events
from marts.fct_client_events_daily
where account_id is not null
order by account_id, date, event_name""",
}
"""What analysts ask; each SELECT runs in the published file as it stands here."""


def answer(
    console: Console, con: duckdb.DuckDBPyConnection, question: str, sql: str
) -> None:
    """Shows one question, the SELECT that answers it, and what it says.

    Args:
        console: Where to.
        con: Has the published file open.
        question: In words.
        sql: In SQL.
    """
    result = con.execute(sql)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, kind, *_ in result.description or []:
        is_number = kind in ("BIGINT", "DOUBLE", "HUGEINT")
        table.add_column(name, justify="right" if is_number else "left")
    for row in result.fetchall():
        table.add_row(*("" if value is None else str(value) for value in row))
    console.print(f"\n[bold]{question}[/]")
    console.print(Syntax(sql, "sql", background_color="default", word_wrap=True))
    console.print(table)
