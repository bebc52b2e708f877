"""Whether a problem is over, from counts alone."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from tgt.stats.recovery import (
    SURE,
    Before,
    likelier_beyond,
    likelier_over,
    units_needed,
    would_have_shown,
)

BEFORE = Before(bad=20, units=50)


def test_nothing_counted_says_nothing() -> None:
    assert likelier_over(BEFORE, 0, 0, 0.05) == 1
    assert would_have_shown(BEFORE, 0, 0) == 0


def test_good_units_speak_for_the_end_and_bad_ones_against_it() -> None:
    ratios = [likelier_over(BEFORE, 0, units, 0.05) for units in range(40)]
    assert ratios == sorted(ratios)
    assert ratios[39] > SURE > ratios[5]
    assert likelier_over(BEFORE, 8, 20, 0.05) < 1 / SURE


@pytest.mark.parametrize(
    ("bad", "units", "line"), [(1, 3, 0.02), (2, 12, 0.03), (1, 1, 0.04), (1, 2, 0.02)]
)
def test_one_bad_one_among_few_is_no_sign_that_a_problem_is_back(
    bad: int, units: int, line: float
) -> None:
    assert 1 < likelier_beyond(bad, units, line) < SURE


@pytest.mark.parametrize(
    ("bad", "units", "line"), [(3, 4, 0.02), (9, 20, 0.05), (425, 2960, 0.036), (900, 1000, 0.5)]
)
def test_what_chance_does_not_make_bad_is_a_sign_that_a_problem_is_back(
    bad: int, units: int, line: float
) -> None:
    assert likelier_beyond(bad, units, line) >= SURE


@pytest.mark.parametrize(
    ("bad", "units", "line"), [(0, 0, 0.1), (0, 9, 0), (1, 10, 0.1), (9, 9, 1), (5, 100, 0.2)]
)
def test_what_is_within_the_line_is_none(bad: int, units: int, line: float) -> None:
    assert likelier_beyond(bad, units, line) == 0


@pytest.mark.parametrize(("bad", "units"), [(0, 10), (1, 30), (3, 40), (12, 30)])
def test_the_chance_that_the_old_rate_shows_more_is_the_beta_binomial_one(
    bad: int, units: int
) -> None:
    a, b = BEFORE.beta
    expected = 1 - stats.betabinom(units, a, b).cdf(bad)
    assert would_have_shown(BEFORE, bad, units) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("line", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(("bad", "units"), [(0, 0), (0, 5), (1, 10)])
def test_as_many_more_units_as_are_needed_make_it_sure_and_one_less_does_not(
    bad: int, units: int, line: float
) -> None:
    needed = units_needed(BEFORE, bad, units, line)
    assert needed is not None
    assert likelier_over(BEFORE, bad, units + needed, line) >= SURE
    assert likelier_over(BEFORE, bad, units + needed - 1, line) < SURE


def test_a_rate_that_nobody_knows_is_never_shown_to_be_gone() -> None:
    assert units_needed(Before(bad=1, units=1), 0, 0, 0.2) is None


def test_the_less_of_an_old_rate_is_known_the_more_is_needed() -> None:
    known = [units_needed(Before(n * 0.3, n), 0, 0, 0.05) for n in (10, 40, 400)]
    assert known == sorted(known, key=lambda n: -(n or 0))


def test_looking_all_the_time_deceives_no_oftener_than_once_in_a_hundred() -> None:
    """While the rate is what it was, the ratio is a test martingale: Ville's inequality."""
    chance = random.Random(3)
    a, b = BEFORE.beta
    deceived = 0
    lives = 3000
    for _ in range(lives):
        share = chance.betavariate(a, b)
        bad = 0
        for units in range(1, 81):
            bad += chance.random() < share
            if likelier_over(BEFORE, bad, units, 0.1) >= SURE:
                deceived += 1
                break
    assert deceived <= lives / SURE + 3 * math.sqrt(lives / SURE)
    # The control: were the line that must be passed a tenth, this would be seen to fail.
    assert deceived > 0
