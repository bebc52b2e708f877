"""What happened in a period and before it: sums by subject, error texts, and their bounds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from engine.conformance.worlds import (
    END,
    Engine,
    Event,
    answer,
    call,
    event,
    every_engine,
    message,
)

from tgt.engine.summary import Kind, Summary, Sums
from tgt.events import Interval
from tgt.stats.distributions import BASE, bucket

pytestmark = every_engine
HOUR = timedelta(hours=1)
PERIOD = Interval(END - 6 * HOUR, END)


def _summary(engine: Engine, *events: Event, most: int = 9) -> Summary:
    with engine.timeline(*events, signals=()) as timeline:
        return timeline.summary(PERIOD, HOUR, most)


def _told(ms: float) -> float:
    return float(BASE ** (bucket(ms) + 0.5))


def test_what_an_event_adds(engine: Engine) -> None:
    cases: list[tuple[dict[str, Any], Sums, str]] = [
        ({}, Sums(1, told=1), "a call that went well"),
        ({"failed": True}, Sums(1, failures=1, told=1), "one that failed"),
        ({"failed": None}, Sums(1), "one of which that is not told"),
        ({"soft_failed": True}, Sums(1, soft_failures=1, told=1), "its envelope says it failed"),
        (
            {"failed": None, "error_type": "user_rejected"},
            Sums(1, refused=1),
            "a person did not allow it",
        ),
        ({"cancelled": True, "failed": None}, Sums(1, cancelled=1), "somebody stopped it"),
        (
            {"elapsed_ms": 70.0},
            Sums(1, told=1, p50_ms=_told(70), p95_ms=_told(70)),
            "it took some time",
        ),
        (
            {"elapsed_ms": 70.0, "failed": True},
            Sums(1, failures=1, told=1),
            "how long a failure takes is not the latency of the work",
        ),
        ({"elapsed_ms": 0.0}, Sums(1, told=1), "nobody measured it"),
        (
            {"input_tokens": 9.0, "cached_tokens": 4.0, "output_tokens": 2.0},
            Sums(1, told=1, input_tokens=9, cached_tokens=4, output_tokens=2),
            "what it used",
        ),
        ({"conv_id": "c"}, Sums(1, told=1, conversations=1), "it was part of a conversation"),
    ]
    far = timedelta(days=1)
    calls = (call(5 + 1440 * number, **columns) for number, (columns, *_) in enumerate(cases))
    with engine.timeline(*calls, signals=(), first=END - len(cases) * far) as timeline:
        for number, (_, sums, why) in enumerate(cases):
            period = Interval(PERIOD.start - number * far, PERIOD.end - number * far)
            summary = timeline.summary(period, HOUR, 9)
            (told,) = summary.subjects
            assert (told.subject, told.kind, told.now) == ("tool_call/grep", Kind.TOOL, sums), why
            assert summary.total == sums, why
            assert summary.total_before == Sums(), why


def test_how_answers_end_is_told_of_models(engine: Engine) -> None:
    ends = [answer(5, finish=end) for end in ("stop", "length", None)]
    (told,) = _summary(engine, *ends).subjects
    assert told.kind is Kind.MODEL
    assert (told.now.events, told.now.truncated, told.now.ends) == (3, 1, 2)


def test_the_period_before_is_as_long_and_apart(engine: Engine) -> None:
    world = [
        *(call(m) for m in (0, 359)),
        *(call(m, failed=True) for m in (360, 361, 719)),
        *(call(m) for m in (-1, 720)),
        call(400, name="gone"),
    ]
    summary = _summary(engine, *world)
    assert (summary.period, summary.before) == (PERIOD, Interval(END - 12 * HOUR, PERIOD.start))
    (told,) = summary.subjects
    assert (told.now, told.before) == (Sums(2, told=2), Sums(3, failures=3, told=3))
    assert summary.total_before.events == 4


def test_steps_end_with_the_period(engine: Engine) -> None:
    world = [call(0), call(60, failed=True), call(59), call(359), call(360), call(300, name="b")]
    summary = _summary(engine, *world)
    grep = next(each for each in summary.subjects if each.subject == "tool_call/grep")
    assert grep.series == ((1, 0), (0, 0), (0, 0), (0, 0), (1, 1), (2, 0))
    assert summary.series == ((2, 0), (0, 0), (0, 0), (0, 0), (1, 1), (2, 0))


def test_services_are_pooled_and_users_are_left_out(engine: Engine) -> None:
    world = [call(5, service="a"), call(6, service="b"), message(7), call(8, actor="user")]
    summary = _summary(engine, *world)
    assert [(each.subject, each.now.events) for each in summary.subjects] == [("tool_call/grep", 2)]
    assert summary.total.events == 2


def test_of_what_is_no_tool_model_or_api_only_failures_are_told(engine: Engine) -> None:
    world = [
        event(5, subject="error", act="error", failed=True),
        event(5, subject="note", act="note"),
        event(5, subject="upstream/http_529", act="api_error", failed=True),
        event(5, subject=None),
    ]
    summary = _summary(engine, *world)
    kinds = {each.subject: each.kind for each in summary.subjects}
    assert kinds == {"error": Kind.OTHER, "upstream/http_529": Kind.UPSTREAM}
    assert summary.total.events == 4


def test_those_that_fail_most_are_told_and_how_many_are_left(engine: Engine) -> None:
    world = [call(m, name=f"t{m:02}") for m in range(1, 20)]
    world += [call(5, name="busy"), call(6, name="busy"), call(5, name="z", failed=True)]
    summary = _summary(engine, *world, most=3)
    assert [each.subject for each in summary.subjects] == [
        "tool_call/z",
        "tool_call/busy",
        "tool_call/t01",
    ]
    assert summary.left_out == {Kind.TOOL: 18}


def test_error_texts_with_their_conversations_and_times(engine: Engine) -> None:
    world = [
        call(m, conv, failed=True, error="tree: command not found")
        for m, conv in ((5, "a"), (50, "a"), (90, "b"), (700, "c"), (710, "c"))
    ]
    world += [call(7, failed=True, error="fatal: not a git repository"), call(8)]
    world += [call(700, failed=True, error="gone: no longer there") for _ in range(9)]
    summary = _summary(engine, *world, most=1)
    (told,) = summary.errors
    assert summary.errors_left_out == 1
    assert (told.subject, told.count, told.conversations) == ("tool_call/grep", 3, 2)
    assert told.before == 2
    assert told.text == "tree: command not found"
    assert told.first == END - timedelta(minutes=90)
    assert told.last == END - timedelta(minutes=5)


def test_nothing_happened(engine: Engine) -> None:
    summary = _summary(engine)
    empty = Summary(PERIOD, Interval(END - 12 * HOUR, PERIOD.start), HOUR)
    assert replace(summary, step=HOUR) == empty
