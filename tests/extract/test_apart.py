"""A long read goes on in another process; nobody can tell, and none is left behind."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mailgun_host import NOON, Answer, Host, event, page
from raw_reader import Raw

from extract import http, mailgun_pages
from extract.home import home
from extract.pipeline import extract
from simulator import Simulator, Spec, serve

SPEC = Spec(seed=7, days=3, accounts=1, emails=6, recipients_per_email=40, hostile=0.05)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Simulator]:
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read is a long one, from its second page on."""
    monkeypatch.setattr(mailgun_pages, "SOON", 0)
    monkeypatch.setattr(mailgun_pages, "LONG", 0)


def readers(parent: int | None = None) -> list[psutil.Process]:
    """The processes that read for another one."""
    return [
        child
        for child in psutil.Process(parent).children(recursive=True)
        if "extract.apart" in child.cmdline()
    ]


@pytest.mark.parametrize("api", ["events", "logs"])
@pytest.mark.parametrize("soon", [0, 300_000])
def test_long_and_short_reads_bring_the_same_rows(
    stand_in: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    api: str,
    soon: int,
) -> None:
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", stand_in.api_key)
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", ",".join(stand_in.domains))
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", stand_in.base_url)
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", SPEC.begin.isoformat())
    monkeypatch.setenv("SOURCES__MAILGUN__API", api)
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-05T00:00:00Z")
    monkeypatch.setattr(http, "PATIENCE", http.Patience(12, 0.001, 0.01))
    found = {}
    for name in ("short", "long"):
        monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / name))
        if name == "long":
            monkeypatch.setattr(mailgun_pages, "SOON", soon)
            monkeypatch.setattr(mailgun_pages, "LONG", soon)
        assert {outcome.outcome for outcome in extract(["mailgun"])} == {"ok"}
        raw = Raw(home())
        found[name] = [
            raw.rows(sql)
            for sql in (
                "select * exclude (received_at, request_id, _dlt_load_id)"
                " from mailgun_events order by event_key",
                "select dead_letter_key, reason, position, body"
                " from dead_letters order by 1",
                "select lane, events, loaded, repeated, dead"
                " from requests order by request_id",
                "select lane, cursor, events, dead, message from lane_runs order by 1",
            )
        ]

    assert found["long"] == found["short"]
    assert len(found["long"][0]) > 600
    assert found["long"][1]
    assert readers() == []


def serve_then(host: Host, last: Any, pages: int = 3) -> None:
    """Serves some pages of one event each, then what `last` answers."""

    def answer(path: str) -> Answer:
        number = int(path.rpartition("/page-")[2]) if "/page-" in path else 0
        if number >= pages:
            return last(path) if callable(last) else last
        following = f"{host.base_url}/v3/d/events/page-{number + 1}"
        return Answer(page([event(f"{number}", NOON + number)], following))

    host.script = [answer]


@pytest.mark.parametrize(
    "last",
    [
        Answer(status=500),
        Answer(b"<html>busy</html>"),
        Answer(status=401),
        lambda _: Answer(page([event("x")], "http://other.example/")),
        Answer(reset=True),
    ],
)
def test_errors_come_through_as_they_are(
    mailgun: Host, raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: Any
) -> None:
    serve_then(mailgun, last)
    told = [extract(["mailgun"])[0]]
    asked = len(mailgun.requests)
    mailgun.requests.clear()
    letters = raw.rows("select reason, body from dead_letters")
    ids = raw.ids()
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "apart"))
    monkeypatch.setattr(mailgun_pages, "SOON", 0)
    monkeypatch.setattr(mailgun_pages, "LONG", 0)

    told.append(extract(["mailgun"])[0])

    assert told[0] == told[1]
    assert told[1].outcome == "failed"
    assert len(mailgun.requests) == asked
    apart = Raw(home())
    assert apart.ids() == ids
    assert apart.rows("select reason, body from dead_letters") == letters


@pytest.mark.usefixtures("at_once")
def test_reader_that_is_killed_fails_the_lane_and_the_next_run_goes_on(
    mailgun: Host, raw: Raw
) -> None:
    def kill(_: str) -> Answer:
        for reader in readers():
            reader.kill()
        return Answer(page([]))

    serve_then(mailgun, kill)
    outcome = extract(["mailgun"])[0]
    kept = raw.ids()
    serve_then(mailgun, Answer(page([])))

    again = extract(["mailgun"])[0]

    assert outcome.outcome == "failed"
    assert "ended too early (status -9)" in outcome.message
    assert kept[0] == "0"
    assert again.outcome == "ok"
    assert raw.ids() == ["0", "1", "2"]
    assert readers() == []


@pytest.mark.usefixtures("at_once")
def test_reader_is_told_the_key_where_nobody_sees_it(mailgun: Host) -> None:
    seen: list[str] = []

    def look(_: str) -> Answer:
        for reader in readers():
            seen.extend([*reader.cmdline(), *reader.environ().values()])
        return Answer(page([]))

    serve_then(mailgun, look)

    assert extract(["mailgun"])[0].outcome == "ok"

    assert "extract.apart" in seen
    assert not any("key-test" in text for text in seen)


@pytest.mark.usefixtures("at_once")
def test_read_that_is_asked_to_end_leaves_no_reader(mailgun: Host, raw: Raw) -> None:
    serve_then(mailgun, Answer(page([])), pages=1_000)
    pages_read: list[int] = []

    outcome = extract(
        ["mailgun"],
        on_progress=lambda progress: pages_read.append(progress.events),
        is_ending=lambda: len(pages_read) >= 3,
    )[0]

    assert outcome.outcome == "cut_short"
    assert 3 <= len(raw.ids()) <= 5
    assert readers() == []


def test_no_reader_outlives_the_one_that_it_reads_for(mailgun: Host) -> None:
    def hang(_: str) -> Answer:
        time.sleep(20)
        return Answer(page([]))

    serve_then(mailgun, hang)
    script = (
        "from extract import mailgun_pages, pipeline\n"
        "mailgun_pages.SOON = mailgun_pages.LONG = 0\n"
        "pipeline.extract(['mailgun'])"
    )
    with subprocess.Popen([sys.executable, "-c", script], env=os.environ) as parent:
        while len(mailgun.requests) < 4:
            assert parent.poll() is None
            time.sleep(0.05)
        [reader] = readers(parent.pid)
        parent.kill()

    reader.wait(5)

    assert not reader.is_running()
