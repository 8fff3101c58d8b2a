"""Proof by mutation: plants one corruption after the other and asks every check.

    clean warehouse ──copy──▶ changed ────────────────────────────╮
    state folder ──copy──▶ changed, read and built ────────────────┤
    project ──copy──▶ a model changed ──▶ what follows built whole ┴▶ all checks ──▶ who
                                                                                saw it

All checks: dbt's error-severity data tests, whole (in a copy `ledger.tests` is emptied,
so that none of them thinks that it looked already), and `tallybook check`. Run as a
program it plants all and writes `docs/mutation.md`.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from mutations import FOLDER, IMPOSSIBLE, MODELS, WAREHOUSE, WARNED
from simulated import change, environment, fill

from extract.forgotten import Forgotten
from extract.home import ROOT
from quality.check import check
from quality.warehouse import UnreadableError
from simulator import Spec
from tests.parsed import manifest, plant

SPEC = Spec(
    seed=11,
    days=8,
    accounts=2,
    emails=6,
    recipients_per_email=25,
    batched=0.2,
    conversations=40,
    late=0.1,
    id_reuse=0.02,
)
DOCS = ROOT / "docs" / "mutation.md"
_PROJECT = ("models", "macros", "seeds", "tests", "tallybook")

Catch = frozenset[str]
"""Names of the checks that failed, and of those that warn."""

_WARNS = " (warns)"

NAMES = (*MODELS, *WAREHOUSE, *FOLDER)
assert len(set(NAMES)) == len(NAMES), "a name stands for one corruption"


class Bench:
    """One clean warehouse, and what each corruption of a copy of it makes fail.

    Attributes:
        clean: What a corruption can't be told by: it is said of the clean one, too.
    """

    def __init__(self, warehouse: Path, folder: Path) -> None:
        """Checks the clean warehouse.

        Args:
            warehouse: Built, with nothing wrong in it.
            folder: Where copies go; the caller removes it.
        """
        self._warehouse = warehouse
        self._folder = folder
        self.clean: Catch = frozenset()
        self.clean = self._caught(self._copy("clean"), ROOT)

    def caught(self, name: str) -> Catch:
        """Plants one corruption; returns which checks saw it."""
        if name in WAREHOUSE:
            home = self._copy("changed")
            change(home / "warehouse.duckdb", WAREHOUSE[name][0])
            return self._caught(home, ROOT) - self.clean
        if name in FOLDER:
            home = self._copy("changed")
            for part in ("dlt", "inbox"):
                shutil.copytree(self._warehouse.parent / part, home / part)
            with environment({"TALLYBOOK_HOME": str(home), "TALLYBOOK_NOW": _now()}):
                FOLDER[name](home)
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
            return self._caught(home, ROOT) - self.clean
        path, (old, new) = MODELS[name]
        home, project = self._copy("built"), self._folder / "project"
        _copy_project(project)
        model = project / path
        text = model.read_text("utf-8")
        assert old in text, f"{path} doesn't say {old!r} any more"
        model.write_text(text.replace(old, new), "utf-8")
        try:
            done = _dbt(
                project,
                home,
                *("build", "--full-refresh", "--select", f"{model.stem}+"),
                *("--exclude-resource-type", "test"),
                *("--exclude-resource-type", "unit_test"),
            )
            assert done.success, (name, done.exception, done.result)
            return self._caught(home, project) - self.clean
        finally:
            shutil.rmtree(project)

    def _copy(self, name: str) -> Path:
        home = self._folder / name
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shutil.copy(self._warehouse, home / "warehouse.duckdb")
        return home

    def _caught(self, home: Path, project: Path) -> Catch:
        warehouse = home / "warehouse.duckdb"
        change(
            warehouse,
            "create or replace table ledger.tests as from ledger.tests limit 0",
        )
        return frozenset(self._tests(home, project)) | frozenset(_checks(warehouse))

    def _tests(self, home: Path, project: Path) -> Iterator[str]:
        done = _dbt(project, home, "test", "--exclude-resource-type", "unit_test")
        assert not isinstance(done.exception, Exception), done.exception
        for one in done.result.results:
            if one.status in ("fail", "error"):
                yield f"dbt: {one.node.name}"


def is_caught(name: str, who: Catch) -> bool:
    """Whether a check is red; of some a warning is all that can be said."""
    return bool(who) if name in WARNED else any(_WARNS not in one for one in who)


def _checks(warehouse: Path) -> Iterator[str]:
    try:
        who = Forgotten.of(warehouse.parent)
        found = check(
            warehouse,
            on_progress=lambda _: None,
            names_one=who.is_named_in if who else None,
        )
    except UnreadableError as error:
        yield f"check refuses: {error}"
        return
    for result in found.results:
        if result.status == "failed":
            yield f"{result.group}: {result.name}"
        elif result.status == "warned":
            for column in {cell.column for cell in result.cells}:
                yield f"{result.group}: {result.name}.{column}{_WARNS}"


def _copy_project(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in _PROJECT:
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("*.py", "__pycache__"),
        )
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder)


def _dbt(project: Path, home: Path, *arguments: str) -> Any:
    """One dbt command; of a changed project, only what is changed is parsed."""
    words = ["--project-dir", str(project), "--profiles-dir", str(project)]
    words += ["--quiet", "--target-path", str(home / "target")]
    words += ["--log-path", str(home / "logs"), "--log-level-file", "none"]
    with environment({"TALLYBOOK_HOME": str(home), "TALLYBOOK_NOW": _now()}):
        try:
            if project != ROOT:
                plant(home)
                return dbtRunner().invoke([*arguments, *words])
            # A copy: a run leaves its compiled SQL behind.
            held = manifest().deepcopy()  # type: ignore[no-untyped-call]
            return dbtRunner(manifest=held).invoke([*arguments, *words])
        finally:
            # dbt keeps the file open for the life of the process.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _now() -> str:
    """The clock of the world's last tick."""
    return (SPEC.begin + timedelta(days=SPEC.days + 1)).isoformat()


def page(found: Mapping[str, Catch]) -> str:
    """What `docs/mutation.md` says."""
    seen = sum(is_caught(name, who) for name, who in found.items())
    lines = [
        "# Proof by mutation",
        "",
        "`make mutate` plants one corruption at a time in a copy of a built warehouse,"
        " of its folder, or in a copy of the models (and builds what follows), and asks"
        " every check."
        " The corruptions stand in [mutations.py](../tests/quality/mutations.py).",
        "",
        f"{datetime.now(UTC).date()}: {seen} of {len(found)} were caught, in a"
        f" simulated world of {SPEC.days} days, {SPEC.accounts} accounts and"
        f" {SPEC.emails} emails. dbt's tests looked at everything, as they do once a"
        " day: `ledger.tests` was emptied in the copy. In the minute's path they look"
        " at what was written since they last passed, so a row that somebody"
        " changes by hand is found by the next look at everything, or by"
        " `tallybook check`.",
        "",
        "| where | what goes wrong | caught by |",
        "|---|---|---|",
    ]
    for name, who in found.items():
        where = "models" if name in MODELS else "warehouse"
        where = "folder" if name in FOLDER else where
        by = ", ".join(f"`{one}`" for one in sorted(who)) or "**nobody**"
        lines.append(f"| {where} | {name} | {by} |")
    lines += ["", "## What can't be caught", "", "| what | why |", "|---|---|"]
    lines += [f"| {what} | {why} |" for what, why in IMPOSSIBLE.items()]
    return "\n".join([*lines, ""])


def main() -> int:
    """Plants all of them; 1 if one got away."""
    names = sys.argv[1:] or NAMES
    with TemporaryDirectory() as folder:
        bench = Bench(fill(Path(folder, "home"), SPEC), Path(folder, "copies"))
        print(f"clean: {sorted(bench.clean)}", flush=True)
        found = {}
        for name in names:
            found[name] = bench.caught(name)
            print(f"{name}: {sorted(found[name])}", flush=True)
    if not sys.argv[1:]:
        DOCS.write_text(page(found), "utf-8")
    return 0 if all(is_caught(name, who) for name, who in found.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
