"""Killed anywhere between the inbox and the archive, nothing is lost or doubled."""

import shutil
from pathlib import Path

import pytest
from bodies import NOON, compact, enveloped, mailed, marked, received, sent
from killed import ARCHIVING, COMMITTED, KILLS, die, live
from raw_reader import Raw

from extract.pipeline import extract
from inbox import Inbox

ALL = """
    select 'sendgrid' as provider, event_id, request_id from sendgrid_events
    union all select 'mailgun', event_id, request_id from mailgun_events
    union all select 'postmark', event_name, request_id from postmark_events
    order by all
"""


def fill(home: Path) -> list[tuple[str, str, str]]:
    """Several segments of all providers; what must come of them."""
    batches = [compact([sent(f"s{n}"), {}, sent(f"s{n}-b")]) for n in range(3)]
    first = received(home, "sendgrid", *batches)
    again = received(home, "sendgrid", *batches, at=NOON + 60)
    mailgun = received(home, "mailgun", enveloped(mailed("m")), at=NOON + 120)
    postmark = received(home, "postmark", compact(marked()), b"{", at=NOON + 180)
    assert len({*first, *again}) == 6
    return sorted(
        [
            *(("sendgrid", f"s{n}", request) for n, request in enumerate(first)),
            *(("sendgrid", f"s{n}-b", request) for n, request in enumerate(first)),
            ("mailgun", "m", mailgun[0]),
            ("postmark", "Delivery", postmark[0]),
        ]
    )


@pytest.mark.parametrize(
    "kill", [*KILLS.values(), *ARCHIVING.values()], ids=[*KILLS, *ARCHIVING]
)
def test_reading_that_is_killed_loses_nothing_and_doubles_nothing(
    home: Path, raw: Raw, kill: str
) -> None:
    expected = fill(home)

    die("inbox", kill)
    [late] = received(home, "sendgrid", compact([sent("late")]), at=NOON + 240)
    [outcome] = extract(["inbox"])

    assert outcome.outcome == "ok"
    assert raw.rows(ALL) == sorted([*expected, ("sendgrid", "late", late)])
    assert raw.row(
        "select count(*), count(distinct request_id), sum(events), sum(loaded),"
        " sum(repeated), sum(dead) from requests"
    ) == (10, 10, 22, 9, 11, 2)
    assert raw.rows("select reason from dead_letters order by 1") == [
        ("invalid_json",),
        ("missing_event_type",),
    ]
    inbox = Inbox(home / "inbox")
    assert inbox.segments() == []
    assert len(inbox.archive.segments()) == 5
    assert not list(inbox.archive.folder.glob("*.new"))


def test_the_same_kill_doubles_rows_with_dlts_own_job(home: Path, raw: Raw) -> None:
    # Else the test above would prove nothing.
    expected = fill(home)
    plain = "destination.AppendOnceJob.run = destination.DuckDbCopyJob.run\n"

    die("inbox", plain + KILLS[COMMITTED])
    live("inbox", plain)

    assert len(raw.rows(ALL)) > len(expected)


def test_state_that_is_lost_with_its_folder_is_that_of_the_warehouse(
    home: Path, raw: Raw
) -> None:
    fill(home)
    extract(["inbox"])
    before = raw.rows(ALL)
    shutil.rmtree(home / "dlt")
    archive = Inbox(home / "inbox").archive
    for path in archive.folder.iterdir():
        path.unlink()
    fill(home)

    [outcome] = extract(["inbox"])

    assert (outcome.loaded, outcome.repeated + outcome.dead) == (0, 21)
    assert raw.rows(ALL) == before
