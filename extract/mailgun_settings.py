"""What the Mailgun poller is told, checked before anything is asked for."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from extract.home import SettingsError, instant
from extract.settings import iana_zone, number, setting, text, texts, variable
from extract.windows import SHORTEST_TRUST_WINDOW

SOURCE = "mailgun"

Api = Literal["events", "logs"]

US = "https://api.mailgun.net"
"""The EU region is https://api.eu.mailgun.net."""

_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class NotConfiguredError(Exception):
    """The source has no settings; the message says which variable to set."""


@dataclass(frozen=True)
class Domain:
    """A sending domain and the host that knows it.

    Attributes:
        name: In lower case.
        base_url: Scheme and host.
    """

    name: str
    base_url: str


@dataclass(frozen=True)
class MailgunSettings:
    """The poller's settings.

    Attributes:
        api_key: Sent to the domains' hosts only.
        domains: At least one, each once.
        api: Which of Mailgun's APIs is asked.
        trust_window: Seconds after which the provider's storage is stable.
        max_events: Events of a domain after which a run stops; None for no limit.
        since: Where a first run begins, microseconds since the epoch; None for all
            that the provider keeps.
        email_id_variables: User variables that may hold the application's email id.
        timezone: IANA name, for accounts without an application database.
    """

    api_key: str
    domains: tuple[Domain, ...]
    api: Api = "events"
    trust_window: int = 3_600
    max_events: int | None = None
    since: int | None = None
    email_id_variables: tuple[str, ...] = ("email-id", "email_id")
    timezone: str = "UTC"

    def __repr__(self) -> str:
        """Without the key."""
        return f"MailgunSettings({', '.join(d.name for d in self.domains)})"

    @property
    def for_models(self) -> Mapping[str, str]:
        """What dbt reads in raw.source_settings."""
        return {
            "domains": json.dumps(sorted({domain.name for domain in self.domains})),
            "email_id_variables": json.dumps(self.email_id_variables),
            "timezone": self.timezone,
            "trust_window": str(self.trust_window),
        }


def mailgun_settings() -> MailgunSettings:
    """Reads and checks the settings.

    Raises:
        NotConfiguredError: There is no key or no domain.
        SettingsError: A setting makes no sense.
    """
    api_key, domains = text(SOURCE, "api_key"), texts(SOURCE, "domains")
    missing = [
        variable(SOURCE, name)
        for name, value in (("api_key", api_key), ("domains", domains))
        if not value
    ]
    if missing or api_key is None:
        raise NotConfiguredError(
            f"mailgun is not polled: {' and '.join(missing)} not set "
            "(what its webhooks bring is read all the same)"
        )
    apis: Mapping[str, Api] = {"events": "events", "logs": "logs"}
    api = apis.get(asked := text(SOURCE, "api") or "events")
    if api is None:
        raise SettingsError(
            f"{variable(SOURCE, 'api')}={asked} is none of Mailgun's APIs: "
            "write events or logs"
        )
    base_url = _base_url(text(SOURCE, "base_url") or US, variable(SOURCE, "base_url"))
    since = setting(SOURCE, "since")
    defaults = MailgunSettings(api_key, ())
    return MailgunSettings(
        api_key=api_key,
        domains=_domains(domains, base_url),
        api=api,
        trust_window=number(SOURCE, "trust_window", SHORTEST_TRUST_WINDOW)
        or defaults.trust_window,
        max_events=number(SOURCE, "max_events", 1),
        since=since
        and round(
            instant(variable(SOURCE, "since"), since).timestamp() * 1_000_000,
        ),
        email_id_variables=texts(SOURCE, "email_id_variables")
        or defaults.email_id_variables,
        timezone=iana_zone(SOURCE, "timezone") or defaults.timezone,
    )


def _base_url(address: str, where: str) -> str:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path not in ("", "/")
        or parts.query
        or parts.username
    ):
        raise SettingsError(
            f"{where}={address}: write scheme and host only, like {US} "
            "or https://api.eu.mailgun.net"
        )
    return f"{parts.scheme}://{parts.hostname}" + (f":{port}" if port else "")


def _domains(entries: tuple[str, ...], base_url: str) -> tuple[Domain, ...]:
    where = variable(SOURCE, "domains")
    domains: dict[str, Domain] = {}
    for entry in entries:
        name, _, host = entry.partition("@")
        name = name.strip().lower().rstrip(".")
        if not _DOMAIN.fullmatch(name):
            raise SettingsError(
                f"{where}: {entry!r} is no domain: write mail.example.com, "
                "or mail.example.com@api.eu.mailgun.net for a domain on another host"
            )
        if name in domains:
            raise SettingsError(f"{where}: {name} is there twice: write it once")
        if host and "://" not in host:
            host = f"{urlsplit(base_url).scheme}://{host}"
        domains[name] = Domain(name, _base_url(host, where) if host else base_url)
    return tuple(domains.values())
