"""`tallybook check`: runs the checks of `quality`, and says what they found.

run lock, or a pause between ticks ──▶ quality.check ──▶ table, JUnit, annotations
                                          ╰──▶ quality.check_results, reports/
"""
# ruff: noqa: PLC0415 - Great Expectations takes four seconds to import.

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from extract.forgotten import LIST, Forgotten
from tallybook.errors import CannotRunError
from tallybook.files import replace_file
from tallybook.say import Say

if TYPE_CHECKING:
    from quality.check import Checked


def check(
    home: Path, say: Say, *, with_docs: bool = False, report: Path | None = None
) -> "Checked":
    """Checks the warehouse, and keeps what was found; the caller has it to itself.

    Args:
        home: The state folder.
        say: Tells how it goes.
        with_docs: Whether to write Data Docs to `reports/data_docs`.
        report: Where to write JUnit XML to.

    Returns:
        The results.

    Raises:
        CannotRunError: The extra `check` isn't installed, or the warehouse can't be
            checked as it is.
    """
    try:
        import quality.check
    except ImportError as error:
        raise CannotRunError(
            f"`tallybook check` needs {error.name}, which isn't installed.",
            "Install it with pip install 'tallybook[check]' (in the repository: "
            "pip install -c constraints.txt -e '.[check]').",
        ) from error
    from quality.history import keep
    from quality.junit import junit
    from quality.warehouse import UnreadableError

    warehouse = home / "warehouse.duckdb"
    docs = home / "reports" / "data_docs" if with_docs else None
    try:
        forgotten = Forgotten.of(home)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotRunError(
            f"The list of the forgotten, {home / LIST}, can't be read: {error}.",
            "Bring it back from a copy: without it they come back with the next load.",
        ) from error
    try:
        checked = quality.check.check(
            warehouse,
            docs,
            say.checking,
            forgotten.is_named_in if forgotten else None,
        )
        keep(warehouse, checked)
    except UnreadableError as error:
        problem, _, advice = str(error).partition(": ")
        raise CannotRunError(_sentence(problem), _sentence(advice)) from error
    say.end()
    (home / "reports").mkdir(exist_ok=True)
    replace_file(
        home / "reports" / "check.json", msgspec.json.encode(checked.as_json())
    )
    if report:
        replace_file(report, junit(checked))
    return checked


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
