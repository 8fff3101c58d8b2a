"""The reporter: batches, sinks apart from each other, retries, counts that add up."""

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from recorder import Recorder

from reporter import (
    Address,
    Console,
    Counts,
    Event,
    File,
    Flume,
    Limits,
    RefusedError,
    Reporter,
    Spade,
)

SOON = 20.0
"""Seconds after which a test gives up waiting; none is measured."""

NEVER = 3_600.0

QUICK = Limits(interval=0.01, first_pause=0.01, longest_pause=0.02)
ASKED_ONLY = Limits(interval=NEVER)


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.has_come = Flag()

    def __call__(self, events: Sequence[Event]) -> None:
        self.batches.append(list(events))
        self.has_come.set()

    @property
    def names(self) -> list[str]:
        return [event.name for batch in self.batches for event in batch]


class Stuck(Kept):
    """A sink that takes nothing before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_called = Flag()
        self.may_go_on = Flag()

    def __call__(self, events: Sequence[Event]) -> None:
        self.is_called.set()
        assert self.may_go_on.wait(SOON)
        super().__call__(events)


def broken(_: Sequence[Event]) -> None:
    raise OSError("it never works")


def only(reporter: Reporter) -> Counts:
    """The counts of a reporter's only sink, which must add up."""
    (counts,) = reporter.counts().values()
    assert_adds_up(counts)
    return counts


def until(is_so: Callable[[], bool]) -> None:
    """Waits until something is so."""
    end = monotonic() + SOON
    while not is_so():
        assert monotonic() < end
        sleep(0.01)


def assert_adds_up(counts: Counts) -> None:
    reported, *fates = astuple(counts)
    assert reported == sum(fates), counts


def test_a_batch_goes_when_it_has_enough_events() -> None:
    kept = Kept()
    with Reporter(kept, limits=Limits(interval=NEVER, batch_events=3)) as reporter:
        for number in range(7):
            reporter.report(f"event {number}")
        assert kept.has_come.wait(SOON)
        assert reporter.flush(SOON)
    assert [len(batch) for batch in kept.batches] == [3, 3, 1]
    assert kept.names == [f"event {number}" for number in range(7)]


def test_a_batch_goes_when_it_has_enough_bytes() -> None:
    kept = Kept()
    limits = Limits(interval=NEVER, batch_bytes=3_000)
    with Reporter(kept, limits=limits) as reporter:
        for _ in range(5):
            reporter.report("large", {"text": "x" * 1_300})
        assert kept.has_come.wait(SOON)
        assert reporter.flush(SOON)
    assert [len(batch) for batch in kept.batches] == [2, 2, 1]


def test_a_batch_goes_when_it_is_old() -> None:
    kept = Kept()
    with Reporter(kept, limits=Limits(interval=0.01)) as reporter:
        reporter.report("lonely")
        assert kept.has_come.wait(SOON)


def test_one_sinks_failure_touches_no_other(recorder: Recorder, tmp_path: Path) -> None:
    kept, console, stuck = Kept(), io.StringIO(), Stuck()
    limits = Limits(interval=0.01, attempts=2, first_pause=0.01)
    reporter = Reporter(
        *(broken, stuck, kept, Console(console)),
        *(File(tmp_path / "events.jsonl"), Spade(f"{recorder.url}/spade")),
        Flume(f"{recorder.url}/flume", {"clicked": ["where"]}),
        limits=limits,
    )
    reporter.report("clicked", {"where": "here", "email": "ann@example.com"})
    assert stuck.is_called.wait(SOON)
    assert not reporter.flush(0.1)  # since one is stuck
    others = ("broken", "kept", "console", "file", "spade", "flume")
    until(lambda: not any(reporter.counts()[name].waiting for name in others))

    counts = reporter.counts()
    assert counts["broken"].given_up == 1
    assert counts["stuck"].waiting == 1
    others = others[1:]
    assert [counts[name].sent for name in others] == [1] * 5
    (event,) = recorder.events()
    assert event["properties"] == {"where": "here", "email": "ann@example.com"}
    assert json.loads(console.getvalue()) == event
    assert json.loads((tmp_path / "events.jsonl").read_text()) == event
    (flumed,) = recorder.events("/flume")
    assert flumed == {**event, "properties": {"where": "here"}}
    stuck.may_go_on.set()
    reporter.close(SOON)
    assert reporter.counts()["stuck"].sent == 1
    for each in reporter.counts().values():
        assert_adds_up(each)


def test_nothing_off_flumes_allow_list_leaves_the_process(recorder: Recorder) -> None:
    flume = Flume(f"{recorder.url}/flume", {"clicked": ["where"]})
    with Reporter(flume) as reporter:
        reporter.report("clicked", {"where": "here", "secret": "5f1c"})
        reporter.report("typed_5f1c", {"where": "5f1c"})
    ((_, body),) = recorder.bodies
    assert b"5f1c" not in body
    counts = only(reporter)
    assert (counts.sent, counts.withheld) == (1, 1)


def test_a_batch_that_failed_is_sent_again_with_its_ids(recorder: Recorder) -> None:
    recorder.refusals = [503, 429, 500, 302]
    with Reporter(Spade(f"{recorder.url}/spade"), limits=QUICK) as reporter:
        reporter.report("first")
        assert reporter.flush(SOON)
        reporter.report("second")
    tries = recorder.batches(all_of=True)
    assert [[event["event"] for event in batch] for batch in tries] == [
        *[["first"]] * 5,
        ["second"],
    ]
    assert len({json.dumps(batch) for batch in tries}) == 2
    assert only(reporter).sent == 2


def test_what_is_refused_for_good_is_given_up_at_once(recorder: Recorder) -> None:
    recorder.refusals = [413]
    with Reporter(Spade(f"{recorder.url}/spade"), limits=QUICK) as reporter:
        reporter.report("too large for it")
        assert reporter.flush(SOON)
        reporter.report("fine")
    assert [event["event"] for event in recorder.events()] == ["fine"]
    assert len(recorder.bodies) == 2
    counts = only(reporter)
    assert (counts.given_up, counts.sent) == (1, 1)


def test_attempts_are_bounded() -> None:
    tried = []

    def failing(events: Sequence[Event]) -> None:
        tried.append([event.id for event in events])
        raise SystemExit  # whatever a sink raises, its thread lives on

    limits = Limits(interval=0.01, attempts=3, first_pause=0.001)
    with Reporter(failing, limits=limits) as reporter:
        reporter.report("a")
        assert reporter.flush(SOON)
        reporter.report("b")
        assert reporter.flush(SOON)
    assert [len(batch) for batch in tried] == [1] * 6
    assert only(reporter).given_up == 2


def test_memory_is_bounded_and_reporting_never_waits() -> None:
    stuck = Stuck()
    limits = Limits(interval=0.0, batch_events=1, capacity_events=5)
    reporter = Reporter(stuck, limits=limits)
    for number in range(8):
        reporter.report(f"event {number}")  # would hang here if it waited
    counts = only(reporter)
    assert (counts.waiting, counts.dropped) == (5, 3)
    stuck.may_go_on.set()
    reporter.close(SOON)
    assert stuck.names == [f"event {number}" for number in range(5)]


def test_memory_is_bounded_in_bytes() -> None:
    limits = Limits(interval=NEVER, capacity_bytes=5_000)
    kept = Kept()
    with Reporter(kept, limits=limits) as reporter:
        for _ in range(8):
            reporter.report("large", {"text": "x" * 1_500})
        counts = only(reporter)
        assert (counts.waiting, counts.dropped) == (3, 5)
        assert reporter.flush(SOON)
        reporter.report("large", {"text": "x" * 1_500})
    assert only(reporter).sent == 4


class Hostile:
    """No text stands for it."""

    def __str__(self) -> str:
        """Fails."""
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("event", "properties"),
    [
        ("", {}),
        (None, {}),
        ("odd", "no mapping"),
        ("odd", {"value": Hostile()}),
        ("odd", {("a", "tuple"): 1}),
        ("odd", {"value": float("nan")}),
        ("odd", {"value": "x" * 200_000}),
    ],
)
def test_whoever_reports_never_gets_an_error(event: Any, properties: Any) -> None:
    kept = Kept()
    with Reporter(kept) as reporter:
        reporter.report(event, properties)
        circle: dict[str, Any] = {}
        circle["itself"] = circle
        reporter.report("odd", circle)
        reporter.report("fine", {"when": Path("as text")})
    reporter.report("too late")
    assert kept.names == ["fine"]
    assert kept.batches[0][0].properties == {"when": "as text"}
    counts = only(reporter)
    assert (counts.unusable, counts.sent, counts.dropped) == (2, 1, 1)


def test_an_event_is_as_it_was_when_it_was_reported() -> None:
    kept = Kept()
    basket = ["apple"]
    with Reporter(kept, properties={"app": "shop"}) as reporter:
        reporter.report("bought", {"basket": basket})
        basket.append("pear")
    ((event,),) = kept.batches
    assert event.properties == {"app": "shop", "basket": ["apple"]}
    assert json.loads(event.encoded)["id"] == event.id


def test_closing_sends_what_waits_and_hurries() -> None:
    tried = Flag()
    kept = Kept()

    def works_the_second_time(events: Sequence[Event]) -> None:
        if not tried.is_set():
            tried.set()
            raise OSError("not yet")
        kept(events)

    limits = Limits(interval=NEVER, batch_events=1, first_pause=0.01)
    slow = Limits(**{**limits.__dict__, "first_pause": 0.01, "longest_pause": NEVER})
    reporter = Reporter(works_the_second_time, limits=slow)
    for number in range(3):
        reporter.report(f"event {number}")
    assert tried.wait(SOON)
    reporter.close(SOON)
    reporter.close(SOON)
    assert kept.names == ["event 0", "event 1", "event 2"]
    assert only(reporter).sent == 3


def test_closing_gives_up_on_a_sink_that_hangs() -> None:
    stuck = Stuck()
    reporter = Reporter(stuck, limits=Limits(interval=0.0, batch_events=1))
    for _ in range(3):
        reporter.report("never")
    assert stuck.is_called.wait(SOON)
    reporter.close(0.05)
    counts = only(reporter)
    assert (counts.given_up, counts.waiting) == (3, 0)
    stuck.may_go_on.set()
    assert stuck.has_come.wait(SOON)  # late; counted as given up all the same
    assert only(reporter) == counts


def test_a_sink_may_report_itself() -> None:
    def echo(events: Sequence[Event]) -> None:
        for event in events:
            if event.name == "said":
                reporter.report("heard")
                reporter.flush(SOON)  # can't wait for itself

    reporter = Reporter(echo, limits=QUICK)
    reporter.report("said")
    reporter.close(SOON)
    counts = only(reporter)
    assert counts.sent + counts.dropped == 2


def test_many_threads_report_at_once(recorder: Recorder) -> None:
    limits = Limits(interval=0.01, batch_events=50)
    reporter = Reporter(Spade(f"{recorder.url}/spade"), limits=limits)

    def work(worker: int) -> None:
        for number in range(250):
            reporter.report("worked", {"worker": worker, "number": number})

    threads = [Thread(target=work, args=[worker]) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.close(SOON)
    events = recorder.events()
    assert len({event["id"] for event in events}) == len(events) == 2_000
    told = {(e["properties"]["worker"], e["properties"]["number"]) for e in events}
    assert len(told) == 2_000
    assert only(reporter).sent == 2_000


def test_an_event_loop_is_never_held_up() -> None:
    stuck = Stuck()
    limits = Limits(interval=0.0, batch_events=1)

    async def app() -> Counts:
        reporter = Reporter(stuck, limits=limits)

        async def work(number: int) -> None:
            reporter.report("worked", {"number": number})
            await asyncio.sleep(0)

        await asyncio.gather(*(work(number) for number in range(100)))
        # Only now, on the loop itself: a report that waited would have hung it.
        asyncio.get_running_loop().call_later(0.01, stuck.may_go_on.set)
        await reporter.aclose(SOON)
        return only(reporter)

    assert asyncio.run(app()).sent == 100


def test_the_address_moves_and_stays_when_nobody_tells(recorder: Recorder) -> None:
    address = Address("http://first.example/spade", f"{recorder.url}/where", every=0)
    assert address.current() == "http://first.example/spade"  # 404: the default
    recorder.text = "https://second.example/spade?key=k\n"
    assert address.current() == "https://second.example/spade?key=k"
    for nonsense in ("", "ftp://third.example", "https:// x", "<html>", "http://h:0"):
        recorder.text = nonsense
        assert address.current() == "https://second.example/spade?key=k", nonsense
    recorder.text = None
    assert address.current() == "https://second.example/spade?key=k"
    recorder.text = "http://third.example/spade"
    assert address.current() == "http://third.example/spade"


def test_it_is_asked_only_now_and_then(recorder: Recorder) -> None:
    address = Address("http://first.example", f"{recorder.url}/where", every=NEVER)
    recorder.text = f"{recorder.url}/spade"
    with Reporter(Spade(address)) as reporter:
        reporter.report("moved")
        assert reporter.flush(SOON)
        recorder.text = "http://127.0.0.1:1/spade"
        reporter.report("again")
    assert [event["event"] for event in recorder.events()] == ["moved", "again"]


def test_a_sink_that_refuses_says_why(caplog: pytest.LogCaptureFixture) -> None:
    def refusing(_: Sequence[Event]) -> None:
        raise RefusedError("not in this house")

    with Reporter(refusing) as reporter:
        reporter.report("knocked")
    assert "refusing: gave up on 1 events: not in this house" in caplog.text
    assert only(reporter).given_up == 1
