"""docs/rules.md: its examples find what they are for alone, its tables are the code's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Line, World, call, hours_of, response
from pages import Page, coded

from tgt import config
from tgt.analyzers import silence
from tgt.analyzers.baseline import MIN_HOURS_OBSERVED
from tgt.analyzers.rules import p95, rate, share
from tgt.rules.conditions import FUNCTIONS, Kind, parse
from tgt.rules.reading import MOST_FIXES, read
from tgt.rules.rule import Measure, Rule

PAGE = Page("docs/rules.md")


def _searches(ms: float) -> Iterator[Line]:
    for number in range(40):
        yield call(1 + number, f"s{number}", "search_code", elapsed_ms=ms)
        yield call(1 + number, f"s{number}", "read_file", elapsed_ms=60_000)


def _answers(short_of: int) -> Iterator[Line]:
    def old(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [response(minutes, conv, model="m1", output_tokens=2 if bad else 300)]

    yield from hours_of(old, per_hour=40)
    for number in range(40):
        tokens = 2 if number % short_of == 0 else 300
        yield response(1 + number, f"a{number}", model="m1", output_tokens=tokens)


EXAMPLES = {
    "slow": (
        [*_searches(9000)],
        [*_searches(900)],
        "search_code answers too slowly: 8.9 s",  # of a histogram
    ),
    "empty": ([*_answers(3)], [*_answers(25)], "m1 often says nothing: 35.0%, usually 4.0%"),
    "forbidden": ([call(5, "c", "deploy")], [call(5, "c", "plan")], "An agent called deploy: 1"),
}
"""What is wrong, what is well, and the title of the card."""


def _rules(world: World, example: str) -> Path:
    path = world.path / "rules.toml"
    path.write_text(PAGE.block(f"example: {example}"), encoding="utf-8")
    return path


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_finds_what_it_is_for(world: World, example: str) -> None:
    wrong, _, title = EXAMPLES[example]
    world.write(*wrong)
    path = _rules(world, example)
    assert world.run(rules=str(path), analyzers="rules").saved == 1
    (rule,) = read(path).rules.rules
    card = world.card()
    assert (card.type, card.text("title"), card.severity) == ("custom", title, rule.severity)
    assert card.subject.endswith(f": {rule.name}")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_finds_nothing_else(world: World, example: str) -> None:
    _, well, _ = EXAMPLES[example]
    world.write(*well)
    report = world.run(rules=str(_rules(world, example)), analyzers="rules")
    assert (report.generated, report.warnings) == (0, ())


def test_the_example_of_limits(world: World) -> None:
    settings = config.load({"TASKGEN_RULES": str(_rules(world, "limits"))}, environ={})
    (limit,) = settings.rules.limits
    assert limit.is_of("tool_call/grep")
    assert sorted(limit.values.values()) == [2.5, 5.0]


def test_the_keys() -> None:
    from tgt.rules import reading

    told = {coded(row[0])[0]: row[1] for row in PAGE.table("keys")}
    assert tuple(told) == reading._KEYS
    default = Rule("x", Measure.COUNT, "x")
    assert f"(default: {default.min_conversations})" in told["min_conversations"]
    assert f"`{default.severity}` (the default)" in told["severity"]
    assert (default.by, default.value) == (coded(told["by"])[-1], coded(told["value"])[-1])
    assert MOST_FIXES == 5
    assert told["fix"].endswith("up to five")


def test_the_measures() -> None:
    told = {coded(row[0])[0]: row[2] for row in PAGE.table("measures")}
    assert list(told) == [*Measure]
    assert told["share"].startswith(f"{share.MIN_EVENTS} events; ")
    assert told["share"].endswith(f"with {share.MIN_BASELINE_EVENTS}")
    assert told["p95"].startswith(f"{p95.MIN_VALUES} values; ")
    assert told["p95"].endswith(f"with {p95.MIN_BASELINE_VALUES}")
    assert MIN_HOURS_OBSERVED == 24, "a day of history"
    assert told["rate"].endswith(f"{rate.MIN_DAYS} days of history")
    assert told["absence"].startswith(f"{silence.DAYS} days of history")


def test_what_is_accepted_in_conditions() -> None:
    told = {row[0]: coded(row[1]) for row in PAGE.table("accepted")}
    assert told["functions"] == list(FUNCTIONS)
    for constant in told["constants"]:
        for kind in Kind:
            if (constant[0] == "'") == (kind is Kind.TEXT) and (constant in {"true", "false"}) == (
                kind is Kind.TRUTH
            ):
                parse(constant, kind)
    for word in told["comparisons"]:
        rest = {"BETWEEN": " 'a' AND 'b'", "LIKE": " 'a%'", "ILIKE": " 'a%'"}.get(word)
        if word in {"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"}:
            rest = " 'a'"
        column = "failed" if word in {"IS TRUE", "IS FALSE"} else "name"
        text = f"{column} {word}{rest or ''}"
        if word != "NOT":
            parse(text, Kind.TRUTH)
    for sign in told["arithmetic"]:
        parse(f"us {sign} 2", Kind.NUMBER)


def test_the_options_of_limits() -> None:
    declared = config.options_of().values()
    told = {coded(name)[0]: coded(variable)[0] for name, variable in PAGE.table("limits")}
    assert told == {each.short: each.variable for each in declared if each.by_subject}
