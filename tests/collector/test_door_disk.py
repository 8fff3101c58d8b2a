"""No room, no leave to write: 503 and never 2xx, until there is again."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from door import (
    MAILGUN,
    MAILGUN_KEY,
    POSTMARK,
    SENDGRID,
    Door,
    SendGridSender,
    door,
    mailgun_body,
    wait_for,
)

BODY = b"x" * 10_000


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A file system for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def storer(opened: Door) -> psutil.Process:
    [found] = psutil.Process(opened.process.pid).children()
    return found


def fill(opened: Door) -> list[bytes]:
    """Sends until there is no room; what was acknowledged."""
    kept = []
    for number in range(1_000):
        body = b"%06d" % number + BODY
        status, headers, _ = opened.ask("POST", POSTMARK, body)
        if status == 503:
            assert headers["retry-after"] == "30"
            return kept
        assert status == 204
        kept.append(body)
    raise AssertionError("it never gets full")


def test_full_disk_is_told_and_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        mounted(home / "inbox", "-t", "tmpfs", "-o", "size=1m", "tallybook-test"),
        door(home, mailgun_signing_keys=MAILGUN_KEY) as opened,
    ):
        kept = fill(opened)
        assert len(kept) > 20
        sealed = mailgun_body(MAILGUN_KEY, "x" * 10_000)
        for _ in range(50):
            assert opened.post(POSTMARK, BODY) == 503
            assert opened.post(MAILGUN, sealed) == 503
        assert opened.ask("GET", "/healthz")[0] == 200
        assert opened.bodies() == kept
        # What nobody was told of leaves nothing behind.
        assert len(list((home / "inbox").glob("*.segment"))) == 1
        assert not list((home / "inbox").glob("*.new"))
        assert "can't store: No space left on device" in opened.log.read_text()

        subprocess.run(["mount", "-o", "remount,size=8m", home / "inbox"], check=True)
        assert opened.post(MAILGUN, sealed) == 204
        assert opened.post(POSTMARK, b"room again") == 204
        assert opened.bodies() == [*kept, sealed, b"room again"]
        assert "stores again" in opened.log.read_text()


def test_a_file_that_may_not_grow_is_told_and_the_door_goes_on_when_it_may(
    tmp_path: Path, sender: SendGridSender
) -> None:
    """The same without a file system of its own: no file beyond so many bytes."""
    home = tmp_path / "home"
    with door(home, sendgrid_public_keys=sender.public_key) as opened:
        assert opened.post(POSTMARK, b"before") == 204
        pid = storer(opened).pid
        no_limit = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (5_000, no_limit[1]))
        for _ in range(3):
            assert opened.post(POSTMARK, BODY) == 503
            # Refused for what it is, not for want of room.
            assert opened.post(SENDGRID, BODY, SendGridSender().signed(BODY)) == 401
        assert opened.bodies() == [b"before"]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, no_limit)
        assert opened.post(POSTMARK, BODY) == 204
        assert opened.bodies() == [b"before", BODY]
        assert storer(opened).pid == pid


def test_folder_that_cannot_be_written_is_told_and_the_door_goes_on_when_it_can(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    inbox = home / "inbox"
    inbox.mkdir(parents=True)
    sealed = mailgun_body(MAILGUN_KEY, {})

    def knock(opened: Door, expected: int) -> None:
        assert opened.post(POSTMARK, BODY) == expected
        assert opened.post(MAILGUN, sealed) == expected

    if os.geteuid():
        inbox.chmod(0o500)
        with door(home, mailgun_signing_keys=MAILGUN_KEY) as opened:
            knock(opened, 503)
            inbox.chmod(0o700)
            knock(opened, 204)
            assert opened.bodies() == [BODY, sealed]
        return
    with (
        mounted(inbox, "-t", "tmpfs", "-o", "ro", "tallybook-test"),
        door(home, mailgun_signing_keys=MAILGUN_KEY) as opened,
    ):
        knock(opened, 503)
        assert "can't store: Read-only file system" in opened.log.read_text()
        subprocess.run(["mount", "-o", "remount,rw", inbox], check=True)
        knock(opened, 204)
        assert opened.bodies() == [BODY, sealed]


def test_a_storer_that_dies_is_replaced_and_its_senders_come_again(
    tmp_path: Path,
) -> None:
    with door(tmp_path / "home") as opened:
        assert opened.post(POSTMARK, b"before") == 204
        first = storer(opened)
        first.send_signal(signal.SIGKILL)
        # 503 as long as there is none.
        wait_for(lambda: opened.post(POSTMARK, b"after") == 204)
        assert storer(opened).pid != first.pid
        assert opened.bodies() == [b"before", b"after"]
        assert "the storer died; another one is started" in opened.log.read_text()
