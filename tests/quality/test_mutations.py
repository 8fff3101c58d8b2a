"""Proof by mutation: every corruption is caught, and a clean warehouse is not."""

import os
from pathlib import Path

import pytest
from mutate import NAMES, Bench, is_caught

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))
SAMPLE = ("a suppression that is never lifted", "a late event ignored")
"""`make test` plants these: one in the models, one in the warehouse."""


@pytest.fixture(scope="session")
def bench(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """All checks have looked at the clean warehouse."""
    return Bench(clean, tmp_path_factory.mktemp("bench"))


def test_nothing_is_red_in_a_clean_warehouse(bench: Bench) -> None:
    assert [one for one in bench.clean if not one.endswith("(warns)")] == []


@pytest.mark.parametrize("name", NAMES if PROOF else SAMPLE)
def test_each_corruption_is_caught(bench: Bench, name: str) -> None:
    assert is_caught(name, bench.caught(name))
