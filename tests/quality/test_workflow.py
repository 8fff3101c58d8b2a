"""The workflow that gates a pull request does what it says, step by step."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "docs" / "ci" / "pull-request.yml"


def steps() -> dict[str, str]:
    """Its commands, by the names of the steps."""
    found = yaml.safe_load(WORKFLOW.read_text())["jobs"]["tally"]["steps"]
    return {step["name"]: step["run"] for step in found if "run" in step}


@pytest.mark.proof
@pytest.mark.skipif(
    "TALLYBOOK_PROOF" not in os.environ, reason="a proof: half a minute"
)
def test_a_model_that_miscounts_is_stopped_and_its_rows_are_shown(
    tmp_path: Path,
) -> None:
    here, summary = tmp_path / "after", tmp_path / "summary.md"
    subprocess.run(["git", "clone", "--quiet", ROOT, here], check=True)
    model = here / "models" / "marts" / "delivery" / "fct_delivery_daily.sql"
    counted = "count(*) as events"
    assert counted in model.read_text()
    model.write_text(
        model.read_text().replace(
            # What the model's own unit test doesn't see.
            counted,
            "count(*) filter (where recipient_key not like 'a%') as events",
        )
    )
    environment = os.environ | {
        "GITHUB_STEP_SUMMARY": str(summary),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(here),
        "TALLYBOOK_HOME": str(tmp_path / "seeded"),
    }

    ended = {
        name: subprocess.run(
            ["bash", "-e", "-c", run.replace("origin/${{ github.base_ref }}", "HEAD")],
            cwd=here,
            env=environment,
            check=False,
        ).returncode
        for name, run in steps().items()
        if name != "Install"
    }

    assert list(ended.values()) == [0, 1, 1, 0], ended
    assert "#### fct_delivery_daily" in summary.read_text()
    assert "#### fct_recipient_status" not in summary.read_text()
    assert 'name="delivery_daily"' in (here / "check.xml").read_text()
    assert (here / "report.html").exists()
