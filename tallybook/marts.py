"""What is published: the marts and their descriptions, from dbt's manifest."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

MARTS = "marts"
"""The schema that analysts read."""


@dataclass(frozen=True)
class Mart:
    """A table that analysts read.

    Attributes:
        name: Its name within the schema `marts`.
        keeps_changes: Whether the ledger lists the keys of its changed rows;
            otherwise it is small and replaced whole.
        description: What a row is.
        columns: Description of each column that has one.
    """

    name: str
    keeps_changes: bool
    description: str
    columns: dict[str, str]


class _Column(msgspec.Struct):
    description: str = ""


class _Config(msgspec.Struct):
    materialized: str = ""


class _Node(msgspec.Struct):
    resource_type: str
    schema: str
    alias: str
    config: _Config
    description: str = ""
    columns: dict[str, _Column] = {}


class _Manifest(msgspec.Struct):
    nodes: dict[str, _Node]


def marts_in(manifest: Path) -> tuple[Mart, ...]:
    """The marts of the project, by name.

    Args:
        manifest: The manifest.json that dbt wrote.
    """
    nodes = msgspec.json.decode(manifest.read_bytes(), type=_Manifest).nodes.values()
    return tuple(
        Mart(
            name=node.alias,
            keeps_changes=node.config.materialized == "touched_groups",
            description=node.description.strip(),
            columns={
                name: column.description.strip()
                for name, column in node.columns.items()
                if column.description.strip()
            },
        )
        for node in sorted(nodes, key=lambda node: node.alias)
        if node.resource_type == "model" and node.schema == MARTS
    )
