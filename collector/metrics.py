"""What Prometheus is told."""

from collections.abc import Callable, Iterator

Labels = tuple[str, ...]

_PREFIX = "tallybook_collector_"


class Metrics:
    """Counters and gauges; written to by the server's thread only."""

    def __init__(self) -> None:
        """All at zero."""
        self.answers: dict[tuple[str, int, str], int] = {}
        self.bytes_stored = 0
        self.records_stored = 0
        self.syncs = 0
        self.sync_seconds = 0.0
        self.gauges: dict[str, Callable[[], float]] = {}

    def answered(self, source: str, status: int, reason: str) -> None:
        """A request was answered."""
        key = (source, status, reason)
        self.answers[key] = self.answers.get(key, 0) + 1

    def text(self) -> str:
        """All of them, in Prometheus' text format."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests by what they got.")
        for (source, status, reason), count in sorted(self.answers.items()):
            labels = f'source="{source}",status="{status}",reason="{reason}"'
            yield f"{_PREFIX}requests_total{{{labels}}} {count}"
        for name, kind, value, text in (
            ("stored_records_total", "counter", self.records_stored, "In the inbox."),
            ("stored_bytes_total", "counter", self.bytes_stored, "Bodies of these."),
            ("syncs_total", "counter", self.syncs, "Waits for the disk."),
            ("sync_seconds_total", "counter", self.sync_seconds, "Time of these."),
        ):
            yield from _head(name, kind, text)
            yield f"{_PREFIX}{name} {value}"
        for name, gauge in self.gauges.items():
            yield from _head(name, "gauge", "Right now.")
            yield f"{_PREFIX}{name} {gauge()}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {text}"
    yield f"# TYPE {_PREFIX}{name} {kind}"
