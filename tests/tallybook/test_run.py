"""What a run does when one of its steps goes wrong; the steps are stand-ins."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from extract.pipeline import LoadError, Outcome, Progress, WarehouseBusyError
from tallybook import run as module
from tallybook.builds import Build, Finding, last_build
from tallybook.errors import CannotRunError
from tallybook.publish import Publication

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FINDING = Finding("a_promise_holds", "test", "Got 3 results", 3)


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def extracting(self, _: Progress) -> None: ...

    def extracted(self, _: Sequence[Outcome]) -> None:
        self.told.append("extracted")

    def building(self, _done: int, _nodes: int) -> None: ...

    def built(self, _: Build) -> None:
        self.told.append("built")

    def published(self, _: Publication) -> None:
        self.told.append("published")

    def unpublished(self) -> None:
        self.told.append("unpublished")


class Steps:
    """What the stand-ins return."""

    def __init__(self) -> None:
        self.outcomes = [Outcome("mailgun", "a.example")]
        self.findings: dict[str, tuple[Finding, ...]] = {}
        self.error: Exception | None = None

    def extract(self, _: object, **__: object) -> list[Outcome]:
        if self.error:
            raise self.error
        return self.outcomes

    def build(self, **_: object) -> Build:
        nothing: tuple[Finding, ...] = ()
        findings = {
            kind: self.findings.get(kind, nothing)
            for kind in ("warnings", "failures", "errors")
        }
        return Build("id", NOW, 1.0, 5, 7, 0, **findings, rebuilt=())

    def manifest(self) -> Path:
        return Path("manifest.json")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    published = Publication(Path("analytics.duckdb"), NOW, (), 0, 0.1)
    monkeypatch.setattr(module, "extract", steps.extract)
    monkeypatch.setattr(module, "Dbt", lambda _: steps)
    monkeypatch.setattr(module, "marts_in", lambda _: ())
    monkeypatch.setattr(module, "publish", lambda *_, **__: published)
    return steps


def run(home: Path) -> tuple[module.Run, list[str]]:
    listener = Listener()
    return module.run(home, listener), listener.told


def test_a_green_run_is_published(steps: Steps, tmp_path: Path) -> None:
    steps.findings = {"warnings": (FINDING,)}
    done, told = run(tmp_path)

    assert told == ["extracted", "built", "published"]
    assert done.exit_status == 0


def test_a_failed_test_stops_the_publication(steps: Steps, tmp_path: Path) -> None:
    steps.findings = {"failures": (FINDING,)}
    done, told = run(tmp_path)

    assert told == ["extracted", "built", "unpublished"]
    assert done.publication is None
    assert done.exit_status == 1


def test_a_model_that_cannot_be_built_stops_it_too(
    steps: Steps, tmp_path: Path
) -> None:
    steps.findings = {"errors": (FINDING,), "failures": (FINDING,)}
    done, told = run(tmp_path)

    assert told[-1] == "unpublished"
    assert done.exit_status == 2


def test_a_source_that_fails_stops_neither_build_nor_publication(
    steps: Steps, tmp_path: Path
) -> None:
    steps.outcomes = [
        Outcome("mailgun", "a.example", outcome="failed"),
        Outcome("mailgun", "b.example"),
        Outcome("app", outcome="skipped"),
    ]
    done, told = run(tmp_path)

    assert told == ["extracted", "built", "published"]
    assert done.exit_status == 2


@pytest.mark.usefixtures("steps")
def test_the_last_build_is_written_down(tmp_path: Path) -> None:
    assert last_build(tmp_path) is None
    done, _ = run(tmp_path)

    assert last_build(tmp_path) == done.build


@pytest.mark.parametrize("error", [LoadError("full"), WarehouseBusyError("full")])
def test_what_the_warehouse_refuses_is_said_in_words(
    steps: Steps, tmp_path: Path, error: Exception
) -> None:
    steps.error = error
    with pytest.raises(CannotRunError, match="full"):
        run(tmp_path)
