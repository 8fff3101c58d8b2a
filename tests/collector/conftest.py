"""A door for all tests that only knock."""

from collections.abc import Iterator

import pytest
from door import MAILGUN_KEY, OLD_MAILGUN_KEY, Door, SendGridSender, door


@pytest.fixture(scope="session")
def sender() -> SendGridSender:
    return SendGridSender()


@pytest.fixture(scope="session")
def old_sender() -> SendGridSender:
    """The key that was in use before."""
    return SendGridSender()


@pytest.fixture(scope="session")
def opened(
    sender: SendGridSender,
    old_sender: SendGridSender,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Door]:
    with door(
        tmp_path_factory.mktemp("door") / "home",
        sendgrid_public_keys=f"{old_sender.public_key},{sender.public_key}",
        mailgun_signing_keys=f'["{OLD_MAILGUN_KEY}", "{MAILGUN_KEY}"]',
    ) as running:
        yield running
