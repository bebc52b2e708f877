"""Histograms of latencies: exact where they can be, and mergeable in any order."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.stats.distributions import BASE, bucket, count_above, merge, quantile, size

LATENCIES = st.floats(min_value=1e-3, max_value=1e9, allow_nan=False)
SAMPLES = st.lists(LATENCIES, min_size=1, max_size=200)


def _histogram(values: list[float]) -> Counter[int]:
    return Counter(bucket(value) for value in values)


@given(SAMPLES, st.sampled_from([0.01, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]))
def test_a_quantile_is_exact_to_two_percent(values: list[float], fraction: float) -> None:
    exact = sorted(values)[math.ceil(fraction * len(values) - 1e-9) - 1]
    told = quantile(_histogram(values), fraction)
    assert told is not None
    assert abs(told / exact - 1) < 0.02


@given(SAMPLES, SAMPLES, SAMPLES)
def test_merging_is_addition_in_any_order(a: list[float], b: list[float], c: list[float]) -> None:
    parts = [_histogram(a), _histogram(b), _histogram(c)]
    whole = _histogram([*a, *b, *c])
    assert merge(parts) == whole
    assert merge(reversed(parts)) == merge([merge(parts[:2]), parts[2]]) == whole
    assert size(whole) == len(a) + len(b) + len(c)


@given(SAMPLES, LATENCIES)
def test_how_many_exceed_a_line_is_off_by_one_bucket_at_most(
    values: list[float], line: float
) -> None:
    told = count_above(_histogram(values), line)
    surely = sum(value > line * BASE * 1.0001 for value in values)
    perhaps = sum(value > line / BASE / 1.0001 for value in values)
    assert surely <= told <= perhaps


@given(SAMPLES, LATENCIES, LATENCIES)
def test_fewer_exceed_a_higher_line(values: list[float], a: float, b: float) -> None:
    counts = _histogram(values)
    assert count_above(counts, min(a, b)) >= count_above(counts, max(a, b)) >= 0


@pytest.mark.parametrize("line", [0.0, -1.0])
def test_everything_exceeds_nothing(line: float) -> None:
    assert count_above(_histogram([1.0, 2.0]), line) == 2


def test_an_empty_histogram_has_no_quantile() -> None:
    assert quantile({}, 0.95) is None
    assert size({}) == 0
    assert merge([]) == {}
    assert count_above({}, 10.0) == 0
