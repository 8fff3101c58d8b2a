"""`forget ADDRESS`: asked for in a file, carried out by whoever holds the run lock.

    request ──▶ list ──▶ dlt's leftovers ──▶ warehouse ──▶ archive, logs ──╮
                                                                           │
    report ◀── searched for traces ◀── published afresh ◀── built again ◀──╯

Every step can be done twice, and the request goes only with the last one. So a process
that is killed leaves it, and the next tick begins again. A segment of the inbox that is
still written to, or not read yet, is waited for; so is a build that passes its checks.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import duckdb
import msgspec

from extract.forgotten import Forgotten, is_address, recipient_key
from extract.forgotten_inbox import erase_archive, naming, unarchived
from tallybook.erasure import Erased, Erasure
from tallybook.errors import CannotRunError
from tallybook.files import replace_file
from tallybook.shelf import NAME
from tallybook.traces import Search, files_naming

State = Literal["asked", "erased", "published"]

OURS = ("logs", "target", "reports")
"""Folders of what a run writes anew; a file in them that names someone goes."""


@dataclass(frozen=True)
class Request:
    """A person to be forgotten.

    Attributes:
        request_id: Its file's name.
        address: Theirs; kept until all is done, for segments that are waited for.
        asked_at: When it was asked for.
        state: How far it has come. `erased`: the warehouse has nothing of theirs, but
            what is published may. `published`: only segments are waited for.
    """

    request_id: str
    address: str
    asked_at: datetime
    state: State = "asked"


@dataclass(frozen=True)
class Report:
    """What forgetting did.

    Attributes:
        tokens: What stands for each address now.
        rows: Rows in which something was replaced, by table.
        made_again: Models that were made again, since they named someone.
        segments: Archived segments that were written again.
        removed: Files that were removed.
        other_addresses: Addresses of the same members that are still known.
        waits_for: What is left to do, and until when.
        traces: Where they are named still; a mistake of ours, if there is any.
    """

    tokens: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    made_again: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    other_addresses: int = 0
    waits_for: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether nobody is named any more."""
        return not self.waits_for and not self.traces


def ask(home: Path, address: str) -> Request:
    """Writes a request, for its owner's eyes only.

    Raises:
        CannotRunError: It is no address.
        OSError: The state folder can't be written.
    """
    request = Request(secrets.token_hex(8), checked(address), datetime.now(UTC))
    _folder(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(home, request)
    return request


def checked(address: str) -> str:
    """An address, without what stands around it.

    Raises:
        CannotRunError: It is none.
    """
    if not is_address(address.strip()):
        raise CannotRunError(
            f"{address} is no address.", "Write it like ann@example.com."
        )
    return address.strip()


def requests(home: Path) -> list[Request]:
    """What is left to do, the oldest first."""
    found = []
    for path in _folder(home).glob("*.json"):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Request))
        except FileNotFoundError:
            continue
    return sorted(found, key=lambda request: request.asked_at)


@dataclass(frozen=True)
class Found:
    """What there is of a person.

    Attributes:
        rows: Rows that name them, by table of raw or the ledger.
        made_again: Models that name them.
        segments: Files of the inbox that name them.
        other_addresses: Addresses of the same members that nobody has asked to forget.
    """

    rows: dict[str, int]
    made_again: tuple[str, ...]
    segments: tuple[str, ...]
    other_addresses: int


def look(home: Path, address: str) -> Found:
    """What there is of a person; the caller holds the lock.

    Raises:
        CannotRunError: It is no address, or the warehouse is open elsewhere.
    """
    checked(address)
    forgotten, erased = Forgotten.of(home), Erased({}, (), 0)
    if (home / "warehouse.duckdb").exists():
        with closing(Erasure(home, forgotten, [address])) as erasure:
            erased, forgotten = erasure.look(), erasure.forgotten
    else:
        forgotten = forgotten.and_((recipient_key(address),))
    return Found(
        erased.rows,
        erased.made_again,
        tuple(naming(home, forgotten)),
        erased.other_addresses,
    )


class Forgetting:
    """Carries out all requests there are; the caller holds the lock.

    Between `erase` and `finish` the warehouse is built and published, whole.

    Attributes:
        requests: What is asked for.
    """

    def __init__(self, home: Path) -> None:
        """Looks what is asked for."""
        self._home = home
        self.requests = requests(home)
        self._keys = tuple(recipient_key(each.address) for each in self.requests)
        self._report = Report()
        self._members: frozenset[str] = frozenset()
        self._forgotten = Forgotten()

    @property
    def is_needed(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.requests)

    @property
    def must_publish(self) -> bool:
        """Whether what is published may name someone."""
        return any(request.state != "published" for request in self.requests)

    @property
    def must_erase(self) -> bool:
        """Whether the warehouse may name someone."""
        return any(request.state == "asked" for request in self.requests)

    def erase(self) -> None:
        """Does all that comes before the build.

        Raises:
            CannotRunError: The warehouse is open elsewhere, or does not take what was
                read before.
            OSError: There is no room, say.
        """
        from extract.pipeline import LoadError, WarehouseBusyError, settle  # noqa: PLC0415 - dlt takes seconds

        self._forgotten = Forgotten.of(self._home).and_(self._keys)
        # First of all: whoever loads from now on, after a kill, too, loads erased rows.
        self._forgotten.write(self._home)
        if self.must_erase:
            try:
                settle()
            except (LoadError, WarehouseBusyError) as error:
                raise CannotRunError(str(error)) from error
            with closing(Erasure(self._home, self._forgotten, self._keys)) as erasure:
                self._members = erasure.members
                self._forgotten = erasure.forgotten
                self._forgotten.write(self._home)
                erased = erasure.carry_out()
            self._report = Report(
                rows=erased.rows,
                made_again=erased.made_again,
                other_addresses=erased.other_addresses,
            )
        tokens = map(self._forgotten.token, self._keys)
        self._report = replace(
            self._report, tokens=tuple(sorted({token for token in tokens if token}))
        )

    def finish(self, *, is_published: bool) -> Report:
        """Does all that comes after the build, and looks for traces.

        Args:
            is_published: Whether the published file was made afresh.
        """
        waits = [
            f"inbox/{name}.segment: until the collector has closed it and a tick has "
            "read it"
            for name in unarchived(self._home, self._forgotten)
        ]
        if self.must_publish and not is_published:
            waits.append(
                f"published/{NAME}: until a build passes its checks, or "
                "`tallybook publish --anyway`"
            )
        report = replace(
            self._report,
            segments=tuple(erase_archive(self._home, self._forgotten)),
            removed=tuple(self._remove()),
            waits_for=tuple(waits),
        )
        if self.must_publish or not waits:
            report = replace(report, traces=tuple(self._traces(waits)))
        self._note(report, is_published=is_published or not self.must_publish)
        return report

    def _remove(self) -> Iterable[str]:
        """Removes what a run writes anew, where it names someone."""
        shutil.rmtree(self._home / "dlt.gone", ignore_errors=True)
        for folder in OURS:
            for path in self._files(self._home / folder):
                path.unlink()
                yield str(path.relative_to(self._home))

    def _traces(self, waits: list[str]) -> Iterable[str]:
        """Where they are named still, but for what is waited for."""
        awaited = {each.partition(":")[0] for each in waits}
        if f"published/{NAME}" in awaited:
            awaited |= {
                str(path.relative_to(self._home))
                for path in (self._home / "published").glob(".analytics-*")
            }
        found = {str(path.relative_to(self._home)) for path in self._files(self._home)}
        for file in {"warehouse.duckdb", f"published/{NAME}"} - awaited:
            if (self._home / file).exists() and self._has_naming_rows(file):
                found.add(file)
        return sorted(found - awaited)

    def _has_naming_rows(self, file: str) -> bool:
        path = str(self._home / file).replace("'", "''")
        with duckdb.connect() as con:
            con.execute(f"attach '{path}' as searched (read_only)")
            search = Search(con, "searched", self._forgotten, self._keys, self._members)
            return any(map(search.names_someone, search.tables()))

    def _files(self, folder: Path) -> Iterator[Path]:
        return files_naming(folder, self._forgotten, self._keys, self._members)

    def _note(self, report: Report, *, is_published: bool) -> None:
        """Writes the report, and what is left of the requests."""
        folder = self._home / "reports"
        folder.mkdir(exist_ok=True)
        for token in report.tokens:
            name = f"{token.partition('@')[0]}.json"
            replace_file(
                folder / name, msgspec.json.format(msgspec.json.encode(report))
            )
        state: State = "published" if is_published else "erased"
        for request in self.requests:
            if report.is_done:
                (_folder(self._home) / f"{request.request_id}.json").unlink()
            elif not report.traces:
                _write(self._home, replace(request, state=state))


def _folder(home: Path) -> Path:
    return home / "requests" / "forget"


def _write(home: Path, request: Request) -> None:
    path = _folder(home) / f"{request.request_id}.json"
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(msgspec.json.encode(request))
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(path)
