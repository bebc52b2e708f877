"""What analyzers declare: each once, understood by the engine, and all there is to say of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import duckdb
import pytest

import tgt
from tgt import config, plugins
from tgt.analyzers import registry, signals
from tgt.analyzers.base import Analyzer, Context
from tgt.config import Settings
from tgt.engine.protocol import Of, Signal
from tgt.events import CANONICAL, CONVERSATION
from tgt.plugins import PluginError
from tgt.tasks.card import TaskType

BUILT_IN = registry.built_in()
SHARED = [each for each in vars(signals).values() if isinstance(each, Signal)]


def by_name(analyzer: Analyzer) -> str:
    return analyzer.name


def test_the_names_are_those_of_the_settings_in_their_order() -> None:
    assert tuple(analyzer.name for analyzer in BUILT_IN) == config.ANALYZERS
    assert all(not isinstance(analyzer, registry.Broken) for analyzer in BUILT_IN)


@pytest.mark.parametrize("analyzer", BUILT_IN, ids=by_name)
def test_an_analyzer_declares_itself(analyzer: Analyzer) -> None:
    assert analyzer.task_type in set(TaskType)
    assert "\n" not in analyzer.summary
    assert analyzer.needs
    named = set(re.findall(r"TASKGEN_\w+", analyzer.summary))
    assert named <= {option.variable for option in analyzer.options}
    for option in analyzer.options:
        assert re.fullmatch(r"[\w ,';-]+", option.help), "one line, also of a settings file"


def test_no_option_is_declared_twice() -> None:
    declared = [option.variable for analyzer in BUILT_IN for option in analyzer.options]
    assert declared == list(config.options_of())


def test_nobody_imports_an_analyzer() -> None:
    """They are found by name, so that adding one touches a new file and a line of the table; only
    what says how far each of them sees knows their limits."""
    modules = {type(analyzer).__module__ for analyzer in BUILT_IN}
    for path in Path(tgt.__file__).parent.rglob("*.py"):
        if path.parent.name == "outlook":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                assert not modules & {node.module, *names}, f"{path.name}:{node.lineno}"


# --- questions -----------------------------------------------------------------------------------

ASKED = {
    f"{signal.name}: {signal.by}": signal
    for signal in (*SHARED, *registry.chosen(Settings()).signals)
}


def table(of: Of) -> str:
    columns = CANONICAL if of is Of.EVENTS else CONVERSATION
    numbers = ("us", "_ms", "_tokens", "_usd", "_hash", "_bytes", "_id", "events", "errors")
    logical = ("failed", "truncated", "is_", "cancelled", "ended")
    kinds = (
        f"{name} {_kind(name, numbers, logical if of is Of.EVENTS else ('is_',))}"
        for name in columns
    )
    return ", ".join(kinds)


def _kind(name: str, numbers: tuple[str, ...], logical: tuple[str, ...]) -> str:
    if any(part in name for part in logical):
        return "BOOLEAN"
    is_number = any(name.endswith(part) for part in numbers) or name in {"messages", "ended"}
    return "DOUBLE" if is_number or name == "cancelled" else "VARCHAR"


@pytest.mark.parametrize("signal", ASKED.values(), ids=ASKED)
def test_a_question_is_sql_over_canonical_columns(signal: Signal) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE asked ({table(signal.of)})")
        connection.execute(
            f"SELECT {signal.by}, count(*) FILTER ({signal.counted}), sum({signal.value or 1})"
            f" FROM asked WHERE {signal.where} GROUP BY ALL"
        )


@pytest.mark.parametrize("analyzer", BUILT_IN, ids=by_name)
def test_a_need_is_a_condition_of_an_event(analyzer: Analyzer) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE asked ({table(Of.EVENTS)})")
        for need in analyzer.needs:
            connection.execute(f"SELECT count(*) FROM asked WHERE {need.where}")
            assert need.missing


def test_questions_that_differ_have_keys_that_differ() -> None:
    assert len({signal.key for signal in ASKED.values()}) == len(set(ASKED.values()))
    assert signals.long_waits(8).key != signals.long_waits(8.5).key
    assert signals.long_waits(8) == signals.long_waits(8.0)


# --- analyzers that cannot be used ---------------------------------------------------------------


class Mute:
    """Declares too little."""

    name = "mute"


def test_what_cannot_be_used_fails_in_its_place_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = {"absent": "tgt.no_such_module:It", "mute": "test_registry:Mute"}
    for name, place in places.items():
        monkeypatch.setitem(plugins.BUILT_IN[plugins.ANALYZERS], name, place)
    names = ("absent", "docs_gap", "mute", "nobody")
    chosen = registry.chosen(Settings.model_validate({"TASKGEN_ANALYZERS": names}))
    assert tuple(analyzer.name for analyzer in chosen.analyzers) == names
    told = {"absent": ModuleNotFoundError, "mute": PluginError, "nobody": PluginError}
    for analyzer in chosen.analyzers:
        if analyzer.name in told:
            with pytest.raises(told[analyzer.name]):
                analyzer.analyze(None)  # type: ignore[arg-type] # it is not looked at


def test_a_context_gives_the_options_of_the_settings() -> None:
    option = BUILT_IN[0].options[0]
    settings = config.load({option.variable: "0.5"}, environ={})
    assert Context(settings, None, None).option(option) == 0.5  # type: ignore[arg-type] # unused
