"""Slow-downs: calls of one kind take longer than they did, all of them or the slow tail.

Like is compared with like: one act and name (and model), p95 with p95. Two routes lead to a card:
*all of it* (calls beyond a line that lies above the usual median are suddenly the majority) and
*the tail* (calls beyond a line above the usual p95 are more than one in twenty). Failed calls are
left out: how long a failure takes is not the latency of the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.baseline import Baseline, observed_before, outside_incidents
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import CALLS, TAIL, beyond
from tgt.analyzers.figures import duration, milliseconds
from tgt.analyzers.judgements import severity_of, steps
from tgt.analyzers.shift import Shift, Values, shifted
from tgt.analyzers.signals import LATENCY
from tgt.analyzers.touched import harm_of
from tgt.config import Settings
from tgt.engine.protocol import DistributionReading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.stats.distributions import Histogram
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_CALLS = 20
MIN_TAIL_CALLS = 60
MIN_TAIL_CONVERSATIONS = 3
MIN_BASELINE_CALLS = 200
SLIGHT_MS, SLIGHT_SHARE = 500, 0.05
"""Less than so much more a call, and than this share of the time of its conversations, is slight.
"""
_SLIGHT = (
    f"low where a call takes less than {SLIGHT_MS} ms longer, and all that is less than"
    f" {SLIGHT_SHARE:.0%} of the time of its conversations"
)
WINDOWS_H = (2, 4)
"""Longer windows beside the run's own: a rare tool, or the slow tail, needs more calls."""
PRIOR = 0.005
"""Probability, before looking at one window, that the latency of a subject has changed. Calibrated
with three windows, looked at every 15 minutes, to less than one false card in forty subject weeks.
"""

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
        def judge(window: Interval) -> Iterator[Judged]:
            for reading in context.snapshot.distribution(LATENCY, window, least=MIN_CALLS):
                builder = Builder(self, context, reading.subject, reading.window)
                yield reading.subject, _judge(builder, reading)

        return look(context.longer_windows(*WINDOWS_H), judge)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        return beyond(context, LATENCY, criterion, since, criterion.value, TAIL, CALLS)


def _judge(builder: Builder, reading: DistributionReading) -> Finding | Abstention | None:
    context, window = builder.context, reading.window
    calls = distributions.size(reading.now)
    if calls < MIN_CALLS:
        return builder.abstention(f"{calls} of {MIN_CALLS} calls")
    hours = outside_incidents(context, TaskType.PERFORMANCE, reading.subject, window)
    if missing := Baseline({}, hours).missing:
        return builder.abstention(missing)
    before = reading.before
    if hours != observed_before(context, window):
        before = distributions.merge(_history(builder, hours).values())
    size = distributions.size(before)
    if size < MIN_BASELINE_CALLS:
        return builder.abstention(f"{size} of {MIN_BASELINE_CALLS} calls in the baseline")
    values = Values(reading.now, before, {})
    threshold = context.option(THRESHOLD, reading.subject)
    if values.times_usual <= threshold:
        return None
    values = replace(values, history=_history(builder, hours))
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
            prior=PRIOR,
            minimum=minimum,
        )
        for route, minimum in routes.items()
    ]
    best = max(filter(None, shifts), key=lambda shift: shift.confidence, default=None)
    if best is None:
        return None
    high, critical = threshold * 1.3, threshold * 4 / 3
    severity = severity_of(values.times_usual, high=high, critical=critical)
    told = steps(lambda times: f"{times:.3g} times the usual p95", high=high, critical=critical)
    if _is_slight(builder, values):
        severity, told = Severity.LOW, _SLIGHT
    touched = best.touched(builder, harm_of(values.extra_ms / 1000 * best.calls_each))
    return builder.deferred(
        lambda: _finding(builder, values, best, severity, told, touched),
        confidence=best.confidence,
        severity=severity,
        touched=touched,
    )


def _is_slight(builder: Builder, values: Values) -> bool:
    """Whether hardly anybody would notice, for all that it is a multiple of what is usual."""
    if values.extra_ms >= SLIGHT_MS:
        return False
    snapshot, subject = builder.context.snapshot, builder.subject
    spent = snapshot.time_spent(LATENCY, subject, builder.window)
    return spent.events * values.extra_ms < SLIGHT_SHARE * spent.ms


def _history(builder: Builder, hours: frozenset[int]) -> dict[int, Histogram]:
    """The latencies of these hours, which few subjects are slow enough to be asked for."""
    snapshot = builder.context.snapshot
    history = snapshot.distribution_history(LATENCY, builder.subject, builder.window)
    return {hour: each for hour, each in history.items() if hour in hours}


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
    return builder.finding(
        shift,
        builder.examples(LATENCY, beyond=shift.line),
        severity=severity,
        touched=touched,
        title=f"{name} has become slow",
        description=(
            f"The p95 latency of {name} is {milliseconds(values.p95)}, {values.times_usual:.1f}"
            f" times its usual {usual}, over {values.n} calls in the last"
            f" {duration(builder.window)}. {which}."
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
