"""Settings, looked up as dlt looks them up, but without it.

    environment ▷ .dlt/secrets.toml ▷ .dlt/config.toml ──▶ setting("secrets")

The first that has a value wins. Values of the environment are text; TOML has types.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
"""The repository; `.dlt/` with settings lies here."""

_SECRET = re.compile(r"[A-Za-z0-9._~-]+")
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class SettingsError(Exception):
    """A setting makes no sense; the message says which one and what to write.

    Attributes:
        page: Where its settings are explained.
    """

    page = "docs/collector.md"


class NotConfiguredError(Exception):
    """A source has no key; the message says which variable to set."""


class Address(NamedTuple):
    """What a path secret stands for.

    Attributes:
        secret: As bytes, to be compared in constant time.
        source: Who is told it.
        domain: The sending domain; empty where events tell it themselves.
    """

    secret: bytes
    source: str
    domain: str


def home() -> Path:
    """The folder of all state; it need not be there."""
    folder = os.environ.get("TALLYBOOK_HOME") or ROOT / ".tallybook"
    return Path(folder).expanduser().absolute()


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"COLLECTOR__{name}".upper()


def setting(name: str) -> Any:
    """One setting, as it is written; None if it is not set or empty.

    Raises:
        SettingsError: A TOML file can't be read.
    """
    places = [
        {name: os.environ.get(variable(name))},
        _file("secrets.toml"),
        _file("config.toml"),
    ]
    return next((place[name] for place in places if place.get(name)), None)


def texts(name: str) -> tuple[str, ...]:
    """A setting that is a list: of TOML, a JSON list, or separated by commas.

    Raises:
        SettingsError: It is a list of something else.
    """
    value = setting(name)
    if isinstance(value, str):
        is_json = value.lstrip().startswith("[")
        value = _json(name, value) if is_json else value.split(",")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SettingsError(f'{variable(name)}: write a list of texts, like ["a", "b"]')
    return tuple(one.strip() for one in value if one.strip())


def addresses(sources: Mapping[str, Any]) -> list[Address]:
    """What COLLECTOR__SECRETS says.

    Args:
        sources: Those that there are.

    Raises:
        SettingsError: It is no map of path secrets to sources.
    """
    value = setting("secrets")
    if isinstance(value, str):
        value = _json("secrets", value)
    if value is None:
        return []
    where = variable("secrets")
    if not isinstance(value, dict):
        raise SettingsError(
            f"{where}: write path secrets and what each is for, like "
            '{"a-long-secret": "sendgrid", "another": "mailgun:mail.example.com"}'
        )
    found = []
    for place, (secret, target) in enumerate(value.items(), 1):
        source, _, domain = str(target).strip().partition(":")
        domain = domain.strip().lower().rstrip(".")
        if source not in sources or (domain and not _DOMAIN.fullmatch(domain)):
            raise SettingsError(
                f"{where}: number {place} is for {target!r}: write one of "
                f"{', '.join(sources)}, and a colon and the sending domain if you like"
            )
        if not _SECRET.fullmatch(secret):
            raise SettingsError(
                f"{where}: number {place} has characters that a path can't hold: "
                "use letters, digits, and . _ ~ -"
            )
        found.append(Address(secret.encode(), source, domain))
    return found


def _json(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        # Without the error's own words, which quote the value.
        raise SettingsError(f"{variable(name)} is no JSON") from error


def _file(name: str) -> dict[str, Any]:
    """A file's section of the collector."""
    path = ROOT / ".dlt" / name
    try:
        section = tomllib.loads(path.read_text("utf-8")).get("collector", {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: it is to be TOML") from error
    return section if isinstance(section, dict) else {}
