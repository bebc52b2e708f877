"""What a model says becomes what is as often right as it says."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from tgt.stats.calibration import ABOVE, AGREED, BOTH, RISEN, ROOM, SLOWER, calibrated

SHIFTS = st.floats(min_value=0.0, max_value=5.0)


@given(st.floats(min_value=0.0, max_value=1.0), SHIFTS)
def test_it_is_a_probability_that_is_no_smaller_and_becomes_no_card(
    sure: float, shift: float
) -> None:
    told = calibrated(sure, shift)
    assert sure <= told + 1e-12 <= 1 + 1e-12
    assert (told >= AGREED) == (sure >= AGREED)


@pytest.mark.parametrize("shift", [RISEN, SLOWER, ABOVE, BOTH, 5.0])
def test_what_the_model_is_sure_of_is_left_alone(shift: float) -> None:
    steps = [AGREED + (1 - AGREED) * step / 1000 for step in range(1001)]
    assert [calibrated(each, shift) for each in steps] == steps
    assert calibrated(0.0, shift) == 0.0
    assert calibrated(5e-324, shift) < 1e-300


@given(st.floats(min_value=0.0, max_value=1.0))
def test_without_a_shift_nothing_is_moved(sure: float) -> None:
    assert calibrated(sure, 0.0) == sure


@pytest.mark.parametrize("shift", [RISEN, SLOWER, ABOVE, BOTH])
def test_it_is_strictly_increasing_and_has_no_jumps(shift: float) -> None:
    told = [calibrated(step / 100_000, shift) for step in range(100_001)]
    steps = [later - earlier for earlier, later in pairwise(told)]
    assert min(steps) > 0
    assert max(steps) < 1.01 * math.exp(shift) / 100_000
    tiny = [calibrated(10.0**-power, shift) for power in range(300, 0, -1)]
    assert all(earlier < later for earlier, later in pairwise(tiny))


@given(st.floats(min_value=1e-9, max_value=0.66), SHIFTS)
def test_log_odds_are_shifted_as_far_as_there_is_room(sure: float, shift: float) -> None:
    moved = logit(calibrated(sure, shift)) - logit(sure)
    room = (logit(AGREED) - logit(sure)) / ROOM
    assert moved == pytest.approx(min(shift, room), abs=1e-6)
    assert calibrated(sure, shift) == pytest.approx(expit(logit(sure) + moved), rel=1e-6)
