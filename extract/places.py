"""Up to where the inbox is read: in the pipeline's state, committed with the rows.

state.json of dlt ──▶ sources ▸ mailgun ▸ resources ▸ inbox ▸ places ──▶ {segment: byte}

Without dlt, so that `status` can ask in no time.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

SCHEMA = "mailgun"
"""The default schema of the pipeline, with whose packages its state is committed."""

RESOURCE = "inbox"


def places_of(state: Mapping[str, Any]) -> dict[str, int]:
    """Bytes that are read, by segment.

    Args:
        state: The pipeline's state.
    """
    source = state.get("sources", {}).get(SCHEMA, {})
    return dict(source.get("resources", {}).get(RESOURCE, {}).get("places", {}))


def places_in(home: Path) -> dict[str, int]:
    """The same, as the pipeline of a state folder has left them."""
    path = home / "dlt" / "tallybook" / "state.json"
    try:
        return places_of(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
