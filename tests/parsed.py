"""The project is parsed once for all tests, and whoever needs it is given that.

    dbt parse ──▶ target/tests/ ──┬── manifest() ──▶ a runner in this process
                                  └── plant(home) ──▶ <home>/target/ ──▶ any dbt there

A full parse is six seconds of processor time, and every state folder would begin with
one: what dbt keeps of it is only taken where the whole profile is the same, and the
profile has the path of the warehouse. So a copy goes to each with the profile's hash
as dbt itself makes it there. Files of the project that have changed are parsed again,
as ever; tests/project has dbt begin with nothing.
"""

import gc
import os
from argparse import Namespace
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from dbt.config.runtime import load_profile
from dbt.constants import PARTIAL_PARSE_FILE_NAME
from dbt.contracts.graph.manifest import Manifest
from dbt.flags import set_from_args
from dbt.parser.manifest import ManifestLoader
from dbt_common.context import set_invocation_context
from filelock import FileLock

from extract.home import ROOT
from tallybook.build import Dbt

HOME = ROOT / "target" / "tests"


class _Parsed(NamedTuple):
    manifest: Manifest
    kept: bytes
    """What dbt keeps of it for the next time."""
    profile: bytes
    """The hash in there of the profile."""


def manifest() -> Manifest:
    """The project, as parsed; whoever runs it takes back what a run leaves in it."""
    return _parsed().manifest


def plant(home: Path) -> Path:
    """Spares dbt a full parse in a state folder.

    Args:
        home: The folder; made if missing. What was parsed there before is replaced.

    Returns:
        The same folder.
    """
    parsed = _parsed()
    target = home / "target"
    target.mkdir(parents=True, exist_ok=True)
    (target / PARTIAL_PARSE_FILE_NAME).write_bytes(
        parsed.kept.replace(parsed.profile, _profile(home))
    )
    return home


@cache
def _parsed() -> _Parsed:
    HOME.mkdir(parents=True, exist_ok=True)
    with patch.dict(os.environ), FileLock(HOME / "lock"):
        dbt = Dbt(HOME)
        dbt.manifest()
        # Else every look for garbage walks through all of it, in all tests to come.
        gc.freeze()
        kept = (HOME / "target" / PARTIAL_PARSE_FILE_NAME).read_bytes()
    profile = _profile(HOME)
    assert kept.count(profile) == 1
    assert dbt._parsed is not None
    return _Parsed(dbt._parsed, kept, profile)


def _profile(home: Path) -> bytes:
    """The hash by which dbt tells whether the profile is the same."""
    with patch.dict(os.environ, TALLYBOOK_HOME=str(home)):
        set_from_args(Namespace(PROFILES_DIR=str(ROOT)), None)  # type: ignore[no-untyped-call]
        set_invocation_context(os.environ)
        credentials = load_profile(str(ROOT), {}).credentials
        args = Namespace(profile=None, target=None)
        project = Namespace(
            credentials=credentials, args=args, cli_vars={}, project_env_vars={}
        )
        check = ManifestLoader.build_manifest_state_check(  # type: ignore[no-untyped-call]
            Namespace(root_project=project, all_projects={})
        )
    return str(check.profile_hash.checksum).encode()
