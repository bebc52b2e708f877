"""Error spikes: a subject fails in many more conversations than it usually does.

Conversations are counted, not errors: one bad conversation writes forty. A failure outside any
tool (an API, an error event) has all conversations as its exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tgt.analyzers import base
from tgt.engine.protocol import FAILURE, Measure, Reading, Tally
from tgt.events import Interval, from_us
from tgt.outcome import Abstention
from tgt.stats import confidence
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType

MIN_ERRORS = 5
MIN_CONVERSATIONS = 3
MIN_BASELINE_FAILING = 20
MIN_BASELINE_UNITS = 200
MIN_NEW_CALLS = 20
MOSTLY_FAILS = 0.95
CRITICAL_TAIL = 1e-4
WINDOWS_H = (2, 4, 8, 24)
"""Longer windows beside the run's own: low traffic and small rises need them."""
PRIOR = 0.005
"""Probability, before looking at one window, that a subject fails more than usual. Calibrated with
five windows, looked at every 15 minutes, to one false card in about seventy subject weeks."""


@dataclass(frozen=True)
class _Exposure:
    """F of N units failed now; what is usual; whether the units are conversations."""

    failing: int
    exposed: int
    history: base.Baseline
    hours: tuple[tuple[float, float], ...]
    unit: str


class ErrorSpikeAnalyzer:
    name = "error_spike"

    def analyze(self, context: base.Context) -> base.Analysis:
        def judge(window: Interval) -> Iterator[tuple[str, Finding | Abstention | None]]:
            traffic = context.engine.traffic(window)
            for reading in context.engine.shares(FAILURE, window, MIN_ERRORS):
                yield reading.subject, self._judge(context, reading, traffic)

        return base.look(context.longer_windows(*WINDOWS_H), judge)

    def _judge(
        self, context: base.Context, reading: Reading, traffic: Reading
    ) -> Finding | Abstention | None:
        now = reading.now
        if now.k < MIN_ERRORS:
            return None
        if now.bad_conversations < MIN_CONVERSATIONS and not now.by_event:
            reason = (
                f"{now.k} errors in {now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
            )
            return Abstention(self.name, reading.subject, reason)
        exposure = _exposure(context, reading, traffic)
        history = exposure.history
        if history.observed < base.MIN_HOURS_OBSERVED:
            missing = f"{history.observed} of {base.MIN_HOURS_OBSERVED} hours of baseline"
            return self._first_day(context, reading, exposure, missing)
        if history.bad_units < MIN_BASELINE_FAILING and _size(exposure) < MIN_BASELINE_UNITS:
            missing = (
                f"{_size(exposure):.0f} of {MIN_BASELINE_UNITS} {exposure.unit} in the baseline"
            )
            return self._first_day(context, reading, exposure, missing)
        usual = confidence.usual_share(exposure.hours)
        multiplier = context.settings.error_spike_multiplier
        ratio = exposure.failing / exposure.exposed / usual.share
        if ratio <= multiplier:
            return None
        line = min(math.sqrt(multiplier) * usual.share, 1 - 1e-9)
        sure = confidence.risen_above(exposure.failing, exposure.exposed, line, usual, PRIOR)
        expected = usual.share * exposure.exposed
        tail = confidence.negative_binomial_tail(exposure.failing, expected, 1 / usual.dispersion)
        if ratio >= multiplier * 5 / 3 and tail < CRITICAL_TAIL:
            severity = Severity.CRITICAL
        elif ratio >= multiplier * 3 / 2:
            severity = Severity.HIGH
        else:
            severity = Severity.MEDIUM
        details = {
            "unit": "ratio",
            "value": base.number(ratio),
            "baselineValue": 1.0,
            "thresholdValue": multiplier,
            "expected": base.number(expected),
            "tail": float(f"{tail:.1e}"),
            "baselineShare": base.number(usual.share),
            "baselineHours": history.observed,
            "rule": (
                f"failing share of the {exposure.unit} that used it, against its own baseline"
                " (beta-binomial, with the baseline's variation from hour to hour)"
            ),
            **base.enough(
                exposure.exposed,
                lambda failing: base.capped(
                    confidence.risen_above(failing, exposure.exposed, line, usual, PRIOR),
                    by_event=now.by_event,
                ),
                context.settings.min_confidence,
                f"failing {exposure.unit}",
                least=multiplier * expected,
            ),
        }
        return self._finding(
            context,
            reading,
            exposure,
            severity,
            base.capped(sure, by_event=now.by_event),
            f"fails {ratio:.1f} times as often as usual",
            base.usual_text(usual, history.observed),
            f"{multiplier:g} × usual",
            details,
        )

    def _first_day(
        self, context: base.Context, reading: Reading, exposure: _Exposure, missing: str
    ) -> Finding | Abstention:
        """With too little history only what mostly fails is certain enough."""
        now = reading.now
        sure = confidence.share_above(exposure.failing, exposure.exposed, 0.5)
        if now.n < MIN_NEW_CALLS or sure < MOSTLY_FAILS or now.k * 2 <= now.n:
            return Abstention(self.name, reading.subject, missing)
        share = exposure.failing / exposure.exposed
        return self._finding(
            context,
            reading,
            exposure,
            Severity.CRITICAL if share >= 0.9 else Severity.HIGH,  # noqa: PLR2004
            base.capped(sure, by_event=now.by_event),
            "fails most of the time, and there is no history to compare with",
            None,
            "50% of calls (no baseline)",
            {
                "unit": "share",
                "value": base.number(share),
                "baselineValue": None,
                "thresholdValue": 0.5,
                "baselineHours": exposure.history.observed,
                "rule": "more than half of the uses fail; too little history for a comparison",
                **base.enough(
                    exposure.exposed,
                    lambda failing: confidence.share_above(failing, exposure.exposed, 0.5),
                    MOSTLY_FAILS,
                    f"failing {exposure.unit}",
                    least=exposure.exposed / 2,
                ),
            },
        )

    def _finding(
        self,
        context: base.Context,
        reading: Reading,
        exposure: _Exposure,
        severity: Severity,
        sure: float,
        what: str,
        usual: str | None,
        threshold: str,
        details: Mapping[str, object],
    ) -> Finding:
        now, window, subject = reading.now, reading.window, reading.subject
        name = subject.partition("/")[2] or subject
        samples = context.engine.samples(subject, Measure.ERRORS, window, base.MAX_SAMPLES)
        centre = context.engine.centre(subject, Measure.ERRORS, window)
        low, high = confidence.interval(exposure.failing, exposure.exposed)
        share = exposure.failing / exposure.exposed
        common = sorted({str(s.values["errorType"]) for s in samples if "errorType" in s.values})
        return Finding(
            analyzer=self.name,
            type=TaskType.ERROR_SPIKE,
            subject=subject,
            severity=severity,
            title=f"Errors of {name}",
            description=(
                f"{name} {what}: {now.k} errors in the last {base.duration(window)},"
                f" {exposure.failing} of {exposure.exposed} {exposure.unit} that used it"
                f" ({base.percent(share)})."
            ),
            evidence=Evidence(
                metric="failing_conversations"
                if exposure.unit == "conversations"
                else "failing_share",
                current=base.percent(share),
                baseline=usual,
                threshold=threshold,
                time_window=base.duration(window),
                samples=base.describe_samples(samples),
                details={
                    **details,
                    "n": exposure.exposed,
                    "k": exposure.failing,
                    "errors": now.k,
                    "calls": now.n,
                    "conversations": context.engine.breadth(FAILURE, subject, window),
                    "failingConversations": now.bad_conversations,
                    "interval": [base.number(low), base.number(high)],
                    "errorTypes": common,
                    **base.chart(
                        _hourly_ratio(exposure, details), window, float(str(details["value"]))
                    ),
                },
            ),
            fix=Fix(
                approach="find_common_cause",
                changes=(
                    f"Open the samples and compare what they asked of {name}"
                    + (f" ({', '.join(common)})" if common else ""),
                    f"Look for what changed when the errors of {name} began: a release, a"
                    " permission, a quota, a dependency",
                    f"Make {name} say what is wrong and what to do instead, so that the agent can"
                    " recover",
                ),
                effort="1 hour",
            ),
            acceptance=(
                f"The share of conversations in which {name} fails is back at its usual level"
                " over 24 hours",
                "The cause is covered by a test",
            ),
            confidence=sure,
            impact=share,
            centre=None if centre is None else from_us(centre),
            related_events=base.event_ids(samples),
        )


def _exposure(context: base.Context, reading: Reading, traffic: Reading) -> _Exposure:
    now = reading.now
    history = base.baseline_of(
        context, TaskType.ERROR_SPIKE, reading.subject, reading.window, reading.history
    )
    if now.by_event:
        hours = tuple((float(t.k), float(t.n)) for t in history.hours.values())
        return _Exposure(now.k, now.n, history, hours, "events")
    if _has_own_uses(reading):
        hours = tuple((float(t.bad_units), float(t.units)) for t in history.hours.values())
        return _Exposure(now.bad_units, now.units, history, hours, "conversations")
    none = Tally()
    hours = tuple(
        (
            float(history.hours.get(hour, none).bad_units),
            float(max(traffic.history.get(hour, none).units, history.hours.get(hour, none).units)),
        )
        for hour in history.observed_hours
    )
    exposed = max(traffic.now.units, now.units)
    return _Exposure(now.bad_units, exposed, history, hours, "conversations")


def _has_own_uses(reading: Reading) -> bool:
    """Whether the subject also succeeds; else it is a mere error, and anything may meet it."""
    if reading.subject.startswith(("tool_call/", "assistant_response")):
        return True
    return reading.now.n > reading.now.k or any(t.n > t.k for t in reading.history.values())


def _size(exposure: _Exposure) -> float:
    return sum(n for _, n in exposure.hours)


def _hourly_ratio(exposure: _Exposure, details: Mapping[str, object]) -> dict[int, float | None]:
    """The charted metric for the hours of the baseline: a ratio, or a share without baseline."""
    usual = details.get("baselineShare")
    scale = float(str(usual)) if usual else 1.0
    by_event = exposure.unit == "events"
    values: dict[int, float | None] = {}
    for hour, tally in exposure.history.hours.items():
        exposed = tally.n if by_event else tally.units
        failing = tally.k if by_event else tally.bad_units
        values[hour] = failing / exposed / scale if exposed else None
    return values
