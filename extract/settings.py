"""Settings as dlt looks them up, from the repository wherever a run is started.

    environment ▷ .dlt/secrets.toml ▷ .dlt/config.toml ──▶ setting("mailgun", "domains")

The first that has a value wins. Values of the environment are text; TOML has types.
"""

import json
from importlib import resources
from typing import Any

from dlt.common.configuration.exceptions import ConfigProviderException
from dlt.common.configuration.providers import (
    ConfigTomlProvider,
    EnvironProvider,
    SecretsTomlProvider,
)

from extract.home import ROOT, SettingsError


def setting(source: str, *path: str) -> Any:
    """One setting of a source, as it is written; None if it is not set or empty.

    Args:
        source: Name of the source.
        path: What the setting is called; several for a setting within a group.

    Raises:
        SettingsError: A TOML file can't be read.
    """
    folder = str(ROOT / ".dlt")
    try:
        providers = (
            EnvironProvider(),
            SecretsTomlProvider(folder),
            ConfigTomlProvider(folder),
        )
    except ConfigProviderException as error:
        raise SettingsError(f"{folder}: {error}") from error
    for provider in providers:
        value, _ = provider.get_value(path[-1], Any, "", "sources", source, *path[:-1])
        if value not in (None, "", []):
            return value
    return None


def variable(source: str, *path: str) -> str:
    """The environment variable of a setting."""
    return "__".join(("sources", source, *path)).upper()


def text(source: str, name: str) -> str | None:
    """A setting that is text."""
    value = setting(source, name)
    return None if value is None else str(value).strip()


def number(source: str, name: str, least: int) -> int | None:
    """A setting that is a whole number.

    Raises:
        SettingsError: It is none, or too small.
    """
    value = setting(source, name)
    if value is None:
        return None
    try:
        read = int(str(value))
    except ValueError:
        read = least - 1
    if read < least:
        raise SettingsError(
            f"{variable(source, name)}={value}: write a whole number, {least} or more"
        )
    return read


def iana_zone(source: str, name: str) -> str | None:
    """A setting that is the exact name of an IANA time zone.

    Raises:
        SettingsError: There is no such zone.
    """
    zone = text(source, name)
    known = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    if zone is not None and zone not in known:
        raise SettingsError(
            f"{variable(source, name)}={zone} is no IANA time zone: "
            "write one like Europe/Stockholm"
        )
    return zone


def texts(source: str, name: str) -> tuple[str, ...]:
    """A setting that is a list: of TOML, a JSON list, or separated by commas.

    Raises:
        SettingsError: It is a list of something else.
    """
    value = setting(source, name)
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else None
        except ValueError as error:
            raise SettingsError(
                f'{variable(source, name)}: write a list like ["a", "b"] or a,b'
            ) from error
        if value is None:
            value = str(setting(source, name)).split(",")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise SettingsError(
            f'{variable(source, name)}: write a list of texts, like ["a", "b"]'
        )
    return tuple(v.strip() for v in value if v.strip())
