"""Where opens and clicks come from: mail clients, prefetching proxies, places."""

import json
from typing import NamedTuple


class _Client(NamedTuple):
    name: str
    system: str
    kind: str
    device: str
    user_agent: str

    def info(self, bot: str | None) -> str:
        """The `client-info` as JSON; without the key `bot` if there is no word."""
        info = {
            "client-name": self.name,
            "client-os": self.system,
            "client-type": self.kind,
            "device-type": self.device,
            "user-agent": self.user_agent,
        }
        if bot is not None:
            info["bot"] = bot
        return json.dumps(info, separators=(",", ":"))


_PERSONAL = (
    _Client(
        "Chrome",
        "Linux",
        "browser",
        "desktop",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/131.0.0.0 Safari/537.36",
    ),
    _Client(
        "Mobile Safari",
        "iOS",
        "mobile browser",
        "mobile",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Mobile/15E148",
    ),
    _Client(
        "Thunderbird",
        "Windows",
        "email client",
        "desktop",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101"
        " Thunderbird/128.5.2",
    ),
    _Client(
        "Chrome Mobile",
        "Android",
        "mobile browser",
        "mobile",
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36"
        " (KHTML, like Gecko) Chrome/131.0.6778.135 Mobile Safari/537.36",
    ),
)
_PREFETCHER = _Client("unknown", "unknown", "unknown", "unknown", "Mozilla/5.0")
_PROXY = _Client(
    "Firefox",
    "Windows",
    "browser",
    "desktop",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0"
    " (via ggpht.com GoogleImageProxy)",
)
_SCANNER = _Client(
    "unknown",
    "unknown",
    "robot",
    "other",
    "Mozilla/5.0 (compatible; LinkScanner/4.1; +https://scanner.example/bot)",
)

PEOPLE = tuple(client.info(bot="") for client in _PERSONAL)
"""`client-info` of people: an empty `bot` says that nothing looked like a machine."""

UNKNOWN = tuple(client.info(bot=None) for client in _PERSONAL)
"""`client-info` without the key `bot`: Mailgun doesn't say."""

MACHINES = {
    "apple": (_PREFETCHER.info("apple"),),
    "gmail": (_PROXY.info("gmail"),),
    "generic": (_SCANNER.info("generic"),),
}
"""`client-info` of machines, by the word in `bot`."""

PEOPLE_AGENTS = tuple(client.user_agent for client in _PERSONAL)
"""User agents of people, where a provider tells no more than that."""

APPLE_AGENTS = (_PREFETCHER.user_agent,)
"""What Apple's prefetch calls itself."""

PLACES = tuple(
    (network, f'{{"country":"{country}","region":"{region}","city":"{city}"}}')
    for network, country, region, city in (
        ("198.51.100", "US", "NY", "New York"),
        ("203.0.113", "NP", "P3", "Kathmandu"),
        ("192.0.2", "DE", "BE", "Berlin"),
        ("198.51.100", "AU", "NSW", "Lord Howe Island"),
        ("203.0.113", "WS", "TU", "Apia"),
        ("192.0.2", "Unknown", "Unknown", "Unknown"),
    )
)
"""Network (documentation addresses only) and `geolocation` as JSON."""
