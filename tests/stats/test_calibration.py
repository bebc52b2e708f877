"""A map of the whole scale onto itself, that leaves what becomes a card as it is."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from tgt.stats.calibration import AGREED, FULLY_BELOW, SHIFT, calibrated

SURE = st.floats(min_value=0, max_value=1)
LEAST_GATE = 0.69
"""A card of 0.7 may be told in a window that is so sure (``builder.look``)."""


@given(SURE)
def test_it_is_a_probability_and_never_less(sure: float) -> None:
    assert sure <= calibrated(sure) + 1e-12 <= 1 + 1e-12


def test_what_becomes_a_card_stays_exactly_what_it_was() -> None:
    assert AGREED <= LEAST_GATE
    steps = [LEAST_GATE + step * (1 - LEAST_GATE) / 1000 for step in range(1001)]
    assert [calibrated(each) for each in steps] == steps


def test_the_ends_are_fixed() -> None:
    assert calibrated(0.0) == 0.0
    assert calibrated(AGREED) == AGREED
    assert calibrated(1.0) == 1.0
    assert calibrated(5e-324) < 1e-300


def test_it_is_strictly_increasing_and_has_no_jumps() -> None:
    told = [calibrated(step / 100_000) for step in range(100_001)]
    steps = [later - earlier for earlier, later in pairwise(told)]
    assert min(steps) > 0
    assert max(steps) < 1.01 * math.exp(SHIFT) / 100_000
    tiny = [calibrated(10.0**-power) for power in range(300, 0, -1)]
    assert all(earlier < later for earlier, later in pairwise(tiny))


@given(st.floats(min_value=1e-9, max_value=0.66))
def test_log_odds_are_moved_in_proportion_until_all_of_the_shift(sure: float) -> None:
    moved = logit(calibrated(sure)) - logit(sure)
    part = min(1.0, (logit(AGREED) - logit(sure)) / FULLY_BELOW)
    assert moved == pytest.approx(SHIFT * part, abs=1e-6)
    assert calibrated(sure) == pytest.approx(expit(logit(sure) + SHIFT * part), rel=1e-6)
