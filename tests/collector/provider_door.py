"""The door with all that the simulated providers need to come in."""

import json
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from door import Door, door

from simulator import Simulator

PROVIDERS = ("sendgrid", "mailgun", "postmark")


@contextmanager
def provider_door(home: Path, host: Simulator, port: int = 0) -> Iterator[Door]:
    """A door for as long as the block lasts.

    Args:
        home: Its state folder.
        host: Whose posts it takes. If Mailgun has one domain, its secret stands for
            that; else only the Message-ID tells, and some events have none.
        port: On loopback; 0 for any that is free.
    """
    secrets = {f"a-secret-for-{provider}": provider for provider in PROVIDERS}
    if len(host.domains) == 1:
        secrets["a-secret-for-mailgun"] += f":{host.domains[0]}"
    with door(
        home,
        "--port",
        str(port),
        secrets=json.dumps(secrets),
        sendgrid_public_keys=host.sendgrid_public_key,
        mailgun_signing_keys=host.mailgun_signing_key,
        postmark_credentials=json.dumps([host.postmark_credentials]),
    ) as opened:
        yield opened


def addresses(port: int) -> dict[str, str]:
    """Where each provider is to post."""
    return {
        provider: f"http://127.0.0.1:{port}/webhooks/{provider}/a-secret-for-{provider}"
        for provider in PROVIDERS
    }


def lasting_port() -> int:
    """A port that nobody is given for a connection of theirs.

    Those of `--port 0` may be: a sender that keeps trying to reach a dead door can
    then be connected with itself, and hold the port.
    """
    for _ in range(100):
        port = random.randint(20_000, 30_000)  # noqa: S311
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
