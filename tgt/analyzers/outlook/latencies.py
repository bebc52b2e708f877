"""Latencies: how many times slower calls must become to be found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tgt.analyzers.baseline import Baseline
from tgt.analyzers.figures import Unit
from tgt.analyzers.outlook.base import Look, Outlook, later, smallest, typical_peak
from tgt.analyzers.performance import (
    MIN_BASELINE_CALLS,
    MIN_CALLS,
    MIN_TAIL_CALLS,
    PRIOR,
    THRESHOLD,
    WINDOWS_H,
)
from tgt.analyzers.shift import MEDIAN, TAIL, quantile
from tgt.analyzers.signals import FAILURE, LATENCY
from tgt.engine.protocol import DistributionReading
from tgt.stats import confidence, distributions
from tgt.stats.confidence import Usual
from tgt.stats.distributions import BASE, Histogram

_ROUTES = ((MEDIAN, MIN_CALLS), (TAIL, MIN_TAIL_CALLS))
_MOST_TIMES = 100.0


def outlooks(look: Look) -> Iterator[Outlook]:
    untold = look.without(0)
    readings = look.context.snapshot.distribution(LATENCY, look.day, least=1 << 62)
    sizes = {reading.subject: distributions.size(reading.now) for reading in readings}
    for reading in sorted(readings, key=lambda r: (-sizes[r.subject], r.subject))[: look.most]:
        yield _outlook(look, reading)
    for each in look.readings(FAILURE, look.day):
        if each.subject in untold and each.subject not in sizes:
            yield look.lacking(each.subject, look.analyzer.needs[0].missing)


def _outlook(look: Look, reading: DistributionReading) -> Outlook:
    observed, window = look.observed_now, look.context.window
    every = look.context.snapshot.distribution_history(LATENCY, reading.subject, window)
    hours = {hour: values for hour, values in every.items() if hour in observed}
    before = distributions.merge(hours.values())
    size = distributions.size(before)
    a_day = size / look.span(frozenset(hours))
    enough = look.when(MIN_BASELINE_CALLS - size, a_day, MIN_BASELINE_CALLS)
    if missing := Baseline({}, observed).missing:
        at = later(look.when_observed(), enough)
        return look.lacking(reading.subject, missing, at)
    if size < MIN_BASELINE_CALLS:
        missing = f"{size} of {MIN_BASELINE_CALLS} calls in the baseline"
        return look.lacking(reading.subject, missing, enough)
    length = max(WINDOWS_H)
    peak = typical_peak({h: float(distributions.size(v)) for h, v in hours.items()}, length)
    calls, unit = round(peak), f"calls in {length} hours"
    if calls < MIN_CALLS:
        return look.lacking(reading.subject, f"{calls} of {MIN_CALLS} {unit} of a typical day")
    change = _smallest(look, before, hours, calls)
    usual = quantile(before, TAIL)
    return look.seeing(reading.subject, change, Unit.RATIO, usual, calls, unit, Unit.MS)


def _smallest(
    look: Look, before: Histogram, hours: Mapping[int, Histogram], calls: int
) -> float | None:
    """By how much all calls must be slower, in steps of the buckets of latencies."""
    threshold = look.context.option(THRESHOLD)
    routes: list[tuple[float, float, Usual]] = []
    for fraction, fewest in _ROUTES:
        line = math.sqrt(threshold) * quantile(before, fraction)
        beyond = [
            (distributions.count_above(each, line), float(distributions.size(each)))
            for each in hours.values()
        ]
        if calls >= fewest:
            routes.append((line, 1 - fraction, confidence.usual_share(beyond)))
    size = distributions.size(before)

    def is_seen(step: int) -> bool:
        return any(
            confidence.risen_above(
                calls * distributions.count_above(before, line / BASE**step) / size,
                calls,
                tolerated,
                usual,
                PRIOR,
            )
            >= look.minimum
            for line, tolerated, usual in routes
        )

    low = math.floor(math.log(threshold, BASE)) + 1
    step = smallest(low, math.ceil(math.log(_MOST_TIMES, BASE)), is_seen)
    return None if step is None else float(BASE**step)
