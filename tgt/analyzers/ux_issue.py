"""Conversations that go badly: given up, kept waiting, or full of errors.

Only conversations that are over are judged, each whole, in the window in which it ended. The
three questions are asked together, so the confidence allows for three looks, and every one that
is answered with yes is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

from tgt.analyzers import base
from tgt.config import Settings
from tgt.engine.protocol import Measure, Reading, Signal
from tgt.events import from_us
from tgt.outcome import Abstention
from tgt.stats import confidence
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType

MIN_CONVERSATIONS = 10
MIN_BAD = 3
PRIOR = 0.02 / 3
"""Probability, before looking, that one of the three shares has just changed."""


@dataclass(frozen=True)
class _Question:
    """One share of conversations: its limit, the limits of severities, and its words."""

    signal: Signal
    metric: str
    threshold: float
    high: float
    critical: float
    title: str
    what: str
    changes: tuple[str, ...]

    def severity(self, share: float) -> Severity:
        if share >= self.critical - _ROUNDING:
            return Severity.CRITICAL
        return Severity.HIGH if share >= self.high - _ROUNDING else Severity.MEDIUM


_NEVER = 2.0  # no share reaches it
_ROUNDING = 1e-12  # 0.2 * 3 / 2 is a little more than 0.3


def _above(limit: float) -> float:
    """``> limit`` for a comparison with ``>=``."""
    return limit + 1e-9


def questions(settings: Settings) -> tuple[_Question, ...]:
    abort = settings.ux_abort_threshold
    return (
        _Question(
            Signal("aborts", Measure.FINISHED, Measure.ABORTED),
            "aborted_share",
            abort,
            abort * 3 / 2,
            abort * 7 / 4,
            "Conversations are given up",
            "ended without an answer that finished, or were cancelled",
            (
                "Read three of the conversations from the last event backwards: what was awaited?",
                "If a tool or the model failed, tell the user so and offer a next step",
                "If they waited, show progress or answer in parts",
            ),
        ),
        _Question(
            Signal("long waits", Measure.FINISHED, Measure.WAITED),
            "long_wait_share",
            0.15,
            _above(0.30),
            _NEVER,
            "Users wait long for an answer",
            "had a wait of more than 8 seconds",
            (
                "See which step takes the time: the model, one tool, or many rounds of tools",
                "Stream the answer, or say what is being done",
                "Give slow tools a time-out and a cheaper alternative",
            ),
        ),
        _Question(
            Signal("error-heavy", Measure.FINISHED, Measure.ERROR_HEAVY),
            "error_heavy_share",
            0.25,
            _above(0.40),
            _NEVER,
            "Conversations are full of errors",
            "had errors in more than 30% of their events",
            (
                "Look at which errors are repeated within one conversation",
                "Stop retrying what cannot succeed; tell the agent why it failed",
                "See the cards of error spikes for the tools concerned",
            ),
        ),
    )


class UxIssueAnalyzer:
    name = "ux_issue"

    def analyze(self, context: base.Context) -> base.Analysis:
        findings = []
        for question in questions(context.settings):
            reading = context.engine.conversations(question.signal, context.window)
            if reading.now.n < MIN_CONVERSATIONS:
                reason = f"{reading.now.n} of {MIN_CONVERSATIONS} finished conversations"
                return base.Analysis((), (Abstention(self.name, "conversations", reason),))
            finding = self._judge(context, question, reading)
            if finding:
                findings.append(finding)
        return base.Analysis(tuple(findings))

    def _judge(
        self, context: base.Context, question: _Question, reading: Reading
    ) -> Finding | None:
        now, window = reading.now, reading.window
        share = now.k / now.n
        if now.k < MIN_BAD or share <= question.threshold:
            return None
        history = base.baseline_of(context, TaskType.UX, reading.subject, window, reading.history)
        usual = None
        if history.observed >= base.MIN_HOURS_OBSERVED and history.n >= MIN_CONVERSATIONS:
            usual = confidence.usual_share([(t.k, t.n) for t in history.hours.values()])
        sure = confidence.lies_above(now.k, now.n, question.threshold, usual, PRIOR)
        low, high = confidence.interval(now.k, now.n)
        samples = context.engine.samples(
            reading.subject, question.signal.counted, window, base.MAX_SAMPLES
        )
        centre = context.engine.centre(reading.subject, question.signal.counted, window)
        return Finding(
            analyzer=self.name,
            type=TaskType.UX,
            subject=reading.subject,
            severity=question.severity(share),
            title=question.title,
            description=(
                f"{now.k} of {now.n} conversations ({base.percent(share)}) that ended in the last"
                f" {base.duration(window)} {question.what}; {base.percent(question.threshold)} is"
                " tolerated."
            ),
            evidence=Evidence(
                metric=question.metric,
                current=base.percent(share),
                baseline=base.usual_text(usual, history.observed) if usual else None,
                threshold=base.percent(question.threshold),
                time_window=base.duration(window),
                samples=base.describe_samples(samples),
                details={
                    "unit": "share",
                    "value": base.number(share),
                    "baselineValue": base.number(usual.share) if usual else None,
                    "thresholdValue": question.threshold,
                    "n": now.n,
                    "k": now.k,
                    "conversations": now.n,
                    "interval": [base.number(low), base.number(high)],
                    "baselineHours": history.observed,
                    "rule": "share of the finished conversations, each judged whole",
                    "windows": [
                        {
                            "hours": base.number(window.minutes / 60),
                            "confidence": base.number(sure),
                        }
                    ],
                    **base.enough(
                        now.n,
                        lambda bad: confidence.lies_above(
                            bad, now.n, question.threshold, usual, PRIOR
                        ),
                        context.settings.min_confidence,
                        "such conversations",
                        least=max(MIN_BAD - 1, question.threshold * now.n),
                    ),
                    **base.chart(
                        {h: t.k / t.n for h, t in reading.history.items() if t.n}, window, share
                    ),
                },
            ),
            fix=Fix(approach="improve_conversations", changes=question.changes, effort="2 hours"),
            acceptance=(
                f"At most {base.percent(question.threshold)} of the conversations"
                f" {question.what} over 24 hours",
            ),
            confidence=sure,
            impact=share,
            centre=None if centre is None else from_us(centre),
            related_events=base.event_ids(samples),
        )
