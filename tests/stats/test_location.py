"""How sure it is that all values have become larger, against simulations whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest

from tgt.stats import distributions
from tgt.stats.confidence import END_WEIGHT, Clusters
from tgt.stats.location import (
    END_CONVERSATIONS,
    larger_at_end,
    larger_by,
    usual_location,
)

PRIOR = 0.004
LINE = math.sqrt(1.5)


def _values(
    chance: random.Random, n: int, sigma: float = 0.5, scale: float = 1.0
) -> dict[int, int]:
    return distributions.merge(
        {distributions.bucket(200 * scale * chance.lognormvariate(0, sigma)): 1} for _ in range(n)
    )


def _week(
    chance: random.Random, n: int, sigma: float = 0.5, wander: float = 0.0
) -> dict[int, Mapping[int, int]]:
    return {
        hour: _values(chance, n, sigma, math.exp(chance.gauss(0, wander))) for hour in range(100)
    }


@pytest.fixture(scope="module", params=[0.5, 1.2])
def sigma(request: pytest.FixtureRequest) -> float:
    return float(request.param)


def test_it_is_the_more_certain_the_more_there_are_and_the_larger_they_are(sigma: float) -> None:
    chance = random.Random(1)
    hours = _week(chance, 20, sigma)
    usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)

    def sure(n: int, scale: float) -> float:
        now = distributions.merge(
            {distributions.bucket(200 * scale * math.exp(sigma * z)): 1} for z in _normal(n)
        )
        return larger_by(now, usual, LINE, PRIOR, 1.0)

    rising = [sure(40, scale) for scale in (0.5, 1.0, 1.2, 1.5, 2.0, 3.0, 10.0, 100.0)]
    assert rising == sorted(rising)
    more = [sure(n, 1.6) for n in (5, 10, 20, 40, 80, 160)]
    assert more == sorted(more)
    assert rising[0] < 0.01 > rising[1]
    assert rising[-1] > 0.99


def _normal(n: int) -> list[float]:
    """A sample of n that is as normal as can be."""
    from statistics import NormalDist

    return [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]


def test_a_smaller_change_than_the_one_asked_for_does_not_count(sigma: float) -> None:
    chance = random.Random(2)
    hours = _week(chance, 20, sigma)
    usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)
    slight = _values(chance, 5000, sigma, 1.1)
    assert larger_by(slight, usual, LINE, PRIOR, 1.0) < 0.05


def test_monsters_do_not_move_it() -> None:
    chance = random.Random(3)
    hours = _week(chance, 20)
    usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)
    now = distributions.merge([_values(chance, 48), {distributions.bucket(1e7): 2}])
    assert larger_by(now, usual, LINE, PRIOR, 1.0) < 0.01


def test_what_wanders_from_hour_to_hour_is_less_certain() -> None:
    sure = []
    for wander in (0.0, 0.15, 0.4):
        chance = random.Random(4)
        hours = _week(chance, 40, wander=wander)
        usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)
        sure.append(larger_by(_values(chance, 40, scale=2.0), usual, LINE, PRIOR, 1.0))
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > 0.9
    assert sure[-1] < 0.2


def test_values_that_are_alike_count_for_less() -> None:
    chance = random.Random(5)
    hours = _week(chance, 20)
    before = distributions.merge(hours.values())
    now = _values(chance, 30, scale=1.6)
    sure = [
        larger_by(now, usual_location(before, hours.values(), effect), LINE, PRIOR, effect)
        for effect in (1.0, 3.0, 10.0)
    ]
    assert sure == sorted(sure, reverse=True)


def _clusters(sizes: list[int]) -> Clusters:
    return Clusters(len(sizes), sum(sizes), nn=sum(size * size for size in sizes))


def test_the_end_of_a_window_counts_its_conversations() -> None:
    """The same values are the less certain the fewer conversations they are of."""
    chance = random.Random(7)
    hours = _week(chance, 20)
    usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)
    now = _values(chance, 24, scale=2.2)
    spreads = ([1] * 24, [2] * 12, [4] * 6, [16, *[1] * 8], [20, 1, 1, 1, 1], [6] * 4)
    sure = [larger_at_end(now, _clusters(sizes), usual, LINE, PRIOR) for sizes in spreads]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == larger_by(now, usual, LINE, PRIOR * END_WEIGHT, 1.0) > 0.9
    assert sure[3] < 0.2, "a large conversation does not speak for the others"
    assert sure[-1] == 0.0, f"fewer than {END_CONVERSATIONS}"
    assert larger_at_end({}, Clusters(), usual, LINE, PRIOR) == 0.0


@pytest.mark.parametrize("wander", [0.0, 0.1])
def test_healthy_windows_are_hardly_ever_sure(sigma: float, wander: float) -> None:
    chance = random.Random(6)
    alarms = 0
    for _ in range(20):
        hours = _week(chance, 20, sigma, wander)
        usual = usual_location(distributions.merge(hours.values()), hours.values(), 1.0)
        for _ in range(40):
            now = _values(chance, 20, sigma, math.exp(chance.gauss(0, wander)))
            alarms += larger_by(now, usual, LINE, PRIOR, 1.0) >= 0.7
    assert alarms <= 3, "of 800 windows"


def test_it_needs_fewer_values_than_counting_those_beyond_a_line() -> None:
    """Half as much again is known of where values lie than of how many lie beyond a line."""
    from tgt.stats.confidence import risen_above, usual_share

    chance = random.Random(7)
    hours = _week(chance, 20)
    before = distributions.merge(hours.values())
    usual = usual_location(before, hours.values(), 1.0)
    median = distributions.quantile(before, 0.5)
    assert median is not None
    line = LINE * median
    share = usual_share((distributions.count_above(h, line), 20.0) for h in hours.values())
    by_mean = by_count = 0
    for _ in range(200):
        now = _values(chance, 30, scale=1.6)
        above = distributions.count_above(now, line)
        by_mean += larger_by(now, usual, LINE, PRIOR, 1.0) >= 0.7
        by_count += risen_above(above, 30, 0.5, share, PRIOR) >= 0.7
    assert by_mean > 1.2 * by_count


@pytest.mark.parametrize("now", [{}, {5: 1}])
def test_of_nothing_nothing_is_sure(now: dict[int, int]) -> None:
    usual = usual_location({5: 300}, [{5: 100}, {5: 100}, {5: 100}], 1.0)
    assert larger_by(now, usual, LINE, PRIOR, 1.0) < 0.05
    assert larger_by({400: 20}, usual, LINE, PRIOR, 1.0) > 0.99
    assert larger_by({400: 20}, usual, 1.0, PRIOR, 1.0) == 0.0
