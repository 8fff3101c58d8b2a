"""Great Expectations at the raw edge: what no source may write is red, and named."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from simulated import answers, change

from quality.check import Checked, check
from quality.edge import Edges, _found, edges, operations
from quality.edge_tables import EDGES
from quality.results import Result
from quality.thresholds import Threshold, thresholds
from quality.warehouse import opened

ONE = "where rowid = (select min(rowid) from"

PLANTED = {
    "a name that isn't the payload's": (
        f"update raw.mailgun_events set event_name = 'opened' {ONE} raw.mailgun_events"
        " where event_name = 'delivered')",
        "raw.mailgun_events",
        "the name is the payload's",
    ),
    "a payload that is torn": (
        "update raw.mailgun_events set payload = left(payload, 99)"
        f" {ONE} raw.mailgun_events)",
        "raw.mailgun_events",
        "the payload is a JSON object",
    ),
    "an event of another day than its key": (
        "update raw.mailgun_events set occurred_at = occurred_at - interval 1 day"
        f" {ONE} raw.mailgun_events)",
        "raw.mailgun_events",
        "the key is made of domain, UTC day and id",
    ),
    "an event of the future": (
        "update raw.mailgun_events set occurred_at = timestamptz '2999-01-01'"
        f" {ONE} raw.mailgun_events)",
        "raw.mailgun_events",
        "occurred_at",
    ),
    "a key twice": (
        "insert into raw.app_emails from (from raw.app_emails limit 1)",
        "raw.app_emails",
        "email_id",
    ),
    "a request that doesn't add up": (
        f"update raw.requests set dead = dead + 1 {ONE} raw.requests)",
        "raw.requests",
        "received = loaded + repeated + dead",
    ),
    "a lane that nobody knows": (
        f"update raw.lane_runs set lane = 'slow' {ONE} raw.lane_runs)",
        "raw.lane_runs",
        "lane",
    ),
    "a day without an end": (
        f"update raw.time_zone_days set ends_at = starts_at {ONE} raw.time_zone_days"
        " where timezone in (select reporting_timezone from raw.app_accounts))",
        "raw.time_zone_days",
        "a day has an end",
    ),
    "zones that are gone": (
        "update raw.app_accounts set reporting_timezone = null",
        "raw.app_accounts",
        "reporting_timezone",
    ),
    "names that no vocabulary has": (
        "update raw.mailgun_events set event_name = 'seen' where rowid % 3 = 0",
        "raw.mailgun_events",
        "event_name",
    ),
    "a column that was dropped": (
        "alter table raw.app_members drop column email",
        "raw.schema",
        "column",
    ),
    "a cell that the build's own recount found": (
        f"update marts.ops_reconciliation set status = 'differs' {ONE}"
        " marts.ops_reconciliation where status = 'ok')",
        "ops_reconciliation",
        "status",
    ),
    "a settled day that lacks events": (
        f"update marts.ops_completeness set status = 'error' {ONE}"
        " marts.ops_completeness where is_settled)",
        "ops_completeness",
        "status",
    ),
    "many dead letters": (
        "insert into raw.dead_letters by name select concat('k', i) as dead_letter_key,"
        " 'mailgun' as source, now() as received_at, 'invalid_json' as reason,"
        " (select min(request_id) from raw.requests) as request_id, 0 as position,"
        " '' as body, (select min(_dlt_load_id) from raw.requests) as _dlt_load_id"
        " from range(2000) as t (i)",
        "shares",
        "dead_letters",
    ),
}

WARNED = {
    "a source that rests": (
        "update raw.lane_runs set ended_at = ended_at - interval 1 hour,"
        " began_at = began_at - interval 1 hour",
        "ops_freshness",
    ),
    "a few unknown names": (
        "update raw.mailgun_events set event_name = 'seen',"
        """ payload = replace(payload, '"event":"opened"', '"event":"seen"')"""
        " where event_name = 'opened' and rowid % 5 = 0",
        "raw.mailgun_events",
    ),
}


ALL_OF_IT = ("zones that are gone", "many dead letters")
"""Planted in each row of a table."""


def result_of(warehouse: Path, name: str) -> Result:
    """What one suite says."""
    with opened(warehouse) as found:
        limits = thresholds(found)
        for suite in (*edges(found, limits), *operations(found, limits)):
            if suite.name == name:
                return Edges().run(suite, "test")
    raise AssertionError(name)


@pytest.fixture(scope="module")
def checked(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    docs = tmp_path_factory.mktemp("reports") / "data_docs"
    return check(clean, docs, lambda _: None)


def test_a_clean_warehouse_is_green(checked: Checked) -> None:
    assert [result.name for result in checked.results if result.errors] == []
    assert {f"raw.{table}" for table in EDGES} >= {
        result.name
        for result in checked.results
        if result.group == "edge" and result.name.count(".") == 1
    } - {"raw.schema"}
    assert {"raw.schema", "raw.mailgun_events", "raw.app_accounts", "raw.requests"} <= {
        result.name for result in checked.results if result.status == "passed"
    }


@pytest.mark.parametrize("name", PLANTED)
def test_what_no_source_may_write_is_red_and_named(name: str, copy: Path) -> None:
    statement, suite, column = PLANTED[name]
    change(copy, statement)

    result = result_of(copy, suite)

    assert result.status == "failed"
    cells = [cell for cell in result.cells if cell.severity == "error"]
    (cell, *_) = [cell for cell in cells if cell.where["column"] == column]
    if suite != "raw.schema":
        behind = answers(copy, f"select count(*) from ({cell.rows})")[0][0]
        table = cell.rows.split()[3]
        assert behind
        assert name in ALL_OF_IT or [(behind,)] < answers(
            copy, f"select count(*) from {table}"
        )


@pytest.mark.parametrize("name", WARNED)
def test_what_only_warns_fails_nothing(name: str, copy: Path) -> None:
    statement, suite = WARNED[name]
    change(copy, statement)

    result = result_of(copy, suite)

    assert result.status == "warned"
    assert result.differing > 0
    assert result.errors == 0


def test_the_rows_that_break_a_promise_are_one_query_away(copy: Path) -> None:
    change(
        copy,
        "update raw.mailgun_events set payload = '[]' where rowid < 3",
    )

    cells = result_of(copy, "raw.mailgun_events").cells

    (cell,) = [c for c in cells if c.where["column"] == "the payload is a JSON object"]
    assert answers(copy, f"select count(*) from ({cell.rows})") == [(3,)]


def test_above_a_limit_it_warns_and_above_another_it_fails() -> None:
    limit = Threshold(0.1, 0.5, "share", "")

    assert [limit.severity(value) for value in (0.1, 0.2, 0.5, 0.6)] == [
        None,
        "warn",
        "warn",
        "error",
    ]
    assert Threshold(None, None, "share", "").severity(9) is None


def test_every_threshold_says_why(clean: Path) -> None:
    rows = answers(clean, "select reason from seeds.quality_thresholds")

    assert len(rows) > 10
    assert all(len(str(reason).split()) > 2 for (reason,) in rows)


class Addresses(HTMLParser):
    """What a page asks for when it is opened, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            elif name in ("src", "href", "srcset", "data", "action") and value:
                self.asked.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


def test_data_docs_ask_nobody_for_anything(checked: Checked) -> None:
    assert checked.docs is not None
    pages = list(checked.docs.parent.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        text = page.read_text("utf-8")
        found = Addresses()
        found.feed(text)
        assert found.asked == [], page
        assert "<script" not in text
        assert "@import" not in text
        assert not [link for link in found.links if link.startswith("http")]
        assert "url(http" not in text.replace("'", "").replace('"', "")


def test_the_first_page_of_data_docs_leads_to_every_suite(checked: Checked) -> None:
    assert checked.docs is not None
    found = Addresses()
    found.feed(checked.docs.read_text("utf-8"))

    # A look for the forgotten is no suite of Great Expectations.
    suites = [
        result
        for result in checked.results
        if result.group != "recount" and result.name != "forgotten"
    ]
    assert len(found.links) >= len(suites)
    for link in found.links:
        assert (checked.docs.parent / link).exists()
    assert any("mailgun_events" in link for link in found.links)


@pytest.mark.parametrize(
    ("rows", "values", "told"),
    [
        (1, [float("nan"), None], "1 row (5.00 %): null"),
        (1200, ["slow", "slow", 3], "1,200 rows (5.00 %): slow, 3"),
        (2, [], "2 rows (5.00 %)"),
    ],
)
def test_what_was_found_is_said_in_words(
    rows: int, values: list[object], told: str
) -> None:
    found = {"unexpected_count": rows, "unexpected_percent": 5.0}

    assert _found({**found, "partial_unexpected_list": values}, None) == told
