"""Reading Mailgun's events into DuckDB: ours against by hand.

    python -m benchmarks.extract_mailgun --events 100000

One stand-in serves both, in turn, each in a process of its own, so that peaks of
memory are its own. Imports are not timed; opening, loading and closing the file are.
Both must end with the same events. What is compared are medians.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import duckdb

EVENTS_OF_A_RECIPIENT = 3.05
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 14

FINGERPRINT = """
    select
        count(*),
        bit_xor(hash(event_key)),
        bit_xor(hash(event_name, occurred_at))
    from {table}
"""


def main() -> None:
    """Runs the comparison, or one side of it in a child process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--host", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        host = json.loads(arguments.host)
        with tempfile.TemporaryDirectory(prefix="tallybook-") as folder:
            print(json.dumps(SIDES[arguments.side](Path(folder), host)))
        return
    measured = compare(arguments.events, arguments.repetitions)
    print(json.dumps(measured, indent=2) if arguments.json else table(measured))


def compare(events: int, repetitions: int) -> dict[str, Any]:
    """Runs both sides in turn.

    Args:
        events: How many to serve, roughly.
        repetitions: Runs of each side.

    Returns:
        Events served, how many times as fast as each other side ours is, and for each
        side the medians and all runs.

    Raises:
        RuntimeError: The sides do not end with the same events.
    """
    from simulator import Spec, serve  # noqa: PLC0415 - the children don't need it

    emails = max(1, ceil(events / EVENTS_OF_A_RECIPIENT / 300))
    spec = Spec(
        begin=BEGIN, days=DAYS, accounts=1, emails=emails, recipients_per_email=300
    )
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    with serve(spec) as simulator:
        host = {
            "base_url": simulator.base_url,
            "key": simulator.api_key,
            "domain": simulator.domains[0],
        }
        for _ in range(repetitions):
            for side in SIDES:
                runs[side].append(_child(side, host))
    if len({tuple(run["fingerprint"]) for side in runs.values() for run in side}) > 1:
        raise RuntimeError(f"the sides loaded different events: {runs}")
    count = runs["ours"][0]["fingerprint"][0]
    sides = {side: _summary(count, found) for side, found in runs.items()}
    return {
        "events": count,
        "repetitions": repetitions,
        "ratios": {
            side: found["seconds"] / sides["ours"]["seconds"]
            for side, found in sides.items()
            if side != "ours"
        },
        "sides": sides,
        "runs": runs,
    }


def table(measured: dict[str, Any]) -> str:
    """What was measured, for a terminal."""
    lines = [f"{'':10}{'events/s':>10}{'seconds':>10}{'cpu s':>10}{'peak MB':>10}"]
    lines += [
        f"{side:10}{found['events_per_second']:>10,.0f}{found['seconds']:>10.2f}"
        f"{found['cpu_seconds']:>10.2f}{found['peak_mb']:>10.0f}"
        for side, found in measured["sides"].items()
    ]
    lines.append(
        f"{measured['events']:,} events, medians of {measured['repetitions']}: ours is "
        + ", ".join(
            f"{ratio:.2f} times as fast as {side}"
            for side, ratio in measured["ratios"].items()
        )
    )
    return "\n".join(lines)


def _child(side: str, host: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.extract_mailgun", "--side", side]
    done = subprocess.run(  # noqa: S603 - this very file
        [*command, "--host", json.dumps(host)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _summary(count: int, runs: list[dict[str, Any]]) -> dict[str, float]:
    seconds = median(run["seconds"] for run in runs)
    return {
        "seconds": seconds,
        "events_per_second": count / seconds,
        "cpu_seconds": median(run["cpu_seconds"] for run in runs),
        "peak_mb": median(run["peak_mb"] for run in runs),
    }


def _ours(folder: Path, host: dict[str, str]) -> dict[str, Any]:
    os.environ |= {
        "TALLYBOOK_HOME": str(folder),
        "TALLYBOOK_NOW": (BEGIN + timedelta(days=DAYS + 1)).isoformat(),
        "SOURCES__MAILGUN__API_KEY": host["key"],
        "SOURCES__MAILGUN__BASE_URL": host["base_url"],
        "SOURCES__MAILGUN__DOMAINS": host["domain"],
        "SOURCES__MAILGUN__SINCE": BEGIN.isoformat(),
    }
    from extract.pipeline import extract  # noqa: PLC0415 - not timed

    begun, cpu = perf_counter(), _cpu()
    extract(["mailgun"])
    return _measured(begun, cpu, folder / "warehouse.duckdb", "raw.mailgun_events")


def _by_hand(
    folder: Path, host: dict[str, str], *, landed: bool = True
) -> dict[str, Any]:
    from benchmarks import by_hand  # noqa: PLC0415 - not timed

    path = folder / "by_hand.duckdb"
    window = by_hand.window(
        BEGIN.timestamp(), (BEGIN + timedelta(days=DAYS + 1)).timestamp()
    )
    begun, cpu = perf_counter(), _cpu()
    where = host["base_url"], host["key"], host["domain"]
    by_hand.load(path, *where, window, landed=landed)
    return _measured(begun, cpu, path, "mailgun_events")


def _measured(begun: float, cpu: float, path: Path, table: str) -> dict[str, Any]:
    found = {
        "seconds": perf_counter() - begun,
        "cpu_seconds": _cpu() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "file_mb": path.stat().st_size / 1e6,
    }
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(FINGERPRINT.format(table=table)).fetchall()
    return {**found, "fingerprint": list(rows[0])}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


SIDES = {
    "ours": _ours,
    "by hand": _by_hand,
    "unlanded": partial(_by_hand, landed=False),
}

if __name__ == "__main__":
    main()
