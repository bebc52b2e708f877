"""Distributions: which values are in them, in which hour, and how many lie beyond a line."""

from __future__ import annotations

from typing import Any

import pytest
from engine.conformance.worlds import (
    END,
    LATENCY,
    Engine,
    Event,
    answer,
    call,
    event,
    every_engine,
    message,
)

from tgt.engine.protocol import Signal, Spread, TimeSpent
from tgt.events import HOUR_US, to_us
from tgt.stats import distributions
from tgt.stats.distributions import Histogram

pytestmark = every_engine
LAST_HOUR = to_us(END) // HOUR_US - 1
GREP = "tool_call/grep"


def _buckets(*values: float) -> dict[int, int]:
    buckets = [distributions.bucket(value) for value in values]
    return {bucket: buckets.count(bucket) for bucket in sorted(buckets)}


def test_the_values_of_a_window_lie_in_logarithmic_buckets(engine: Engine) -> None:
    values = (0.001, 0.5, 1.0, 7.0, 7.01, 1234.5, 86_400_000.0)
    with engine.asked(*(call(5, "c", elapsed_ms=value) for value in values)) as asked:
        assert asked.values(LATENCY)[GREP].now == _buckets(*values)
        assert asked.values(LATENCY, hours=4)[GREP].now == _buckets(*values)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"elapsed_ms": None}, "none is told"),
        ({"elapsed_ms": 0.0}, "it took no time, so nobody measured it"),
        ({"elapsed_ms": -5.0}, "the clock was set back"),
        ({"elapsed_ms": 9.0, "failed": True}, "it is not of the population"),
        ({"elapsed_ms": 9.0, "is_wait": True}, "it is a person's time"),
        ({"elapsed_ms": 9.0, "subject": None}, "it is about nothing"),
    ],
)
def test_what_has_no_value_is_not_in_a_distribution(
    engine: Engine, told: dict[str, Any], why: str
) -> None:
    with engine.asked(call(5, "c", elapsed_ms=3.0), call(5, "c", **told)) as asked:
        values = asked.values(LATENCY)
        assert {name: reading.now for name, reading in values.items()} == {GREP: _buckets(3.0)}, why
        assert asked.snapshot.beyond(LATENCY, GREP, asked.window, 1).n == 1


def test_a_distribution_can_be_of_any_number(engine: Engine) -> None:
    tokens = Signal("tokens", where="act = 'tool_call'", value="input_tokens + output_tokens")
    world = [call(5, "c", input_tokens=5.0, output_tokens=2.0), call(5, "c", input_tokens=5.0)]
    with engine.asked(*world, signals=[tokens]) as asked:
        assert asked.values(tokens)[GREP].now == _buckets(7.0)


def test_what_was_before_is_the_baseline_of_those_with_enough_values(engine: Engine) -> None:
    world = [
        *(call(m, "c", "few", elapsed_ms=10) for m in (5, 100)),
        *(call(m, "c", "many", elapsed_ms=m) for m in (5, 6, 100, 101, 300)),
        call(60 * 24 * 8, "c", "many", elapsed_ms=999),
        call(-5, "c", "many", elapsed_ms=999),
    ]
    with engine.asked(*world) as asked:
        few, many = asked.values(LATENCY, least=2).values()
        assert (few.subject, few.now, few.before) == ("tool_call/few", _buckets(10), {})
        assert (many.now, many.before) == (_buckets(5, 6), _buckets(100, 101, 300))
        assert [r.before for r in asked.values(LATENCY).values()] == [
            _buckets(10),
            _buckets(100, 101, 300),
        ]
        longer = asked.values(LATENCY, hours=3)["tool_call/many"]
        assert (longer.now, longer.before) == (_buckets(5, 6, 100, 101), _buckets(300))


def test_the_history_of_a_distribution_is_by_the_hour(engine: Engine) -> None:
    world = [call(m, "c", elapsed_ms=m) for m in (5, 61, 100, 130, 300)]
    with engine.asked(*world) as asked:
        history = asked.snapshot.distribution_history(LATENCY, GREP, asked.window)
        expected: dict[int, Histogram] = {
            LAST_HOUR - 5 + 1: _buckets(300),
            LAST_HOUR - 2: _buckets(130),
            LAST_HOUR - 1: _buckets(61, 100),
        }
        assert history == expected
        assert list(history) == sorted(expected)
        longer = asked.snapshot.distribution_history(LATENCY, GREP, asked.longer(2))
        assert list(longer) == sorted(expected)[:2]
        assert asked.snapshot.distribution_history(LATENCY, "other", asked.window) == {}


def test_beyond_a_line_are_the_values_that_exceed_it(engine: Engine) -> None:
    world = [
        *(call(5, "slow", elapsed_ms=ms) for ms in (50, 100, 100.5, 300)),
        *(call(30, "fine", elapsed_ms=ms) for ms in (1, 2)),
        *(call(40, elapsed_ms=ms) for ms in (1, 200)),
        call(61, "earlier", elapsed_ms=999),
    ]
    with engine.asked(*world) as asked:
        counts = asked.snapshot.beyond(LATENCY, GREP, asked.window, 100)
        assert (counts.n, counts.k, counts.loose_n) == (8, 3, 2)
        assert (counts.units, counts.bad_units) == (2, 1)
        clusters = counts.clusters
        assert (clusters.conversations, clusters.n, clusters.k) == (2, 6, 2)
        assert (clusters.nn, clusters.nk, clusters.kk) == (16 + 4, 4 * 2, 4)
        assert asked.snapshot.beyond(LATENCY, "other", asked.window, 100).n == 0


def test_each_conversation_is_one_unit_of_what_lies_beyond(engine: Engine) -> None:
    world = [call(m, "c", elapsed_ms=10) for m in (5, 70, 100)]
    with engine.asked(*world, minutes=120) as asked:
        counts = asked.snapshot.beyond(LATENCY, GREP, asked.window, 5)
        assert (counts.n, counts.units, counts.bad_units) == (3, 1, 1)


def _with_a_large_conversation() -> list[Event]:
    return [
        *(call(5, "large", elapsed_ms=ms) for ms in (500, 600, 700, 1)),
        *(call(30, "middle", elapsed_ms=ms) for ms in (1, 200)),
        call(40, "small", elapsed_ms=2),
        *(call(40, elapsed_ms=ms) for ms in (1, 200)),
        *(call(150, "earlier", elapsed_ms=ms) for ms in (900, 900, 1)),
        *(call(5, "middle", "sed", elapsed_ms=999) for _ in range(9)),
        call(5, "failed", failed=True, elapsed_ms=999),
    ]


def test_a_spread_tells_how_many_values_conversations_have_and_which_most_beyond_a_line(
    engine: Engine,
) -> None:
    with engine.asked(*_with_a_large_conversation()) as asked:
        spread = asked.snapshot.spread(LATENCY, GREP, asked.window, 100, 9)
        assert (spread.conversations, spread.n, spread.usual) == (3, 7, 2)
        assert list(spread.largest.values()) == [3, 1]
        longer = asked.snapshot.spread(LATENCY, GREP, asked.longer(4), 100, 2)
        assert (longer.conversations, longer.n, longer.usual) == (4, 10, 2)
        assert list(longer.largest.values()) == [3, 2]
        assert next(iter(longer.largest)) == next(iter(spread.largest))
        assert asked.snapshot.spread(LATENCY, GREP, asked.window, 1000, 9).largest == {}
        assert asked.snapshot.spread(LATENCY, "other", asked.window, 100, 9) == Spread()


def test_values_can_be_asked_of_some_conversations_and_without_them(engine: Engine) -> None:
    with engine.asked(*_with_a_large_conversation()) as asked:
        window = asked.longer(4)
        first, *_ = asked.snapshot.spread(LATENCY, GREP, asked.window, 100, 1).largest
        _, earlier = asked.snapshot.spread(LATENCY, GREP, window, 100, 2).largest
        some = frozenset({first, earlier})
        own = asked.snapshot.values_of(LATENCY, GREP, asked.window, some)
        assert own == _buckets(500, 600, 700, 1)
        longer = asked.snapshot.values_of(LATENCY, GREP, window, some)
        assert longer == _buckets(500, 600, 700, 1, 900, 900, 1)
        assert asked.snapshot.values_of(LATENCY, GREP, window, frozenset()) == {}
        left = asked.snapshot.beyond(LATENCY, GREP, asked.window, 100, without=some)
        assert (left.n, left.k, left.loose_n, left.units, left.bad_units) == (5, 2, 2, 2, 1)


def test_the_time_of_conversations_is_from_their_first_event_in_the_window_to_the_last(
    engine: Engine,
) -> None:
    world = [
        message(50, "c"),
        call(40, "c", elapsed_ms=60_000),
        call(39, "c", elapsed_ms=1000),
        answer(30, "c"),
        call(25, "short", elapsed_ms=500),
        *(event(70, "began before"), call(59, "began before", elapsed_ms=120_000)),
        event(49, "began before"),
        *(call(20, "has no value", failed=True, elapsed_ms=9.0), event(10, "has no value")),
        call(5, elapsed_ms=7.0),
        *(call(5, "another", "sed", elapsed_ms=7.0), event(1, "another")),
    ]
    with engine.asked(*world) as asked:
        spent = asked.snapshot.time_spent(LATENCY, GREP, asked.window)
        assert (spent.events, spent.conversations) == (4, 3)
        assert spent.ms == pytest.approx(20 * 60_000 + 500 + 11 * 60_000)
        assert asked.snapshot.time_spent(LATENCY, "other", asked.window) == TimeSpent()


def test_values_are_told_apart_by_service_where_there_are_several(engine: Engine) -> None:
    world = [
        call(m, "c", service=service, elapsed_ms=ms)
        for m in (5, 100)
        for service, ms in (("a", 10.0), ("b", 20.0), ("b", 40.0))
    ]
    with engine.asked(*world, event(1), message(2)) as asked:
        for hours in (None, 4):
            values = asked.values(LATENCY, hours)
            assert list(values) == [f"{GREP}@a", f"{GREP}@b"]
        assert asked.values(LATENCY)[f"{GREP}@b"].before == _buckets(20, 40)
        assert asked.snapshot.beyond(LATENCY, f"{GREP}@b", asked.window, 30).k == 1
        history = asked.snapshot.distribution_history(LATENCY, f"{GREP}@a", asked.window)
        assert list(history.values()) == [_buckets(10)]
