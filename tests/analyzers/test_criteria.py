"""Every analyzer can count later what it found: while the problem is there, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import END, Line, World, call, calls_of, hours_of, response

from tgt.analyzers.base import Context
from tgt.analyzers.registry import chosen
from tgt.analyzers.watching import Counting
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.events import Interval
from tgt.tasks.card import Card
from tgt.tasks.verification import State, Verdict, criteria_of


def _spread(make: Callable[[float, str], Iterable[Line]], hours: tuple[float, float]) -> list[Line]:
    """20 conversations an hour, between so many hours before END."""
    older, newer = hours
    count = round((older - newer) * 20)
    step = (older - newer) * 60 / count
    return [
        line
        for number in range(count)
        for line in make(60 * older - (number + 0.5) * step, f"{older}-{number}")
    ]


def _failing(bad_of: int, **keys: Any) -> Callable[[float, str], list[Line]]:
    def make(minutes: float, conv: str) -> list[Line]:
        number = int(conv.rpartition("-")[2])
        is_bad = bool(bad_of) and number % bad_of == 0
        return [
            call(minutes, conv, status="error" if is_bad else "ok", **keys),
            response(minutes - 0.2, conv),
        ]

    return make


def _answers(bad_of: int) -> Callable[[float, str], list[Line]]:
    def make(minutes: float, conv: str) -> list[Line]:
        number = int(conv.rpartition("-")[2])
        finish = "length" if bad_of and number % bad_of == 0 else "stop"
        return [response(minutes, conv, finish), response(minutes - 0.2, conv, finish)]

    return make


def _given_up(bad_of: int) -> Callable[[float, str], list[Line]]:
    def make(minutes: float, conv: str) -> list[Line]:
        number = int(conv.rpartition("-")[2])
        is_bad = bool(bad_of) and number % bad_of == 0
        last = response(minutes - 0.2, conv, "cancelled" if is_bad else "stop")
        return [call(minutes, conv), call(minutes - 0.1, conv), last]

    return make


def _slow(ms: float) -> Callable[[float, str], list[Line]]:
    def make(minutes: float, conv: str) -> list[Line]:
        return [call(minutes - 0.01 * n, conv, elapsed_ms=ms + 7 * n) for n in range(4)]

    return make


@dataclass(frozen=True)
class Fault:
    """What a kind of problem looks like, and what stands in its place before and after."""

    analyzer: str
    metric: str
    bad: Callable[[float, str], Iterable[Line]]
    good: Callable[[float, str], Iterable[Line]]


FAULTS = [
    Fault("error_spike", "failing_conversations", _failing(2), _failing(50)),
    Fault("continuation", "continuation_ratio", _answers(2), _answers(50)),
    Fault("ux_issue", "aborted_share", _given_up(2), _given_up(50)),
    Fault("performance", "p95_latency_ms", _slow(900), _slow(200)),
]


def _counted(world: World, card: Card, hours: float, now_hours: float) -> Verdict:
    """What is counted of the card's criterion in so many hours, as of some hours before END."""
    end = END - timedelta(hours=now_hours)
    settings = world.settings(analyzers=card.analyzer)
    window = Interval(end - timedelta(hours=1), end)
    with open_timeline(settings, telemetry_of(settings), chosen(settings).signals, window) as lines:
        context = Context(settings, lines.at(window), window)
        period = Interval(end - timedelta(hours=hours), end)
        criteria = criteria_of(card)
        counting = Counting(chosen(settings).analyzers, context, card, criteria)
        (verdict,) = counting.verdicts(period)
        return verdict


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.metric)
def test_a_share_is_counted_while_it_is_bad_and_after(world: World, fault: Fault) -> None:
    world.write(*_spread(fault.good, (60, 8)), *_spread(fault.bad, (8, 6)))
    world.write(*_spread(fault.good, (6, 0)))
    world.run(END - timedelta(hours=6), analyzers=fault.analyzer)
    card = world.card()
    (criterion,) = criteria_of(card)
    assert criterion.metric == fault.metric
    assert criterion.subject == card.subject
    assert criterion.before is not None
    assert criterion.before.bad / criterion.before.units > 2 * criterion.line

    during = _counted(world, card, hours=1, now_hours=6)
    assert during.state is State.NOT_HOLDING
    assert during.is_met is False
    after = _counted(world, card, hours=5, now_hours=0)
    assert after.state is State.HOLDS, after.text
    assert after.is_met is True


def test_a_recurring_error_is_counted_among_those_that_use_the_tool(world: World) -> None:
    """In one of ten conversations for days, then in none of many."""

    def error(minutes: float, conv: str) -> list[Line]:
        is_bad = int(conv.rpartition("-")[2]) % 10 == 0
        told = {"status": "error", "error": "sudo: a terminal is required"} if is_bad else {}
        return [call(minutes, conv, "Bash", **told)]

    world.write(*_spread(error, (30, 10)))
    world.write(*_spread(lambda m, c: [call(m, c, "Bash")], (10, 0)))
    world.run(END - timedelta(hours=10), analyzers="recurring_error")
    card = world.card()
    (criterion,) = criteria_of(card)
    assert criterion.before is not None
    assert (criterion.before.bad, criterion.before.units) == (40, 400)
    assert _counted(world, card, hours=5, now_hours=10).state is State.NOT_HOLDING
    assert _counted(world, card, hours=10, now_hours=0).state is State.HOLDS


def test_a_loop_is_counted_among_those_that_use_the_tool(world: World) -> None:
    def loop(conv: str, minutes: float) -> list[Line]:
        same = {"args_preview": '{"cmd": "x"}', "result_preview": "no"}
        return [call(minutes - n / 10, conv, "Bash", **same) for n in range(12)]

    once = _spread(lambda m, c: [call(m, c, "Bash", args_preview=c)], (30, 0))
    looping = [line for n in range(8) for line in loop(f"loop{n}", 60 * 11 - 6 * n)]
    world.write(*once, *looping)
    world.run(END - timedelta(hours=10), analyzers="retry_loop")
    card = world.card()
    (criterion,) = criteria_of(card)
    assert criterion.before is not None
    assert criterion.before.bad == 8
    assert criterion.before.units == pytest.approx(408, abs=20)
    after = _counted(world, card, hours=9, now_hours=0)
    assert after.tally.bad == 0
    assert after.tally.units == pytest.approx(180, abs=21)


def test_an_undocumented_tool_is_over_when_its_page_is_there(world: World) -> None:
    world.write(*_spread(lambda m, c: [call(m, c), call(m - 0.1, c)], (30, 0)))
    (world.path / "docs" / "a.md").write_text("list_files lists files.\n")
    world.run(END - timedelta(hours=2), analyzers="docs_gap")
    card = world.card()
    assert _counted(world, card, hours=1, now_hours=0).state is State.NOT_HOLDING
    (world.path / "docs" / "a.md").write_text("read_file reads a file.\n")
    assert _counted(world, card, hours=1, now_hours=0).state is State.HOLDS


def test_a_service_that_was_silent_is_over_when_it_speaks(world: World) -> None:
    def speaks(minutes: float, conv: str) -> list[Line]:
        return [call(minutes, conv, service="shop"), call(minutes, f"o{conv}", service="other")]

    world.write(*_spread(speaks, (24 * 9, 14)))
    world.write(*_spread(lambda m, c: [call(m, c, service="other")], (14, 12)))
    world.write(*_spread(speaks, (12, 0)))
    world.run(END - timedelta(hours=12), analyzers="telemetry_silence")
    card = world.card()
    assert _counted(world, card, hours=1, now_hours=12).state is not State.HOLDS
    after = _counted(world, card, hours=11, now_hours=0)
    assert (after.state, after.tally.bad) == (State.HOLDS, 0)


def test_what_is_not_in_use_is_not_over(world: World) -> None:
    world.write(*hours_of(calls_of(), after=3), *_spread(_failing(2), (3, 2)))
    world.write(*_spread(lambda m, c: [call(m, c, "other_tool")], (2, 0)))
    world.run(END - timedelta(hours=2), analyzers="error_spike")
    after = _counted(world, world.card(), hours=2, now_hours=0)
    assert after.state is State.NO_TRAFFIC
