"""Overlaps beyond chance."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.stats.coincidence import Overlap, tail, within


def _exactly(shared: int, a: int, b: int, n: int) -> float:
    ways = sum(
        math.comb(a, x) * math.comb(n - a, b - x)
        for x in range(max(shared, 0), min(a, b) + 1)
        if b - x <= n - a
    )
    return ways / math.comb(n, b)


@given(st.data())
def test_the_tail_is_that_of_counting(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 60))
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    shared = data.draw(st.integers(-1, n + 1))
    assert tail(shared, a, b, n) == pytest.approx(_exactly(shared, a, b, n), abs=1e-9)
    assert tail(shared, a, b, n) == pytest.approx(tail(shared, b, a, n), abs=1e-9)


def test_many_are_counted_quickly_and_without_overflow() -> None:
    assert tail(5_000, 5_000, 5_000, 10_000) == 0.0
    assert tail(2_500, 5_000, 5_000, 10_000) == pytest.approx(0.508, abs=0.001)
    assert tail(2_600, 5_000, 5_000, 10_000) < 1e-4


@pytest.mark.parametrize(
    ("overlap", "coefficient", "expected", "excess", "why"),
    [
        (Overlap(10, 10, 40, 100), 1.0, 0.4, 1.0, "the smaller lies in the larger"),
        (Overlap(4, 10, 40, 100), 0.4, 0.4, 0.0, "as chance has it"),
        (Overlap(2, 10, 40, 100), 0.2, 0.4, 0.0, "less than chance has it is no more than none"),
        (Overlap(7, 10, 40, 100), 0.7, 0.4, 0.5, "half of what is possible beyond chance"),
        (Overlap(10, 10, 100, 100), 1.0, 1.0, 0.0, "where all are bad it says nothing"),
        (Overlap(0, 0, 5, 10), 0.0, 0.5, 0.0, "nobody"),
        (Overlap(0, 0, 0, 0), 0.0, 0.0, 0.0, "nobody at all"),
    ],
)
def test_what_an_overlap_says(
    overlap: Overlap, coefficient: float, expected: float, excess: float, why: str
) -> None:
    assert overlap.coefficient == pytest.approx(coefficient), why
    assert overlap.expected == pytest.approx(expected), why
    assert overlap.excess == pytest.approx(excess), why


def test_of_few_no_overlap_says_much() -> None:
    assert Overlap(1, 1, 2, 4).least_chance == pytest.approx(0.5)
    assert Overlap(3, 5, 5, 10).least_chance == pytest.approx(1 / 252)
    assert Overlap(5, 5, 10, 10).least_chance == 1.0


def test_classes_take_away_what_only_mixing_them_brings_about() -> None:
    short, long = Overlap(1, 10, 10, 100), Overlap(81, 90, 90, 100)
    more, most = within([short, long])
    assert more == pytest.approx(0)
    assert most == pytest.approx(18)
    assert Overlap(82, 100, 100, 200).excess > 0.6


def test_independent_sets_rarely_overlap_by_chance() -> None:
    chance = random.Random(1)
    found = 0
    for _ in range(400):
        n = chance.randint(10, 200)
        share = chance.choice([0.2, 0.5, 0.8])
        a = {i for i in range(n) if chance.random() < share}
        b = {i for i in range(n) if chance.random() < share}
        found += Overlap(len(a & b), len(a), len(b), n).chance <= 0.05
    assert found <= 0.05 * 400
