"""A share is held against the same time of the day only where that is another one."""

from __future__ import annotations

import random

import pytest

from tgt.stats.rhythm import at_this_time

MONDAY = 24 * 7 * 1000


def _history(
    days: int, nightly: dict[int, float], *, seed: int = 1, n: int = 30, period: int = 24
) -> dict[int, tuple[float, float]]:
    chance = random.Random(seed)
    return {
        MONDAY + hour: (
            float(sum(chance.random() < nightly.get(hour % period, 0.04) for _ in range(n))),
            float(n),
        )
        for hour in range(24 * days)
    }


def test_a_job_that_fails_every_night_is_held_against_its_nights() -> None:
    history = _history(7, {3: 0.4})
    end = max(history) + 1
    now = at_this_time(history, end + 3, end + 3)
    assert now is not None
    assert sorted(now) == [hour for hour in history if hour % 24 == 3]
    both = at_this_time(history, end + 2, end + 3)
    assert both is not None
    assert {hour % 24 for hour in both} == {2, 3}
    assert at_this_time(history, end + 5, end + 5) is None, "that hour is as all others"


def test_a_day_of_the_week_is_known_after_four_weeks() -> None:
    weekly = dict.fromkeys(range(34, 40), 0.3)
    four = _history(28, weekly, period=168)
    now = at_this_time(four, MONDAY + 28 * 24 + 35, MONDAY + 28 * 24 + 36)
    assert now is not None
    assert len(now) == 8
    three = _history(21, weekly, period=168)
    assert at_this_time(three, MONDAY + 21 * 24 + 35, MONDAY + 21 * 24 + 36) is None


@pytest.mark.parametrize(
    ("days", "first", "last", "why"),
    [
        (4, 3, 3, "four days are too few"),
        (7, 0, 23, "a whole day has no time of the day"),
    ],
)
def test_where_little_is_known_all_hours_count(days: int, first: int, last: int, why: str) -> None:
    history = _history(days, {3: 0.4})
    end = max(history) + 1
    assert at_this_time(history, end + first, end + last) is None, why


def test_one_bad_night_is_no_rhythm() -> None:
    history = _history(7, {})
    history[MONDAY + 24 * 5 + 3] = (30.0, 30.0)
    end = max(history) + 1
    assert at_this_time(history, end + 3, end + 3) is None


@pytest.mark.parametrize("n", [2, 30])
def test_chance_is_hardly_ever_a_rhythm(n: int) -> None:
    seen = 0
    for seed in range(10):
        history = _history(7, {}, seed=seed, n=n)
        end = max(history) + 1
        seen += sum(at_this_time(history, end + h, end + h) is not None for h in range(24))
    assert seen <= 2
