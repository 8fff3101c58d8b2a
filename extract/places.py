"""Up to where the inbox is read: in the pipeline's state, committed with the rows.

state.json of dlt ──▶ sources ▸ mailgun ▸ resources ▸ inbox ──▶ {segment: byte}

Without dlt, so that `status` can ask in no time.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from inbox import Archive

SCHEMA = "mailgun"
"""The default schema of the pipeline, with whose packages its state is committed."""

RESOURCE = "inbox"


class Places(NamedTuple):
    """Up to where the inbox is read.

    Attributes:
        offsets: Bytes that are read, by segment that is not archived yet.
        newest: Name of the newest segment that was ever read; empty for none.
    """

    offsets: dict[str, int]
    newest: str

    def unread(self, archive: Archive) -> list[str]:
        """Archived segments that are not read to their end.

        There are none, unless these places are those of an older warehouse, or of a
        new one.
        """
        return [
            name
            for name in archive.segments()
            if name > self.newest
            or (name in self.offsets and self.offsets[name] < archive.size(name))
        ]

    def write(self, state: dict[str, Any]) -> None:
        """Writes them into a resource's state."""
        state["places"] = dict(self.offsets)
        state["newest"] = self.newest


def places_of(state: Mapping[str, Any]) -> Places:
    """The places in a state.

    Args:
        state: The pipeline's state.
    """
    source = state.get("sources", {}).get(SCHEMA, {})
    kept = source.get("resources", {}).get(RESOURCE, {})
    return Places(dict(kept.get("places", {})), kept.get("newest", ""))


def places_in(home: Path) -> Places:
    """The same, as the pipeline of a state folder has left them."""
    path = home / "dlt" / "tallybook" / "state.json"
    try:
        return places_of(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
    except (FileNotFoundError, msgspec.DecodeError):
        return Places({}, "")
