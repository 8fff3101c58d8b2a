"""A real Chromium: Debian's, without a screen."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import which

import pytest
from playwright.sync_api import Browser, sync_playwright

_CHROMIUM = which("chromium")

needs_chromium = pytest.mark.skipif(
    _CHROMIUM is None and "CI" not in os.environ,
    reason="no chromium on this machine (apt-get install chromium)",
)

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with no page open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()
