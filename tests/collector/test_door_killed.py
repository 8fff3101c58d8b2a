"""Ended at any moment: what was acknowledged is in the inbox, once."""

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import pytest
from door import (
    POSTMARK,
    SENDGRID,
    Door,
    SendGridSender,
    door,
    records,
    wait_for,
)

KILLS = 100 if os.environ.get("TALLYBOOK_PROOF") else 5
SENDERS = 6


class Load:
    """Senders that go on until the door is gone.

    Attributes:
        acknowledged: Bodies that got 204.
        sent: Bodies that were sent.
    """

    def __init__(self, opened: Door, sender: SendGridSender, name: str) -> None:
        self.acknowledged: list[bytes] = []
        self.sent: set[bytes] = set()
        self._opened = opened
        self._sender = sender
        self._name = name
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._send, args=[number])
            for number in range(SENDERS)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._opened.port, timeout=30)
        place = 0
        while True:
            place += 1
            body = b'[{"event":"open","sg_event_id":"%b-%d-%d","text":"%b"}]' % (
                *(self._name.encode(), number, place),
                b"x" * (number * 5_000),
            )
            with self._lock:
                self.sent.add(body)
            try:
                connection.request("POST", SENDGRID, body, self._sender.signed(body))
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                return
            if answer.status == 204:
                with self._lock:
                    self.acknowledged.append(body)


@pytest.mark.proof
def test_what_was_acknowledged_before_a_kill_is_in_the_inbox_once(
    tmp_path: Path, sender: SendGridSender
) -> None:
    home = tmp_path / "home"
    chance = random.Random(5)  # noqa: S311
    acknowledged: list[bytes] = []
    sent: set[bytes] = set()
    for kill in range(KILLS):
        with door(home, sendgrid_public_keys=sender.public_key) as opened:
            load = Load(opened, sender, str(kill))
            wait_for(lambda load=load: bool(load.acknowledged))  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.3))
            [storer] = psutil.Process(opened.process.pid).children()
            # The server, its storer, or both, one after the other.
            victims = chance.choice(
                [[opened.process.pid], [storer.pid, opened.process.pid]]
            )
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            opened.process.wait()
            load.join()
            # What it had in hand it may still store: nobody was told.
            psutil.wait_procs([storer], 30)
        acknowledged += load.acknowledged
        sent |= load.sent
    found = Counter(record.body for record in records(home))
    assert len(acknowledged) > KILLS
    assert [body for body in acknowledged if found[body] != 1] == []
    assert set(found) <= sent


def test_requests_in_hand_are_answered_before_the_door_ends(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with door(
        tmp_path / "home",
        changes=f"""
import inbox.writer as writer, os, pathlib, time
sync = os.fdatasync
def slow(file):
    while not pathlib.Path({str(go)!r}).exists():
        time.sleep(0.01)
    sync(file)
writer.os.fdatasync = slow
""",
    ) as opened:
        bodies = [b"%d" % number * 1_000 for number in range(8)]
        size = sum(map(len, bodies))
        with ThreadPoolExecutor(8) as senders:
            asked = [senders.submit(opened.post, POSTMARK, body) for body in bodies]
            try:
                wait_for(lambda: opened.counted("waiting_bytes") == size)
                opened.process.send_signal(signal.SIGTERM)
                wait_for(lambda: refuses(opened))
            finally:
                go.touch()
        assert [one.result() for one in asked] == [204] * 8
        assert opened.process.wait(60) == 0
    assert sorted(opened.bodies()) == bodies


def refuses(opened: Door) -> bool:
    """Whether nobody is let in any more."""
    try:
        opened.ask("GET", "/healthz")
    except OSError:
        return True
    return False


def test_it_ends_when_it_is_asked_to_while_it_opens(tmp_path: Path) -> None:
    with door(tmp_path / "home") as opened:
        opened.process.send_signal(signal.SIGTERM)
        assert opened.process.wait(60) == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to_and_leaves_nobody_behind(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with door(tmp_path / "home") as opened:
        assert opened.post(POSTMARK, b"{}") == 204
        [storer] = psutil.Process(opened.process.pid).children()
        opened.process.send_signal(ending)
        assert opened.process.wait(60) == 0
        assert not storer.is_running()
    assert "Traceback" not in opened.log.read_text()
