"""What a tick costs in the living process, by how much history there is.

    python -m benchmarks.tick --events 1000000 10000000

A history of four events a recipient is written into raw, built and published; then a
host on loopback serves 300 new events for each tick: opens of recipients of the last
three days, 3 % of them of anyone of the last forty. A tick is what
`tallybook run --every 60s` does: extract, build with its tests, publish.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb

from extract.pipeline import Memory, Outcome, Progress
from extract.warehouse import open_warehouse
from tallybook import status
from tallybook.build import Dbt
from tallybook.builds import Build
from tallybook.publish import Publication
from tallybook.run import run

DOMAIN = "mail.example.com"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
APART = 1.234567
"""Seconds between two recipients of the history (recipient_status_raw.sql)."""

EACH = 1_000
"""Recipients of an email."""

OF_EACH = 4
"""Events of a recipient."""

AT_ONCE = 500_000
"""Recipients whose events are written in one statement, sorted by time."""

NEW = 300
"""Events of a tick."""

LATE = 9
"""Those of them that concern old mail."""

PROVIDERS = ("gmail.com", "outlook.com", "example.org")


@dataclass
class Laps:
    """When a run's steps ended; its listener."""

    begun: float = field(default_factory=time.perf_counter)
    laps: dict[str, float] = field(default_factory=dict)

    def extracting(self, progress: Progress) -> None:
        """Nothing."""

    def extracted(self, outcomes: Sequence[Outcome]) -> None:
        """Refuses figures of a run that did not do its work."""
        if bad := [one for one in outcomes if one.outcome == "failed"]:
            raise SystemExit(f"{bad[0].source}: {bad[0].message}")
        self._lap("extract")

    def building(self, done: int, nodes: int) -> None:
        """Nothing."""

    def built(self, build: Build) -> None:
        """The build with its tests."""
        if not build.is_green:
            raise SystemExit(f"the build failed: {(*build.errors, *build.failures)[0]}")
        self._lap("build")

    def published(self, _: Publication) -> None:
        """The publication."""
        self._lap("publish")

    def unpublished(self) -> None:
        """Never: the build is green."""

    def _lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self.begun
        self.begun = now


class Provider(BaseHTTPRequestHandler):
    """Serves `events` in a window, a page at once."""

    protocol_version = "HTTP/1.1"
    events: list[tuple[float, bytes]] = []  # noqa: RUF012 - of the one host

    def do_GET(self) -> None:
        """The page that was asked for; there is none after it, and no statistics."""
        asked = urlsplit(self.path)
        page = b'{"stats":[]}'
        if not asked.path.endswith("/stats/total"):
            query = parse_qs(asked.query)
            begin, end = (float(query[name][0]) for name in ("begin", "end"))
            due = b",".join(body for at, body in self.events if begin <= at < end)
            page = b'{"items":[%s],"paging":{}}' % due
        self.send_response(200)
        self.send_header("content-length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--ticks", type=int, default=7)
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    for events in options.events:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            if options.keep:
                home = options.keep / str(events)
                home.mkdir(parents=True, exist_ok=True)
            found = measure(home, events, options.ticks)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def measure(home: Path, events: int, ticks: int) -> dict[str, float]:
    """Medians of ticks on a history of so many events, in seconds."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    recipients = events // OF_EACH
    begin = BEGIN + recipients * APART + 600
    os.environ |= {
        "TALLYBOOK_HOME": str(home),
        "SOURCES__MAILGUN__API_KEY": "bench",
        "SOURCES__MAILGUN__DOMAINS": DOMAIN,
        "SOURCES__MAILGUN__BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "SOURCES__MAILGUN__SINCE": _iso(begin - 3_600),
    }
    dbt, memory, done = Dbt(home), Memory(), home / "ticks.json"
    Provider.events = []
    if not done.exists():
        _history(home, dbt, recipients)
        done.write_text("0")
    earlier = json.loads(done.read_text())
    begun = time.perf_counter()
    _tick(home, dbt, memory, begin + earlier * 60)
    first = time.perf_counter() - begun
    laps: list[dict[str, float]] = []
    for number in range(earlier, earlier + ticks + 1):
        now = begin + (number + 1) * 60
        Provider.events += _new_events(now, recipients, number)
        laps.append(_tick(home, dbt, memory, now))
        done.write_text(json.dumps(number + 1))
    size = (home / "warehouse.duckdb").stat().st_size
    server.shutdown()
    laps = laps[1:]  # the first one of them warms up
    medians = {name: statistics.median(lap[name] for lap in laps) for name in laps[0]}
    told = {name: round(value, 2) for name, value in medians.items()}
    return {
        "events": events,
        "first": round(first, 1),
        "gb": round(size / 1e9, 2),
        **told,
    }


def _tick(home: Path, dbt: Dbt, memory: Memory, now: float) -> dict[str, float]:
    os.environ["TALLYBOOK_NOW"] = _iso(now)
    laps, begun = Laps(), time.perf_counter()
    run(home, laps, dbt=dbt, memory=memory)
    status.note(home)
    return {**laps.laps, "tick": time.perf_counter() - begun}


def _history(home: Path, dbt: Dbt, recipients: int) -> None:
    with open_warehouse():
        pass  # makes the tables, with their compression
    script = Path(__file__).with_name("recipient_status_raw.sql").read_text()
    dbt.build()  # makes what dlt would, and the ledger
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("set TimeZone = 'UTC'")
        for statement in script.strip().removesuffix(";").split(";\n"):
            if "time_zone_days" in statement:
                continue
            size = AT_ONCE if "mailgun_events" in statement else recipients
            for first in range(0, recipients, size):
                sizes = {
                    "first": first,
                    "recipients": min(first + size, recipients),
                    "each": EACH,
                    "of_each": OF_EACH,
                }
                used = {k: v for k, v in sizes.items() if f"${k}" in statement}
                con.execute(statement, used)


def _new_events(now: float, recipients: int, tick: int) -> list[tuple[float, bytes]]:
    """Opens of the minute that the next tick reads."""
    chance = random.Random(tick)  # noqa: S311 - the same at every run
    oldest = {False: int(3 * 86_400 / APART), True: int(40 * 86_400 / APART)}
    events = []
    for number in range(NEW):
        back = chance.randrange(1, min(recipients, oldest[number < LATE]))
        reader = recipients - back
        at = round(now - 120 + number * 60 / NEW, 6)
        to = f"reader-{reader}@{PROVIDERS[reader % 3]}"
        email = email_id(reader // EACH)
        body = {
            "id": f"tick-{tick}-{number}",
            "event": "opened",
            "timestamp": at,
            "recipient": to,
            "client-info": {"bot": "", "user-agent": "Mozilla/5.0"},
            "message": {"headers": {"message-id": f"{email}@{DOMAIN}", "to": to}},
            "user-variables": {"email-id": email},
            "pad": "x" * 700,
        }
        events.append((at, json.dumps(body).encode()))
    return events


def email_id(number: int) -> str:
    """The same as the macro in recipient_status_raw.sql."""
    begins = f"{1_772_323_200 + number * 1_234:08x}"
    return begins + hashlib.md5(str(number).encode()).hexdigest()[:16]  # noqa: S324 - spread only


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


if __name__ == "__main__":
    main()
