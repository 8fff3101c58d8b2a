"""What dbt does slowly in every build, done quickly and to the same end.

Three things took four tenths of the processor time of a build of nothing new:

- A query that has ephemeral models in it gets them put in behind its `with`. dbt finds
  that word by taking the whole query apart with sqlparse. Where a query begins with it,
  there is nothing to find.
- Each model is compiled from Jinja to Python, in every build again, though it is the
  same text. A process that lives through many builds compiles a text once.
- Each query and each connection has its lines for a log of the finest grain. They are
  written out, and thrown away where no log is that fine.
"""

import re
from types import CodeType
from typing import Any

from dbt import compilation
from dbt.artifacts.resources.v1.components import InjectedCTE
from dbt_common.clients.jinja import MacroFuzzEnvironment
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager

_OPENING = re.compile(
    r"(?:\s|--[^\n]*\n)*"  # dbt's own `-- depends_on` among them
    r"with\s+(?!recursive\b)",
    re.IGNORECASE,
)

_inject_by_dbt = compilation.inject_ctes_into_sql
_compile_by_jinja = MacroFuzzEnvironment.compile
_fire_by_dbt = EventManager.fire_event

_compiled: dict[tuple[type, str], CodeType] = {}
"""By the kind of environment, which settles filters and extensions, and the text."""
_FINEST = (EventLevel.DEBUG, EventLevel.TEST)

_MOST_COMPILED = 5_000
"""Texts to keep: the project has a tenth of that."""


def inject_ctes_into_sql(sql: str, ctes: list[InjectedCTE]) -> str:
    """Puts ephemeral models into a query, as dbt does.

    Args:
        sql: A compiled model.
        ctes: The models to put before its own.

    Returns:
        The query with all of them.
    """
    opening = _OPENING.match(sql)
    if not ctes or opening is None or ";" in sql:
        return _inject_by_dbt(sql, ctes)
    injected = ", ".join(one.sql for one in ctes)
    return f"{opening[0]}{injected}, {sql[opening.end() :]}"


def compile_template(environment: MacroFuzzEnvironment, source: str) -> CodeType:
    """Compiles a text from Jinja, once.

    Args:
        environment: Where it is to run.
        source: The text.

    Returns:
        Python's code for it.
    """
    key = type(environment), source
    if key not in _compiled:
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        _compiled[key] = _compile_by_jinja(environment, source)
    return _compiled[key]


def fire_event(
    manager: EventManager,
    e: BaseEvent,
    level: EventLevel | None = None,
    node: Any = None,
    force_warn_or_error_handling: bool = False,
) -> None:
    """Tells those who listen of an event, if one of them would hear it.

    Args:
        manager: Knows the logs and the listeners.
        e: The event.
        level: How important it is, if not as ever.
        node: What it is about.
        force_warn_or_error_handling: Whether a warning may have to be an error.
    """
    if (
        (level or e.level_tag()) not in _FINEST
        or force_warn_or_error_handling
        or manager.callbacks
        or any(log.level in _FINEST for log in manager.loggers)
    ):
        _fire_by_dbt(manager, e, level, node, force_warn_or_error_handling)


def hurry() -> None:
    """Lets dbt do it so for as long as this process lives."""
    compilation.inject_ctes_into_sql = inject_ctes_into_sql
    MacroFuzzEnvironment.compile = compile_template  # type: ignore[method-assign,assignment]
    EventManager.fire_event = fire_event  # type: ignore[method-assign,assignment]
