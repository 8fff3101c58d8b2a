"""dbt made quicker says what dbt says."""

from io import StringIO

import pytest
from dbt.artifacts.resources.v1.components import InjectedCTE
from dbt_common.clients.jinja import get_template
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager import EventManager
from dbt_common.events.logger import LoggerConfig
from dbt_common.events.types import Note

from tallybook import dbt_quick

CTES = [
    InjectedCTE("model.a", " __dbt__cte__a as (\nselect 1 as one\n)"),
    InjectedCTE("model.b", " __dbt__cte__b as (\nselect ';' as two\n)"),
]


@pytest.mark.parametrize(
    "sql",
    [
        "\n\nwith\n\nown as (select * from __dbt__cte__a)\n\nselect * from own\n",
        "WITH own AS (SELECT 1) SELECT * FROM own",
        "-- depends_on: a.b\n-- with c as\n with /* own */ own as (select 1) from own",
        "with -- own\nown as (select 1) from own",
        "with recursive own as (select 1) select * from own",
        "with own as (select ';') select * from own",
        "with own as (select 1) select * from own; select 2",
        "/* why */ with own as (select 1) select * from own",
        "select * from (with own as (select 1) select * from own)",
        "select * from withdrawn",
        "from __dbt__cte__a;",
    ],
)
@pytest.mark.parametrize("ctes", [CTES, CTES[:1], []], ids=["two", "one", "none"])
def test_ephemeral_models_are_put_where_dbt_puts_them(
    sql: str, ctes: list[InjectedCTE]
) -> None:
    assert dbt_quick.inject_ctes_into_sql(sql, ctes) == dbt_quick._inject_by_dbt(
        sql, ctes
    )


def test_a_text_is_compiled_once_for_each_kind_of_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dbt_quick.hurry()
    by_jinja, compiled = dbt_quick._compile_by_jinja, []

    def watched(environment: object, source: str) -> object:
        compiled.append(source)
        return by_jinja(environment, source)  # type: ignore[call-overload]

    monkeypatch.setattr(dbt_quick, "_compiled", {})
    monkeypatch.setattr(dbt_quick, "_compile_by_jinja", watched)
    text = "{{ count | as_number }}"

    def answers(count: str) -> tuple[object, object]:
        context = {"count": count}
        return (
            get_template(text, context, native=True).render(context),
            get_template(text, context).render(context),
        )

    assert [answers("1"), answers("2")] == [(1, "1"), (2, "2")]
    assert compiled == [text, text]


@pytest.mark.parametrize(
    ("listens_to", "heard"),
    [
        (EventLevel.DEBUG, ["fine", "coarse"]),
        (EventLevel.INFO, ["coarse"]),
        (EventLevel.ERROR, []),
    ],
)
def test_a_log_holds_what_is_as_coarse_as_it_listens_to(
    listens_to: EventLevel, heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written, output = [], StringIO()
    create = dbt_quick._fire_by_dbt

    def watched(manager: EventManager, e: Note, *more: object) -> None:
        written.append(e.msg)
        create(manager, e, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(dbt_quick, "_fire_by_dbt", watched)
    manager = EventManager()
    manager.add_logger(LoggerConfig("a log", level=listens_to, output_stream=output))
    for text, level in (("fine", EventLevel.DEBUG), ("coarse", EventLevel.INFO)):
        dbt_quick.fire_event(manager, Note(msg=text), level)

    assert [line.split()[-1] for line in output.getvalue().splitlines()] == heard
    assert ("fine" in written) == ("fine" in heard), "nobody would have heard it"


def test_a_listener_hears_everything() -> None:
    heard: list[str] = []
    manager = EventManager()
    manager.add_callback(lambda message: heard.append(message.info.msg))
    dbt_quick.fire_event(manager, Note(msg="fine"), EventLevel.DEBUG)
    assert heard == ["fine"]
