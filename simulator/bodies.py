"""Fills the templates: from moments to the JSON bodies of a provider's events."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from random import Random

from simulator.cast import Recipient
from simulator.diary import Moment


class Bodies(ABC):
    """Writes the bodies of one domain's events."""

    def __init__(self, rng: Random, text_timestamps: float) -> None:
        """Begins with nothing written.

        Args:
            rng: Where what matters to nobody is drawn from (addresses, seconds).
            text_timestamps: Share of events whose timestamp is text.
        """
        self._rng = rng
        self._text_timestamps = text_timestamps

    def write(self, moments: Iterable[Moment]) -> Iterator[bytes]:
        """The bodies of these moments, in the same order.

        Yields:
            One JSON object in UTF-8.
        """
        for moment in moments:
            if moment.recipient is None:
                yield moment.template.text.encode()
            else:
                values = self._values(moment, moment.recipient)
                yield (moment.template.text % values).encode()

    @abstractmethod
    def _values(self, moment: Moment, recipient: Recipient) -> dict[str, object]:
        """What the templates ask for, by word."""

    def _perhaps_text(self, seconds: str) -> str:
        """A timestamp, as the text of it now and then."""
        if self._text_timestamps and self._rng.random() < self._text_timestamps:
            return f'"{seconds}"'
        return seconds


def as_json(value: object) -> str:
    """A piece of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
