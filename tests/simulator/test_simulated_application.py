"""The application's database fits the provider's log, and may lag behind it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from simulator.app import write_app
from simulator.clock import MINUTE, SECOND, instant_of
from simulator.world import Spec, World

ZONES = {"America/New_York", "Asia/Kathmandu"}


def test_every_table_has_its_rows_and_times_in_utc(world: World) -> None:
    tables = world.app_tables()
    assert {name: len(table) > 0 for name, table in tables.items()} == {
        "accounts": True,
        "emails": True,
        "email_batches": True,
        "email_recipients": True,
        "members": True,
        "notifications": True,
        "reporting_events": True,
    }
    for table in tables.values():
        assert table.column_names[-2:] == ["updated_at", "deleted_at"]
        for field in table.schema:
            is_time = field.name.endswith("_at")
            assert (field.type == pa.timestamp("us", tz="UTC")) == is_time


def test_each_account_has_a_zone_and_a_domain_of_its_own(world: World) -> None:
    accounts = world.app_tables()["accounts"]
    assert set(accounts["reporting_timezone"].to_pylist()) == ZONES
    assert tuple(accounts["sending_domain"].to_pylist()) == world.domains


def test_many_accounts_still_have_domains_of_their_own() -> None:
    assert len(set(World(Spec(accounts=30, emails=1)).domains)) == 30


def test_a_message_id_stands_with_the_batch_or_with_the_recipient(world: World) -> None:
    tables = world.app_tables()
    batched = set(tables["email_batches"]["email_id"].to_pylist())
    emails = set(tables["emails"]["email_id"].to_pylist())
    assert batched
    assert batched < emails
    for row in tables["email_recipients"].to_pylist():
        assert (row["message_id"] is None) == (row["email_id"] in batched)


def test_conversations_have_every_name_and_gaps(world: World) -> None:
    events = world.app_tables()["reporting_events"]
    assert set(events["name"].to_pylist()) == {
        "conversation_resolved", "first_response", "reply_time",
        "conversation_bot_resolved", "conversation_bot_handoff",
    }  # fmt: skip
    for gap in ("value", "user_id", "inbox_id", "conversation_id"):
        assert 0 < events[gap].null_count < len(events)
    ids = events["event_id"].to_pylist()
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_folder_has_a_file_for_each_table(
    world: World, tmp_path: Path, form: str
) -> None:
    tables = world.app_tables()
    write_app(tables, tmp_path / "app", form=form)
    read = {"parquet": pyarrow.parquet.read_table, "csv": pyarrow.csv.read_csv}[form]
    for name, table in tables.items():
        assert len(read(tmp_path / "app" / f"{name}.{form}")) == len(table)


def test_a_row_may_be_written_only_after_its_mails_first_event(tmp_path: Path) -> None:
    world = World(Spec(emails=6, recipients_per_email=80, late_rows=0.3))
    tables = world.app_tables()
    late = [
        row
        for row in tables["email_recipients"].to_pylist()
        if row["updated_at"] > row["sent_at"]
    ]
    assert late
    queued = {
        (truth.email_id, truth.recipient): truth.queued_at
        for truth in world.truth().recipients
    }
    overtaken = [
        row
        for row in late
        if (queued_at := queued[row["email_id"], row["member_email"]])
        and instant_of(queued_at) < row["updated_at"]
    ]
    assert overtaken

    soon = overtaken[0]["sent_at"]
    write_app(tables, tmp_path, known_by=soon)
    early = pyarrow.parquet.read_table(tmp_path / "email_recipients.parquet")
    assert all(row["updated_at"] <= soon for row in early.to_pylist())
    assert overtaken[0] not in early.to_pylist()
    write_app(tables, tmp_path)
    whole = pyarrow.parquet.read_table(tmp_path / "email_recipients.parquet")
    assert whole == tables["email_recipients"]


def test_mail_is_accepted_soon_after_it_was_sent(world: World) -> None:
    sent = {
        (row["email_id"], row["member_email"]): row["sent_at"]
        for row in world.app_tables()["email_recipients"].to_pylist()
    }
    for truth in world.truth().recipients:
        if truth.queued_at is not None:
            waited = instant_of(truth.queued_at) - sent[truth.email_id, truth.recipient]
            assert SECOND / 100 < waited.total_seconds() * SECOND < MINUTE
