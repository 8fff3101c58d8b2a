"""Makes README's picture of the report: python docs/picture.py REPORT.html."""

import sys
from pathlib import Path
from shutil import which

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("report.png")

LEFT_OUT = "#section-sources, .wide:has(#funnel), .note, details { display: none }"
"""So that a picture of one screen has some charts in it."""

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1040, "height": 1030})
    page.goto(Path(sys.argv[1]).absolute().as_uri())
    page.add_style_tag(content=LEFT_OUT)
    page.screenshot(path=PICTURE)
    browser.close()
