"""The script in a real Chromium: tabs, hidden pages, reloads, a door that is down."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import duckdb
import pytest
from chromium import needs_chromium
from playwright.sync_api import Browser, BrowserContext, Page
from served import PATIENCE, Served

from extract.pipeline import extract

pytestmark = needs_chromium

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title>
<script src="{door}/client.js"></script>
<script>
  const told = [];
  const reporter = new Tallybook.Reporter({sinks}, {options});
</script>"""

REFUSED = 'requests_total{source="beacon",status="403",reason="wrong_origin"}'


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """A site of its own, for the page and the door are seldom one origin."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stays quiet."""

    site = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), site)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Site:
    """Pages that report to a real door."""

    def __init__(self, folder: Path, origin: str, door: Served) -> None:
        self.folder = folder
        self.origin = origin
        self.door = door

    def page(
        self, sinks: str = "Tallybook.beacon('DOOR/beacon')", options: str = "{}"
    ) -> str:
        """Writes a page.

        Returns:
            Its address.
        """
        text = PAGE.replace("{door}", self.door.url).replace("{options}", options)
        text = text.replace("{sinks}", sinks.replace("DOOR", self.door.url))
        (self.folder / "page.html").write_text(text)
        return f"{self.origin}/page.html"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    with pages(folder) as origin:
        settings = {
            "COLLECTOR__ALLOWED_ORIGINS": [origin],
            "COLLECTOR__ALLOWED_PROPERTIES": {"clicked": ["number", "tab", "text"]},
        }
        door = Served(tmp_path / "home", settings)
        door.start()
        try:
            yield Site(folder, origin, door)
        finally:
            door.stop()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """Someone with a new, empty profile."""
    with browser.new_context() as context:
        yield context


def until(page: Page | None, is_so: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not is_so():
        assert monotonic() < end
        if page is None:
            sleep(0.05)
        else:
            page.wait_for_timeout(50)


def report(page: Page, first: int, last: int, tab: str = "a") -> None:
    page.evaluate(
        "([first, last, tab]) => { for (let n = first; n < last; n++)"
        " reporter.report('clicked', {number: n, tab}) }",
        [first, last, tab],
    )


def counts(page: Page) -> Any:
    (found,) = page.evaluate("reporter.counts()")
    assert found["reported"] == sum(v for k, v in found.items() if k != "reported")
    return found


def came(door: Served) -> list[tuple[str, int]]:
    """Tab and number of all that is in the inbox, as often as it is there."""
    events = [item["event"] for item in door.items()]
    return [(e["properties"]["tab"], e["properties"]["number"]) for e in events]


def in_warehouse(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, int]]:
    """The same in raw, sorted."""
    monkeypatch.setenv("TALLYBOOK_HOME", str(door.home))
    (outcome,) = extract(["inbox"])
    assert (outcome.outcome, outcome.dead) == ("ok", 0)
    with duckdb.connect(door.home / "warehouse.duckdb") as connection:
        rows = connection.execute("select payload from raw.client_events").fetchall()
    found = [json.loads(payload)["properties"] for (payload,) in rows]
    return sorted((told["tab"], told["number"]) for told in found)


def test_several_tabs_report_each_event_once(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = site.page()
    tabs = [visitor.new_page() for _ in range(3)]
    for page in tabs:
        page.goto(address)
    for name, page in zip("abc", tabs, strict=True):
        report(page, 0, 120, name)
    for page in tabs:
        until(page, lambda page=page: counts(page)["sent"] >= 120)  # type: ignore[misc]
    assert in_warehouse(site.door, monkeypatch) == [
        (name, number) for name in "abc" for number in range(120)
    ]


def test_a_page_that_goes_leaves_nothing_behind(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By beacon, before any timer could have run; larger than one beacon may be."""
    page = visitor.new_page()
    page.goto(site.page(options="{limits: {interval: 3600000, batch: 1000}}"))
    page.evaluate(
        "for (let n = 0; n < 40; n++) reporter.report("
        "'clicked', {number: n, tab: 'a', text: 'é'.repeat(400)})"
    )
    assert counts(page)["sent"] == 0
    page.close(run_before_unload=True)
    until(None, lambda: len(came(site.door)) >= 40)
    assert in_warehouse(site.door, monkeypatch) == [("a", n) for n in range(40)]


@pytest.mark.parametrize("beacon", ["undefined", "() => false"])
def test_without_a_beacon_a_page_that_goes_uses_fetch(
    site: Site, visitor: BrowserContext, beacon: str
) -> None:
    page = visitor.new_page()
    page.add_init_script(f"navigator.sendBeacon = {beacon}")
    page.goto(site.page(options="{limits: {interval: 3600000}}"))
    report(page, 0, 3)
    page.close(run_before_unload=True)
    until(None, lambda: len(came(site.door)) >= 3)


def test_a_reload_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.new_page()
    address = site.page(options="{limits: {batch: 5}}")
    page.goto(address)
    for part in range(8):
        # The batch is on its way when the page goes.
        page.evaluate(
            "first => { for (let n = first; n < first + 12; n++)"
            " reporter.report('clicked', {number: n, tab: 'a'}); location.reload() }",
            part * 12,
        )
        page.wait_for_function("window.reporter || typeof reporter !== 'undefined'")
        page.wait_for_load_state()
    until(page, lambda: counts(page)["waiting"] == 0)
    assert in_warehouse(site.door, monkeypatch) == [("a", n) for n in range(96)]


def test_a_door_that_is_down_for_a_while_costs_nothing(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.new_page()
    page.goto(site.page())
    report(page, 0, 5)
    until(page, lambda: counts(page)["sent"] == 5)
    site.door.kill()
    report(page, 5, 15)
    page.wait_for_timeout(1_500)  # long enough for attempts that fail
    assert counts(page)["waiting"] == 10
    site.door.start()
    until(page, lambda: counts(page)["sent"] == 15)
    assert in_warehouse(site.door, monkeypatch) == [("a", n) for n in range(15)]


def test_what_a_page_could_not_send_is_sent_by_the_next_one(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door is down when the page goes, and up when another one comes."""
    page = visitor.new_page()
    address = site.page()
    page.goto(address)
    site.door.kill()
    report(page, 0, 7)
    page.goto("about:blank")
    site.door.start()
    assert came(site.door) == []
    page.goto(address)
    until(page, lambda: counts(page)["sent"] == 7)
    assert in_warehouse(site.door, monkeypatch) == [("a", n) for n in range(7)]
    assert page.evaluate("Object.keys(localStorage)") == []


def test_offline_and_back(
    site: Site, visitor: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.new_page()
    page.goto(site.page())
    visitor.set_offline(True)
    report(page, 0, 9)
    page.wait_for_timeout(1_500)
    assert counts(page)["waiting"] == 9
    assert came(site.door) == []
    visitor.set_offline(False)
    until(page, lambda: counts(page)["sent"] == 9)
    assert in_warehouse(site.door, monkeypatch) == [("a", n) for n in range(9)]


def test_several_sinks_apart_from_each_other(
    site: Site, visitor: BrowserContext
) -> None:
    page = visitor.new_page()
    sinks = (
        "[Tallybook.spade('DOOR/spade'),"
        " Tallybook.flume('DOOR/flume', {clicked: ['number', 'tab']}),"
        " Tallybook.beacon('http://127.0.0.1:1/beacon'),"
        " events => { throw new Error('broken') },"
        " events => told.push(...events.map(event => event.name))]"
    )
    bodies: list[str] = []
    page.on("request", lambda request: bodies.append(request.post_data or ""))
    page.goto(site.page(sinks, "{properties: {tab: 'ü'}}"))
    page.evaluate("reporter.report('clicked', {number: 1, secret: '5f1c'})")
    page.evaluate("reporter.report('typed', {number: 2})")
    page.evaluate("{ const o = {}; o.o = o; reporter.report('circle', o) }")
    page.evaluate("reporter.report('')")

    def is_done() -> bool:
        found = page.evaluate("reporter.counts().map(each => each.sent)")
        return bool(found[0] == 2 and found[1] == 1 and found[4] == 2)

    until(page, is_done)
    assert page.evaluate("told") == ["clicked", "typed"]
    found = page.evaluate("reporter.counts()")
    assert [each["unusable"] for each in found] == [2] * 5
    assert [each["waiting"] for each in found[2:4]] == [2, 2]
    assert found[1]["withheld"] == 1
    by_source = {
        source: form["items"][0]["event"] for source, form in site.door.records()
    }
    assert by_source["spade"]["properties"] == {"number": 1, "tab": "ü"}
    assert by_source["flume"]["dropped"] == 0
    assert by_source["flume"]["id"] == by_source["spade"]["id"]
    flumed = [body for body in bodies if "%22clicked%22" in body]
    assert flumed
    assert not any("5f1c" in body for body in flumed)


def test_a_page_of_another_origin_gets_nothing_in(
    site: Site, visitor: BrowserContext, tmp_path: Path
) -> None:
    page = visitor.new_page()
    other = tmp_path / "other"
    other.mkdir()
    site.page()
    (other / "page.html").write_text((site.folder / "page.html").read_text())
    with pages(other) as origin:
        page.goto(f"{origin}/page.html")
        report(page, 0, 3)
        until(page, lambda: site.door.metrics().get(REFUSED, 0) >= 1)
        page.goto("about:blank")
    assert came(site.door) == []
