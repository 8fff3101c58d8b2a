"""The files that take turns at being `published/analytics.duckdb`.

    .analytics-1.duckdb ── hard link ── analytics.duckdb   what analysts open
    .analytics-2.duckdb                                    brought up to date next
    .files.json                                            what we wrote, and when

A publication changes a file that nobody has open and then gives it the name,
so that a reader keeps the file that it opened, whole, until it closes it, and
history is never copied again. A file is trusted only while it looks exactly as
we left it: whatever a killed publication or somebody else has written to is
thrown away.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tallybook.files import replace_file, sync

NAME = "analytics.duckdb"
"""What analysts open."""

_NO_LOG = "this-file-is-published/and-read-only"
"""Where `analytics.duckdb.wal` points: nowhere.

DuckDB finds a log by its name alone, and replays a log that another file left
behind. With a link to nowhere in its place, everything can be opened and read,
and a write fails before it has changed anything.
"""

_KEPT = 2


@dataclass(frozen=True)
class _Look:
    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "_Look":
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)


@dataclass(frozen=True)
class _Left:
    look: _Look
    change_number: int


class Shelf:
    """The folder of published files."""

    def __init__(self, folder: Path) -> None:
        """Opens the folder; makes it when it isn't there.

        Args:
            folder: `published/` in the state folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._list = folder / ".files.json"
        self._left = _read(self._list)

    def standing_by(self) -> list[Path]:
        """Files to bring up to date, those with the least to catch up first.

        Not the one that analysts open now. Removes every file that doesn't
        look as it was left.
        """
        current = _inode(self._folder / NAME)
        standing_by = []
        for path in self._folder.glob(".analytics-*.duckdb"):
            if self._is_as_left(path):
                if path.stat().st_ino != current:
                    standing_by.append(path)
            else:
                self.discard(path)
        return sorted(
            standing_by, key=lambda path: -self._left[path.name].change_number
        )

    def unused(self) -> Path:
        """A path for a new file."""
        taken = {path.name for path in self._folder.glob(".analytics-*")}
        number = 1
        while any(name.startswith(f".analytics-{number}.") for name in taken):
            number += 1
        return self._folder / f".analytics-{number}.duckdb"

    def clear(self) -> None:
        """Removes every file but the name that analysts open, until it is replaced."""
        for path in self._folder.glob(".analytics-*.duckdb"):
            self.discard(path)

    def discard(self, path: Path) -> None:
        """Removes a file; a process that has it open reads on undisturbed."""
        log_of(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def show(self, path: Path, change_number: int) -> Path:
        """Makes a finished file the one that analysts open, at one stroke.

        Args:
            path: The file, closed.
            change_number: Up to where it follows the warehouse.

        Returns:
            The path that analysts open.
        """
        shown = self._folder / NAME
        sync(path)
        self._left[path.name] = _Left(_Look.of(path), change_number)
        self._write_list()

        name = self._folder / ".analytics.duckdb.new"
        name.unlink(missing_ok=True)
        try:
            # Some file systems can't do it, some no further for this file.
            os.link(path, name)
        except OSError:
            shutil.copyfile(path, name)
            sync(name)
        self._refuse_logs()
        name.replace(shown)
        sync(self._folder)
        return shown

    def tidy(self, shown: Path, held: set[Path]) -> None:
        """Leaves one file to be next in turn, beside those that are open.

        When there is none, a copy of the one that is shown: a file is copied
        faster than its tables can be made a second time.

        Args:
            shown: The file that analysts open now.
            held: Files that a reader was seen to hold.
        """
        free = [path for path in self.standing_by() if path not in held]
        for path in free[_KEPT - 1 :]:
            self.discard(path)
        if not free:
            path = self.unused()
            try:
                shutil.copyfile(shown, path)
                sync(path)
            except OSError:
                self.discard(path)
                raise
            left = self._left[shown.name]
            self._left[path.name] = _Left(_Look.of(path), left.change_number)
        self._left = {
            name: left
            for name, left in self._left.items()
            if (self._folder / name).exists()
        }
        self._write_list()

    def _is_as_left(self, path: Path) -> bool:
        left = self._left.get(path.name)
        return (
            left is not None
            and left.look == _Look.of(path)
            and not log_of(path).exists()
        )

    def _refuse_logs(self) -> None:
        log = log_of(self._folder / NAME)
        if log.is_symlink() and str(log.readlink()) == _NO_LOG:
            return
        link = log.with_suffix(".new")
        link.unlink(missing_ok=True)
        link.symlink_to(_NO_LOG)
        link.replace(log)

    def _write_list(self) -> None:
        replace_file(self._list, msgspec.json.encode(self._left))


def log_of(path: Path) -> Path:
    """Where DuckDB keeps the log of a file, its writes between checkpoints."""
    return path.with_name(f"{path.name}.wal")


def _read(path: Path) -> dict[str, _Left]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Left])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
