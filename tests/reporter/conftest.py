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


# Of a module: while it lives, a loop is running, and no test can run its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser
