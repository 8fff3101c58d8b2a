"""`tallybook report`: what is published, as one page to read, print or mail.

    published/analytics.duckdb ──▶ sections: sentences, tables, charts ─▶ report.html
    reports/check.json ─ when the third route last agreed ─╯

The page holds all that it needs and runs no script. Its tables say everything; charts
are pictures of the same rows, so nothing is lost where a mail program leaves them out.
"""
# ruff: noqa: PLC0415 - Altair takes half a second to import.

from dataclasses import dataclass
from pathlib import Path

from tallybook.errors import CannotRunError
from tallybook.files import replace_file


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        path: Where it is.
        compared: Cells that the build's own recount compared.
        differing: Those that differ.
    """

    path: Path
    compared: int
    differing: int


def report(home: Path, output: Path | None = None) -> Report:
    """Writes the page.

    Args:
        home: The state folder; what is published there is only read.
        output: The file to write; `reports/report.html` of the state folder if None.

    Returns:
        What was written.

    Raises:
        CannotRunError: The extra `report` isn't installed, or nothing is published that
            can be read.
        OSError: The file can't be written.
    """
    try:
        from tallybook.report.page import page
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("tallybook"):
            raise
        raise CannotRunError(
            f"`tallybook report` needs {error.name}, which isn't installed.",
            "Install it with pip install 'tallybook[report]' (in the repository: "
            "pip install -c constraints.txt -e '.[report]').",
        ) from error
    from tallybook.report import tally
    from tallybook.report.published import opened

    with opened(home) as published:
        found = tally.tally(published)
        html = page(published, found)
    output = output or home / "reports" / "report.html"
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_file(output, html.encode())
    return Report(output, found.compared, found.differing)
