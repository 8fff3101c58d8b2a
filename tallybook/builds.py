"""What came of a build, and where the last one's is written down."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import msgspec

from tallybook.files import replace_file


@dataclass(frozen=True)
class Finding:
    """A test or model that did not come out well.

    Attributes:
        name: Its name.
        kind: `model`, `test`, …
        message: What dbt says.
        rows: How many rows a test found; None for others.
    """

    name: str
    kind: str
    message: str
    rows: int | None


@dataclass(frozen=True)
class RebuiltDays:
    """Local days of an account that a build computed again in a mart.

    Attributes:
        account_id: The account.
        days: How many.
        first: Earliest of them.
        last: Latest of them.
        reasons: Why, in words.
    """

    account_id: str
    days: int
    first: date
    last: date
    reasons: str


@dataclass(frozen=True)
class Rebuilt:
    """What a build wrote in a model.

    Attributes:
        model: Its name.
        mode: All of it, or only the groups that something new touched.
        reason: Why all of it; empty for groups.
        groups: Touched groups; None when all of it was built.
        removed: Rows removed, those that changed included.
        added: Rows added, those that changed included.
        first_day: Earliest day among the rows removed and added.
        last_day: Latest of them; both None where rows have no time.
        by_account: Which days of which account were computed again, and why; only
            of marts of account-days that were not rebuilt whole.
    """

    model: str
    mode: Literal["whole", "touched", "nothing"]
    reason: str
    groups: int | None
    removed: int
    added: int
    first_day: date | None
    last_day: date | None
    by_account: tuple[RebuiltDays, ...] = ()


@dataclass(frozen=True)
class Build:
    """What came of a build.

    Attributes:
        invocation_id: dbt's id of it.
        built_at: When it began.
        seconds: How long it took.
        models: Models, seeds and hooks that were built.
        passed: Tests that passed.
        skipped: What was skipped because something before it failed.
        warnings: Tests that only warn, and did.
        failures: Tests that failed: the data is not what it should be.
        errors: What could not be built or tested at all.
        rebuilt: What was written, in the order of building.
    """

    invocation_id: str
    built_at: datetime
    seconds: float
    models: int
    passed: int
    skipped: int
    warnings: tuple[Finding, ...]
    failures: tuple[Finding, ...]
    errors: tuple[Finding, ...]
    rebuilt: tuple[Rebuilt, ...]

    @property
    def is_green(self) -> bool:
        """Whether what was built may be published."""
        return not (self.failures or self.errors)


def note(home: Path, build: Build) -> None:
    """Writes down what came of a build."""
    replace_file(_path(home), msgspec.json.encode(build))


def last_build(home: Path) -> Build | None:
    """The last build that was written down, if there was one."""
    try:
        return msgspec.json.decode(_path(home).read_bytes(), type=Build)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _path(home: Path) -> Path:
    return home / "last_build.json"
