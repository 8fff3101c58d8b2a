"""A state folder, a scripted host and settings for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mailgun_host import Host, running_host
from raw_reader import Raw

from extract import http


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own TALLYBOOK_HOME."""
    monkeypatch.setenv("TALLYBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def raw(home: Path) -> Raw:
    """What is in this test's warehouse."""
    return Raw(home)


@pytest.fixture
def host() -> Iterator[Host]:
    """A scripted host on loopback."""
    with running_host() as running:
        yield running


@pytest.fixture
def mailgun(home: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:  # noqa: ARG001 - its own home
    """The scripted host as the one that Mailgun's domain `d.example` is read from.

    The clock stands at 2026-03-01T15:00:00Z, three hours after `mailgun_host.NOON`;
    a first run begins at midnight.
    """
    monkeypatch.setenv("SOURCES__MAILGUN__API_KEY", "key-test")
    monkeypatch.setenv("SOURCES__MAILGUN__DOMAINS", "d.example")
    monkeypatch.setenv("SOURCES__MAILGUN__BASE_URL", host.base_url)
    monkeypatch.setenv("SOURCES__MAILGUN__SINCE", "2026-03-01T00:00:00Z")
    monkeypatch.setenv("TALLYBOOK_NOW", "2026-03-01T15:00:00Z")
    monkeypatch.setattr(http, "PATIENCE", http.Patience(3, 0.01, 0.05))
    return host
