"""A page whose clicks go the whole way, and a program that reports beside it.

page ──client.js──╮
program ─reporter─┴──▶ door ──▶ inbox ──▶ extract ─▶ build ─▶ fct_client_events_daily
"""

import os
import select
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from string import Template
from threading import Thread

import msgspec

from reporter import Reporter, Spade
from tallybook.errors import CannotRunError
from tallybook.say import GOOD, MIND, Say, counted

ALLOWED = {
    "page_viewed": ["account_id"],
    "button_clicked": ["account_id", "button"],
    "plan_changed": ["account_id", "plan"],
}
"""Events of the demo, and what is kept of each."""

PATIENCE = 60.0
"""Seconds that the demo waits for somebody to click."""


class DemoPage:
    """Serves the page on loopback.

    Attributes:
        origin: Of the page.
    """

    def __init__(self) -> None:
        """Listens, on a port that is free."""
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.html if self.path == "/" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", f"{len(body)}")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stays quiet: the terminal is the demo's."""

        self.html = b""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def show(self, door: str, accounts: Mapping[str, str]) -> None:
        """Makes the page.

        Args:
            door: The collector that it reports to.
            accounts: Time zone of each.
        """
        text = files("tallybook").joinpath("demo.html").read_text("utf-8")
        told = {"door": door, "accounts": msgspec.json.encode(accounts).decode()}
        self.html = Template(text).substitute(told).encode()


@contextmanager
def serving() -> Iterator[DemoPage]:
    """The page, for as long as the block lasts."""
    page = DemoPage()
    thread = Thread(target=page.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield page
    finally:
        page.server.shutdown()
        thread.join()
        page.server.server_close()


def report_as_a_program(say: Say, door: str, accounts: Mapping[str, str]) -> None:
    """Reports one event for each account, as an app's own server would.

    Raises:
        CannotRunError: The door doesn't take it.
    """
    with Reporter(Spade(f"{door}/spade")) as reporter:
        for account in accounts:
            reporter.report("plan_changed", {"account_id": account, "plan": "pro"})
        sent = reporter.flush()
    if not sent:
        raise CannotRunError("The door does not take what the reporter sends.")
    say.line(f"reporter for Python  {counted(len(accounts), 'event')} sent", GOOD)


def let_click(say: Say, origin: str) -> None:
    """Lets somebody click in the page, if anybody watches; Enter goes on."""
    if not (say.console.is_terminal and sys.stdin.isatty()):
        return
    say.line(f"[bold]Click[/] in {origin}/ and come back", MIND)
    say.line(f"  Enter goes on; it does so by itself after {PATIENCE:.0f} s.")
    if sys.platform == "darwin" or "DISPLAY" in os.environ:
        webbrowser.open(origin)
    if select.select([sys.stdin], [], [], PATIENCE)[0]:
        sys.stdin.readline()
