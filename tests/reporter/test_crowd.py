"""A thousand reporters against one door that is killed ten times."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import sleep

import duckdb
import pytest
from served import Served

from extract.pipeline import extract

ROOT = Path(__file__).parents[2]
REPORTERS, KILLS, ROUNDS = (
    (1_000, 10, 25) if "TALLYBOOK_PROOF" in os.environ else (80, 2, 5)
)
PROCESSES = 4


@pytest.mark.proof
def test_what_no_reporter_gave_up_on_is_in_the_warehouse_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = {"worked": ["reporter", "turn"]}
    door = Served(tmp_path / "home", {"COLLECTOR__ALLOWED_PROPERTIES": allowed})
    door.start()
    share = REPORTERS // PROCESSES
    results = [tmp_path / f"result-{n}.json" for n in range(PROCESSES)]
    crowd = [
        subprocess.Popen(
            [
                *(sys.executable, ROOT / "tests" / "reporter" / "crowd.py"),
                *(f"{door.url}/spade", str(n * share), str(share)),
                *(str(ROUNDS), "2", result),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for n, result in enumerate(results)
    ]
    for _ in range(KILLS):
        sleep(2)
        assert all(process.poll() is None for process in crowd)
        door.kill()
        sleep(0.5)
        door.start()
    for process in crowd:
        assert process.wait(300) == 0
    door.stop()

    told = [one for result in results for one in json.loads(result.read_text())]
    for one in told:
        counts = one["counts"]
        assert counts.pop("reported") == sum(counts.values()) == ROUNDS
        assert counts["waiting"] == 0
        assert len(one["ids"]) == len(set(one["ids"])) == counts["sent"]
    sent = {event_id for one in told for event_id in one["ids"]}
    given_up = sum(one["counts"]["given_up"] for one in told)
    assert len(sent) + given_up == REPORTERS * ROUNDS

    monkeypatch.setenv("TALLYBOOK_HOME", str(door.home))
    (outcome,) = extract(["inbox"])
    assert (outcome.outcome, outcome.dead) == ("ok", 0)
    with duckdb.connect(door.home / "warehouse.duckdb") as connection:
        payloads = connection.execute("select payload from raw.client_events")
        events = [json.loads(payload) for (payload,) in payloads.fetchall()]
        (account,) = connection.execute(
            "select sum(events), sum(loaded + repeated + dead), sum(loaded)"
            " from raw.requests"
        ).fetchall()
    in_warehouse = Counter(event["id"] for event in events)
    assert sent <= in_warehouse.keys()
    assert set(in_warehouse.values()) == {1}
    assert len(in_warehouse) - len(sent) <= given_up
    places = {(e["properties"]["reporter"], e["properties"]["turn"]) for e in events}
    assert len(places) == len(events)
    assert account[0] == account[1]
    assert account[2] == len(events)
