"""Latencies as counts in logarithmic buckets: mergeable by addition, quantiles exact to 1%.

Bucket i holds the values in [BASE**i, BASE**(i+1)) milliseconds. A quantile is answered with the
geometric middle of its bucket, so it is off by at most half a bucket's width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

BASE = 1.02
Histogram = Mapping[int, int]


def bucket(ms: float) -> int:
    """The bucket of a latency > 0."""
    return math.floor(math.log(ms) / math.log(BASE))


def merge(histograms: Iterable[Histogram]) -> dict[int, int]:
    total: dict[int, int] = {}
    for histogram in histograms:
        for index, count in histogram.items():
            total[index] = total.get(index, 0) + count
    return total


def less(whole: Histogram, part: Histogram) -> dict[int, int]:
    """The histogram without a part of its values."""
    left = {index: count - part.get(index, 0) for index, count in whole.items()}
    return {index: count for index, count in left.items() if count > 0}


def size(histogram: Histogram) -> int:
    return sum(histogram.values())


def quantile(histogram: Histogram, fraction: float) -> float | None:
    """The smallest latency that at least ``fraction`` of the values do not exceed, in ms."""
    rank = fraction * size(histogram)
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= rank:
            return float(BASE ** (index + 0.5))
    return None


def count_above(histogram: Histogram, ms: float) -> float:
    """How many values exceed ``ms``; the bucket that holds ``ms`` counts in proportion."""
    if ms <= 0:
        return size(histogram)
    position = math.log(ms) / math.log(BASE)
    inside = math.floor(position)
    above = sum(count for index, count in histogram.items() if index > inside)
    return above + histogram.get(inside, 0) * (inside + 1 - position)
