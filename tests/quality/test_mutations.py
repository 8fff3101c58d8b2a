"""Proof by mutation: every corruption is caught, and a clean warehouse is not."""

import os
from pathlib import Path

import pytest
from mutate import Bench
from mutations import MODELS, WAREHOUSE

PROOF = bool(os.environ.get("TALLYBOOK_PROOF"))
SAMPLE = ("a suppression that is never lifted", "a late event ignored")
"""`make test` plants these: one in the models, one in the warehouse."""


@pytest.fixture(scope="session")
def bench(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """All checks have looked at the clean warehouse."""
    return Bench(clean, tmp_path_factory.mktemp("bench"))


def test_nothing_is_red_in_a_clean_warehouse(bench: Bench) -> None:
    assert bench.clean == frozenset()


@pytest.mark.parametrize("name", [*MODELS, *WAREHOUSE] if PROOF else SAMPLE)
def test_each_corruption_is_caught(bench: Bench, name: str) -> None:
    assert bench.caught(name)
