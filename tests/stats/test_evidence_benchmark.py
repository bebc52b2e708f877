"""The benchmark of evidence says of many readings at once what tgt says of each, and its bound is
one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import evidence
from benchmarks.evidence import Latencies, Shares
from tgt.stats import confidence, distributions
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


@pytest.mark.parametrize(
    "stream",
    [
        Shares(24, 0.04, 5),
        Latencies(23, 0.5, 1.5),
        Latencies(40, 0.8, 2, each=5, alike=0.6),
        Latencies(23, 0.5, tail=2),
    ],
    ids=lambda stream: stream.name,
)
def test_who_knows_everything_raises_as_many_false_alarms_as_allowed(
    stream: Shares | Latencies,
) -> None:
    """Healthy traffic, and a bound that looks for a change all the time."""
    chance = np.random.default_rng(2)
    hours, subjects, a_week = 100, 60, 2.0

    def ratios(times: float, subjects: int) -> evidence.Array:
        drawn = replace(stream, times=times)
        if times == 1 and isinstance(drawn, Latencies):
            drawn = replace(drawn, tail=0)
        if isinstance(stream, Shares) and isinstance(drawn, Shares):
            told = stream.bound(*drawn.draw(chance, hours, subjects))
        elif isinstance(stream, Latencies) and isinstance(drawn, Latencies):
            told = np.array([stream.bound(drawn.draw(chance, hours)) for _ in range(subjects)])
        return told

    healthy, faults = ratios(1.0, subjects)[:, : 4 * hours], ratios(stream.times or 1, 15)
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


def test_calls_of_a_conversation_are_as_much_alike_as_is_said() -> None:
    week = Latencies(60, 0.8, each=5, alike=0.6).draw(np.random.default_rng(4), 168)
    assert len(week.logs) / 336 == pytest.approx(60, rel=0.1)
    assert week.logs.std() == pytest.approx(0.8, rel=0.1)
    starts = np.flatnonzero(np.diff(week.conversations, prepend=-1))
    assert len(week.logs) / len(np.unique(week.conversations)) == pytest.approx(5, rel=0.1)
    assert week.together.max() > 30, "some have many"
    assert len(starts) > 0
    by: dict[int, list[float]] = {}
    for conversation, log in zip(week.conversations, week.logs, strict=True):
        by.setdefault(conversation, []).append(log)
    pairs = np.array([logs[:2] for logs in by.values() if len(logs) > 1])
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.6, abs=0.06)


def test_a_heap_is_a_hundred_slow_calls_of_one_conversation() -> None:
    week = Latencies(40, 0.5, each=5, alike=0.5, heaps=0.02).draw(np.random.default_rng(5), 24)
    heaps = np.unique(week.conversations[week.together == evidence.HEAP])
    assert len(heaps) > 3
    inside = np.isin(week.conversations, heaps)
    times = np.exp(week.logs[inside].mean() - week.logs[~inside].mean())
    assert times == pytest.approx(evidence.HEAP_TIMES, rel=0.3)


def test_the_numbers_of_a_week_are_those_of_its_calls() -> None:
    week = Latencies(40, 0.5, each=5, alike=0.5).draw(np.random.default_rng(6), 24)
    some = week.inside(40, 60)
    histogram = week.histogram(40, 60)
    assert distributions.size(histogram) == len(week.logs[some])
    p95 = distributions.quantile(histogram, 0.95)
    assert p95 is not None
    assert distributions.bucket(p95) == week.p95_bucket(40, 60)
    line = float(np.exp(np.median(week.logs) + 5))
    clusters = week.clusters(40, 60, line)
    assert clusters.n == len(week.logs[some])
    assert clusters.k == (week.logs[some] + 5 > np.log(line)).sum()
    assert clusters.conversations == len(np.unique(week.conversations[some]))
    assert 0 < week.units(40, 60, line) <= clusters.conversations
    assert week.units(40, 60, 1e-9) == clusters.conversations
    spread = week.spread(40, 60, line)
    assert (spread.conversations, spread.n) == (clusters.conversations, clusters.n)
    assert sum(spread.largest.values()) == clusters.k
    first = next(iter(spread.largest))
    left = week.left(40, 60, {first})
    assert distributions.size(left.histogram(40, 60)) == (week.conversations[some] != first).sum()
    assert left.clusters(40, 60, line).k == clusters.k - spread.largest[first]


def test_ends_counted_by_call_are_fooled_by_calls_that_are_alike_and_the_rule_is_not() -> None:
    chance = np.random.default_rng(1)
    weeks = [Latencies(40, 0.8, each=5, alike=0.6).draw(chance, 96) for _ in range(4)]
    whole, by_call, rule = (
        evidence.alarms(np.array([evidence.slow(week, each) for week in weeks]))
        for each in (evidence.WHOLE, evidence.BY_CALL, evidence.Rule())
    )
    assert by_call > whole
    assert rule == whole


def test_a_conversation_of_many_slow_calls_is_left_out() -> None:
    chance = np.random.default_rng(2)
    week = Latencies(40, 0.5, each=2, alike=0.5, heaps=0.001).draw(chance, 48)
    kept, left_out = (
        evidence.alarms(np.array([evidence.slow(week, rule)]))
        for rule in (evidence.Rule(leaves_out=False), evidence.Rule())
    )
    assert (kept > 0, left_out) == (True, 0)


def test_ends_and_far_calls_are_known_sooner_than_whole_windows_are() -> None:
    for change in (Latencies(23, 0.5, 3), Latencies(23, 0.5, tail=3)):
        chance = np.random.default_rng(2)
        drawn = [change.draw(chance, 7) for _ in range(8)]
        whole, rule = (
            evidence.delays(np.array([evidence.slow(week, each) for week in drawn]) >= 0.7)
            for each in (evidence.WHOLE, evidence.Rule())
        )
        assert (rule <= whole).all()
        assert np.median(rule) < np.median(whole)
