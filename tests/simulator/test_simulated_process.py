"""The stand-in as a process: it starts, tells where it is, and ends when it should."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulator_client import Client

from simulator import Spec, serve
from simulator.world import World

TINY = ("--emails", "2", "--recipients-per-email", "5", "--accounts", "1")


def start(*further: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulator", *TINY, *further]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_it_writes_what_it_was_asked_for_and_then_says_where_it_is(
    tmp_path: Path,
) -> None:
    app, truth = tmp_path / "app", tmp_path / "truth.json"
    asked = ("--app-folder", str(app), "--truth", str(truth), "--hostile", "0.5")
    with start(*asked) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.terminate()
    assert told["base_url"].startswith("http://127.0.0.1:")
    assert told["domains"] == ["mail.lumen-letter.example"]
    assert len(list(app.glob("*.parquet"))) == 7
    written = json.loads(truth.read_text())
    assert len(written["recipients"]) == 10
    assert written["oddities"]
    assert written["counts"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_told_to(end: signal.Signals) -> None:
    with start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(end)
        assert process.wait(10) == 0


def test_it_ends_when_whoever_started_it_is_gone() -> None:
    with start() as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


def test_the_process_serves_the_world_that_the_same_recipe_makes_here() -> None:
    spec = Spec(seed=3, emails=3, recipients_per_email=20, accounts=1, hostile=0.2)
    with serve(spec) as running:
        client = Client(running)
        path = f"/v3/{client.domain}/events?begin=0&ascending=yes&limit=300"
        _, body = client.ask(path)
    world = World(spec)
    bodies = [event.body for event in world.events(client.domain)][:300]
    assert body.startswith(b'{"items":[' + b",".join(bodies) + b"]")


def test_a_block_that_fails_ends_the_process_too() -> None:
    with (
        pytest.raises(KeyError),
        serve(Spec(emails=1, recipients_per_email=1)) as running,
    ):
        raise KeyError
    with pytest.raises(ConnectionRefusedError):
        running.counts()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--days", "0"), "days must be at least 1"),
        (("--begin", "2026-03-01"), "begin has no zone"),
        (("--sendgrid-accounts", "2"), "accounts must be at least"),
    ],
)
def test_a_world_that_can_not_be_made_is_refused_in_one_line(
    words: tuple[str, str], says: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "simulator", *TINY, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    usage, error = ran.stderr.splitlines()
    assert usage == "usage: python -m simulator [options]"
    assert says in error


def test_a_stand_in_that_does_not_start_says_so() -> None:
    spec = Spec()
    object.__setattr__(spec, "days", 0)
    with pytest.raises(RuntimeError, match="ended with 2"), serve(spec):
        pass
