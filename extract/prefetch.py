"""Fetches ahead while what was fetched is being loaded.

    pages ──▶ thread ──▶ queue, bounded by bytes ──▶ whoever loads

Fetching waits for the provider and loading for DuckDB, which lets other threads run
meanwhile; so the two overlap. The bound keeps memory the same however slow loading is.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

LONGEST_FAREWELL = 5.0
"""Seconds that a thread has to end; one that a host keeps waiting ends by itself."""


class Prefetch(Generic[T]):
    """Iterates over items that another thread makes.

    Args:
        items: What to fetch; used by the thread only.
        size: Bytes that an item holds.
        limit: Bytes that may wait. An item larger than that waits alone.
    """

    def __init__(
        self, items: Iterator[T], size: Callable[[T], int], limit: int
    ) -> None:
        """Starts nothing yet."""
        self._items = items
        self._size = size
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._bytes = 0
        self._done = False
        self._unwanted = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(
            target=self._fetch, name="prefetch", daemon=True
        )

    def __enter__(self) -> Self:
        """Starts fetching."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops after the item in hand, and waits for that, but not for ever."""
        with self._changed:
            self._unwanted = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(LONGEST_FAREWELL)

    def __iter__(self) -> Iterator[T]:
        """The items in order; then the error that ended them, if one did."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._done)
                if not self._waiting:
                    break
                item = self._waiting.popleft()
                self._bytes -= self._size(item)
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def _fetch(self) -> None:
        try:
            for item in self._items:
                size = self._size(item)
                with self._changed:
                    self._changed.wait_for(
                        lambda size=size: (  # type: ignore[misc]  # bound at once
                            self._unwanted
                            or not self._waiting
                            or self._bytes + size <= self._limit
                        )
                    )
                    if self._unwanted:
                        return
                    self._waiting.append(item)
                    self._bytes += size
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised again in __iter__
            self._error = error
        finally:
            if isinstance(self._items, Generator):
                self._items.close()
            with self._changed:
                self._done = True
                self._changed.notify_all()
