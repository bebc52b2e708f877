"""Slow-downs: calls of one kind take longer than they did, all of them or the slow tail.

Like is compared with like: one act and name (and model), p95 with p95. Two routes lead to a card:
*all of it* (calls beyond a line that lies above the usual median are suddenly the majority) and
*the tail* (calls beyond a line above the usual p95 are more than one in twenty). Failed calls are
left out: how long a failure takes is not the latency of the work.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median_low

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need, end_of
from tgt.analyzers.baseline import (
    RISING_DAYS,
    Baseline,
    before_it_rose,
    observed_before,
    outside_incidents,
    without_outages,
)
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import CALLS, TAIL, beyond
from tgt.analyzers.figures import duration, milliseconds
from tgt.analyzers.judgements import restated, severity_of, steps
from tgt.analyzers.shift import (
    FEWEST_CONVERSATIONS,
    MEDIAN,
    End,
    Shift,
    Values,
    across_conversations,
    beyond_by_hour,
    quantile,
    shifted,
)
from tgt.analyzers.signals import LATENCY
from tgt.analyzers.touched import harm_of
from tgt.config import Settings
from tgt.engine.protocol import DistributionReading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.stats.calibration import SLOWER
from tgt.stats.confidence import prior_of
from tgt.stats.distributions import Histogram
from tgt.stats.episodes import DAY_HOURS
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_CALLS = 20
MIN_TAIL_CALLS = 60
MIN_TAIL_CONVERSATIONS = 3
MIN_BASELINE_CALLS = 200
_ALL_FIRST = 0.1
"""So much less sure it is told that all calls are slower, rather than that the slow ones are."""
FAR_WEIGHT = 0.5
"""What calls far out show in the last hours is so much less likely beforehand for each of these
distances, whatever the window."""
FAR = (1, 2)
"""Calls are far out that take so many times the usual p95: these powers of the threshold."""
SLIGHT_MS, SLIGHT_SHARE = 500, 0.05
"""Less than so much more a call, and than this share of the time of its conversations, is slight.
"""
_SLIGHT = (
    f"low where a call takes less than {SLIGHT_MS} ms longer, and all that is less than"
    f" {SLIGHT_SHARE:.0%} of the time of its conversations"
)
WINDOWS_H = (2, 4, 8, 24)
"""Longer windows beside the run's own: a rare tool, or the slow tail, needs more calls."""
ENDS = (0.25, 0.5, 1.0)
"""Such parts of the run's window are looked at beside the whole and at the end of longer ones."""
RISING_H = 8
"""A window of at least so long is also compared with the time before a slow rise."""
A_HOUR = 0.003
"""Probability, before looking, that within an hour the latency of a subject changes."""
P95 = 1 - TAIL
FEWER = 0.9
"""An outage in a history hardly makes its p95 more than that of the time without it, so no more
than its p90."""

THRESHOLD = options.real(
    "TASKGEN_PERFORMANCE_THRESHOLD",
    1.5,
    "p95 latency against the p95 of the baseline",
    low=1,
    high=1000,
    above=True,
    by_subject=True,
)


class PerformanceAnalyzer:
    name = "performance"
    task_type = TaskType.PERFORMANCE
    summary = "their p95 latency is more than TASKGEN_PERFORMANCE_THRESHOLD times the usual one"
    options = (THRESHOLD,)
    needs = (Need("elapsed_ms IS NOT NULL", "no record tells how long it took"),)

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (LATENCY,)

    def analyze(self, context: Context) -> Analysis:
        windows = context.longer_windows(*WINDOWS_H)
        of_rising = next(each for each in windows if each.minutes >= 60 * RISING_H)

        past = _Past(context)
        ends = [end_of(context.window, part) for part in ENDS]

        def judge(window: Interval) -> Iterator[Judged]:
            for reading in context.snapshot.distribution(LATENCY, window, least=MIN_CALLS):
                builder = Builder(self, context, reading.subject, reading.window)
                shorter = [each for each in ends if each.start > window.start]
                yield reading.subject, _judge(builder, reading, past, shorter)
                if window == of_rising:
                    yield reading.subject, _risen_slowly(builder, reading, past)

        return look(windows, judge)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        return beyond(context, LATENCY, criterion, since, criterion.value, TAIL, CALLS)


class _Past:
    """The latencies before a run by the hour, of the few subjects that are slow enough to be asked
    for, and which of these hours are outages, and the latencies of ends of windows; of each it is
    asked once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._hours: dict[str, Mapping[int, Histogram]] = {}
        self._outages: dict[str, frozenset[int]] = {}
        self._ends: dict[Interval, dict[str, Histogram]] = {}

    def of(self, subject: str, hours: frozenset[int]) -> dict[int, Histogram]:
        if subject not in self._hours:
            snapshot, window = self._context.snapshot, self._context.window
            self._hours[subject] = snapshot.distribution_history(LATENCY, subject, window)
        return {hour: each for hour, each in self._hours[subject].items() if hour in hours}

    def end(self, subject: str, window: Interval) -> End:
        if window not in self._ends:
            readings = self._context.snapshot.distribution(LATENCY, window, least=sys.maxsize)
            self._ends[window] = {each.subject: each.now for each in readings}
        return End(window, self._ends[window].get(subject, {}), _prior(window))

    def quiet(self, subject: str, hours: frozenset[int]) -> frozenset[int]:
        """The hours without those of outages."""
        if subject not in self._outages:
            history = self.of(subject, hours)
            line = self._context.option(THRESHOLD, subject) * _good_p95(history)
            quiet = without_outages(hours, beyond_by_hour(history, line))
            self._outages[subject] = hours - quiet
        return hours - self._outages[subject]


def _prior(window: Interval) -> float:
    return prior_of(window.minutes / 60, A_HOUR)


def _judge(
    builder: Builder, reading: DistributionReading, past: _Past, ends: Sequence[Interval]
) -> Finding | Abstention | None:
    context, window = builder.context, reading.window
    calls = distributions.size(reading.now)
    if calls < MIN_CALLS:
        return builder.abstention(f"{calls} of {MIN_CALLS} calls")
    hours = outside_incidents(context, TaskType.PERFORMANCE, reading.subject, window)
    if missing := Baseline({}, hours).missing:
        return builder.abstention(missing)
    before = reading.before
    if hours != observed_before(context, window):
        before = distributions.merge(past.of(reading.subject, hours).values())
    size = distributions.size(before)
    if size < MIN_BASELINE_CALLS:
        return builder.abstention(f"{size} of {MIN_BASELINE_CALLS} calls in the baseline")
    threshold = context.option(THRESHOLD, reading.subject)
    values = Values(reading.now, before, {})
    if values.times_usual <= threshold and not _may_be_hidden(values, threshold):
        return None
    quiet = past.quiet(reading.subject, hours)
    values = replace(values, history=past.of(reading.subject, quiet))
    if quiet != hours:
        values = replace(values, before=distributions.merge(values.history.values()))
    if values.times_usual <= threshold:
        return None
    ends_told = [past.end(reading.subject, each) for each in ends]
    return _compared(builder, replace(values, ends=ends_told))


def _may_be_hidden(values: Values, threshold: float) -> bool:
    """Whether an outage in the history may be all that makes values look usual: it moves the p95
    and hardly the median."""
    medians = [quantile(each, MEDIAN) for each in (values.now, values.before)]
    is_slower = medians[0] > math.sqrt(threshold) * medians[1]
    return is_slower and values.p95 > threshold * quantile(values.before, FEWER)


def _risen_slowly(
    builder: Builder, reading: DistributionReading, past: _Past
) -> Finding | Abstention | None:
    """Calls that became slower from day to day, against the time before that. Each of these days is
    the usual of the next one, so against all of them they never stand out."""
    context, window = builder.context, reading.window
    threshold = context.option(THRESHOLD, reading.subject)
    if not distributions.size(reading.before):
        return None
    times = {f: quantile(reading.now, f) / quantile(reading.before, f) for f in (MEDIAN, P95)}
    fraction = max(times, key=times.__getitem__)
    if times[fraction] <= math.sqrt(threshold):
        return None
    hours = outside_incidents(context, TaskType.PERFORMANCE, reading.subject, window)
    history = past.of(reading.subject, hours)
    line = math.sqrt(threshold) * quantile(reading.before, fraction)
    shares = beyond_by_hour(history, line)
    share = distributions.count_above(reading.now, line) / distributions.size(reading.now)
    quiet = before_it_rose(shares, window, share)
    if quiet is None or Baseline({}, quiet).missing:
        return None
    earlier = {hour: each for hour, each in history.items() if hour in quiet}
    before = distributions.merge(earlier.values())
    if distributions.size(before) < MIN_BASELINE_CALLS:
        return None
    return _compared(builder, Values(reading.now, before, earlier), rising=history)


def _compared(
    builder: Builder, values: Values, *, rising: Mapping[int, Histogram] | None = None
) -> Finding | Abstention | None:
    """``rising`` is the whole history of what rose since that of the ``values``."""
    threshold = builder.context.option(THRESHOLD, builder.subject)
    if values.times_usual <= threshold:
        return None
    values, conversations = across_conversations(builder, LATENCY, values, threshold)
    if conversations < FEWEST_CONVERSATIONS:
        return builder.abstention(f"{conversations} of {FEWEST_CONVERSATIONS} conversations")
    if not values.times_usual > threshold:  # nor if none is left
        return None
    recent = _prior(builder.context.window) * FAR_WEIGHT
    far = {threshold**power: recent for power in FAR}
    routes = {"tail": (MIN_TAIL_CALLS, MIN_TAIL_CONVERSATIONS), "all": (MIN_CALLS, 0)}
    shifts = [
        shifted(
            builder,
            LATENCY,
            values,
            route,
            threshold,
            metric="p95_latency_ms",
            counted=lambda line: f"calls slower than {milliseconds(line)}",
            prior=_prior(builder.window),
            minimum=least,
            far=far if route == "tail" else {},
        )
        for route, least in routes.items()
    ]
    minimum = builder.context.settings.min_confidence
    stated = (restated(shift, SLOWER) for shift in shifts if shift)
    best = max(stated, key=lambda shift: _weight(shift, minimum), default=None)
    if best is None:
        return None
    if rising is not None:
        hours = {hour: quantile(each, P95) for hour, each in rising.items()}
        best = replace(best, hours=hours, details={**best.details, "risingDays": RISING_DAYS})
    high, critical = threshold * 1.3, threshold * 4 / 3
    severity = severity_of(values.times_usual, high=high, critical=critical)
    told = steps(lambda times: f"{times:.3g} times the usual p95", high=high, critical=critical)
    if _is_slight(builder, values):
        severity, told = Severity.LOW, _SLIGHT
    touched = best.touched(builder, harm_of(values.extra_ms / 1000 * best.calls_each))
    return builder.deferred(
        lambda: _finding(builder, values, best, severity, told, touched),
        best,
        severity=severity,
        touched=touched,
    )


def _weight(shift: Shift, minimum: float) -> tuple[bool, float]:
    """What is to be told first: where all calls may be slower, of course the slow ones are."""
    is_all = shift.route == "all"
    return shift.confidence >= minimum, shift.confidence + _ALL_FIRST * is_all


def _is_slight(builder: Builder, values: Values) -> bool:
    """Whether hardly anybody would notice, for all that it is a multiple of what is usual."""
    if values.extra_ms >= SLIGHT_MS:
        return False
    snapshot, subject = builder.context.snapshot, builder.subject
    spent = snapshot.time_spent(LATENCY, subject, builder.window)
    return spent.events * values.extra_ms < SLIGHT_SHARE * spent.ms


def _good_p95(history: Mapping[int, Histogram]) -> float:
    """The p95 of the better days: of the lower half of them the highest."""
    last = max(history)
    days: dict[int, list[Histogram]] = {}
    for hour, values in history.items():
        days.setdefault((last - hour) // DAY_HOURS, []).append(values)
    return median_low(quantile(distributions.merge(some), P95) for some in days.values())


def _finding(
    builder: Builder,
    values: Values,
    shift: Shift,
    severity: Severity,
    severity_rule: str,
    touched: Touched,
) -> Finding:
    name, usual = subjects.label(builder.subject), milliseconds(values.usual_p95)
    which = "All calls are slower" if shift.route == "all" else "The slow calls are slower"
    days = shift.details.get("risingDays")
    rising = f" It has become slower from day to day for {days} days." if days else ""
    return builder.finding(
        shift,
        builder.examples(LATENCY, beyond=shift.line),
        severity=severity,
        touched=touched,
        title=f"{name} has become slow",
        description=(
            f"The p95 latency of {name} is {milliseconds(values.p95)}, {values.times_usual:.1f}"
            f" times its usual {usual}, over {values.n} calls in the last"
            f" {duration(builder.window)}{values.left_out.told(CALLS)}. {which}.{rising}"
        ),
        fix=Fix(
            approach="profile_slow_calls",
            changes=(
                f"Compare the slow samples of {name} with fast calls: larger arguments, another"
                " host, a cold cache, a lock",
                f"Look for what changed when {name} became slow: a release, data growth, load",
                "Give slow work a time-out or a limit that the agent is told about",
            ),
            effort="2 hours",
        ),
        signal=LATENCY,
        beyond=shift.line,
        acceptance=(
            f"The p95 latency of {name} is below {milliseconds(shift.measure.limit)} over 24 hours",
        ),
        details={"extraMs": values.extra_ms, "severityRule": severity_rule},
    )
