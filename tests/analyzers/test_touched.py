"""Whom a problem touches, and what that makes of its severity."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import Line, World, call, hours_of, response

from tgt.analyzers.base import Analysis
from tgt.analyzers.docs_gap import DocsGapAnalyzer
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.analyzers.performance import PerformanceAnalyzer
from tgt.analyzers.recurring_error import RecurringErrorAnalyzer
from tgt.analyzers.retry_loop import RetryLoopAnalyzer
from tgt.tasks.card import Finding, Severity, Touched

Judge = Callable[..., Analysis]


def _only(analysis: Analysis) -> Finding:
    (finding,) = analysis.findings
    return finding


def _others(many: int) -> list[Line]:
    """Conversations of the window to which nothing happens."""
    return [response(50 * (n + 0.5) / many, f"other{n}") for n in range(many)]


def _gap(calls: int, conversations: int = 3) -> list[Line]:
    return [call(30, f"c{n % conversations}", "new_tool") for n in range(calls)]


@pytest.mark.parametrize(
    ("others", "severity", "why"),
    [
        (0, "critical", "all are touched"),
        (90, "critical", "of fewer than a hundred each is more than one in a hundred"),
        (297, "critical", "three of three hundred are one in a hundred"),
        (298, "high", "three of three hundred and one are fewer"),
        (2000, "high", "one step, however few they are"),
    ],
)
def test_what_touches_fewer_than_one_in_a_hundred_is_one_step_less(
    world: World, judge: Judge, others: int, severity: str, why: str
) -> None:
    world.write(*_gap(100), *_others(others))
    finding = _only(judge(DocsGapAnalyzer()))
    assert finding.severity == severity, why
    assert finding.touched.share == pytest.approx(3 / (3 + others))
    details = finding.evidence.details
    assert details["touchedPerDay"] == 3 * 24
    assert details["touchedShare"] == pytest.approx(3 / (3 + others), rel=1e-3)


@pytest.mark.parametrize(("n", "few"), [(6, "low"), (10, "medium"), (20, "high")])
def test_one_step_less_is_the_one_below(world: World, judge: Judge, n: int, few: str) -> None:
    failing = [call(40 - m / 4, "c", status="error", error="denied", args={}) for m in range(n)]
    world.write(*failing, *_others(120))
    finding = _only(judge(RetryLoopAnalyzer()))
    assert finding.severity == few
    assert finding.touched.per_day == 1, "that there is one tells not how often"


def test_nothing_is_below_low() -> None:
    few = Touched(1, 0.001)
    assert [few.lessened(each) for each in Severity] == ["high", "medium", "low", "low"]
    for many in (Touched(1, 0.01), Touched(1, None), Touched(1, 0.001, by_event=True)):
        assert [many.lessened(each) for each in Severity] == list(Severity)


def test_a_longer_window_is_spread_over_its_own_days(world: World, judge: Judge) -> None:
    """An error that began three days ago touches four conversations in three days."""
    failures = [
        call(60 * hours + 1, f"c{hours}", status="error", error="no such table: orders")
        for hours in (0, 20, 40, 71.9)
    ]
    world.write(*failures, *_others(20))
    touched = _only(judge(RecurringErrorAnalyzer())).touched
    assert touched.per_day == pytest.approx(4 / 3, rel=0.01)
    assert touched.share == pytest.approx(4 / 24)


def test_an_error_of_today_touches_as_many_a_day_as_it_did(world: World, judge: Judge) -> None:
    world.write(*(call(m, f"c{m}", status="error", error="disk full: /a") for m in range(1, 9)))
    assert _only(judge(RecurringErrorAnalyzer())).touched.per_day == 8


def test_events_stand_in_for_conversations_where_there_are_none(world: World, judge: Judge) -> None:
    """How many people they are nobody knows, so nothing is taken off the severity."""
    past = [call(60 + m / 2, name="fetch", status="ok") for m in range(48 * 60 * 2)]
    now = [call(m, name="fetch", status="error") for m in range(1, 31)]
    world.write(*past, *now, *(call(m / 100, name="other") for m in range(1, 5000)))
    finding = _only(judge(ErrorSpikeAnalyzer()))
    details = finding.evidence.details
    assert (details["touchedUnit"], details["touchedPerDay"]) == ("events", 30 * 24)
    assert details["touchedShare"] < 0.01
    assert finding.severity == "critical"


# --- slow-downs ----------------------------------------------------------------------------------


def _searches(ms: float, *, minutes: float | None) -> Callable[[float, str, bool], list[Line]]:
    """A conversation with a search, and an answer so many minutes later, if any."""

    def make(at: float, conv: str, bad: bool) -> list[Line]:
        search = call(at, conv if minutes is not None else None, "search", elapsed_ms=ms)
        return [search, response(at - minutes, conv)] if minutes else [search]

    return make


def _slower(before: float, now: float, minutes: float | None) -> Iterator[Line]:
    yield from hours_of(_searches(before, minutes=minutes), hours=48, per_hour=10)
    for number in range(80):
        yield from _searches(now, minutes=minutes)(5 + number / 2, f"now{number}", False)


@pytest.mark.parametrize(
    ("before", "now", "minutes", "severity", "why"),
    [
        (200, 600, 2.0, "low", "400 ms of two minutes are nothing to anybody"),
        (200, 600, 0.1, "critical", "of six seconds they are more than a twentieth"),
        (200, 600, 0.0, "critical", "the call is all there is"),
        (200, 750, 2.0, "critical", "half a second is felt in a call"),
        (20_000, 60_000, 2.0, "critical", "and so are forty seconds"),
        (200, 600, None, "critical", "nobody knows of how long a conversation they are"),
    ],
)
def test_a_slow_down_that_hardly_anybody_notices_is_low(
    world: World,
    judge: Judge,
    before: float,
    now: float,
    minutes: float | None,
    severity: str,
    why: str,
) -> None:
    world.write(*_slower(before, now, minutes))
    finding = _only(judge(PerformanceAnalyzer()))
    assert finding.severity == severity, why
    assert finding.evidence.details["extraMs"] == pytest.approx(now - before, rel=0.05)


@pytest.mark.parametrize(("slow", "severity"), [(1_400, "low"), (4_000, "critical")])
def test_of_slow_calls_among_others_a_third_counts(
    world: World, judge: Judge, slow: float, severity: str
) -> None:
    """One call of ten takes longer: 1.2 seconds of it are no more than 400 ms in each."""
    world.write(*hours_of(_searches(200, minutes=2.0), hours=48, per_hour=10))
    for number in range(120):
        make = _searches(slow if number % 10 == 0 else 200, minutes=2.0)
        world.write(*make(5 + number / 3, f"now{number}", False))
    finding = _only(judge(PerformanceAnalyzer()))
    assert (finding.severity, finding.evidence.details["route"]) == (severity, "tail")
    assert finding.touched.share == pytest.approx(0.1)


def test_who_is_slow_in_a_longer_window_is_known_by_its_last_hours(
    world: World, judge: Judge
) -> None:
    """Of a rare tool the calls of four hours are judged together."""
    world.write(*hours_of(_searches(2_000, minutes=1.0), hours=48, per_hour=6, after=4))
    for number in range(32):
        make = _searches(9_000, minutes=1.0)
        world.write(*make(5 + number * 7, f"now{number}", False))
    finding = _only(judge(PerformanceAnalyzer()))
    assert finding.evidence.time_window == "4 hours"
    assert finding.touched.share == pytest.approx(1, abs=0.05)
    assert finding.touched.per_day == pytest.approx(32 * 6, rel=0.15)
