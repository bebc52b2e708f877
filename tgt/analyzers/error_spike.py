"""Error spikes: a subject fails in many more conversations than it usually does.

Conversations are counted, not errors: one bad conversation writes forty. A failure outside any
tool (an API, an error event) has all conversations as its exposure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from tgt import options, subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.baseline import Baseline, baseline_of
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.exposure import Exposure, exposure_of, mostly_failing, risen
from tgt.analyzers.figures import duration, percent
from tgt.analyzers.judgements import Judgement, severity_of
from tgt.analyzers.signals import FAILURE, TRAFFIC
from tgt.config import Settings
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats.confidence import interval
from tgt.tasks.card import Finding, Fix, Severity, TaskType

MIN_ERRORS = 5
MIN_CONVERSATIONS = 3
MIN_BASELINE_FAILING = 20
MIN_BASELINE_UNITS = 200
MIN_NEW_CALLS = 20
CRITICAL_TAIL = 1e-4
WINDOWS_H = (2, 4, 8, 24)
"""Longer windows beside the run's own: low traffic and small rises need them."""
PRIOR = 0.005
"""Probability, before looking at one window, that a subject fails more than usual. Calibrated with
five windows, looked at every 15 minutes, to one false card in about seventy subject weeks."""

MULTIPLIER = options.real(
    "TASKGEN_ERROR_SPIKE_MULTIPLIER",
    3.0,
    "failing share of conversations against the subject's own baseline",
    low=1,
    high=1000,
    above=True,
)


class ErrorSpikeAnalyzer:
    name = "error_spike"
    task_type = TaskType.ERROR_SPIKE
    summary = "the failing share is more than TASKGEN_ERROR_SPIKE_MULTIPLIER times the usual one"
    options = (MULTIPLIER,)
    needs = (Need("failed IS NOT NULL", "no record tells whether it failed"),)

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (FAILURE, TRAFFIC)

    def analyze(self, context: Context) -> Analysis:
        def judge(window: Interval) -> Iterator[Judged]:
            for reading in context.snapshot.counts(FAILURE, window, history=_has_errors):
                if _has_errors(reading.now):
                    yield reading.subject, self._judge(context, reading)

        return look(context.longer_windows(*WINDOWS_H), judge)

    def _judge(self, context: Context, reading: Reading) -> Finding | Abstention | None:
        builder = Builder(self, context, reading.subject, reading.window)
        now = reading.now
        if now.bad_conversations < MIN_CONVERSATIONS and not now.by_event:
            reason = f"{now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
            return builder.abstention(f"{now.k} errors in {reason}")
        history = baseline_of(context, self.task_type, reading)
        exposure = exposure_of(context, reading, history)
        few = history.bad_units < MIN_BASELINE_FAILING and exposure.size < MIN_BASELINE_UNITS
        missing = history.missing
        if few and not missing:
            missing = f"{exposure.size:.0f} of {MIN_BASELINE_UNITS} {exposure.unit} in the baseline"
        if missing:
            verdict = _first_day(now, exposure)
        else:
            verdict = _compared(exposure, history, context.option(MULTIPLIER))
        if verdict is None:
            return builder.abstention(missing) if missing else None
        return _finding(builder, reading, exposure, history, *verdict)


_Verdict: TypeAlias = tuple[Judgement, Severity, str]
"""What was judged, how bad it is, and how that is said."""


def _first_day(now: Counts, exposure: Exposure) -> _Verdict | None:
    """With too little history only what mostly fails is certain enough."""
    is_enough = now.n >= MIN_NEW_CALLS and now.k * 2 > now.n
    judgement = mostly_failing(exposure) if is_enough else None
    if judgement is None:
        return None
    severity = severity_of(exposure.share, high=0, critical=0.9)
    return judgement, severity, "fails most of the time, and there is no history to compare with"


def _compared(exposure: Exposure, history: Baseline, multiplier: float) -> _Verdict | None:
    rise = risen(exposure, history, multiplier, PRIOR)
    if rise is None:
        return None
    severity = severity_of(rise.times, high=multiplier * 3 / 2, critical=multiplier * 5 / 3)
    if severity is Severity.CRITICAL and rise.tail >= CRITICAL_TAIL:
        severity = Severity.HIGH
    return rise, severity, f"fails {rise.times:.1f} times as often as usual"


def _has_errors(now: Counts) -> bool:
    return now.k >= MIN_ERRORS


def _finding(
    builder: Builder,
    reading: Reading,
    exposure: Exposure,
    history: Baseline,
    judgement: Judgement,
    severity: Severity,
    what: str,
) -> Finding:
    now, name = reading.now, subjects.label(reading.subject)
    examples = builder.examples(FAILURE)
    types = {each.values["errorType"] for each in examples.samples if "errorType" in each.values}
    kinds = sorted(map(str, types))
    return builder.finding(
        replace(judgement, hours=_charted(history, by_event=exposure.by_event)),
        examples,
        severity=severity,
        impact=exposure.share,
        title=f"Errors of {name}",
        description=(
            f"{name} {what}: {now.k} errors in the last {duration(reading.window)},"
            f" {exposure.failing} of {exposure.exposed} {exposure.unit} that used it"
            f" ({percent(exposure.share)})."
        ),
        fix=Fix(
            approach="find_common_cause",
            changes=(
                f"Open the samples and compare what they asked of {name}"
                + (f" ({', '.join(kinds)})" if kinds else ""),
                f"Look for what changed when the errors of {name} began: a release, a permission,"
                " a quota, a dependency",
                f"Make {name} say what is wrong and what to do instead, so that the agent can"
                " recover",
            ),
            effort="1 hour",
        ),
        acceptance=(
            f"The share of conversations in which {name} fails is back at its usual level over 24"
            " hours",
            "The cause is covered by a test",
        ),
        details={
            "baselineHours": history.observed,
            "n": exposure.exposed,
            "k": exposure.failing,
            "errors": now.k,
            "calls": now.n,
            "conversations": examples.conversations,
            "failingConversations": now.bad_conversations,
            "interval": interval(exposure.failing, exposure.exposed),
            "errorTypes": kinds,
        },
    )


def _charted(history: Baseline, *, by_event: bool) -> dict[int, float]:
    """The failing share of those that used it themselves, by the clock hour."""
    return {
        hour: each.k / each.n if by_event else each.bad_units / each.units
        for hour, each in history.hours.items()
        if (each.n if by_event else each.units)
    }
