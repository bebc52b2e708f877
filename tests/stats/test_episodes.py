"""Outages in a history are left out, and nothing else is."""

from __future__ import annotations

import random

import pytest

from tgt.stats.confidence import usual_share
from tgt.stats.episodes import is_rising, unusual

WEEK = range(1000, 1168)


def _week(
    share: float, per_hour: float, *, seed: int = 1, **worse: float
) -> dict[int, tuple[float, float]]:
    """A history with failures at random; from ``worse_from`` on for ``worse_for`` hours the share
    is ``worse_by`` times as large, and again every ``worse_every`` hours."""
    chance = random.Random(seed)
    first, length = worse.get("worse_from", 10**9), worse.get("worse_for", 0.0)
    every = worse.get("worse_every", 10**9)

    def at(hour: int) -> float:
        is_worse = hour >= first and (hour - first) % every < length
        return min(1.0, share * worse["worse_by"]) if is_worse else share

    history = {}
    for hour in WEEK:
        n = sum(chance.random() < per_hour / 100 for _ in range(100))
        history[hour] = (float(sum(chance.random() < at(hour) for _ in range(n))), float(n))
    return history


@pytest.mark.parametrize("first", [1000, 1060, 1130])
@pytest.mark.parametrize(
    ("length", "times"),
    [(1, 20.0), (3, 10.0), (6, 10.0), (6, 25.0), (12, 10.0), (24, 10.0), (36, 10.0), (36, 25.0)],
)
def test_an_outage_is_left_out(first: int, length: int, times: float) -> None:
    history = _week(0.04, 30, worse_from=first, worse_for=length, worse_by=times)
    outage = set(range(first, first + length))
    left_out = unusual(history)
    assert len(left_out & outage) >= 0.9 * length, "hardly an hour of it stays"
    assert len(left_out - outage) <= 2
    usual = usual_share(each for hour, each in history.items() if hour not in left_out)
    assert usual.share == pytest.approx(0.04, rel=0.2)


def test_two_outages_are_left_out() -> None:
    history = _week(0.04, 30, worse_from=1020, worse_for=5, worse_every=80, worse_by=15)
    assert {*range(1020, 1025), *range(1100, 1105)} <= unusual(history)


@pytest.mark.parametrize(
    "worse",
    [
        {"worse_every": 24, "worse_for": 2},
        {"worse_every": 50, "worse_for": 3},
        {"worse_every": 10**9, "worse_for": 70},
        {"worse_every": 7, "worse_for": 1},
    ],
)
def test_what_comes_again_and_what_stays_is_usual(worse: dict[str, int]) -> None:
    assert unusual(_week(0.04, 30, worse_from=1010, worse_by=8, **worse)) == frozenset()


@pytest.mark.parametrize(("share", "per_hour"), [(0.04, 2), (0.04, 30), (0.35, 20), (0.01, 90)])
def test_hardly_an_hour_of_healthy_weeks_is_left_out(share: float, per_hour: float) -> None:
    weeks = [_week(share, per_hour, seed=seed) for seed in range(20)]
    assert sum(map(len, map(unusual, weeks))) == 0


def test_a_service_that_scatters_keeps_its_hours() -> None:
    """Relative variance of the share from hour to hour: a third."""
    chance = random.Random(5)
    left_out = 0
    for _ in range(20):
        history = {}
        for hour in WEEK:
            share = min(1.0, 0.05 * chance.gammavariate(3, 1 / 3))
            history[hour] = (float(sum(chance.random() < share for _ in range(30))), 30.0)
        left_out += len(unusual(history))
    assert left_out <= 20 * 168 * 0.002


@pytest.mark.parametrize("history", [{}, {7: (0.0, 0.0)}, {7: (3.0, 4.0)}, _week(0.0, 30)])
def test_of_too_little_nothing_is_left_out(history: dict[int, tuple[float, float]]) -> None:
    assert unusual(history) == frozenset()


# --- slow rises ----------------------------------------------------------------------------------

STEPS = [(0.01, True), (0.0, False), (-0.01, False)]


@pytest.mark.parametrize(("an_hour", "rises"), STEPS)
def test_a_share_rises_from_day_to_day(an_hour: float, rises: bool) -> None:
    history = {h: (20 * (1 + an_hour) ** max(0, h - 1096), 1000.0) for h in WEEK}
    now = (1 + an_hour) ** 76 * 0.02
    assert is_rising(history, 1168, 3, now) is rises
    assert not is_rising(history, 1168, 3, 0.019), "it is over"


def test_a_step_does_not_rise() -> None:
    history = {h: (40.0 if h >= 1110 else 20.0, 1000.0) for h in WEEK}
    assert not is_rising(history, 1168, 3, 0.04)


def test_what_has_no_history_does_not_rise() -> None:
    assert not is_rising({}, 1168, 3, 0.5)
    assert not is_rising(dict.fromkeys(range(1100, 1168), (1.0, 2.0)), 1168, 3, 0.9)
