"""The benchmark of evidence says of many readings at once what tgt says of each, and its bound is
one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.evidence import Latencies, Shares
from tgt.stats import confidence
from tgt.stats.confidence import Usual


def test_many_readings_are_judged_as_one_is() -> None:
    chance = np.random.default_rng(1)
    n = chance.integers(1, 200, 300).astype(float)
    k = np.floor(n * chance.uniform(0, 1, 300))
    usual = [Usual(*each) for each in chance.uniform((0.01, 0.001, 50), (0.3, 0.5, 5000), (300, 3))]
    line = np.array([1.7 * each.share for each in usual])
    a, b = np.array([each.beta for each in usual]).T
    together = evidence.risen(k, n, line, a, b, 0.004)
    one_by_one = [
        confidence.risen_above(*each, 0.004) for each in zip(k, n, line, usual, strict=True)
    ]
    assert together == pytest.approx(one_by_one, rel=1e-6, abs=1e-9)


def test_a_card_is_one_however_often_it_is_seen() -> None:
    sure = np.zeros((2, 4 * 100))
    sure[0, 10:30] = sure[0, 60] = sure[0, 300] = sure[1, 5] = 0.8
    assert evidence.alarms(sure) == 3


def test_a_delay_is_counted_from_where_the_change_began() -> None:
    seen = np.zeros((2, 12), dtype=bool)
    seen[0, [2, 6, 9]] = True  # the first is before the change
    minutes = evidence.delays(seen)
    assert minutes[0] == 37.5
    assert np.isinf(minutes[1])


@pytest.mark.parametrize("stream", [Shares(24, 0.04, 5), Latencies(23, 0.5, 1.5)])
def test_who_knows_everything_raises_as_many_false_alarms_as_allowed(
    stream: Shares | Latencies,
) -> None:
    """Healthy traffic, and a bound that looks for a change all the time."""
    chance = np.random.default_rng(2)
    hours, subjects, a_week = 100, 60, 2.0

    def ratios(times: float, subjects: int) -> evidence.Array:
        drawn = replace(stream, times=times)
        if isinstance(stream, Shares) and isinstance(drawn, Shares):
            told = stream.bound(*drawn.draw(chance, hours, subjects))
        elif isinstance(stream, Latencies) and isinstance(drawn, Latencies):
            told = np.array([stream.bound(drawn.draw(chance, hours)) for _ in range(subjects)])
        return told

    healthy, faults = ratios(1.0, subjects)[:, : 4 * hours], ratios(stream.times, 15)
    seen = evidence.known(healthy, a_week, faults[:, -4 * (hours - evidence.BEFORE_H) :])
    alarms = (seen[:, 1:] & ~seen[:, :-1]).sum()
    assert 0.5 < alarms / (a_week * hours * subjects / 168) < 1.5


def test_the_rule_sees_what_is_plain_and_nothing_in_healthy_hours() -> None:
    chance = np.random.default_rng(3)
    plain = evidence.confidences(*Shares(24, 0.04, 20).draw(chance, 4, 5))
    assert (evidence.delays(plain >= evidence.GATE) <= 60).all()
    healthy = evidence.confidences(*Shares(24, 0.04).draw(chance, 8, 5))
    assert evidence.alarms(healthy) == 0
    slow = evidence.slow(Latencies(40, 0.5, 3).draw(chance, 4))
    assert slow[:4].max() < evidence.GATE <= slow[-1]
