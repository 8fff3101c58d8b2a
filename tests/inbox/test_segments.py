"""The segment format: what was appended is read once, whatever became of the file."""

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox import Damage, Inbox, Received, Record, Writer, new_request_id, reader
from inbox.records import MAGIC, encode

FORGED = Record("forged", "sendgrid", "", 0, b"no request brought it")

BODIES = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.just(MAGIC * 3),
        st.just(b"".join(encode(FORGED, "?", 24))),
    ),
    min_size=1,
    max_size=8,
)


def record(number: int, body: bytes) -> Record:
    return Record(f"request-{number}", "sendgrid", "", number, body)


def written(folder: Path, bodies: list[bytes]) -> Path:
    writer = Writer(folder)
    for number, body in enumerate(bodies):
        writer.append([record(number, body)])
    writer.close()
    (segment,) = folder.glob("*.segment")
    return segment


def bodies_in(folder: Path, places: dict[str, int] | None = None) -> list[bytes]:
    return [
        one.record.body
        for one in Inbox(folder).read(places or {})
        if isinstance(one, Received)
    ]


@settings(max_examples=200, deadline=None)
@given(BODIES, st.data())
def test_of_a_segment_cut_anywhere_every_whole_record_is_read(
    bodies: list[bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        segment = written(folder, bodies)
        ends = [one.place.offset for one in Inbox(folder).read({})]
        cut = data.draw(st.integers(0, segment.stat().st_size))
        os.truncate(segment, cut)

        found = list(Inbox(folder).read({}))

        whole = [body for body, end in zip(bodies, ends, strict=True) if end <= cut]
        assert [one.record.body for one in found if isinstance(one, Received)] == whole
        torn = cut - max([end for end in ends if end <= cut], default=0)
        assert [one.size for one in found if isinstance(one, Damage)] == (
            [torn] if torn else []
        )
        assert all(one.is_torn for one in found if isinstance(one, Damage))


@settings(max_examples=200, deadline=None)
@given(BODIES, st.data())
def test_a_spoilt_byte_costs_one_record_and_is_told(
    bodies: list[bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        segment = written(folder, bodies)
        ends = [one.place.offset for one in Inbox(folder).read({})]
        content = bytearray(segment.read_bytes())
        spoilt = data.draw(st.integers(0, len(content) - 1))
        content[spoilt] ^= data.draw(st.integers(1, 255))
        segment.write_bytes(content)

        found = list(Inbox(folder).read({}))

        hit = next(number for number, end in enumerate(ends) if spoilt < end)
        assert [one.record.body for one in found if isinstance(one, Received)] == [
            body for number, body in enumerate(bodies) if number != hit
        ]
        assert len([one for one in found if isinstance(one, Damage)]) == 1
        assert found[-1].place.offset == len(content)


@settings(max_examples=60, deadline=None)
@given(BODIES, st.data())
def test_reading_goes_on_from_any_place_and_in_any_chunks(
    bodies: list[bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        segment = written(folder, bodies)
        patch.setattr(reader, "CHUNK", data.draw(st.integers(500, 2_000)))
        places = [one.place.offset for one in Inbox(folder).read({})]
        start = data.draw(st.integers(0, len(bodies)))
        offset = ([0, *places])[start]

        assert bodies_in(folder, {segment.stem: offset}) == bodies[start:]


def test_of_an_open_segment_the_end_is_not_judged(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([record(0, b"whole")])
    (segment,) = tmp_path.glob("*.segment")
    pieces = encode(record(1, b"on its way"), segment.stem, segment.stat().st_size)
    frame = b"".join(pieces)
    with segment.open("ab") as file:
        file.write(frame[:20])
        file.flush()
        assert [type(one) for one in Inbox(tmp_path).read({})] == [Received]
        assert not Inbox(tmp_path).retire({segment.stem: segment.stat().st_size})
        file.write(frame[20:])
    assert bodies_in(tmp_path) == [b"whole", b"on its way"]


def test_a_segment_is_never_appended_to_after_a_failed_write(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.append([record(0, b"first")])
    with pytest.MonkeyPatch.context() as patch:

        def torn(file: int, frames: memoryview) -> int:
            os.pwrite(file, frames[:5], os.fstat(file).st_size)
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", torn)
        with pytest.raises(OSError, match="No space left"):
            writer.append([record(1, b"refused")])
    writer.append([record(2, b"later")])

    assert len(list(tmp_path.glob("*.segment"))) == 2
    assert bodies_in(tmp_path) == [b"first", b"later"]


def test_only_what_was_read_to_its_end_and_is_closed_is_archived(
    tmp_path: Path,
) -> None:
    inbox, writer = Inbox(tmp_path), Writer(tmp_path)
    writer.append([record(0, b"one"), record(1, b"two")])
    (name,) = inbox.segments()
    ends = [one.place.offset for one in inbox.read({})]

    assert inbox.retire({name: ends[-1]}) == []
    writer.close()
    assert inbox.retire({name: ends[0]}) == []
    assert inbox.retire({name: ends[-1]}) == [name]
    assert inbox.segments() == []
    assert inbox.forgettable([name]) == {name}
    assert [one.body for one in inbox.archive.read(name)] == [b"one", b"two"]
    assert inbox.archive.size(name) == ends[-1]
    now = datetime.now(UTC)
    assert inbox.archive.forget(now) == 0
    assert inbox.archive.forget(now + timedelta(days=31)) == 1
    assert inbox.archive.segments() == []


@pytest.mark.parametrize(
    "spoilt", [b"", b"no gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 20]
)
def test_a_spoilt_archive_is_an_error_that_names_it(
    tmp_path: Path, spoilt: bytes
) -> None:
    inbox, writer = Inbox(tmp_path), Writer(tmp_path)
    writer.append([record(0, b"one")])
    writer.close()
    [name] = inbox.segments()
    inbox.retire({name: 1_000_000})
    [path] = inbox.archive.folder.iterdir()
    path.write_bytes(spoilt or path.read_bytes()[:-9])

    with pytest.raises(OSError, match=rf"spoilt on disk.*{name}"):
        list(inbox.archive.read(name))


def test_segments_are_rotated_by_size_and_by_age(tmp_path: Path) -> None:
    small = Writer(tmp_path / "small", largest=100)
    old = Writer(tmp_path / "old", oldest=0.0)
    for number in range(3):
        small.append([record(number, b"x" * 60)])
        old.append([record(number, b"x")])

    assert len(Inbox(tmp_path / "small").segments()) >= 2
    assert len(Inbox(tmp_path / "old").segments()) == 3
    assert len(bodies_in(tmp_path / "small")) == len(bodies_in(tmp_path / "old")) == 3


def test_the_lock_of_a_dead_writer_is_free(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        Writer(tmp_path).append([record(0, b"last words")])
        os._exit(9)
    os.waitpid(pid, 0)
    (segment,) = tmp_path.glob("*.segment")
    with segment.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert bodies_in(tmp_path) == [b"last words"]


def test_request_ids_sort_as_they_were_received() -> None:
    at = 1_700_000_000_999_999
    names = [new_request_id(at + n) for n in range(5)]
    assert names == sorted(names)
    assert len(set(names)) == 5


def test_what_is_too_large_is_refused_whole(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    with pytest.raises(ValueError, match="at most"):
        writer.append([record(0, b"fine"), record(1, b"x" * 9_000_000)])
    assert bodies_in(tmp_path) == []
