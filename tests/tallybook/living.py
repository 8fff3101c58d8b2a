"""A stand-in provider, settings for it, and `tallybook` as a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simulator import Simulator, Spec
from tests.parsed import plant

SCRIPT = Path(sys.executable).with_name("tallybook")

SPEC = Spec(seed=9, days=2, accounts=2, emails=16, recipients_per_email=60)
NOW = "2026-03-04T00:00:00Z"


def settings(host: Simulator, home: Path, app: Path, **more: str) -> dict[str, str]:
    """The environment of a process that reads the stand-in into this home."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SOURCES__", "TALLYBOOK_"))
    }
    return mine | {
        "TALLYBOOK_HOME": str(plant(home)),
        "TALLYBOOK_NOW": NOW,
        "SOURCES__APP__LOCATION": str(app),
        "SOURCES__MAILGUN__API_KEY": host.api_key,
        "SOURCES__MAILGUN__DOMAINS": ",".join(host.domains),
        "SOURCES__MAILGUN__BASE_URL": host.base_url,
        "SOURCES__MAILGUN__SINCE": SPEC.begin.isoformat(),
        **more,
    }


def tallybook(env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(
        [SCRIPT, *words], env=env, capture_output=True, text=True, check=False
    )


@contextmanager
def living(env: dict[str, str], *words: str) -> "Iterator[subprocess.Popen[str]]":
    """A process that is killed at the end of the block, if it lives still."""
    with subprocess.Popen(
        [SCRIPT, *words], env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: "subprocess.Popen[str]", what: str) -> dict[str, str]:
    """The next line of this kind, its fields by name.

    Raises:
        AssertionError: The process ends before.
    """
    assert process.stdout is not None
    for text in process.stdout:
        _, kind, *_ = text.split(" ")
        if kind.strip() == what:
            found = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', text)
            return {name: value.strip('"') for name, value in found}
    raise AssertionError(f"it ended without a line {what}")


def rounded(cell: object) -> object:
    """A cell to compare: a sum of floats depends on their order in the last bits."""
    return float(f"{round(cell, 9):.12g}") if isinstance(cell, float) else cell
