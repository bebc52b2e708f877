"""Slow-downs: calls of one kind take longer than they did, all of them or the slow tail.

Like is compared with like: one act and name (and model), p95 with p95. Two routes lead to a card:
*all of it* (calls beyond a line that lies above the usual median are suddenly the majority) and
*the tail* (calls beyond a line above the usual p95 are more than one in twenty). Failed calls are
left out: how long a failure takes is not the latency of the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tgt.analyzers import base
from tgt.engine.protocol import LatencyReading, Measure
from tgt.events import Interval, from_us
from tgt.outcome import Abstention
from tgt.stats import confidence as statistics
from tgt.stats import distributions as histogram
from tgt.stats.distributions import Histogram
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType

MIN_CALLS = 20
MIN_TAIL_CALLS = 60
MIN_TAIL_CONVERSATIONS = 3
MIN_BASELINE_CALLS = 200
WINDOWS_H = (2, 4)
"""Longer windows beside the run's own: a rare tool, or the slow tail, needs more calls."""
PRIOR = 0.005
"""Probability, before looking at one window, that the latency of a subject has changed. Calibrated
with three windows, looked at every 15 minutes, to less than one false card in forty subject weeks.
"""
_MEDIAN, _TAIL = 0.5, 0.95
_NAMES = {"all": "median", "tail": "p95"}
_FRACTIONS = {"all": _MEDIAN, "tail": _TAIL}


@dataclass(frozen=True)
class _Judgement:
    route: str
    confidence: float
    line_ms: float
    k: float
    n: float
    usual: statistics.Usual
    effect: float


class PerformanceAnalyzer:
    name = "performance"

    def analyze(self, context: base.Context) -> base.Analysis:
        def judge(window: Interval) -> Iterator[tuple[str, Finding | Abstention | None]]:
            for reading in context.engine.latencies(window, MIN_CALLS):
                yield reading.subject, self._judge(context, reading)

        return base.look(context.longer_windows(*WINDOWS_H), judge)

    def _judge(self, context: base.Context, reading: LatencyReading) -> Finding | Abstention | None:
        calls = histogram.size(reading.now)
        if calls < MIN_CALLS:
            return Abstention(self.name, reading.subject, f"{calls} of {MIN_CALLS} calls")
        hours = base.outside_incidents(
            context, TaskType.PERFORMANCE, reading.subject, reading.window
        )
        if len(hours) < base.MIN_HOURS_OBSERVED:
            missing = f"{len(hours)} of {base.MIN_HOURS_OBSERVED} hours of baseline"
            return Abstention(self.name, reading.subject, missing)
        past = reading.past
        if hours != base.observed_before(context, reading.window):
            past = histogram.merge(_history(context, reading, hours).values())
        size = histogram.size(past)
        if size < MIN_BASELINE_CALLS:
            missing = f"{size} of {MIN_BASELINE_CALLS} calls in the baseline"
            return Abstention(self.name, reading.subject, missing)
        threshold = context.settings.performance_threshold
        p95, usual_p95 = _quantile(reading.now, _TAIL), _quantile(past, _TAIL)
        ratio = p95 / usual_p95
        if ratio <= threshold:
            return None
        history = _history(context, reading, hours)
        routes = (
            _route(context, reading, history, past, "tail", _TAIL),
            _route(context, reading, history, past, "all", _MEDIAN),
        )
        best = max((r for r in routes if r), key=lambda r: r.confidence, default=None)
        if best is None:
            return None
        if ratio >= threshold * 4 / 3:
            severity = Severity.CRITICAL
        elif ratio >= threshold * 1.3:
            severity = Severity.HIGH
        else:
            severity = Severity.MEDIUM
        return self._finding(context, reading, severity, best, history, past)

    def _finding(
        self,
        context: base.Context,
        reading: LatencyReading,
        severity: Severity,
        judged: _Judgement,
        history: Mapping[int, Histogram],
        past: Histogram,
    ) -> Finding:
        threshold = context.settings.performance_threshold
        window, subject = reading.window, reading.subject
        p95, usual_p95 = _quantile(reading.now, _TAIL), _quantile(past, _TAIL)
        ratio = p95 / usual_p95
        name = subject.partition("/")[2] or subject
        samples = context.engine.samples(
            subject, Measure.EVENTS, window, base.MAX_SAMPLES, above_ms=judged.line_ms
        )
        centre = context.engine.centre(subject, Measure.EVENTS, window, above_ms=judged.line_ms)
        calls = histogram.size(reading.now)
        which = "All calls are slower" if judged.route == "all" else "The slow calls are slower"
        return Finding(
            analyzer=self.name,
            type=TaskType.PERFORMANCE,
            subject=subject,
            severity=severity,
            title=f"{name} has become slow",
            description=(
                f"The p95 latency of {name} is {base.milliseconds(p95)},"
                f" {ratio:.1f} times its usual {base.milliseconds(usual_p95)}, over {calls} calls"
                f" in the last {base.duration(window)}. {which}."
            ),
            evidence=Evidence(
                metric="p95_latency_ms",
                current=base.milliseconds(p95),
                baseline=f"{base.milliseconds(usual_p95)} over {len(history)} h",
                threshold=f"{threshold:g} × usual ({base.milliseconds(threshold * usual_p95)})",
                time_window=base.duration(window),
                samples=base.describe_samples(samples),
                details={
                    "unit": "ms",
                    "value": base.number(p95),
                    "baselineValue": base.number(usual_p95),
                    "thresholdValue": base.number(threshold * usual_p95),
                    "ratio": base.number(ratio),
                    "n": calls,
                    "p50": base.number(_quantile(reading.now, _MEDIAN)),
                    "baselineP50": base.number(_quantile(past, _MEDIAN)),
                    "baselineCalls": histogram.size(past),
                    "baselineHours": len(history),
                    "route": judged.route,
                    "k": round(judged.k * judged.effect),
                    "expected": base.number(judged.usual.share * judged.n * judged.effect),
                    "designEffect": base.number(judged.effect),
                    "rule": (
                        f"calls slower than {base.milliseconds(judged.line_ms)} (the square"
                        " root of the threshold times the usual"
                        f" {_NAMES[judged.route]}) against their usual share"
                    ),
                    **_enough(context, judged, calls),
                    **base.chart(
                        {h: _quantile(counts, _TAIL) for h, counts in history.items()}, window, p95
                    ),
                },
            ),
            fix=Fix(
                approach="profile_slow_calls",
                changes=(
                    f"Compare the slow samples of {name} with fast calls: larger arguments,"
                    " another host, a cold cache, a lock",
                    f"Look for what changed when {name} became slow: a release, data growth, load",
                    "Give slow work a time-out or a limit that the agent is told about",
                ),
                effort="2 hours",
            ),
            acceptance=(
                f"The p95 latency of {name} is below {base.milliseconds(threshold * usual_p95)}"
                " over 24 hours",
            ),
            confidence=judged.confidence,
            impact=min(1.0, judged.k / judged.n),
            centre=None if centre is None else from_us(centre),
            related_events=base.event_ids(samples),
        )


def _history(
    context: base.Context, reading: LatencyReading, hours: frozenset[int]
) -> dict[int, Histogram]:
    """The latencies of these hours, which few subjects are slow enough to be asked for."""
    found = context.engine.latency_history(reading.subject, reading.window)
    return {hour: counts for hour, counts in found.items() if hour in hours}


def _quantile(counts: Histogram, fraction: float) -> float:
    value = histogram.quantile(counts, fraction)
    return value if value is not None else math.nan


def _route(
    context: base.Context,
    reading: LatencyReading,
    history: Mapping[int, Histogram],
    past: Histogram,
    route: str,
    fraction: float,
) -> _Judgement | None:
    """How sure it is that the quantile has risen by more than the square root of the threshold.

    The quantile lies beyond a line exactly when more than 1 - fraction of the calls do, so the
    question is about a share: usually it is what the baseline's hours say.
    """
    threshold = context.settings.performance_threshold
    line_ms = math.sqrt(threshold) * _quantile(past, fraction)
    calls = histogram.size(reading.now)
    slow = context.engine.slower_than(reading.subject, reading.window, line_ms)
    few = slow.units < MIN_TAIL_CONVERSATIONS and not slow.by_event
    if route == "tail" and (calls < MIN_TAIL_CALLS or few):
        return None
    effect = statistics.shrunk_design_effect(slow.clusters, statistics.Clusters())
    usual = statistics.usual_share(
        [
            (histogram.count_above(counts, line_ms), float(histogram.size(counts)))
            for counts in history.values()
        ],
        design_effect=effect,
    )
    k = histogram.count_above(reading.now, line_ms) / effect
    n = calls / effect
    sure = base.capped(
        statistics.risen_above(k, n, 1 - fraction, usual, PRIOR), by_event=slow.by_event
    )
    return _Judgement(route, sure, line_ms, k, n, usual, effect)


def _enough(context: base.Context, judged: _Judgement, calls: int) -> dict[str, str]:
    beyond = 1 - _FRACTIONS[judged.route]
    return base.enough(
        calls,
        lambda slow: statistics.risen_above(
            slow / judged.effect, judged.n, beyond, judged.usual, PRIOR
        ),
        context.settings.min_confidence,
        f"calls slower than {base.milliseconds(judged.line_ms)}",
    )
