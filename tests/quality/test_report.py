"""`tallybook report`: its tables say what the published file says, and nothing else.

It shares the clean warehouse of these tests, published once.
"""

import base64
import builtins
import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from simulated import change
from typer.testing import CliRunner

from tallybook import cli
from tallybook.build import Dbt
from tallybook.marts import marts_in
from tallybook.publish import publish
from tallybook.report import report
from tests.reporter.chromium import chromium, needs_chromium

HOSTILE = "</script></td><img src=x onerror=\"document.title='hit'\">&amp;\u202e"

ASKS = re.compile(
    r"""(?:src|href|srcset)="(?!data:image/svg\+xml;base64,)|url\(|@import"""
)


class Page(HTMLParser):
    """A page's tables by id, and the elements that it has.

    Attributes:
        tables: Rows of each table's body; a cell's smaller text follows its text.
        totals: The same of its foot.
        tags: Each element with its attributes.
        said: All text outside of tables.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.totals: dict[str, list[str]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self._rows: list[list[str]] | None = None
        self._is_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self._name = str(dict(attrs)["id"])
            assert self._name not in self.tables, "an id is there once"
            self.tables[self._name] = []
        elif tag == "tbody":
            self._rows = self.tables[self._name]
        elif tag == "tfoot":
            self._rows = []
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("th", "td") and self._rows is not None:
            self._rows[-1].append("")
            self._is_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._is_cell = False
        elif tag == "tfoot" and self._rows:
            self.totals[self._name] = self._rows[0]
        if tag in ("tbody", "tfoot"):
            self._rows = None

    def handle_data(self, data: str) -> None:
        if self._is_cell and self._rows:
            self._rows[-1][-1] += data.strip("\n")
        elif self._rows is None:
            self.said += data


@pytest.fixture(scope="session")
def published(clean: Path) -> Path:
    """The state folder of the clean warehouse, published. Not to be changed."""
    publish(clean.parent, marts_in(Dbt(clean.parent).manifest()))
    return clean.parent


@pytest.fixture
def home(published: Path, tmp_path: Path) -> Path:
    """A copy of what is published."""
    (tmp_path / "published").mkdir()
    file = Path("published", "analytics.duckdb")
    shutil.copy(published / file, tmp_path / file)
    return tmp_path


@pytest.fixture(scope="session")
def shown(published: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the clean warehouse."""
    written = report(published, tmp_path_factory.mktemp("report") / "page.html")
    return written.path.read_text()


Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def ask(published: Path) -> Iterator[Ask]:
    """Asks the published file."""
    file = published / "published" / "analytics.duckdb"
    with duckdb.connect(file, read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield lambda sql, *values: con.execute(sql, values).fetchall()


def plant(home: Path, *statements: str) -> Page:
    """The page, after something was changed in what is published."""
    change(home / "published" / "analytics.duckdb", *statements)
    return Page(report(home).path.read_text())


def number(text: str) -> float:
    return float(text.split(maxsplit=1)[0].replace(",", ""))


def test_the_tally_is_that_of_the_published_reconciliation(
    shown: str, ask: Ask
) -> None:
    page = Page(shown)

    ((cells, differ),) = ask(
        "select count(*), count(*) filter (where status <> 'ok')"
        " from marts.ops_reconciliation where status not like 'without_%'"
        " and status <> 'left_out'"
    )
    assert cells > 1_000
    assert list(map(number, page.totals["tally"][1:])) == [cells, cells, 0, differ]
    assert sum(number(row[1]) for row in page.tables["tally"]) == cells
    assert f"{cells:,} cells checked, none differs" in page.said
    assert [row[1:3] for row in page.tables["unplaced"]] == [
        [metric, f"{events:,.0f}"]
        for metric, events in ask(
            "select metric, sum(expected) from marts.ops_reconciliation"
            " where status = 'left_out' and dimension_type = 'agent'"
            " group by metric order by metric"
        )
    ]


def test_sources_are_those_of_the_published_lanes(shown: str, ask: Ask) -> None:
    page = Page(shown)

    assert sorted(
        (row[0], row[1], row[2].split(" ")[1]) for row in page.tables["lanes"]
    ) == ask(
        "select coalesce(nullif(domain, ''), source_name), lane, last_outcome"
        " from marts.ops_lanes order by all"
    )
    assert len(page.tables["freshness"]) == len(ask("from marts.ops_freshness"))
    assert [
        (row[0], *map(number, row[2:5])) for row in page.tables["completeness"]
    ] == ask(
        "select domain, count(distinct date), sum(provider_count), sum(our_count)"
        " from marts.ops_completeness"
        " where status in ('complete', 'warn', 'error') group by domain order by 1"
    )


def test_the_funnel_is_that_of_the_published_recipients(shown: str, ask: Ask) -> None:
    """Counted from recipients, and not from the mart that the page reads."""
    page = Page(shown)

    emails = ask(
        """
        select
            subject,
            count(*),
            count(*) filter (where delivery_status = 'rejected'),
            count(*) filter (where bounced_at is not null),
            count(*) filter (where is_delivered),
            count(*) filter (where is_delivered and first_opened_at is not null),
            count(*) filter (
                where is_delivered and first_human_opened_at is not null
            ),
            count(*) filter (where is_delivered and first_clicked_at is not null)
        from marts.fct_recipient_status
        inner join marts.fct_email_performance using (email_id)
        group by email_id, subject, submitted_at
        order by submitted_at desc
        """
    )
    rows = page.tables["funnel"]
    assert len(rows) == len(emails)
    for row, (subject, *counts) in zip(rows, emails, strict=True):
        assert row[0].startswith(subject)
        assert list(map(number, row[1:8])) == counts
    assert list(map(number, page.totals["funnel"][1:8])) == [
        sum(column) for column in list(zip(*emails, strict=True))[1:]
    ]
    delivered, attempted = number(rows[0][4]), emails[0][1] - emails[0][2]
    assert rows[0][4].endswith(f"{100 * delivered / attempted:.1f} %")


def test_opens_that_nobody_tracks_are_no_zero_and_no_part_of_the_rate(
    home: Path, ask: Ask
) -> None:
    """Of the newest email, whatever events of it there are."""
    ((newest, subject),) = ask(
        "select email_id, subject from marts.fct_email_performance where sent > 0"
        " and not is_deleted order by submitted_at desc nulls last, email_id limit 1"
    )
    page = plant(
        home,
        "update marts.fct_email_performance"
        f" set track_opens = email_id is distinct from '{newest}'",
    )

    ((opened, human, delivered),) = ask(
        "select sum(delivered_opened), sum(delivered_opened_by_human), sum(delivered)"
        " from marts.fct_email_performance where email_id <> ?",
        newest,
    )
    rows = page.tables["funnel"]
    assert rows[0][0].startswith(subject)
    assert rows[0][5:7] == ["not tracked", "-"]
    assert "not tracked" not in {row[5] for row in rows[1:]}
    assert number(page.totals["funnel"][5]) == opened
    assert page.totals["funnel"][6].startswith(f"{human:,}")
    assert page.totals["funnel"][6].endswith(f"{100 * human / delivered:.1f} %")
    assert "Opens of 1 of all emails are not tracked" in page.said

    page = plant(home, "update marts.fct_email_performance set track_opens = false")
    assert page.totals["funnel"][5:7] == ["not tracked", ""]


def test_bounces_are_counted_by_domain_and_reason(shown: str, ask: Ask) -> None:
    page = Page(shown)

    by_domain = ask(
        "select split_part(recipient_key, '@', 2), count(*),"
        " count(*) filter (where delivery_status = 'bounced') as bounced,"
        " count(*) filter (where delivery_status = 'rejected') as rejected"
        " from marts.fct_recipient_status group by 1"
        " having bounced + rejected > 0 order by bounced desc, rejected desc, 1"
    )
    assert by_domain
    assert [
        (row[0], number(row[1]), number(row[2]), number(row[4]))
        for row in page.tables["bounces"]
    ] == by_domain
    assert sorted(
        (domain, was, reason, number(count))
        for domain, was, reason, count in page.tables["bounce-reasons"]
    ) == ask(
        "select split_part(recipient_key, '@', 2), delivery_status,"
        " coalesce(if(delivery_status = 'bounced', bounce_class, reject_reason),"
        " 'not told'), count(*) from marts.fct_recipient_status"
        " where delivery_status in ('bounced', 'rejected') group by all order by all"
    )


def test_days_are_the_accounts_own_and_those_of_changed_clocks_are_marked(
    shown: str, ask: Ask
) -> None:
    page = Page(shown)
    zones = dict(re.findall(r"<h3>(\S+) <small>(\S+), ", shown))
    assert "America/New_York" in zones.values()

    for place, (account, zone) in enumerate(zones.items(), 1):
        days = page.tables[f"mail-days-{place}"]
        events = dict(
            ask(
                "select date, events from marts.fct_delivery_daily"
                " where account_id = ? and event_type = 'delivered'",
                account,
            )
        )
        assert events
        written = {date.fromisoformat(row[0].split()[1]): row for row in days}
        assert set(events) <= set(written)
        for day, row in written.items():
            assert number(row[1]) == events.get(day, 0)
            ((hours,),) = ask(
                "select sum(hours) from marts.dim_time_zone_days"
                " where timezone = ? and date = ?",
                zone,
                day,
            )
            assert (f"{hours:g} hours" in row[0]) == (hours != 24)
        assert [number(row[3]) for row in page.tables[f"talk-days-{place}"]] == [
            ask(
                "select coalesce(sum(handoffs), 0) from marts.handoffs_between($1, $1)"
                " where account_id = $2 and dimension_type = 'account'",
                day,
                account,
            )[0][0]
            for day in written
        ]


def test_a_day_on_which_the_clocks_changed_is_marked(home: Path) -> None:
    page = plant(
        home,
        "insert into marts.fct_delivery_daily select * replace"
        " (date '2026-03-08' as date, 1 as events) from marts.fct_delivery_daily"
        " where reporting_timezone = 'America/New_York' and event_type = 'delivered'"
        " order by date desc limit 1",
    )

    marked = [
        row[0]
        for name, rows in page.tables.items()
        if name.startswith("mail-days")
        for row in rows
        if "hours" in row[0]
    ]
    assert marked == ["Sun 2026-03-08 23 hours"]
    pictures = [
        base64.b64decode(str(attributes["src"]).partition(",")[2]).decode()
        for tag, attributes in page.tags
        if tag == "img"
    ]
    assert sum(">23 h<" in picture for picture in pictures) == 2


@pytest.mark.parametrize(
    ("table", "ends"),
    [
        ("handoffs-quarters", "interval 3 month - interval 1 day"),
        ("handoffs-weeks", "interval 6 day"),
        ("handoffs-days", "interval 0 day"),
    ],
)
def test_handoffs_are_counted_and_the_wrong_sum_stands_beside(
    table: str, ends: str, shown: str, ask: Ask
) -> None:
    """The published macros count a range; they are another SELECT than the page's."""
    rows = Page(shown).tables[table]

    assert rows
    for begins, account, counted, added, too_many in rows:
        first = f"{begins[:4]}-01-01" if "Q1" in begins else begins.split(" ")[-1]
        ((right,),) = ask(
            f"select handoffs from marts.handoffs_between('{first}',"
            f" date '{first}' + {ends})"
            f" where account_id = '{account}' and dimension_type = 'account'"
        )
        assert number(counted) == right
        assert number(too_many) == number(added) - right
    assert any(number(row[-1]) > 0 for row in Page(shown).tables["handoffs-quarters"])


def test_leftovers_are_all_counted_and_the_first_kinds_shown(home: Path) -> None:
    page = plant(
        home,
        "update marts.fct_message_events set unmatched_reason = 'no_id',"
        " provider = 'p' || (rowid % 30) where rowid < 90 and event_type <> 'inbound'",
        "delete from marts.ops_dead_letters",
        "insert into marts.ops_dead_letters select 'mailgun', 'r' || range,"
        " current_date, range, 1, range, 0, now(), now() from range(25)",
    )

    with duckdb.connect(home / "published" / "analytics.duckdb") as con:
        found = con.execute(
            "select count(*), count(distinct (reason, provider, event_type))"
            " from marts.fct_unmatched_events"
        )
        ((events, kinds),) = found.fetchall()
    assert events > 80
    assert number(page.totals["unmatched"][3]) == events
    assert len(page.tables["unmatched"]) == 20
    assert f"{kinds - 20} more kinds are left out." in page.said
    assert page.totals["dead-letters"][2:4] == ["300", "25"]
    assert page.tables["dead-letters"][0][:4] == ["r24", "mailgun", "24", "1"]
    assert "5 more kinds are left out." in page.said


def test_the_page_asks_nobody_for_anything_and_runs_nothing(shown: str) -> None:
    tags = Page(shown).tags

    assert not ASKS.search(shown)
    assert {"script", "link", "iframe", "object", "form"}.isdisjoint(
        tag for tag, _ in tags
    )
    pictures = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", shown)
    assert len(pictures) >= 10
    for picture in pictures:
        svg = base64.b64decode(picture).decode()
        assert not re.search(r"<script|<image|<foreignObject|href=|\son\w+=", svg)


def test_hostile_text_stays_text(home: Path) -> None:
    quoted = HOSTILE.replace("'", "''")
    page = plant(
        home,
        f"update marts.fct_email_performance set subject = '{quoted}'",
        f"update marts.fct_email_outcomes set reason = '{quoted}', mailbox_domain ="
        f" '{quoted}' where delivery_status = 'bounced'",
        f"update marts.ops_lanes set last_message = '{quoted}'",
        f"update marts.fct_message_events set unmatched_reason = '{quoted}'"
        " where event_type = 'delivered'",
        f"update marts.fct_delivery_daily set account_id = '{quoted}'",
        f"update marts.fct_handoff_conversations set account_id = '{quoted}'",
        "insert into marts.ops_dead_letters select s, s, current_date, 1, 0, 1, 0,"
        f" now(), now() from (select '{quoted}' as s)",
    )

    assert page.tables["funnel"][0][0].startswith(HOSTILE)
    assert page.tables["bounce-reasons"][0][0] == HOSTILE
    assert page.tables["lanes"][0][-1] == HOSTILE
    assert page.tables["unmatched"][0][0] == HOSTILE
    assert page.tables["dead-letters"][0][:2] == [HOSTILE, HOSTILE]
    assert page.tables["handoffs-weeks"][0][1] == HOSTILE
    assert HOSTILE[:50] in page.said, "an account's heading"
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "img" or str(attributes["src"]).startswith("data:image/svg")


def many(mart: str, column: str, times: int) -> str:
    """A statement that adds each row again and again, under other names."""
    return (
        f"insert into marts.{mart} select mart.*"
        f" replace ({column} || times.range as {column})"
        f" from marts.{mart} as mart cross join range({times}) as times"
    )


def test_with_thousands_the_top_is_shown_and_the_rest_is_counted(home: Path) -> None:
    page = plant(
        home,
        many("fct_email_performance", "email_id", 2_000),
        many("fct_email_outcomes", "mailbox_domain", 500),
        many("fct_delivery_daily", "account_id", 500),
        many("fct_handoff_conversations", "account_id", 500),
        many("ops_lanes", "domain", 500),
    )
    file = home / "reports" / "report.html"

    assert file.stat().st_size < 1_000_000
    assert max(map(len, page.tables.values())) < 200
    with duckdb.connect(home / "published" / "analytics.duckdb") as con:
        for table, column, shown, things in (
            ("fct_email_performance", "email_id", 15, "emails"),
            ("fct_handoff_conversations", "account_id", 8, "accounts"),
            ("fct_delivery_daily", "account_id", 6, "accounts"),
        ):
            found = con.execute(f"select count(distinct {column}) from marts.{table}")
            ((of,),) = found.fetchall()
            assert f"{of - shown:,} more {things} are left out." in page.said


def test_with_nothing_in_it_each_section_says_so(home: Path) -> None:
    with duckdb.connect(home / "published" / "analytics.duckdb") as con:
        marts = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
        for (mart,) in marts:
            con.execute(f"delete from marts.{mart}")
    page = Page(report(home).path.read_text())

    for says in (
        "No cell was checked yet",
        "No mail was sent yet.",
        "Nothing bounced",
        "No account has a day with events yet.",
        "No conversation was handed over yet.",
        "Every event belongs to a known email and recipient.",
    ):
        assert says in page.said


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["report", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_cells_that_differ_are_status_1_and_listed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(home))
    change(
        home / "published" / "analytics.duckdb",
        "update marts.ops_reconciliation set actual = expected + 41, difference = 41,"
        " status = 'differs' where rowid in (select min(rowid)"
        " from marts.ops_reconciliation where check_name = 'rollups')",
    )
    out = home / "some" / "where.html"

    status, told, _ = run("--output", str(out))

    page = Page(out.read_text())
    assert status == 1
    assert "1 of" in told
    assert str(out) in told
    (row,) = page.tables["differing"]
    assert number(row[5]) - number(row[4]) == 41
    assert page.totals["tally"][-1] == "1"
    assert "cells differ" in page.said


def test_the_last_full_check_is_told_of(home: Path) -> None:
    (home / "reports").mkdir()
    left = {
        "began_at": "2026-03-09T01:02:03+00:00",
        "status": "passed",
        "compared": 12_345,
        "differing": 0,
        "results": [],
    }
    (home / "reports" / "check.json").write_text(json.dumps(left))

    said = " ".join(Page(report(home).path.read_text()).said.split())

    assert "on 2026-03-09 at 01:02 UTC: it recounted 12,345 cells" in said
    assert "and all agree" in said


def test_without_a_published_file_it_is_status_2_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path))

    status, _, told = run()

    assert status == 2
    assert "Nothing is published yet" in told
    assert "tallybook run" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["no DuckDB file", "another version's"])
def test_what_it_cannot_read_is_status_2_and_says_what_to_do(
    what: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(home))
    file = home / "published" / "analytics.duckdb"
    if what == "no DuckDB file":
        file.write_text("no such thing")
    else:
        change(file, "drop table marts.fct_email_outcomes")

    status, _, told = run()

    assert status == 2
    assert str(file) in told
    assert "tallybook build" in told


def test_without_its_extra_it_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALLYBOOK_HOME", str(home))
    real = builtins.__import__

    def lacking(name: str, *rest: Any) -> Any:
        if name == "tallybook.report.page":
            raise ModuleNotFoundError("none", name="altair")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    status, _, told = run()

    assert status == 2
    assert "needs altair" in told
    assert "pip install 'tallybook[report]'" in told


def test_the_same_file_gives_the_same_page(published: Path, shown: str) -> None:
    again = report(published, published / "again.html").path.read_text()

    assert again == shown


@needs_chromium
@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_all_of_it_without_scrolling_sideways(
    width: int, shown: str, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(shown)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 800})
        asked: list[str] = []
        page.on("console", lambda message: asked.append(message.text))
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto((tmp_path / "page.html").as_uri())
        page.evaluate(
            "for (const d of document.querySelectorAll('details')) d.open = 1"
        )
        widest = page.evaluate("document.documentElement.scrollWidth")
        hidden = page.evaluate(
            "[...document.querySelectorAll('.wide')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1)"
            ".map(e => e.firstElementChild.id)"
        )
        broken = page.evaluate(
            "[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)"
        )
        assert (widest, hidden, broken) == (width, [], [])
        assert set(asked) <= {"file:", "data:"}
