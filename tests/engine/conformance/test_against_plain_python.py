"""Random worlds: an engine answers what plain Python over the same events answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from engine.conformance.reference import Question, Reference
from engine.conformance.worlds import (
    ABORTED,
    CUT,
    END,
    LATENCY,
    TOGETHER,
    USE,
    WAITED,
    Answers,
    Engine,
    Event,
    answer,
    call,
    cancel,
    event,
    every_engine,
    message,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tgt.engine.protocol import Of, Signal
from tgt.events import Interval
from tgt.stats import distributions

pytestmark = every_engine

DAY = timedelta(days=1)
SHARES = (
    Question(USE, lambda e: e["actor"] != "user", lambda e: e.get("failed")),
    Question(
        TOGETHER, lambda e: e["actor"] != "user", lambda e: e.get("failed"), lambda _: "together"
    ),
    Question(
        CUT,
        lambda e: e["act"] == "assistant_response" and e.get("finish_reason") is not None,
        lambda e: e["finish_reason"] == "length",
    ),
    Question(
        Signal("slow", "elapsed_ms IS NOT NULL", "elapsed_ms > 100", by="name"),
        lambda e: e.get("elapsed_ms") is not None,
        lambda e: e["elapsed_ms"] > 100,
        lambda e: e.get("name"),
    ),
)
UNDECLARED = Question(
    Signal("undeclared", "act = 'tool_call'", "NOT failed", by="subject"),
    lambda e: e["act"] == "tool_call",
    lambda e: e.get("failed") is False,
)
LATENCIES = Question(LATENCY, lambda e: not e.get("failed"), value=lambda e: e.get("elapsed_ms"))
CONVERSATIONS = (
    Question(ABORTED, lambda _: True, lambda c: c["is_aborted"], lambda _: "aborted"),
    Question(WAITED, lambda _: True, lambda c: c["longest_wait_ms"] > 8000, lambda _: "waited"),
    Question(
        Signal("full", "events > 1", "errors > 0.3 * events", "'full'", Of.CONVERSATIONS),
        lambda c: c["events"] > 1,
        lambda c: c["errors"] > 0.3 * c["events"],
        lambda _: "full",
    ),
)
SIGNALS = [q.signal for q in (*SHARES, LATENCIES, *CONVERSATIONS)]

MINUTES = st.one_of(
    st.integers(-30, 70).map(float),
    st.integers(0, 48_000).map(lambda n: n / 100),
    st.integers(0, 120_000).map(lambda n: n / 100),
    st.sampled_from([0.0, 15.0, 60.0, 120.0, 180.0]),
)
CONVERSATION = st.sampled_from([None, "a", "b", "c", "d"])
CALLS = st.builds(
    call,
    MINUTES,
    CONVERSATION,
    st.sampled_from(["grep", "sed"]),
    failed=st.sampled_from([None, False, False, True]),
    elapsed_ms=st.one_of(st.none(), st.floats(0.001, 1e6)),
)
ANSWERS = st.builds(
    answer,
    MINUTES,
    CONVERSATION,
    st.sampled_from([None, "stop", "stop", "length", "tool_calls"]),
    failed=st.sampled_from([None, None, True]),
)
OTHERS = st.one_of(
    st.builds(message, MINUTES, CONVERSATION, st.sampled_from(["message", "message", "prompt"])),
    st.builds(cancel, MINUTES, CONVERSATION),
    st.builds(event, MINUTES, CONVERSATION),
)
LONG_AGO = st.builds(
    call, st.integers(120_000, 300_000).map(lambda n: n / 100), elapsed_ms=st.just(5.0)
)
"""Partly before the baseline. A conversation is judged whole, as far back as it can be read; how
far that is, no engine promises."""
EVENTS = st.lists(st.one_of(CALLS, CALLS, ANSWERS, OTHERS, LONG_AGO), min_size=40, max_size=90)


def _check(asked: Answers, reference: Reference) -> None:
    inside = reference.inside(reference.window)
    assert asked.snapshot.coverage.events == len(inside)
    assert asked.timeline.is_idle(asked.window) == (not inside)
    assert asked.counts(UNDECLARED.signal) == reference.counts(UNDECLARED, asked.window)
    for hours in (None, 3, 7):
        for question in SHARES:
            _check_shares(asked, reference, question, hours)
        _check_values(asked, reference, hours)
        for question in CONVERSATIONS:
            _check_conversations(asked, reference, question, hours)
    for subject in asked.values(LATENCY):
        counts = asked.snapshot.beyond(LATENCY, subject, asked.window, 100)
        assert counts == reference.beyond(LATENCIES, subject, 100)
        spent = asked.snapshot.time_spent(LATENCY, subject, asked.window)
        expected = reference.time_spent(LATENCIES, subject)
        assert replace(spent, ms=0) == replace(expected, ms=0)
        assert spent.ms == pytest.approx(expected.ms)


def _check_shares(
    asked: Answers, reference: Reference, question: Question, hours: int | None
) -> None:
    window = asked.longer(hours)
    readings = asked.readings(question.signal, hours)
    assert {n: r.now for n, r in readings.items()} == reference.counts(question, window)
    for subject, reading in readings.items():
        assert reading.history == reference.history(question, subject, window)


def _check_values(asked: Answers, reference: Reference, hours: int | None) -> None:
    window = asked.longer(hours)
    values = asked.values(LATENCY, hours)
    assert {n: r.now for n, r in values.items()} == reference.values(LATENCIES, window)
    for subject, reading in values.items():
        history = asked.snapshot.distribution_history(LATENCY, subject, window)
        assert history == reference.value_history(LATENCIES, subject, window)
        assert reading.before == distributions.merge(history.values())
        spread = asked.snapshot.spread(LATENCY, subject, window, 100, 9)
        expected, largest, theirs = reference.largest(LATENCIES, subject, window, 100)
        assert replace(spread, largest={}) == expected
        assert list(spread.largest.values()) == sorted(largest.values(), reverse=True)
        some = frozenset(spread.largest)
        assert asked.snapshot.values_of(LATENCY, subject, window, some) == theirs
        if hours is None:
            counts = asked.snapshot.beyond(LATENCY, subject, window, 50, without=some)
            assert counts == reference.beyond(LATENCIES, subject, 50, without=largest)


def _check_conversations(
    asked: Answers, reference: Reference, question: Question, hours: int | None
) -> None:
    window = asked.longer(hours)
    readings = asked.readings(question.signal, hours)
    shares = {name: (r.now.n, r.now.k) for name, r in readings.items() if r.now.n}
    assert shares == reference.ended(question, window)
    for reading in readings.values():
        past = {hour: (now.n, now.k) for hour, now in reading.history.items()}
        assert past == reference.ended_history(question, window)


WORLDS = {
    "events": EVENTS,
    "late": st.sampled_from([0, 0, 17, 59]),
    "minutes": st.sampled_from([20, 60, 60, 90]),
    "services": st.lists(st.sampled_from(["s", "t"]), max_size=90),
}


def some(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        phases=[Phase.generate],  # to make a world smaller takes minutes
        suppress_health_check=list(HealthCheck),
    )


@some(5)
@given(**WORLDS)
def test_an_engine_answers_what_plain_python_answers(
    engine: Engine, events: list[Event], late: int, minutes: int, services: list[str]
) -> None:
    _compare(engine, events, late, minutes, services)


def _compare(
    engine: Engine, events: list[Event], late: int, minutes: int, services: list[str]
) -> None:
    """As of several windows, one after the other."""
    for each, service in zip(events, services, strict=False):
        each["service"] = service
    if services:  # what has none is the same as if there were only one
        for each in events[len(services) :]:
            each["service"] = services[0]
    ends = [END - timedelta(minutes=late + earlier) for earlier in (47, 0)]
    length = timedelta(minutes=minutes)
    with engine.timeline(
        *events, signals=SIGNALS, first=ends[0], end=ends[-1], minutes=minutes, baseline=DAY
    ) as timeline:
        for end in ends:
            window = Interval(end - length, end)
            asked = Answers(timeline, timeline.at(window), window)
            _check(asked, Reference(events, window, Interval(window.start - DAY, window.start)))


@pytest.mark.slow
@some(25)
@given(**WORLDS)
def test_also_of_many_worlds(
    engine: Engine, events: list[Event], late: int, minutes: int, services: list[str]
) -> None:
    _compare(engine, events, late, minutes, services)
