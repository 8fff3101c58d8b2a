"""Runs an iterator in a process of its own, so that it has a core of its own.

    this process                          the other one
    start ── function ─────────────────▶ imports what it needs
    begin ── arguments ────────────────▶ function(*arguments)
    iterate ◀── pipe ◀── what waits, bounded by bytes ◀── pickled items

Everything goes through its standard input and output; nothing secret is on its command
line or in its environment. It ends when its input does, so it never outlives this
process, however that ends.
"""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar

from extract.http import ProviderError
from extract.prefetch import Prefetch

T = TypeVar("T")

AHEAD = 32 * 1024 * 1024
"""Bytes of items that wait in the other process: it goes on while a part is loaded."""

PIPE = 1024 * 1024
"""Bytes that the pipe holds, where the system lets us say so."""

_END = None
"""Comes after the last item; if it does not, the process ended too early."""


class Apart(Generic[T]):
    """Iterates over what another process makes; a context manager that ends it.

    Args:
        function: Makes the items; of a module that is quick to import. Items, arguments
            and errors are pickled.
    """

    def __init__(self, function: Callable[..., Iterator[T]]) -> None:
        """Starts the process, which imports the function's module meanwhile."""
        self._process = subprocess.Popen(
            # -P: a folder named like one of our modules must not be taken for it.
            [sys.executable, "-P", "-m", "extract.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE,
            process_group=0,  # Ctrl-C is for this process
            env={k: v for k, v in os.environ.items() if not k.startswith("SOURCES__")},
        )
        self._send(function)

    def begin(self, *arguments: object) -> None:
        """Lets it begin."""
        self._send(arguments)

    def kill(self) -> None:
        """Ends the process; whoever iterates gets an error."""
        self._process.kill()

    def __iter__(self) -> Iterator[T]:
        """The items in order; then the error that ended them, if one did.

        Raises:
            ProviderError: As raised there; or the process ended before its last item.
        """
        while True:
            try:
                item = pickle.load(_stream(self._process.stdout))  # noqa: S301 - our own
            except (EOFError, OSError, pickle.UnpicklingError) as error:
                raise ProviderError(
                    "the process that reads ended too early (status "
                    f"{self._process.wait()}): the next run goes on from here"
                ) from error
            if item is _END:
                return
            if isinstance(item, ProviderError):
                raise item
            yield item

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the process, whatever it is at."""
        self.kill()
        self._process.wait()
        _stream(self._process.stdin).close()
        _stream(self._process.stdout).close()

    def _send(self, what: object) -> None:
        try:
            # At once, past any buffer: one that can't be emptied can't be closed.
            os.write(_stream(self._process.stdin).fileno(), pickle.dumps(what))
        except BrokenPipeError:
            return  # told when its items are asked for


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the process was started without pipes")
    return stream


def main() -> None:
    """What the other process does."""
    for ignored in (signal.SIGINT, signal.SIGTERM):  # its parent's to obey
        signal.signal(ignored, signal.SIG_IGN)
    told, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that is printed gets among the answers
    try:
        function = pickle.load(told)  # noqa: S301 - from our own parent
        arguments = pickle.load(told)  # noqa: S301
    except EOFError:
        return  # it was not needed
    threading.Thread(target=_end_with, args=[told], daemon=True).start()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # pages are freed by counting references
    with Prefetch(_pickled(function(*arguments)), len, AHEAD) as items:
        for item in items:
            answers.write(item)
            answers.flush()


def _pickled(items: Iterator[Any]) -> Iterator[bytes]:
    pickled = partial(pickle.dumps, protocol=pickle.HIGHEST_PROTOCOL)
    try:
        yield from map(pickled, items)
    except ProviderError as error:
        yield pickled(error)
    yield pickled(_END)


def _end_with(parent: IO[bytes]) -> None:
    parent.read()
    os._exit(1)  # no farewell: nobody listens, and a host may keep threads waiting


if __name__ == "__main__":
    main()
