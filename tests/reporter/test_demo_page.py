"""Clicks in the demo's page, in a real browser, end in the published file."""

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from time import monotonic

import duckdb
from chromium import needs_chromium
from playwright.sync_api import Browser, expect

from tests.parsed import plant

pytestmark = needs_chromium

SCRIPT = Path(sys.executable).with_name("tallybook")

PATIENCE = 300.0
"""Seconds for the whole demo, on a machine that has other work."""


class Terminal:
    """The demo on a terminal that a person watches."""

    def __init__(self, home: Path) -> None:
        ours, its = pty.openpty()
        self._end = ours
        self._said = ""
        self.process = subprocess.Popen(
            [SCRIPT, "demo"],
            env={k: v for k, v in os.environ.items() if k not in ("CI", "DISPLAY")}
            | {"TALLYBOOK_HOME": str(plant(home)), "TERM": "xterm", "COLUMNS": "100"},
            stdin=its,
            stdout=its,
            stderr=its,
        )
        os.close(its)

    def read_until(self, pattern: str) -> "re.Match[str]":
        """Reads on until it has said so.

        Raises:
            AssertionError: It ended, or took too long.
        """
        until = monotonic() + PATIENCE
        while not (found := re.search(pattern, self._said)):
            left = until - monotonic()
            assert select.select([self._end], [], [], max(0, left))[0], self._said
            try:
                self._said += os.read(self._end, 65_536).decode(errors="replace")
            except OSError as error:  # a terminal's end, once its program has ended
                raise AssertionError(self._said) from error
        return found

    def press_enter(self) -> None:
        os.write(self._end, b"\n")


def test_clicks_in_the_demos_page_are_in_the_published_file(
    tmp_path: Path, browser: Browser
) -> None:
    terminal = Terminal(tmp_path)
    [address] = terminal.read_until(r"Click\S* in (http://[\d.:]+/)").groups()

    page = browser.new_page()
    page.goto(address)
    page.select_option("#account", index=1)
    account = page.locator("#account").input_value()
    for name in ("Write an email", "Invite a colleague", "Write an email"):
        page.get_by_role("button", name=name).click()
    expect(page.locator("#sent")).to_have_text("4")
    page.close()
    terminal.press_enter()
    terminal.read_until("how it works .*")

    assert terminal.process.wait(PATIENCE) == 0
    published = tmp_path / "published" / "analytics.duckdb"
    with duckdb.connect(published, read_only=True) as con:
        rows = con.execute(
            "select account_id = ?, event_name, events"
            " from marts.fct_client_events_daily"
            " where event_name in ('page_viewed', 'button_clicked')"
            " and account_id is not null order by all",
            [account],
        ).fetchall()
    assert rows == [(False, "page_viewed", 1), (True, "button_clicked", 3)]
