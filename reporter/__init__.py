"""Reports what happens in an app: no dependencies, no waiting, nothing lost unsaid.

report() ──▶ queue of each sink ──▶ its thread: batches, retries ──▶ collector, …

with Reporter(Spade("https://events.example.com/spade?key=…")) as reporter:
    reporter.report("signed_up", {"account_id": "7", "plan": "pro"})
"""

from reporter.address import Address
from reporter.event import Event
from reporter.lane import Counts, Limits, RefusedError, Sink
from reporter.reporter import Reporter
from reporter.sinks import Console, File, Flume, Spade

__all__ = [
    "Address",
    "Console",
    "Counts",
    "Event",
    "File",
    "Flume",
    "Limits",
    "RefusedError",
    "Reporter",
    "Sink",
    "Spade",
]
