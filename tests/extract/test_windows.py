"""The planner of windows: where lanes begin and end, and that nothing is left out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extract.windows import (
    DAY,
    HEAD_LAG,
    PAGE,
    SECOND,
    Errand,
    LaneName,
    Reach,
    Stand,
    Tick,
    Window,
    caught_up,
    resumes_at,
    scheduled,
    stopped_at,
)

NOW = 1_772_366_400 * SECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def tick(
    *,
    now: int = NOW,
    max_events: int | None = None,
    since: int | None = NOW - DAY,
    stand: Stand | None = None,
    newest: int | None = None,
    read: int = 0,
) -> Tick:
    """A tick of a domain with a trust window of an hour."""
    return Tick(now, 3_600, max_events, since, stand or Stand(), newest, read)


def window_of(errand: Errand | None) -> Window:
    assert errand is not None
    return errand.window


@pytest.mark.parametrize(
    ("stand", "newest", "since", "begin"),
    [
        (Stand(latest=NOW - 7), NOW - HOUR, NOW - DAY, NOW - 7),
        (Stand(), NOW - HOUR, NOW - DAY, NOW - HOUR),
        (Stand(), None, NOW - DAY, NOW - DAY),
        (Stand(), None, None, NOW - 30 * DAY),
    ],
    ids=["where it stopped", "newest stored event", "since", "all that is kept"],
)
def test_latest_begins(
    stand: Stand, newest: int | None, since: int | None, begin: int
) -> None:
    planned = tick(stand=stand, newest=newest, since=since).latest()

    assert planned == ("latest", (begin, NOW - MINUTE), None)


@pytest.mark.parametrize(
    ("stand", "begin"),
    [
        (Stand(NOW - DAY, NOW - HOUR, NOW - 5 * HOUR), NOW - 5 * HOUR),
        (Stand(NOW - 2 * DAY, NOW - HOUR), NOW - 2 * DAY),
        (Stand(latest=NOW - 3 * HOUR), NOW - 3 * HOUR),
        (Stand(), NOW - DAY),
    ],
    ids=["where it stopped", "where latest began first", "old warehouse", "no state"],
)
def test_missing_begins(stand: Stand, begin: int) -> None:
    planned = tick(stand=stand, newest=NOW)
    planned.latest()

    assert window_of(planned.missing()).begin == begin


@pytest.mark.parametrize(
    ("latest", "end"),
    [(NOW - MINUTE, NOW - HOUR), (NOW - 2 * HOUR, NOW - 2 * HOUR)],
    ids=["trust window", "where latest began"],
)
def test_missing_ends(latest: int, end: int) -> None:
    planned = tick(stand=Stand(NOW - DAY, latest))
    planned.latest()

    assert window_of(planned.missing()).end == end


def test_missing_is_planned_after_latest() -> None:
    with pytest.raises(ValueError, match="plan that first"):
        tick().missing()


def test_scheduled_is_what_was_given_and_goes_on_where_it_stopped() -> None:
    assert scheduled(NOW - DAY, NOW - HOUR, None, NOW) == (NOW - DAY, NOW - HOUR)
    assert scheduled(NOW - DAY, NOW - HOUR, NOW - 7, NOW) == (NOW - 7, NOW - HOUR)
    assert scheduled(NOW - DAY, NOW + HOUR, None, NOW).end == NOW - HEAD_LAG


def test_everything_begins_at_since_whatever_the_budget() -> None:
    planned = tick(max_events=5, stand=Stand(NOW - DAY, NOW - HOUR))

    assert planned.everything() == ("latest", (NOW - DAY, NOW - MINUTE), None)


@pytest.mark.parametrize(("begin", "empty"), [(59, True), (60, True), (61, False)])
def test_window_that_ends_before_it_begins_is_empty(begin: int, empty: bool) -> None:
    planned = tick(stand=Stand(latest=NOW - begin * SECOND))

    assert planned.latest().window.is_empty is empty


def test_clock_that_was_set_back_asks_for_nothing() -> None:
    planned = tick(stand=Stand(NOW - DAY, NOW + HOUR, NOW))

    assert planned.latest().window.is_empty
    assert window_of(planned.missing()).is_empty


@pytest.mark.parametrize(
    ("max_events", "read", "shared", "budget"),
    [
        (None, 9_999, True, None),
        (10_000, 4_000, False, 6_000),
        (10_000, 4_000, True, 3_000),
        (10_000, 9_700, False, 300),
        (10_000, 9_500, True, 500),
        (10_000, 9_701, False, "waits"),
        (10_000, 12_000, False, "waits"),
        (100, 50, False, 50),
        (100, 51, False, "waits"),
        (1, 0, False, 1),
    ],
)
def test_missing_gets_what_latest_left_over(
    max_events: int | None, read: int, shared: bool, budget: int | str | None
) -> None:
    planned = tick(max_events=max_events, stand=Stand(NOW - DAY, NOW - HOUR))
    assert planned.latest().budget == max_events
    planned.read = read

    errand = planned.missing(shared=shared)

    assert (errand.budget if errand else "waits") == budget
    assert PAGE == 300


def test_backfill_gets_what_the_others_left_over() -> None:
    window = Window(NOW - DAY, NOW)

    assert tick(max_events=1_000, read=400).scheduled(window) == (
        "scheduled",
        window,
        600,
    )
    assert tick(max_events=1_000, read=800).scheduled(window) is None


@given(
    events=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    early=st.integers(0, 11),
    to=st.integers(0, 11),
    read=st.integers(0, 5),
)
def test_what_lies_behind_the_reach_has_been_read(
    events: list[int], early: int, to: int, read: int
) -> None:
    # Pages of three from a log in order, but for one event that comes too early, as
    # the last of a page that begins with one that is due.
    log = sorted(events)
    log.insert(min(to, early) // 3 * 3 + 2, log.pop(min(early, len(log) - 1)))
    pages = [log[n : n + 3] for n in range(0, len(log), 3)]
    reach = Reach(Window(0, 21))
    for page in pages[:read]:
        reach.page(page)

    unread = [at for page in pages[read:] for at in page]
    assert all(at >= reach.through for at in unread)


def test_window_that_was_read_to_its_end_reaches_to_its_last_event() -> None:
    reach = Reach(Window(0, 21))
    reach.page([1, 9, 5])
    reach.page([6, 7])

    reach.end()

    assert reach.through == 9


def test_events_outside_of_the_window_do_not_count_for_its_reach() -> None:
    reach = Reach(Window(10, 20))

    reach.page([5, 12, 20, 30])
    reach.end()

    assert (reach.through, reach.events) == (12, 1)


def test_lane_may_stop_only_once_it_has_left_its_first_instant() -> None:
    reach = Reach(Window(10, 20))

    reach.page([10, 10, 11])
    on_begin = reach.may_stop
    reach.page([11, 12])

    assert (on_begin, reach.may_stop) == (False, True)


def read_whole(*events: int, end: int = NOW - MINUTE) -> Reach:
    reach = Reach(Window(NOW - DAY, end))
    reach.page(events)
    reach.end()
    return reach


def test_quiet_lane_begins_a_second_after_its_last_event() -> None:
    last = NOW - HOUR + 5

    assert caught_up(read_whole(NOW - DAY, last), NOW) == last + SECOND


def test_quiet_lane_never_begins_after_its_windows_end() -> None:
    end = NOW - HOUR

    assert caught_up(read_whole(end - 1, end=end), NOW) == end


def test_lane_begins_at_its_cursor_after_a_budget_a_failure_and_a_fresh_event() -> None:
    stopped = Reach(Window(NOW - DAY, NOW - MINUTE))
    stopped.page([NOW - HOUR, NOW - HOUR])

    assert caught_up(stopped, NOW) is None
    assert caught_up(read_whole(), NOW) is None
    assert caught_up(read_whole(NOW - SECOND, end=NOW), NOW) is None


def test_cursor_never_goes_back_and_a_finished_backfill_stands_at_its_end() -> None:
    reach = read_whole(NOW - HOUR)

    assert stopped_at("latest", NOW - DAY, reach) == NOW - HOUR
    assert stopped_at("missing", NOW - 5, reach) == NOW - 5
    assert stopped_at("scheduled", NOW - DAY, reach) == NOW - MINUTE


def test_lane_over_several_domains_resumes_at_the_earliest_that_was_cut_short() -> None:
    assert resumes_at([NOW, NOW - 5, NOW - 9], NOW) == NOW - 9
    assert resumes_at([NOW, NOW], NOW) == NOW


class Stored(NamedTuple):
    """An event of a simulated provider's log, in seconds."""

    occurred_at: int
    stored_at: int


class Step(NamedTuple):
    """What happens in one tick of a simulated life.

    Attributes:
        wait: Seconds since the tick before.
        behind: Seconds that our clock is behind.
        budget: Events for the tick; None for no limit.
        fails_after: Pages, for each lane in turn, after which the host fails.
        killed: Whether the process dies before it commits, in which lane's turn.
        restarts: Whether it begins anew before the tick.
        asks: What is asked for before it: a range to be read again, a cancel.
    """

    wait: int
    behind: int
    budget: int | None
    fails_after: tuple[int, int, int]
    killed: int
    restarts: bool
    asks: tuple[int, int] | str | None


TRUST = 1_800
PAGE_OF_THREE = 3


@dataclass
class Life:
    """A poller's life against a log, with nothing but the planner to decide.

    Attributes:
        covered: Through where each lane's stretches join, from its first begin on.
        held: Events that were committed.
    """

    log: list[Stored]
    stand: Stand = field(default_factory=Stand)
    resume: dict[LaneName, tuple[int | None, int]] = field(default_factory=dict)
    covered: dict[LaneName, int] = field(default_factory=dict)
    held: set[Stored] = field(default_factory=set)
    backfill: tuple[int, int, int] | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)
    time: int = 0
    cut_short: int = 0

    def tick(self, step: Step) -> None:
        self.time += step.wait
        if step.restarts:
            self.resume.clear()
        if step.asks == "cancel":
            self.backfill = None
        elif isinstance(step.asks, tuple) and self.backfill is None:
            begin, end = (at * SECOND for at in step.asks)
            self.backfill = (begin, end, begin)
        now = (self.time - step.behind) * SECOND
        stand = Stand(
            self.stand.first_begin,
            self.begin("latest", self.stand.latest),
            self.begin("missing", self.stand.missing),
        )
        plan = Tick(now, TRUST, step.budget, 0, stand)
        self.cut_short = 0
        for turn, errand in enumerate(self.errands(plan)):
            if errand and not errand.window.is_empty:
                pages = step.fails_after[turn]
                self.run(errand, plan, now, pages, killed=step.killed == turn)

    def begin(self, lane: LaneName, cursor: int | None) -> int | None:
        known, resume = self.resume.get(lane, (None, 0))
        return resume if known is not None and known == cursor else cursor

    def errands(self, plan: Tick) -> Iterator[Errand | None]:
        yield plan.latest()
        yield plan.missing(shared=self.backfill is not None)
        if self.backfill is not None:
            begin, end, stopped = self.backfill
            yield plan.scheduled(scheduled(begin, end, stopped, plan.now))

    def run(
        self, errand: Errand, plan: Tick, now: int, pages: int, *, killed: bool
    ) -> None:
        lane, window, budget = errand
        self.assert_no_gap(lane, window)
        due = sorted(
            event
            for event in self.log
            if event.stored_at <= self.time
            and window.begin <= event.occurred_at * SECOND < window.end
        )
        reach, read, enough = Reach(window), 0, False
        for start in range(0, len(due), PAGE_OF_THREE):
            if start // PAGE_OF_THREE == pages or enough:
                break
            page = due[start : start + PAGE_OF_THREE]
            read += len(page)
            reach.page([event.occurred_at * SECOND for event in page])
            enough = budget is not None and read >= budget and reach.may_stop
        else:
            if not enough:
                reach.end()
        plan.read += read
        self.cut_short += not reach.is_whole
        if killed:
            self.resume.clear()
            return
        self.held.update(due[:read])
        unread = [event.occurred_at * SECOND for event in due[read:]]
        self.note(lane, reach, plan, min(unread, default=window.end))
        resume = caught_up(reach, now)
        if resume is not None and lane != "scheduled":
            self.resume[lane] = getattr(self.stand, lane), resume

    def note(self, lane: LaneName, reach: Reach, plan: Tick, through: int) -> None:
        """Commits a lane's cursor."""
        first = plan.first_begin
        if lane == "scheduled":
            assert self.backfill is not None
            begin, end, before = self.backfill
            stopped = stopped_at(lane, before, reach)
            self.backfill = None if stopped == end else (begin, end, stopped)
            if stopped == end:
                self.asked.append((begin, end))
            return
        if self.covered.get(lane, first) >= reach.window.begin:
            self.covered[lane] = max(self.covered.get(lane, first), through)
        before = getattr(self.stand, lane)
        stopped = stopped_at(
            lane, reach.window.begin if before is None else before, reach
        )
        cursors: Mapping[LaneName, int | None] = {
            "latest": self.stand.latest,
            "missing": self.stand.missing,
            lane: stopped,
        }
        self.stand = Stand(first, cursors["latest"], cursors["missing"])

    def assert_no_gap(self, lane: LaneName, window: Window) -> None:
        """What was read and what is yet to read touch each other."""
        if lane in self.covered:
            assert window.begin <= self.covered[lane]


def lives(behind: st.SearchStrategy[int]) -> st.SearchStrategy[list[Step]]:
    page_count = st.integers(0, 9)
    asks = st.one_of(
        st.none(),
        st.just("cancel"),
        st.tuples(st.integers(0, 4_000), st.integers(4_000, 9_000)),
    )
    return st.lists(
        st.builds(
            Step,
            wait=st.sampled_from([0, 1, 60, 600, 3_000]),
            behind=behind,
            budget=st.sampled_from([None, 1, 2, 5, 20]),
            fails_after=st.tuples(page_count, page_count, page_count),
            killed=st.sampled_from([9, 9, 9, 0, 1, 2]),
            restarts=st.booleans(),
            asks=asks,
        ),
        max_size=25,
    )


LOGS = st.lists(
    st.tuples(
        # Few instants, so that many events share one.
        st.sampled_from([*range(0, 8_000, 700), 700, 701, 702, 703, 1_400, 1_401]),
        st.one_of(st.just(0), st.integers(0, TRUST)),
    ),
    max_size=40,
).map(lambda log: [Stored(at, at + delay) for at, delay in log])


def settle(life: Life) -> int:
    """Ticks without mishaps, until nothing is cut short; how many that took."""
    calm = Step(0, 0, 5, (999, 999, 999), 9, restarts=False, asks=None)
    for ticks in range(1, 400):
        before = (life.stand, life.resume.copy(), life.backfill, life.held.copy())
        life.tick(calm)
        if before == (life.stand, life.resume, life.backfill, life.held):
            return ticks
    raise AssertionError("it never ends")


@settings(max_examples=300, deadline=None)
@given(log=LOGS, steps=lives(behind=st.sampled_from([0, 0, 0, 30, 900, 7_200])))
@example(
    # The last instant holds a whole budget: read at every tick, it left missing none.
    log=[Stored(0, 0), Stored(0, 62), *(Stored(700, 700) for _ in range(5))],
    steps=[
        Step(60, 0, None, (9, 9, 9), 9, restarts=False, asks=None),
        Step(1, 0, None, (9, 9, 9), 9, restarts=False, asks=None),
    ],
)
@example(
    # Late into the second that a quiet lane skips; found by missing.
    log=[Stored(700, 700), Stored(700, 1_500), Stored(1_400, 1_400)],
    steps=[
        Step(1_000, 0, None, (9, 9, 9), 9, restarts=False, asks=None),
        Step(1_000, 0, None, (9, 9, 9), 9, restarts=False, asks=None),
    ],
)
def test_nothing_is_lost_whatever_happens(log: list[Stored], steps: list[Step]) -> None:
    life = Life(log)
    for step in steps:
        life.tick(step)
    life.time = max(life.time, 20_000)
    settle(life)
    life.time += 2 * TRUST

    settle(life)

    assert life.held == set(log)
    for begin, end in life.asked:
        assert begin <= end


@settings(max_examples=200, deadline=None)
@given(log=LOGS, steps=lives(behind=st.integers(-9_000, 9_000)))
def test_no_clock_leaves_a_gap_or_makes_it_loop(
    log: list[Stored], steps: list[Step]
) -> None:
    # Ahead as well: then it may trust too early, but never skips.
    life = Life(log)
    for step in steps:
        life.tick(step)  # asserts that windows join
    life.time = max(life.time, 20_000)

    assert settle(life) < 400


def without(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes one rule out of the planner."""
    broken: Callable[..., int | None]
    if rule == "the window's end":
        broken = lambda reach, *_: reach.last + 10 * SECOND if reach.events else None  # noqa: E731
    else:
        broken = lambda reach, *_: reach.last + SECOND if reach.events else None  # noqa: E731
    monkeypatch.setitem(globals(), "caught_up", broken)


@pytest.mark.parametrize("rule", ["the window's end", "the budget"])
def test_the_proof_notices_a_missing_rule(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the properties above would prove nothing.
    without(rule, monkeypatch)

    with pytest.raises(AssertionError):
        test_nothing_is_lost_whatever_happens()
