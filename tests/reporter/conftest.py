"""What the reporter's tests share."""

from collections.abc import Iterator

import pytest
from chromium import chromium
from playwright.sync_api import Browser
from recorder import Recorder, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser
