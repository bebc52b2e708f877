"""Slow-downs: like is compared with like, p95 with p95."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from conftest import Line, World, before, call, hours_of

from tgt.analyzers import judgements
from tgt.analyzers.base import Analysis
from tgt.analyzers.performance import PerformanceAnalyzer
from tgt.stats.calibration import AGREED, SLOWER, calibrated
from tgt.tasks.card import Finding

Judge = Callable[..., Analysis]
ANALYZER = PerformanceAnalyzer()


def _past(
    name: str = "search",
    *,
    scale: float = 1.0,
    hours: int = 48,
    per_hour: int = 10,
    after: int = 1,
) -> list[Line]:
    chance = random.Random(1)

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        ms = scale * 100 * chance.lognormvariate(0, 0.3)
        return [call(minutes, conv, name, elapsed_ms=ms)]

    return list(hours_of(make, hours=hours, per_hour=per_hour, after=after))


def _now(
    n: int,
    scale: float = 1.0,
    name: str = "search",
    *,
    tail: float = 1.0,
    conversations: int = 1000,
    seed: int = 2,
) -> list[Line]:
    """Calls of the last 50 minutes, all slower by a factor; every tenth by a further one."""
    chance = random.Random(seed)
    lines = []
    for number in range(n):
        ms = scale * 100 * chance.lognormvariate(0, 0.3) * (tail if number % 10 == 0 else 1)
        conv = f"now{number % conversations}"
        lines.append(call(50 * (number + 0.5) / n, conv, name, elapsed_ms=ms))
    return lines


@pytest.mark.parametrize(
    ("scale", "found", "why"),
    [
        (1.0, False, "as usual"),
        (1.35, False, "slower, but below the threshold"),
        (0.3, False, "faster"),
        (2.0, True, "twice as slow"),
        (5.0, True, "five times"),
    ],
)
def test_all_calls_become_slower(
    world: World, judge: Judge, scale: float, found: bool, why: str
) -> None:
    world.write(*_past(), *_now(80, scale))
    findings = judge(ANALYZER).findings
    assert [finding.subject for finding in findings] == (["tool_call/search"] if found else [])
    if found:
        assert findings[0].confidence > 0.9
        details = findings[0].evidence.details
        assert details["value"] > 1.5 * details["baselineValue"]
        assert findings[0].evidence.samples[0]["elapsedMs"] > details["baselineP50"]


@pytest.mark.parametrize(("scale", "tail", "is_sure"), [(1.0, 3.0, False), (3.0, 1.0, True)])
def test_what_is_not_sure_says_how_often_that_is_right(
    world: World,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    scale: float,
    tail: float,
    is_sure: bool,
) -> None:
    world.write(*_past(), *_now(70, scale, tail=tail))
    (told,) = judge(ANALYZER).findings
    monkeypatch.setattr(judgements, "calibrated", lambda sure, _: sure)
    (model,) = judge(ANALYZER).findings
    assert told.confidence == pytest.approx(calibrated(model.confidence, SLOWER), rel=1e-9)
    assert (model.confidence > AGREED, told.confidence == model.confidence) == (is_sure, is_sure)


def test_the_point_estimate_decides_and_the_steps_of_severity(world: World, judge: Judge) -> None:
    """Equal latencies, so that the ratio of the quantiles is known to one bucket."""
    ratios = {f"t{r}": r / 100 for r in (140, 146, 155, 185, 205, 300)}
    for name, ratio in ratios.items():
        past = [{**line, "elapsed_ms": 100} for line in _past(name, per_hour=6)]
        now = [{**line, "elapsed_ms": 100 * ratio} for line in _now(60, name=name)]
        world.write(*past, *now)
    found = {
        f.subject.removeprefix("tool_call/"): str(f.severity) for f in judge(ANALYZER).findings
    }
    assert found == {"t155": "medium", "t185": "medium", "t205": "critical", "t300": "critical"}


def test_the_threshold_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*_past(), *_now(80, 2.0))
    assert len(judge(ANALYZER, performance_threshold=1.2).findings) == 1
    assert judge(ANALYZER, performance_threshold=3.0).findings == ()


def test_only_the_tail_becomes_slower(world: World, judge: Judge) -> None:
    world.write(*_past(), *_now(300, tail=8.0))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["route"] == "tail"
    assert finding.evidence.details["p50"] == pytest.approx(100, rel=0.15)


def _found(judge: Judge) -> dict[str, Finding]:
    return {f.subject.removeprefix("tool_call/"): f for f in judge(ANALYZER).findings}


def test_what_began_at_the_end_of_the_window_is_as_sure_as_that_end_is(
    world: World, judge: Judge
) -> None:
    """Six of 24 calls are about twice as slow: the last ones, or those in two conversations."""
    for name, conversations in {"late": 1000, "alike": 2}.items():
        world.write(*_past(name))
        for number, line in enumerate(_now(24, name=name)):
            if number < 6:
                ms = 260 if number < 2 else 190
                line |= {"elapsed_ms": ms, "conv_id": f"slow{number % conversations}"}
            world.write(line)
    found = _found(judge)
    late, alike = found["late"], found["alike"]
    assert late.confidence > 0.7 > alike.confidence
    told = late.evidence.details
    assert (told["route"], told["surestIn"], told["n"]) == ("all", "15 minutes", 24)
    assert "All calls are slower." in late.description


def test_a_large_conversation_does_not_speak_for_the_end_of_a_window(
    world: World, judge: Judge
) -> None:
    """Forty calls that are slow, of one conversation or of forty, beside four as usual."""
    for name, conversations in (("one", 1), ("many", 40)):
        slow = _now(40, 3.0, name, conversations=conversations)
        late = [{**line, "ts": before(0.2 * n + 1)} for n, line in enumerate(slow)]
        others = [{**line, "conv_id": f"other{n}"} for n, line in enumerate(_now(30, name=name))]
        world.write(*_past(name), *late, *others)
    found = _found(judge)
    assert found["many"].confidence > 0.9
    assert "one" not in found or found["one"].confidence < 0.7


def test_without_conversations_nothing_is_known_of_the_end_of_a_window(
    world: World, judge: Judge
) -> None:
    world.write(*({**line, "conv_id": None} for line in _past()))
    for number, line in enumerate(_now(24)):
        ms = line["elapsed_ms"] if number >= 6 else 260 if number < 2 else 190
        world.write({**line, "conv_id": None, "elapsed_ms": ms})
    assert all("surestIn" not in f.evidence.details for f in judge(ANALYZER).findings)
    assert all(finding.confidence < 0.7 for finding in judge(ANALYZER).findings)


def test_what_was_slow_and_is_over_is_no_surer(world: World, judge: Judge) -> None:
    past = [{**line, "elapsed_ms": 260 if n < 2 else 190} for n, line in enumerate(_now(24)[16:])]
    world.write(*_past(), *_now(24)[:16], *past)
    assert all(finding.confidence < 0.6 for finding in judge(ANALYZER).findings)


@pytest.mark.parametrize(
    ("far", "conversations", "found"),
    [(9.0, 3, True), (9.0, 2, False), (1.6, 3, False)],
    ids=["far out in three", "far out in two", "beyond the threshold in three"],
)
def test_a_few_calls_far_out_are_a_tail(
    world: World, judge: Judge, far: float, conversations: int, found: bool
) -> None:
    """Three of 30 calls, which are too few for the tail to be counted call by call."""
    lines = _now(30)
    p95 = 100 * math.exp(1.645 * 0.3)
    for number in (3, 13, 23):
        conv = f"slow{number // 10 % conversations}"
        lines[number] |= {"elapsed_ms": far * p95, "conv_id": conv}
    world.write(*_past(hours=150), *lines)
    sure = [each.confidence for each in judge(ANALYZER).findings]
    assert [each >= 0.7 for each in sure if each >= 0.7] == ([True] if found else [])
    if found:
        details = judge(ANALYZER).findings[0].evidence.details
        assert details["route"] == "tail"
        assert details["n"] == 30
        assert str(details["rule"]).startswith("conversations with calls slower than")
        assert "enough" not in details, "so few calls are not counted one by one"


def test_one_slow_conversation_is_not_the_service(world: World, judge: Judge) -> None:
    slow = [call(m / 2, "slow", "search", elapsed_ms=2000) for m in range(8)]
    world.write(*_past(), *_now(80), *slow)
    assert all(finding.confidence < 0.7 for finding in judge(ANALYZER).findings)


def _large(n: int, name: str, conv: str, *, hours: float = 0.0) -> list[Line]:
    """Calls of one conversation within a quarter of an hour, all three times as slow."""
    chance = random.Random(4)
    return [
        call(
            60 * hours + 20 + 15 * number / n,
            conv,
            name,
            elapsed_ms=300 * chance.lognormvariate(0, 0.3),
        )
        for number in range(n)
    ]


@pytest.mark.parametrize("hours", [0.0, 2.2, 5.0], ids=lambda hours: f"{hours:g} hours ago")
def test_a_large_conversation_is_not_the_tool(world: World, judge: Judge, hours: float) -> None:
    """A hundred slow calls of one conversation, or of two, or each of its own."""
    for name, conversations in {"one": 1, "two": 2, "many": 100}.items():
        world.write(*_past(name), *_now(20, name=name))
        for number, line in enumerate(_large(100, name, "large", hours=hours)):
            world.write({**line, "conv_id": f"large{number % conversations}"})
    assert list(_found(judge)) == ["many"]
    assert _found(judge)["many"].confidence > 0.9


def test_a_large_conversation_does_not_hide_that_the_others_are_slow(
    world: World, judge: Judge
) -> None:
    """What a card says is of the others, and it says what they are without."""
    world.write(*_past(), *_now(80, 2.0), *_large(100, "search", "large"))
    (finding,) = judge(ANALYZER).findings
    details = finding.evidence.details
    assert finding.confidence > 0.9
    assert (details["n"], details["leftOutN"], details["leftOutConversations"]) == (80, 100, 1)
    assert details["ratio"] == pytest.approx(2.0, rel=0.25)
    assert "over 80 calls in the last 60 minutes (leaving out 100 calls of one large" in (
        finding.description
    )


def test_where_most_conversations_are_large_none_is_left_out(world: World, judge: Judge) -> None:
    world.write(*_past(), *_now(160, 2.0, conversations=4))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["n"] == 160
    assert "leftOutN" not in finding.evidence.details


def test_two_conversations_are_too_few(world: World, judge: Judge) -> None:
    world.write(*_past("two"), *_now(40, 3.0, "two", conversations=2))
    world.write(*_past("three"), *_now(42, 3.0, "three", conversations=3))
    analysis = judge(ANALYZER)
    assert [finding.subject for finding in analysis.findings] == ["tool_call/three"]
    assert [each.reason for each in analysis.abstained] == ["2 of 3 conversations"]


@pytest.mark.parametrize(
    ("past", "now", "reason"),
    [
        ({"after": 26}, 19, "19 of 20 calls"),
        ({"hours": 20}, 40, "20 of 24 hours of baseline"),
        ({"hours": 40, "per_hour": 4}, 40, "160 of 200 calls in the baseline"),
    ],
)
def test_too_little_to_judge_is_said(
    world: World, judge: Judge, past: dict[str, int], now: int, reason: str
) -> None:
    world.write(*_past(**past), *_now(now, 4.0))  # type: ignore[arg-type]  # counts alone
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert (abstention.subject, abstention.reason) == ("tool_call/search", reason)


def test_a_heavy_tail_that_was_always_there_is_healthy(world: World, judge: Judge) -> None:
    chance = random.Random(3)

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv, "heavy", elapsed_ms=50 * chance.paretovariate(1.1))]

    world.write(*hours_of(make, per_hour=60, after=0))
    assert all(finding.confidence < 0.7 for finding in judge(ANALYZER).findings)


def test_a_shift_towards_slower_tools_is_no_slowdown(world: World, judge: Judge) -> None:
    world.write(*_past("quick"), *_past("slow", scale=20))
    world.write(*_now(20, 1.0, "quick"), *_now(200, 20.0, "slow"))
    assert judge(ANALYZER).findings == ()


def test_failed_calls_and_waiting_for_people_are_no_latency(world: World, judge: Judge) -> None:
    world.write(*_past(), *_now(80))
    world.write(*({**line, "status": "error"} for line in _now(80, 50)))
    approvals = _past("ask") + _now(80, 50.0, "ask")
    world.write(*({**line, "act": "approval_response"} for line in approvals))
    assert judge(ANALYZER) == Analysis()


@pytest.mark.parametrize("ms", [0, -5, "soon", None, float("nan"), 1e300])
def test_what_is_no_latency_is_left_out(world: World, judge: Judge, ms: object) -> None:
    world.write(*_past(), *_now(80), *({**line, "elapsed_ms": ms} for line in _now(80)))
    assert judge(ANALYZER).findings == ()


def test_each_model_is_compared_with_itself(world: World, judge: Judge) -> None:
    for model, scale in (("a", 1.0), ("b", 3.0)):
        for line in (*_past(), *_now(80, scale)):
            world.write({**line, "act": "assistant_response", "name": None, "model": model})
    assert [f.subject for f in judge(ANALYZER).findings] == ["assistant_response/b"]


def test_the_time_between_start_and_finish_is_a_latency(world: World, judge: Judge) -> None:
    def pair(line: Line, minutes: float, ms: float, trace: str) -> list[Line]:
        common = {"name": "pair", "conv_id": line["conv_id"], "trace_id": trace}
        return [
            {**common, "ts": before(minutes), "act": "tool_execution_start"},
            {**common, "ts": before(minutes - ms / 60_000), "act": "tool_execution_finish"},
        ]

    for number, line in enumerate(_past(per_hour=6)):
        world.write(*pair(line, 60 + (number + 0.5) * 10, line["elapsed_ms"], f"p{number}"))
    for number, line in enumerate(_now(40, 4.0)):
        world.write(*pair(line, 2 + number, line["elapsed_ms"], f"n{number}"))
    assert [f.subject for f in judge(ANALYZER).findings] == ["tool_call/pair"]


def test_without_conversations_a_card_is_never_quite_certain(world: World, judge: Judge) -> None:
    nobodys = [{**line, "conv_id": None} for line in (*_past(), *_now(80, 3.0))]
    world.write(*nobodys)
    (finding,) = judge(ANALYZER).findings
    assert 0.7 < finding.confidence <= 0.8


# --- what is usual ------------------------------------------------------------------------------


def _scaled(scale: Callable[[int], float], *, hours: int = 150, per_hour: int = 12) -> list[Line]:
    """A history in which so many hours ago calls took so many times 100 ms."""
    chance = random.Random(2)
    return [
        call(
            60.0 * ago + 60.0 * (place + 0.5) / per_hour,
            f"old{ago}-{place}",
            "search",
            elapsed_ms=100 * scale(ago) * chance.lognormvariate(0, 0.3),
        )
        for ago in range(1, hours)
        for place in range(per_hour)
    ]


def test_an_outage_in_the_history_hides_no_slow_down(world: World, judge: Judge) -> None:
    world.write(*_scaled(lambda ago: 9.0 if 40 <= ago < 52 else 1.0), *_now(40, 2.0))
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence > 0.9
    assert finding.evidence.details["ratio"] == pytest.approx(2.0, rel=0.3)


def test_a_slow_rise_is_held_against_the_time_before_it(world: World, judge: Judge) -> None:
    world.write(*_scaled(lambda ago: 1.007 ** max(0, 72 - ago)), *_now(12, 1.7))
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.details["risingDays"] == 3
    assert "It has become slower from day to day for 3 days." in finding.description
    assert finding.confidence > 0.9
    chart = [value for value in finding.evidence.details["history"] if value is not None]
    assert len(chart) >= 23, "the days in which it rose are shown"


def test_latencies_that_stay_as_they_are_do_not_rise(world: World, judge: Judge) -> None:
    world.write(*_scaled(lambda ago: 1.2 if ago % 48 < 24 else 1.0), *_now(12, 1.2))
    assert judge(ANALYZER).findings == ()


def test_a_rare_tool_is_judged_over_a_day(world: World, judge: Judge) -> None:
    slow = [call(30 + 40 * n, f"new{n}", "search", elapsed_ms=260 + 9 * n) for n in range(24)]
    world.write(*_past(hours=140, per_hour=2, after=17), *slow)
    (finding,) = judge(ANALYZER).findings
    assert finding.evidence.time_window in {"8 hours", "24 hours"}
    assert finding.confidence > 0.9
