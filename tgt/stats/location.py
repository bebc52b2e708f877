"""Whether all values have become larger by a factor, judged by where they lie on a logarithmic
scale.

How many values lie beyond a line says whether they do, not by how much; the mean of their
logarithms says half as much again. The outermost values are pulled in to where one in forty usually
is, so that a few monsters do not move it, and the mean of a window is held against the usual one as
far as that wanders from hour to hour. Two explanations are weighed as in ``tgt.stats.confidence``:
*unchanged*, and *larger* by any factor, of which all that lie beyond the one that is asked for
count. Pure functions; no clock, no I/O.

Sources: Huber, Robust Statistics (1981), chapter 3 (location of pulled-in values); Kass and
Raftery, Bayes Factors, JASA 90 (1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tgt.stats.confidence import DISPERSION_PRIOR_HOURS, END_WEIGHT, Clusters
from tgt.stats.distributions import BASE, Histogram, size

OUTERMOST = 0.025
AROUND = round(math.log(2.0) / math.log(BASE))
WANDER_PRIOR = 0.15
"""How far the mean wanders from hour to hour, as a part of the scatter of values, before any hour
was seen."""
END_CONVERSATIONS = 5
"""Fewer do not say where all values lie at the end of a window."""
_WINSOR = 0.98
_LARGEST = math.log(16.0)
"""Factors up to so many times the one that is asked for are thought of."""
_SLIGHT, _FACTORS = 3, 24
_SLIGHT_WEIGHT = 0.25
"""Smaller changes than the one that is asked for are thought of as well: they explain a mean that
has risen a little better."""


@dataclass(frozen=True)
class Usual:
    """Where values usually lie, in buckets: their distribution, between which of them the outermost
    are pulled in, and the variance of the mean of an hour beyond that of its values."""

    before: Histogram
    low: int
    high: int
    wander: float

    def moved(self, buckets: float = 0.0) -> tuple[float, float]:
        """Mean and variance if all values were larger by so many buckets."""
        return _moments(self.before, lambda at: min(max(at + buckets, self.low), self.high))

    def mean(self, values: Histogram) -> float:
        return _moments(values, lambda at: min(max(at, self.low), self.high))[0]


def usual_location(before: Histogram, hours: Iterable[Histogram], design_effect: float) -> Usual:
    """Learn from a history where values usually lie."""
    whole = Usual(before, *_inner(before), 0.0)
    mean, variance = whole.moved()
    seen = [(size(each), whole.mean(each)) for each in hours if size(each)]
    noise = variance * design_effect
    squares = [((at - mean) ** 2, n) for n, at in seen]
    ordered = sorted(square for square, _ in squares)
    ceiling = ordered[min(len(ordered) - 1, int(_WINSOR * len(ordered)))] if ordered else 0.0
    excess = sum(n * n * (min(square, ceiling) - noise / n) for square, n in squares)
    scale = sum(n * n for _, n in squares)
    own = max(0.0, excess / scale) if scale else 0.0
    prior = WANDER_PRIOR * WANDER_PRIOR * variance
    weight = len(seen)
    wander = (weight * own + DISPERSION_PRIOR_HOURS * prior) / (weight + DISPERSION_PRIOR_HOURS)
    return Usual(before, whole.low, whole.high, wander)


def larger_by(
    now: Histogram, usual: Usual, factor: float, prior: float, design_effect: float
) -> float:
    """P(all values have become larger by more than ``factor``); ``prior`` is the probability of a
    change before looking."""
    n = size(now) / design_effect
    if not n or factor <= 1:
        return 0.0
    mean, step = usual.mean(now), math.log(BASE)
    of_usual = usual.moved()[1] * design_effect / size(usual.before)

    def likelihood(log_factor: float) -> float:
        centre, variance = usual.moved(log_factor / step)
        spread = max(variance, 1.0) / n + usual.wander + of_usual  # no bucket is more exact
        return -0.5 * ((mean - centre) ** 2 / spread + math.log(spread))

    line = math.log(factor)
    slight = [likelihood(line * (i + 1) / (_SLIGHT + 1)) for i in range(_SLIGHT)]
    larger = [likelihood(line + _LARGEST * i / (_FACTORS - 1)) for i in range(_FACTORS)]
    unchanged = likelihood(0.0)
    top = max(unchanged, *slight, *larger)
    odds = prior / (1.0 - prior)
    below = _mean_exp(slight, top) * odds * _SLIGHT_WEIGHT
    beyond = _mean_exp(larger, top) * odds * (1.0 - _SLIGHT_WEIGHT)
    return beyond / (math.exp(unchanged - top) + below + beyond)


def larger_at_end(
    now: Histogram, clusters: Clusters, usual: Usual, factor: float, prior: float
) -> float:
    """The same of the end of a window, in which there are few conversations: it is counted as if
    all values of a conversation were one, so that no large one speaks for the others. 0 if there
    are fewer than END_CONVERSATIONS."""
    if clusters.conversations < END_CONVERSATIONS:
        return 0.0
    return larger_by(now, usual, factor, prior * END_WEIGHT, clusters.most_alike)


def _mean_exp(logs: list[float], top: float) -> float:
    return sum(math.exp(each - top) for each in logs) / len(logs)


def _inner(values: Histogram) -> tuple[int, int]:
    """The buckets below and above which one in forty values lies, and at least AROUND from the
    median: where all are alike, what is beyond them is not the outermost."""
    total, seen = size(values), 0
    places: dict[float, int] = {}
    for at in sorted(values):
        seen += values[at]
        for share in (OUTERMOST, 0.5, 1 - OUTERMOST):
            if share not in places and seen >= share * total:
                places[share] = at
    low, median, high = places[OUTERMOST], places[0.5], places[1 - OUTERMOST]
    return min(low, median - AROUND), max(high, median + AROUND)


def _moments(values: Histogram, place: Callable[[float], float]) -> tuple[float, float]:
    n = size(values)
    placed = [(place(at), count) for at, count in values.items()]
    mean = sum(at * count for at, count in placed) / n
    return mean, sum(count * (at - mean) ** 2 for at, count in placed) / n
