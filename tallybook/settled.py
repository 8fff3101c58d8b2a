"""Which nodes of the project need not be built again by a process that has built them.

    seeds ─────────────────────────────────▶ settled
    tests of seeds alone ──────────────────▶ settled
    views that ask nothing as they compile ▶ settled

dbt spends 20 ms on each, which is most of a minute's build. A view whose SQL depends on
settings or on the ledger is never settled.
"""

from collections.abc import Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_ASKS = ("run_query", "adapter.", "graph", "env_var", "statement(")
"""What is in a macro that looks at more than its arguments."""


def settled(manifest: "Manifest") -> list[str]:
    """Names of these nodes.

    Args:
        manifest: The project.
    """
    asking = _asking(manifest)
    names = []
    for unique_id, node in manifest.nodes.items():
        kind = unique_id.partition(".")[0]
        if (
            kind == "seed"
            or (kind == "test" and _is_of_seeds(node.depends_on_nodes))
            or (
                kind == "model"
                and node.config.materialized == "view"
                and asking.isdisjoint(node.depends_on.macros)
            )
        ):
            names.append(node.name)
    return sorted(names)


def _is_of_seeds(parents: list[str]) -> bool:
    return all(parent.startswith("seed.") for parent in parents)


def _asking(manifest: "Manifest") -> Set[str]:
    """Macros of ours that ask, and those that use them."""
    ours = {
        name: macro
        for name, macro in manifest.macros.items()
        if macro.package_name == manifest.metadata.project_name
    }
    asking = {
        name
        for name, macro in ours.items()
        if any(word in macro.macro_sql for word in _ASKS)
    }
    while more := {
        name
        for name, macro in ours.items()
        if name not in asking and asking.intersection(macro.depends_on.macros)
    }:
        asking |= more
    return asking
