"""Distributions that have shifted: a quantile lies higher than it usually does.

A quantile lies beyond a line exactly when more than a certain share of the values does, so the
question is about a share: usually it is what the baseline's hours say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tgt.analyzers.baseline import touched_hours, usual_in
from tgt.analyzers.builder import Builder
from tgt.analyzers.figures import Measure, Unit
from tgt.analyzers.judgements import Judgement, capped
from tgt.analyzers.touched import touched_events
from tgt.engine.protocol import Counts, Signal
from tgt.stats import confidence, distributions
from tgt.stats.distributions import Histogram
from tgt.stats.location import larger_by, usual_location
from tgt.stats.rhythm import at_this_time
from tgt.tasks.card import Touched

MEDIAN, TAIL = 0.5, 0.95
TAIL_WEIGHT = 1 / 3
"""A second more in one call of twenty weighs as much as a third of a second more in each."""


@dataclass(frozen=True)
class Values:
    """The values of one subject: now, usually, and by the clock hour before."""

    now: Histogram
    before: Histogram
    history: Mapping[int, Histogram]

    @property
    def n(self) -> int:
        return distributions.size(self.now)

    @property
    def p95(self) -> float:
        return quantile(self.now, TAIL)

    @property
    def usual_p95(self) -> float:
        return quantile(self.before, TAIL)

    @property
    def extra_ms(self) -> float:
        """How much longer a call takes: the median one, or the slow ones as far as they weigh."""
        median = quantile(self.now, MEDIAN) - quantile(self.before, MEDIAN)
        return max(median, (self.p95 - self.usual_p95) * TAIL_WEIGHT)

    @property
    def times_usual(self) -> float:
        return self.p95 / self.usual_p95


def quantile(values: Histogram, fraction: float) -> float:
    """A quantile; not a number where there are no values."""
    value = distributions.quantile(values, fraction)
    return value if value is not None else math.nan


@dataclass(frozen=True)
class Shift(Judgement):
    """A quantile, ``route``, that has risen: ``share`` of the values are now beyond ``line``."""

    route: str = ""
    line: float = 0.0
    share: float = 0.0
    beyond: Counts = field(default_factory=Counts)
    """Those of them in the last hours."""

    @property
    def calls_each(self) -> float:
        """How many values there are in a conversation."""
        return self.beyond.n / self.beyond.units if self.beyond.units else 1.0

    def touched(self, builder: Builder, harm: float) -> Touched:
        """The conversations with a value beyond the line; of those of which only the last hours are
        known there are as many in the others."""
        told = self.beyond
        if told.by_event or not told.n:
            context, window = builder.context, builder.window
            return touched_events(context, window, self.share * self.n, harm)
        return builder.touched(told.bad_units * max(1.0, self.n / told.n), harm)


def shifted(
    builder: Builder,
    signal: Signal,
    values: Values,
    route: str,
    threshold: float,
    *,
    metric: str,
    counted: Callable[[float], str],
    prior: float,
    minimum: tuple[int, int] = (0, 0),
) -> Shift | None:
    """How sure it is that a quantile has risen by more than the square root of the threshold: the
    median for the route ``all``, the p95 for ``tail``.

    That all values have become larger is shown by how many lie beyond the line or by where they lie
    altogether; that the tail has, by how many lie beyond the line or beyond the threshold itself.
    ``counted`` says what values beyond a line are. None if there are fewer values, or units beyond
    the line, than the ``minimum``.
    """
    name, fraction = ("median", MEDIAN) if route == "all" else ("p95", TAIL)
    line = math.sqrt(threshold) * quantile(values.before, fraction)
    beyond = builder.context.snapshot.beyond(signal, builder.subject, builder.window, line)
    if values.n < minimum[0] or (beyond.units < minimum[1] and not beyond.by_event):
        return None
    effect = confidence.shrunk_design_effect(beyond.clusters, confidence.Clusters())
    usual = usual_in(beyond_by_hour(values.history, line), builder.window, design_effect=effect)
    count = distributions.count_above(values.now, line)
    k, n = count / effect, values.n / effect

    def sure(count: float) -> float:
        return confidence.risen_above(count / effect, n, 1 - fraction, usual, prior)

    against = f"times the usual {name}) against their usual share"
    certain, rule = sure(count), f"{counted(line)} (the square root of the threshold {against}"
    other, told = 0.0, ""
    if route == "tail":
        further = threshold * quantile(values.before, fraction)
        other = _changed_beyond(builder, values, further, effect, prior)
        other *= confidence.share_above(k, n, 1 - fraction)
        told = f"{counted(further)} (the threshold {against}"
    elif 2 * count > values.n:
        other = _larger(builder, values, line, effect, prior)
        told = "the mean of the logarithms, the outermost pulled in, against what it usually is"
    if other > certain:
        certain, rule = other, told

    return Shift(
        Measure(
            metric,
            Unit.MS,
            values.p95,
            times=threshold,
            usual=values.usual_p95,
            hours=len(values.history),
        ),
        capped(certain, by_event=beyond.by_event),
        details={
            "ratio": values.times_usual,
            "n": values.n,
            "p50": quantile(values.now, MEDIAN),
            "baselineP50": quantile(values.before, MEDIAN),
            "baselineCalls": distributions.size(values.before),
            "baselineHours": len(values.history),
            "route": route,
            "k": round(k * effect),
            "expected": usual.share * n * effect,
            "designEffect": effect,
            "rule": rule,
        },
        hours={hour: quantile(each, TAIL) for hour, each in values.history.items()},
        sure=sure,
        n=values.n,
        counted=counted(line),
        route=route,
        line=line,
        share=k / n,
        beyond=beyond,
    )


def beyond_by_hour(history: Mapping[int, Histogram], line: float) -> dict[int, tuple[float, float]]:
    """How many of how many values lie beyond a line, by the clock hour."""
    return {
        hour: (distributions.count_above(each, line), float(distributions.size(each)))
        for hour, each in history.items()
    }


def _changed_beyond(
    builder: Builder, values: Values, line: float, effect: float, prior: float
) -> float:
    """How sure it is that the share of the values beyond a line has changed."""
    hours = beyond_by_hour(values.history, line)
    usual = usual_in(hours, builder.window, design_effect=effect)
    count = distributions.count_above(values.now, line)
    return confidence.probability_of_change(count / effect, values.n / effect, usual, prior)


def _larger(builder: Builder, values: Values, line: float, effect: float, prior: float) -> float:
    """How sure it is that all values have become larger, by where they lie altogether; at a time at
    which more than usual lie beyond a line anyway, by where they lie then."""
    first, last = touched_hours(builder.window)
    now = at_this_time(beyond_by_hour(values.history, line), first, last)
    history = {hour: each for hour, each in values.history.items() if now is None or hour in now}
    before = values.before if now is None else distributions.merge(history.values())
    usual = usual_location(before, history.values(), effect)
    return larger_by(values.now, usual, line / quantile(values.before, MEDIAN), prior, effect)
