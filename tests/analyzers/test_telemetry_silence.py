"""Silence: what always speaks at this time and does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from conftest import END, Line, World, before, call

from tgt import backtest
from tgt.analyzers.base import Analysis
from tgt.analyzers.silence import Past
from tgt.analyzers.telemetry_silence import TelemetrySilenceAnalyzer
from tgt.outcome import SkipReason

Judge = Callable[..., Analysis]
ANALYZER = TelemetrySilenceAnalyzer()
DAY = 24 * 60


def _speaks(
    *,
    days: float = 8,
    until: float = 65,
    per_hour: int = 40,
    service: str | None = "shop",
    quiet: Callable[[float], bool] = lambda _: False,
) -> list[Line]:
    """A conversation every few minutes, one call each, until so many minutes before END."""
    step = 60 / per_hour
    many = int((days * DAY - until) / step)
    times = [until + (number + 0.5) * step for number in range(many)]
    return [
        call(m, f"{service}{m}", **({"service": service} if service else {}))
        for m in times
        if not quiet(m)
    ]


def _hour(minutes: float) -> float:
    """The hour of the day so many minutes before END, which is 16 o'clock on a Monday."""
    return (16 - minutes / 60) % 24


def _weekday(minutes: float) -> int:
    return (END - timedelta(minutes=minutes)).weekday()


def _subjects(analysis: Analysis) -> list[str]:
    return [finding.subject for finding in analysis.findings]


@pytest.mark.parametrize("service", ["shop", None])
def test_a_silent_service_is_a_card_although_the_run_has_no_event(
    world: World, service: str | None
) -> None:
    world.write(*_speaks(service=service))
    report = world.run()
    assert (report.skipped, report.saved, report.events_analyzed) == (None, 1, 0)
    card = world.card()
    assert card.type == "telemetry_silence"
    assert card.subject == f"service/{service or 'unnamed'}"
    assert (card.severity, card.confidence > 0.9) == ("high", True)


def test_what_still_speaks_is_none_and_an_empty_run_stays_skipped(world: World) -> None:
    world.write(*_speaks(until=1))
    assert world.run(analyzers=ANALYZER.name).saved == 0
    assert world.run(END + timedelta(minutes=30)).skipped is None, "not silent for an hour yet"
    quiet = world.run(END + timedelta(days=20))
    assert quiet.skipped is SkipReason.NO_EVENTS, "nothing in the baseline either"


def test_one_of_two_services_is_silent(world: World, judge: Judge) -> None:
    world.write(*_speaks(), *_speaks(service="billing", until=1))
    assert _subjects(judge(ANALYZER)) == ["service/shop"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            _speaks(quiet=lambda m: not 17 <= _hour(m) < 22),
            "a service that always rests at this time",
        ),
        (
            _speaks(until=2 * DAY, quiet=lambda m: _weekday(m) in (0, 6)),
            "one that rests on Sundays and Mondays",
        ),
        (
            _speaks(quiet=lambda m: _hour(m) >= 16 or _hour(m) < 8),
            "one that is about to rest, where the clock may have been set",
        ),
        (_speaks(per_hour=3), "too few conversations an hour"),
        (
            [
                {**line, "conv_id": f"c{int(number / 80)}"}
                for number, line in enumerate(_speaks(per_hour=240))
            ],
            "many events of three conversations an hour",
        ),
        (_speaks(service="claude-code:shop"), "a coding agent, which rests when people do"),
        (_speaks(days=5), "five days say nothing of a weekend"),
    ],
)
def test_what_is_no_silence(world: World, judge: Judge, lines: list[Line], why: str) -> None:
    world.write(*lines, *_speaks(service="control"))
    assert _subjects(judge(ANALYZER)) == ["service/control"], why


def test_too_short_a_history_is_said(world: World, judge: Judge) -> None:
    world.write(*_speaks(days=5))
    (abstention,) = judge(ANALYZER).abstained
    assert abstention.reason == "4 of 7 days of history"


def test_four_weeks_are_compared_by_the_hour_of_the_week(world: World) -> None:
    lines = _speaks(days=29.5, quiet=lambda m: _weekday(m) >= 5)
    world.write(*lines)
    assert world.run().saved == 0, "weekends within seven days"
    assert world.run(baseline_days=29).saved == 1
    assert world.card().data["evidence"]["details"]["comparedWith"] == "weeks"


def test_a_longer_silence_is_found_again_next_day_and_is_one_card(world: World) -> None:
    world.write(*_speaks())
    for hours in (0, 1, 23, 24, 25):
        report = world.run(END + timedelta(hours=hours))
        assert (report.saved, report.covered) == ((1, 0) if hours == 0 else (0, 1))


def test_a_back_test_shows_it(world: World) -> None:
    world.write(*_speaks(until=5 * 60), *_speaks(days=0.04, until=5))
    (replayed,) = backtest.replay(
        [world.settings(analyzers=ANALYZER.name)],
        END - timedelta(hours=8),
        END,
        timedelta(minutes=30),
    )
    (step,) = replayed.steps
    assert (step.finding.type, step.finding.subject) == ("telemetry_silence", "service/shop")
    assert END - timedelta(hours=4, minutes=1) <= step.at <= END - timedelta(hours=3)


@pytest.mark.parametrize("seed", [1, 2])
def test_healthy_services_of_any_size_are_never_silent(world: World, seed: int) -> None:
    """Ten days of services of one to a hundred conversations an hour with nights and busy days."""
    chance = random.Random(seed)
    lines: list[Line] = []
    for size in (1, 4, 12, 30):
        busy = [chance.lognormvariate(0, 0.3) for _ in range(11)]
        minutes = 0.0
        while minutes < 10 * DAY:
            level = busy[int(minutes / DAY)] * (1 if 8 <= _hour(minutes) < 20 else 0.3)
            minutes += chance.expovariate(size * level / 60)
            conv = f"{size}-{minutes}"
            events = range(chance.choice((1, 2, 5)))
            lines += [
                {**call(minutes, conv, service=f"s{size}"), "ts": before(minutes - i / 60)}
                for i in events
            ]
    world.write(*lines)
    (replayed,) = backtest.replay(
        [world.settings(analyzers="telemetry_silence")],
        END - timedelta(days=2),
        END,
        timedelta(minutes=60),
    )
    assert [step.finding.subject for step in replayed.steps] == []


def test_the_chance_falls_with_the_number_and_grows_with_how_much_it_differs() -> None:
    assert Past((40.0,) * 7, is_weekly=False).chance < 1e-6
    assert Past((5.0,) * 7, is_weekly=False).chance > 1e-4
    uneven = Past((5.0, 80, 20, 60, 10, 90, 15), is_weekly=False)
    assert uneven.chance > Past((40.0,) * 7, is_weekly=False).chance
