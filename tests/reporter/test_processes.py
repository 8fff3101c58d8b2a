"""What an app's end and its forks do to its events."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from recorder import Recorder

ROOT = Path(__file__).parents[2]

BEGINNING = """
import os, signal, sys
from reporter import Limits, Reporter, Spade
reporter = Reporter(Spade(sys.argv[1] + "/spade"), limits=Limits(interval=3600))
"""


def names(recorder: Recorder) -> list[str]:
    return sorted(event["event"] for event in recorder.events())


def run(recorder: Recorder, script: str) -> str:
    """Runs an app to its end.

    Returns:
        What it printed.
    """
    app = subprocess.Popen(
        [sys.executable, "-c", BEGINNING + script, recorder.url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = app.communicate(timeout=60)
    finally:
        if app.poll() is None:  # it hangs, and with it what it forked
            os.killpg(app.pid, signal.SIGKILL)
            app.wait()
    assert (app.returncode, errors) == (0, "")
    return output


def test_an_app_that_ends_sends_what_waits(recorder: Recorder) -> None:
    run(recorder, "for n in range(3): reporter.report(f'event {n}')")
    assert names(recorder) == ["event 0", "event 1", "event 2"]


def test_an_app_that_fails_sends_what_waits(recorder: Recorder) -> None:
    script = "reporter.report('failing'); sys.exit(0)"
    run(recorder, script)
    assert names(recorder) == ["failing"]


fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@fork
def test_after_a_fork_each_process_sends_its_own(recorder: Recorder) -> None:
    """What waits in the parent is the parent's; the child begins with nothing."""
    script = """
reporter.report("before")
child = os.fork()
reporter.report("child" if child == 0 else "parent")
if child == 0:
    reporter.close()
    print(reporter.counts()["spade"].sent, flush=True)
    os._exit(0)
os.waitpid(child, 0)
reporter.close()
print(reporter.counts()["spade"].sent)
"""
    assert run(recorder, script).split() == ["1", "2"]
    assert names(recorder) == ["before", "child", "parent"]
    ids = {event["id"] for event in recorder.events()}
    assert len(ids) == 3


@fork
def test_forked_children_flush_at_exit_while_threads_report(recorder: Recorder) -> None:
    """A fork in the middle of anything leaves no lock behind that nobody holds."""
    script = """
import threading
is_over = threading.Event()
def work():
    while not is_over.is_set():
        reporter.report("noise")
        is_over.wait(0.0005)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for number in range(20):
    child = os.fork()
    if child == 0:
        reporter.report(f"child {number}")
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
is_over.set()
for thread in threads: thread.join()
reporter.close(30)
counts = reporter.counts()["spade"]
print(counts.sent, counts.reported)
"""
    sent, reported = run(recorder, script).split()
    assert sent == reported
    told = names(recorder)
    children = [name for name in told if name != "noise"]
    assert children == sorted(f"child {number}" for number in range(20))
    assert told.count("noise") == int(sent)


@fork
def test_a_signal_may_come_while_something_is_reported(recorder: Recorder) -> None:
    script = """
signal.signal(signal.SIGALRM, lambda *_: reporter.report("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(5_000): reporter.report("work")
signal.setitimer(signal.ITIMER_REAL, 0)
reporter.close(30)
counts = reporter.counts()["spade"]
print(counts.sent, counts.reported)
"""
    sent, reported = run(recorder, script).split()
    assert sent == reported
    assert len(recorder.events()) == int(sent) > 5_000
