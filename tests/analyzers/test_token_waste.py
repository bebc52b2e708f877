"""Tokens that buy nothing: each model beside its own past, tools beside each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import END, Line, World, call, hours_of, response

from tgt.analyzers.base import Analysis
from tgt.analyzers.token_waste import TokenWasteAnalyzer

Judge = Callable[..., Analysis]
ANALYZER = TokenWasteAnalyzer()
MODEL = "assistant_response/sonnet"


def _answer(
    minutes: float,
    conv: str,
    chance: random.Random,
    *,
    cached: float | None = 0.9,
    output: float = 1.0,
    context: float = 1.0,
) -> Line:
    """An answer of some hundred tokens to some ten thousand, most of them from a cache."""
    total = int(context * 20_000 * chance.lognormvariate(0, 0.4))
    told: dict[str, Any] = {"input_tokens": total, "model": "sonnet"}
    if cached is not None:
        told["cached_tokens"] = int(total * min(1, cached * chance.uniform(0.95, 1.05)))
    tokens = int(output * 300 * chance.lognormvariate(0, 0.8))
    return response(minutes, conv, output_tokens=tokens, **told)


def _past(hours: int = 48, per_hour: int = 8, after: int = 1, **keys: Any) -> list[Line]:
    chance = random.Random(1)

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [_answer(minutes, conv, chance, **keys)]

    return list(hours_of(make, hours=hours, per_hour=per_hour, after=after))


def _now(n: int = 80, conversations: int = 20, **keys: Any) -> list[Line]:
    chance = random.Random(2)
    return [
        _answer(50 * (i + 0.5) / n, f"now{i % conversations}", chance, **keys) for i in range(n)
    ]


def _metrics(analysis: Analysis) -> list[tuple[str, str]]:
    return [(f.subject, f.evidence.metric) for f in analysis.findings if f.confidence >= 0.7]


@pytest.mark.parametrize(
    ("now", "metrics", "why"),
    [
        ({}, [], "as usual"),
        ({"cached": 0.1}, ["cached_input_share"], "the cache is hardly used"),
        ({"cached": 0.7}, [], "the cache is used a little less"),
        ({"cached": 1.0}, [], "the cache is used more"),
        ({"output": 4.0}, ["p95_output_tokens"], "answers four times as long"),
        ({"output": 1.3}, [], "answers a little longer"),
        ({"output": 0.2}, [], "shorter answers"),
        ({"context": 4.0}, ["p95_input_tokens"], "contexts four times as long"),
        ({"context": 1.3}, [], "contexts a little longer"),
    ],
)
def test_a_model_is_compared_with_its_own_past(
    world: World, judge: Judge, now: dict[str, Any], metrics: list[str], why: str
) -> None:
    world.write(*_past(), *_now(**now))
    assert _metrics(judge(ANALYZER)) == [(MODEL, metric) for metric in metrics], why


@pytest.mark.parametrize(
    ("share", "severity"), [(0.4, "medium"), (0.34, "high"), (0.2, "critical")]
)
def test_severity_is_by_how_many_times_less_comes_from_the_cache(
    world: World, judge: Judge, share: float, severity: str
) -> None:
    past = [{**line, "cached_tokens": 0.9 * line["input_tokens"]} for line in _past()]
    now = [{**line, "cached_tokens": share * line["input_tokens"]} for line in _now()]
    world.write(*past, *now)
    (finding,) = judge(ANALYZER).findings
    assert finding.severity == severity
    assert finding.evidence.details["value"] == pytest.approx(share, rel=0.02)
    assert finding.evidence.details["baselineValue"] == pytest.approx(0.9, rel=0.02)


def test_where_the_cache_is_not_told_there_is_no_collapse(world: World, judge: Judge) -> None:
    world.write(*_past(cached=None), *_now(cached=None, context=0.5))
    assert judge(ANALYZER).findings == ()


def test_one_conversation_is_not_the_model(world: World, judge: Judge) -> None:
    world.write(*_past(), *_now(), *_now(40, 1, output=9.0, context=9.0, cached=0.0))
    assert _metrics(judge(ANALYZER)) == []


@pytest.mark.parametrize(("conversations", "found"), [(1, False), (100, True)])
def test_a_large_conversation_some_hours_ago_is_not_the_model(
    world: World, judge: Judge, conversations: int, found: bool
) -> None:
    """A hundred long answers of one conversation, or each of its own."""
    chance = random.Random(3)
    long = [
        _answer(150 + n / 5, f"long{n % conversations}", chance, output=9.0) for n in range(100)
    ]
    world.write(*_past(), *_now(20), *long)
    assert _metrics(judge(ANALYZER)) == ([(MODEL, "p95_output_tokens")] if found else [])


@pytest.mark.parametrize(
    ("past", "now", "reason"),
    [
        ({"hours": 20}, 80, "20 of 24 hours of baseline"),
        ({"hours": 40, "per_hour": 4}, 80, "160 of 200 answers in the baseline"),
        ({"after": 5}, 19, "19 of 20 answers"),
    ],
)
def test_what_is_missing_is_said(
    world: World, judge: Judge, past: dict[str, int], now: int, reason: str
) -> None:
    world.write(*_past(**past), *_now(now, output=9.0))
    analysis = judge(ANALYZER)
    assert [(a.subject, a.reason) for a in analysis.abstained] == [(MODEL, reason)]


def test_a_card_shows_the_cost_where_it_is_told_and_invents_none(
    world: World, judge: Judge
) -> None:
    world.write(*_past(), *_now(output=4.0))
    (without,) = judge(ANALYZER).findings
    assert "costUsd" not in without.evidence.details
    world.write({**_now(1)[0], "cost_usd": 2.5})
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["costUsd"] == pytest.approx(2.5, rel=0.02)


def _results(name: str, n: int, size: int, conversations: int = 5) -> list[Line]:
    return [
        call(50 - i / 4, f"c{i % conversations}", name, result_preview="x" * size) for i in range(n)
    ]


@pytest.mark.parametrize(
    ("lines", "subjects", "why"),
    [
        (
            [*_results("dump", 30, 40_000), *_results("read", 30, 10_000)],
            ["tool_call/dump"],
            "80% of 1.5 MB",
        ),
        ([*_results("dump", 30, 20_000), *_results("read", 30, 25_000)], ["tool_call/read"], "56%"),
        (
            [line for name in "abc" for line in _results(name, 30, 20_000)],
            [],
            "a third each",
        ),
        ([*_results("dump", 30, 4_000), *_results("read", 30, 1_000)], [], "a small context"),
        ([*_results("dump", 19, 90_000), *_results("read", 30, 1_000)], [], "few results"),
        ([*_results("read", 200, 7_000), *_results("list", 30, 1_000)], [], "many short ones"),
        ([*_results("dump", 40, 90_000), *_results("read", 9, 1_000)], [], "hardly another tool"),
        ([*_results("dump", 40, 90_000, 2), *_results("read", 30, 10)], [], "two conversations"),
    ],
)
def test_one_tool_fills_the_context(
    world: World, judge: Judge, lines: list[Line], subjects: list[str], why: str
) -> None:
    world.write(*lines)
    analysis = judge(ANALYZER)
    assert [finding.subject for finding in analysis.findings] == subjects, why
    for finding in analysis.findings:
        assert finding.confidence >= 0.7
        assert finding.severity == "medium"


@pytest.mark.parametrize("seed", range(4))
def test_healthy_weeks_give_nothing(world: World, seed: int) -> None:
    """Sessions of many answers whose contexts grow, whose first answers are past the cache, and
    that differ in what they are about."""
    chance = random.Random(seed)
    lines: list[Line] = []
    for number in range(7 * 24 * 3):
        at = 7 * 24 * 60 * (1 - number / (7 * 24 * 3))
        size, wordy = chance.lognormvariate(9, 0.7), chance.lognormvariate(5.5, 0.8)
        for turn in range(chance.randint(3, 25)):
            total = int(size * (1 + turn / 5))
            lines.append(
                response(
                    max(0.1, at - turn / 2),
                    f"s{number}",
                    model="sonnet",
                    input_tokens=total,
                    cached_tokens=0 if turn == 0 or chance.random() < 0.05 else int(total * 0.85),
                    output_tokens=int(wordy * chance.lognormvariate(0, 0.9)) + 1,
                )
            )
    world.write(*lines)
    saved = []
    for hour in range(0, 48, 3):
        report = world.run(END - timedelta(hours=48 - hour), analyzers="token_waste")
        saved += [(task.subject, task.data["evidence"]["metric"]) for task in report.tasks]
    assert saved == []
