"""What the reporter's tests share."""

from collections.abc import Iterator

import pytest
from recorder import Recorder, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder
