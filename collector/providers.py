"""Who may knock, and who lets them in.

COLLECTOR__SECRETS ──▶ ways() ──▶ a way for each source: its secrets, its verifier
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collector import mailgun, postmark, sendgrid
from collector.settings import Address, NotConfiguredError, SettingsError, addresses
from collector.verdict import Unverified, Verifier

VERIFIERS: Mapping[str, Callable[[], Verifier]] = {
    "sendgrid": sendgrid.verifier,
    "mailgun": mailgun.verifier,
    "postmark": postmark.verifier,
}
"""A further provider is a file beside these, and a line here."""


@dataclass(frozen=True)
class Way:
    """How a source gets in.

    Attributes:
        source: Its name.
        verifier: Who judges its requests.
        addresses: Its path secrets, at least one.
    """

    source: str
    verifier: Verifier
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Ways:
    """All of them.

    Attributes:
        is_open: Those that are open.
        closed: Why the others are not.
    """

    is_open: tuple[Way, ...]
    closed: tuple[str, ...]


def ways(*, is_insecure: bool = False) -> Ways:
    """Reads the settings.

    Args:
        is_insecure: Whether a source without a key is taken unverified.

    Raises:
        SettingsError: One makes no sense, or nobody could come in.
    """
    told = addresses(VERIFIERS)
    is_open: list[Way] = []
    closed: list[str] = []
    for source, make in VERIFIERS.items():
        own = tuple(address for address in told if address.source == source)
        if not own:
            continue
        try:
            verifier = make()
        except NotConfiguredError as error:
            if not is_insecure:
                closed.append(f"{source} is closed: {error} to verify its requests")
                continue
            verifier = Unverified()
        is_open.append(Way(source, verifier, own))
    if not is_open:
        raise SettingsError(
            "; ".join(closed)
            or "nobody could come in: set COLLECTOR__SECRETS to a map of path secrets, "
            'like {"a-long-secret": "sendgrid"}'
        )
    return Ways(tuple(is_open), tuple(closed))
