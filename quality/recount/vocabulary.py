"""What an event is called here: the seeds `event_vocabulary` and `bounce_classes`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from quality.recount.providers import Heard
from quality.warehouse import Warehouse

BOUNCED = "bounced"
_FIRST = "reason"
"""A row for an event's reason goes before one for anything else."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A row of the vocabulary.

    Attributes:
        event_type: Our name of it.
        severity: permanent, temporary or None.
        reject_reason: Why it was refused.
        counts: Whether it counts in delivery.
    """

    event_type: str
    severity: str | None = None
    reject_reason: str | None = None
    counts: bool = False


UNKNOWN = Meaning("unknown")


class Vocabulary:
    """The words of all providers.

    Args:
        words: Rows of `event_vocabulary`.
        classes: Class of a bounce by code.
    """

    def __init__(
        self, words: Iterable[Mapping[str, Any]], classes: Mapping[str, str]
    ) -> None:
        """Sorts the rows by what they are asked for."""
        self._meanings: dict[tuple[str, str, str], Meaning] = {}
        for word in words:
            key = word["provider"], word["provider_event_name"], word["condition"] or ""
            self._meanings[key] = Meaning(
                word["event_type"],
                word["severity"],
                word["reject_reason"],
                bool(word["counts_in_delivery"]),
            )
        self._classes = classes

    def meaning(self, provider: str, name: str, heard: Heard) -> Meaning:
        """What an event is; unknown if no row says it."""
        asked = heard.conditions or {}
        for condition in sorted(asked, key=lambda one: one != _FIRST):
            if (text := asked[condition]) is not None:
                key = provider, name, f"{condition}={text}"
                if (found := self._meanings.get(key)) is not None:
                    return found
        return self._meanings.get((provider, name, ""), UNKNOWN)

    def bounce_class(self, heard: Heard) -> str:
        """The class of a bounce, by its codes."""
        for code in (
            heard.bounce_word,
            heard.enhanced_code,
            _family(heard.enhanced_code),
            None if heard.smtp_code is None else str(heard.smtp_code),
        ):
            if code is not None and (found := self._classes.get(code)):
                return found
        return "Unclassified"


def vocabulary(warehouse: Warehouse) -> Vocabulary:
    """The vocabulary as the warehouse was built with it."""
    return Vocabulary(
        warehouse.rows("select * from warehouse.seeds.event_vocabulary"),
        {
            row["code"]: row["bounce_class"]
            for row in warehouse.rows("select * from warehouse.seeds.bounce_classes")
        },
    )


def _family(code: str | None) -> str | None:
    """5.2 of 5.2.1."""
    parts = (code or "").split(".")
    return ".".join(parts[:2]) if len(parts) > 1 else None
