"""Looks at everything that a run needs, and says what to do about the rest.

    settings ─▶ state folder ─▶ warehouse ─▶ published file ─▶ providers ─▶ application

Changes nothing; opens the warehouse only for a moment and only to read.
"""

import difflib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import duckdb
from packaging.requirements import Requirement

from collector.client_settings import Clients, clients
from collector.providers import ways
from collector.settings import SettingsError as DoorSettingsError
from collector.settings import setting as door_setting
from collector.settings import variable as door_variable
from extract.app_locations import open_location
from extract.app_tables import TABLES, AppError
from extract.home import ROOT, SettingsError, home, now
from extract.mailgun_settings import NotConfiguredError, mailgun_settings
from extract.pipeline import check_mailgun, check_received
from extract.settings import setting, text, variable
from tallybook.lock import RunningError, only_run
from tallybook.say import counted
from tallybook.shelf import NAME

_PYTHON = (3, 11)
_LITTLE_SPACE = 2**30
_NO_SPACE = 100 * 2**20

_MAILGUN = (
    *("api", "api_key", "base_url", "domains", "email_id_variables"),
    *("max_events", "since", "timezone", "trust_window"),
)


_DOOR = (
    *("secrets", "sendgrid_public_keys", "mailgun_signing_keys"),
    "postmark_credentials",
    *("allowed_origins", "allowed_properties", "client_keys", "client_rate"),
)


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        what: What it is, in a word or two.
        state: `mind` is worth a look and stops nothing; `bad` stops a run.
        message: What was found.
        advice: What to do; empty when there is nothing to do.
    """

    what: str
    state: Literal["good", "mind", "bad"]
    message: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Looks at one thing after the other, those that take longest last."""
    yield _python()
    yield from _packages()
    yield from _clock()
    files = list(_settings_files())
    yield from files
    yield from _unknown_settings()
    try:
        folder = home()
    except SettingsError as error:
        yield Finding("state folder", "bad", str(error), "Mend TALLYBOOK_HOME.")
    else:
        state_folder = _state_folder(folder)
        yield state_folder
        if state_folder.state != "bad":
            yield _warehouse(folder)
            yield _published(folder / "published" / NAME)
    if all(finding.state != "bad" for finding in files):
        yield from _mailgun()
        yield _application()
        yield from _received()
        yield from _door()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _PYTHON:
        return Finding(
            "Python", "bad", f"{version} is too old", "Use Python 3.11 or newer."
        )
    return Finding("Python", "good", version)


def _packages() -> Iterator[Finding]:
    """Compares what is installed with what pyproject.toml asks for."""
    wrong = 0
    for text_of in metadata.requires("tallybook") or []:
        asked = Requirement(text_of)
        if asked.marker and not asked.marker.evaluate({"extra": ""}):
            continue
        try:
            has = metadata.version(asked.name)
        except metadata.PackageNotFoundError:
            has = "missing"
        if has == "missing" or not asked.specifier.contains(has, prereleases=True):
            wrong += 1
            yield Finding(
                "package",
                "bad",
                f"{asked.name} is {has}, and {asked.specifier} is needed",
                "Run `pip install -c constraints.txt -e .` in the repository.",
            )
    if not wrong:
        versions = ", ".join(
            f"{name} {metadata.version(name)}"
            for name in ("dlt", "dbt-core", "dbt-duckdb", "duckdb")
        )
        yield Finding("packages", "good", versions)


def _clock() -> Iterator[Finding]:
    try:
        fixed = now()
    except SettingsError as error:
        yield Finding("clock", "bad", str(error), "Mend TALLYBOOK_NOW, or unset it.")
        return
    if os.environ.get("TALLYBOOK_NOW"):
        yield Finding(
            "clock",
            "mind",
            f"TALLYBOOK_NOW stops it at {fixed.isoformat()}",
            "Unset it, unless this is a test or a replay.",
        )


def _settings_files() -> Iterator[Finding]:
    folder = ROOT / ".dlt"
    try:
        setting("mailgun", "api_key")
    except SettingsError as error:
        yield Finding("settings", "bad", str(error), "Mend the file; it is TOML.")
        return
    there = [
        name for name in ("config.toml", "secrets.toml") if (folder / name).exists()
    ]
    found = ", ".join(there) if there else "no files, so the environment alone"
    yield Finding("settings", "good", f"{folder}: {found}")
    secrets = folder / "secrets.toml"
    if secrets.exists() and secrets.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield Finding(
            "settings",
            "mind",
            f"other users can read {secrets}",
            f"Run `chmod 600 {secrets}`.",
        )


def _unknown_settings() -> Iterator[Finding]:
    """Variables that nobody reads: a wrong letter is silent otherwise."""
    known = {variable("mailgun", name) for name in _MAILGUN}
    known |= {variable("app", "location")}
    known |= {variable("app", table.name, "query") for table in TABLES}
    known |= {door_variable(name) for name in _DOOR}
    for name in sorted(os.environ):
        if not name.startswith(("SOURCES__MAILGUN__", "SOURCES__APP__", "COLLECTOR__")):
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            yield Finding(
                "settings",
                "mind",
                f"{name} is set and nobody reads it",
                f"Did you mean {near[0]}?" if near else "Unset it.",
            )


def _state_folder(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(
            "state folder",
            "bad",
            f"{folder} can't be written: {error.strerror}",
            "Make it writable, or set TALLYBOOK_HOME to a folder that is.",
        )
    free = shutil.disk_usage(folder).free
    message = f"{folder}, {free / 2**30:,.1f} GB free"
    if free < _NO_SPACE:
        return Finding("state folder", "bad", message, "Make room on the disk.")
    if free < _LITTLE_SPACE:
        return Finding("state folder", "mind", message, "Make room on the disk soon.")
    return Finding("state folder", "good", message)


def _warehouse(folder: Path) -> Finding:
    path = folder / "warehouse.duckdb"
    if not path.exists():
        return Finding("warehouse", "good", "none yet; the first run makes it")
    try:
        with only_run(folder, "doctor", patience=0):
            duckdb.connect(path, read_only=True).close()
    except RunningError as error:
        return Finding("warehouse", "good", f"in use: {error.problem}")
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            return Finding(
                "warehouse",
                "bad",
                f"another process has it open: {error}",
                "Close it there: analysts open published/analytics.duckdb.",
            )
        return Finding(
            "warehouse",
            "bad",
            f"{path} can't be opened: {error}",
            "Bring it back from a copy, or move it away and run "
            "`tallybook extract --all` and `tallybook build`.",
        )
    return Finding(
        "warehouse", "good", f"{path}, {path.stat().st_size / 2**20:,.0f} MB"
    )


def _published(path: Path) -> Finding:
    if not path.exists():
        return Finding("published file", "good", "none yet; the first run makes it")
    try:
        with duckdb.connect(path, read_only=True) as con:
            con.execute("select published_at from tallybook.publication").fetchall()
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            return Finding(
                "published file",
                "mind",
                f"an analyst's tool keeps others out of it: {error}",
                "Open it read-only there (duckdb -readonly); publishing goes on.",
            )
        return Finding(
            "published file",
            "bad",
            f"{path} can't be opened: {error}",
            "Run `tallybook publish`; it makes a new one.",
        )
    except duckdb.CatalogException:
        return Finding(
            "published file",
            "bad",
            f"{path} was not made by Tallybook",
            "Move it away and run `tallybook publish`.",
        )
    return Finding("published file", "good", str(path))


def _mailgun() -> Iterator[Finding]:
    try:
        mailgun_settings()
    except NotConfiguredError as error:
        if _is_received("mailgun"):
            yield Finding(
                "mailgun",
                "mind",
                "its webhook is open, and it is not polled: what it doesn't post is "
                "not fetched afterwards",
                f"Set {variable('mailgun', 'api_key')} and "
                f"{variable('mailgun', 'domains')} to miss nothing.",
            )
            return
        yield Finding(
            "mailgun", "mind", str(error), "See README.md, or try `tallybook demo`."
        )
        return
    except SettingsError as error:
        yield Finding("mailgun", "bad", str(error), "Mend the setting.")
        return
    for check in check_mailgun():
        yield Finding(
            "mailgun",
            "good" if check.ok else "bad",
            f"{check.domain} at {check.base_url}: {check.message}",
        )


def _is_received(source: str) -> bool:
    """Whether the door is open for a provider."""
    try:
        return any(way.source == source for way in ways().is_open)
    except DoorSettingsError:
        return False  # told of with the door


def _application() -> Finding:
    location = text("app", "location")
    name = variable("app", "location")
    if location is None:
        return Finding(
            "application",
            "good",
            f"{name} is not set: emails and recipients are derived from the events",
        )
    queries = {
        table.name: str(query)
        for table in TABLES
        if (query := setting("app", table.name, "query"))
    }
    try:
        place = open_location(location, queries)
        there = [table.name for table in TABLES if place.columns(table)]
    except AppError as error:
        return Finding("application", "bad", str(error))
    if not there:
        return Finding(
            "application",
            "bad",
            f"{place.name} has none of our tables",
            f"Set {variable('app', 'emails', 'query')} and the like, or mend {name}.",
        )
    return Finding("application", "good", f"{place.name}: {', '.join(there)}")


def _received() -> Iterator[Finding]:
    """Settings of what comes through the door, if one makes no sense."""
    try:
        check_received()
    except SettingsError as error:
        yield Finding("inbox", "bad", str(error), "Mend the setting.")


def _who_may_send(senders: Clients) -> str:
    """Which clients the door takes events of."""
    pages = len(senders.origins)
    origins = f"pages of {counted(pages, 'origin')}" if pages else "no page"
    keys = len(senders.keys)
    if keys:
        return f"{origins} and apps with {_one_of(keys)} may send events"
    return (
        f"{origins} may send events; apps need no key, and only this machine's may "
        f"(set {door_variable('client_keys')} for others)"
    )


def _one_of(keys: int) -> str:
    return "the key" if keys == 1 else f"one of {keys} keys"


def _door() -> Iterator[Finding]:
    """What `tallybook serve` would open."""
    try:
        senders = clients()
        if senders.is_told:
            yield Finding(
                "clients",
                "good",
                f"{_who_may_send(senders)}; properties of "
                f"{counted(len(senders.allowed), 'event')} are kept",
            )
        if not door_setting("secrets"):
            yield Finding(
                "door",
                "good",
                f"{door_variable('secrets')} is not set: no webhooks are received",
            )
            return
        told = ways()
    except DoorSettingsError as error:
        yield Finding("door", "bad", str(error), f"See {error.page}.")
        return
    for closed in told.closed:
        yield Finding("door", "mind", closed, "See docs/collector.md.")
    names = ", ".join(way.source for way in told.is_open)
    yield Finding("door", "good", f"`tallybook serve` is open for {names}")
